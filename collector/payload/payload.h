/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the plaintext of protocols comes from: a const table for each place. The programs that read
 * it there are in the BPF object of a tier, which loads them and hands them over: they share the
 * tier's maps. Used by one thread at a time: the main thread's, then the collector's.
 */
#pragma once

#include "collector/base/error.h"
#include "collector/host/features.h"

struct bpf_link;
struct bpf_program;

struct eye_payload_type {
    /* What the host has to have. Of a host that has a part of it, a part is seen. */
    enum eye_feature feature;

    /** Opens what programs are attached to: the caller's descriptor, or -errno with a message. */
    int (*open)(struct eye_features *features, struct eye_error *ret_error);

    /** Attaches a loaded program. @place: what open() returned, -errno too. The link is the
     * caller's; NULL with errno. */
    struct bpf_link *(*attach)(const struct bpf_program *program, int place);

    /** What to do when it ended in @error (positive); NULL: nothing is known that is special. */
    const char *(*remedy)(int error);
};

/* Whole segments as sockets send and get them, in every network namespace: programs at the root of
 * the cgroup v2 tree. Kernel 5.2. */
extern const struct eye_payload_type eye_payload_cgroup_skb;
