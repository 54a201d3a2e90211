/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side as one object: programs loaded and attached, rings read, the live iterator run,
 * losses counted. Shared by tracer and usm because both live on one socket-storage map. Opened by
 * the main thread; from then on the collector thread's.
 *
 * Nothing is pinned: on any exit, a crash included, the kernel detaches everything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "collector/base/error.h"
#include "collector/host/features.h"
#include "collector/source/rings.h"
#include "collector/source/socket_storage/programs.h"
#include "config/config.h"

struct eye_kernel;

/**
 * Loads, attaches and seeds sockets that exist already, in every network namespace. @features: with
 * all that is needed for everything; the kernel's own until it is closed. What this kernel or host
 * refuses is done without, as long as connections are seen: eye_kernel_shortcomings(). 0 or -errno;
 * @ret_error then says what is missing and what to do, in one line.
 */
int eye_kernel_open(struct eye_features *features, struct eye_kernel **ret_kernel,
                    struct eye_error *ret_error);
void eye_kernel_close(struct eye_kernel *kernel);

/** At most one for each ability and one for each feature. */
#define EYE_SHORTCOMINGS_MAX (EYE_ABILITY_COUNT + EYE_FEATURE_COUNT)

/** How many things could not be seen at the start; each as one line: what is lost, why, what to do.
 */
size_t eye_kernel_shortcomings(const struct eye_kernel *kernel);
const char *eye_kernel_shortcoming(const struct eye_kernel *kernel, size_t index);

/** Whether everything that the configuration asks for is attached now. */
bool eye_kernel_is_whole(const struct eye_kernel *kernel);

/**
 * Attaches what could not be attached before, once: an exclusive program may have gone, a cgroup v2
 * tree may be mounted by now. True when protocols are seen from now on.
 */
bool eye_kernel_retry(struct eye_kernel *kernel);

/** When the programs began to see; what older sockets sent before does not count. Monotonic. */
uint64_t eye_kernel_since_ns(const struct eye_kernel *kernel);

/** Its rings: handlers are set before the first drain. */
struct eye_rings *eye_kernel_rings(struct eye_kernel *kernel);

/**
 * Looks at every socket of every namespace with the live iterator. @pass: see
 * eye_connection_record; each established socket that it has not counted is reported, moved or not.
 * @full: @pass begins with this look. 0 or -errno; what was not reached is reported by the next
 * look.
 */
int eye_kernel_read_live(struct eye_kernel *kernel, uint32_t pass, bool full,
                         eye_record_handler *handler, void *context);

/** Cumulative losses, summed over the CPUs; EYE_LOSS_TCP_RECURSION from the kernel's own count,
 * EYE_LOSS_TCP_VANISHED as of the last full pass that is known to have met every socket. */
void eye_kernel_losses(const struct eye_kernel *kernel, uint64_t ret_losses[EYE_LOSS_COUNT]);

/** Program and reason of a loss, as tags. */
const char *eye_loss_program(enum eye_loss loss);
const char *eye_loss_reason(enum eye_loss loss);

/** Records of the live iterator so far. */
uint64_t eye_kernel_live_records(const struct eye_kernel *kernel);

struct eye_program_stats {
    const char *name;
    bool works;    /* loaded, and attached or run; else this kernel refused it or its ability */
    uint64_t runs; /* 0 unless the kernel counts (kernel.bpf_stats_enabled) */
    uint64_t time_ns;
};

/** The programs that the configuration wants; returns how many. */
size_t eye_kernel_programs(const struct eye_kernel *kernel,
                           struct eye_program_stats ret_stats[EYE_PROGRAM_COUNT]);

/** Network namespaces that could not be entered: their older sockets are not known. */
size_t eye_kernel_unseeded_namespaces(const struct eye_kernel *kernel);

/** What was found at the start; what is mounted or let go since then is found by
 * eye_kernel_retry(). */
const struct eye_feature_state *eye_kernel_feature(const struct eye_kernel *kernel,
                                                   enum eye_feature feature);

/** Where the host's processes stand under the numbers that records have: source.proc; NULL when
 * they stand nowhere, because what is there is of another pid namespace, or nothing. */
const char *eye_kernel_proc(const struct eye_kernel *kernel);
