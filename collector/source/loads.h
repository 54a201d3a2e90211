/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often an object of kernel programs was loaded, and what became of it: ebpf.core.load. The
 * process' own numbers, since whoever loads may be any thread, and a tier that could not be opened
 * leaves nothing else behind. Trials of single programs (trial.h) are no loads. Any thread.
 */
#pragma once

#include <stdint.h>

#include "bpf/abi.h"

enum eye_asset {
    EYE_ASSET_TIER, /* the object of the tier socket-storage */
    EYE_ASSET_ROWS, /* of single connections */
    EYE_ASSET_BEFORE_PROTOCOLS = EYE_ASSET_ROWS,
#define X(identifier, name) EYE_ASSET_##name,
    EYE_PROTOCOLS(X)
#undef X
        EYE_ASSET_COUNT,
};

/* X(identifier, name) */
#define EYE_LOAD_RESULTS(X)                                                                        \
    X(SUCCESS, "success")     /* against the kernel's own BTF: there is no other */                \
    X(NOT_TRIED, "not_tried") /* a feature is missing that nothing can be loaded without */        \
    X(NO_BTF, "no_btf")       /* the kernel's BTF could not be read */                             \
    X(NO_RIGHTS, "no_rights") /* EPERM */                                                          \
    X(NO_MEMORY, "no_memory") /* or no more open files */                                          \
    X(REFUSED, "refused")     /* by libbpf or the verifier; the log says why */

enum eye_load_result {
#define X(identifier, name) EYE_LOAD_##identifier,
    EYE_LOAD_RESULTS(X)
#undef X
        EYE_LOAD_RESULT_COUNT,
};

/** As the tags have it. */
const char *eye_asset_name(enum eye_asset asset);
const char *eye_load_result_name(enum eye_load_result result);

/** The object of a protocol. */
enum eye_asset eye_asset_of(enum eye_protocol protocol);

/** Counts a load that ended with @result, 0 or -errno; returns it. */
int eye_load_note(enum eye_asset asset, int result);

/** Counts one that was not tried. */
void eye_load_note_not_tried(enum eye_asset asset);

/** How many ended that way. */
uint64_t eye_load_count(enum eye_asset asset, enum eye_load_result result);
