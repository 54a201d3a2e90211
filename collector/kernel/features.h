/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel and these capabilities allow. Each feature is tried, never guessed from a
 * version. Used by `sockeye probe` and, before loading, by the daemon. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/base/error.h"

/* X(identifier, name, needed for, what to do) */
#define EYE_FEATURES(X)                                                                            \
    X(CAPABILITIES, "capabilities", "everything",                                                  \
      "run as root or grant cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,cap_sys_admin+ep")    \
    X(BTF, "kernel BTF", "everything",                                                             \
      "use a kernel built with CONFIG_DEBUG_INFO_BTF (/sys/kernel/btf/vmlinux)")                   \
    X(RING_BUFFER, "ring buffer map", "everything", "use kernel 5.8 or newer")                     \
    X(SOCKET_STORAGE, "socket storage map", "everything", "use kernel 5.11 or newer")              \
    X(TRACING, "tracing programs (tp_btf, iterators)", "TCP",                                      \
      "use kernel 5.11 or newer with CONFIG_BPF_EVENTS")                                           \
    X(CGROUP_SKB, "cgroup_skb programs", "protocols", "use a kernel with CONFIG_CGROUP_BPF")       \
    X(LOOP, "bpf_loop", "protocols", "use kernel 5.17 or newer, or set protocols.http: false")     \
    X(CGROUP2, "cgroup v2 tree", "protocols",                                                      \
      "mount it (mount -t cgroup2 none /sys/fs/cgroup/unified) or set protocols.http: false")      \
    X(NAMESPACES, "entering network namespaces", "older sockets of other namespaces",              \
      "grant cap_sys_admin")

enum eye_feature {
#define X(identifier, ...) EYE_FEATURE_##identifier,
    EYE_FEATURES(X)
#undef X
        EYE_FEATURE_COUNT,
};

struct eye_feature_state {
    const char *name;
    const char *needed_for;
    const char *remedy;
    bool available;
    char detail[160]; /* what was found, or why it is not available */
};

/** Tries every feature. */
void eye_features_probe(struct eye_feature_state ret_states[EYE_FEATURE_COUNT]);

/**
 * The first feature that is missing for TCP, and with @protocols for the protocols, as one line
 * "object: cause; remedy". 0 when none is.
 */
int eye_features_check(const struct eye_feature_state states[EYE_FEATURE_COUNT], bool protocols,
                       struct eye_error *ret_error);

/**
 * Opens the root of the cgroup v2 tree, wherever it is mounted. The descriptor, or -ENOENT (not
 * mounted) or another -errno. @ret_path: where; @size bytes.
 */
int eye_cgroup2_open(char *ret_path, size_t size);
