/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel and these rights allow, apart from the programs themselves (trial.h). Each
 * feature is tried, never guessed from a version; rights come first, because without them nothing
 * else can be known. Used by `sockeye probe` and by the daemon. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/base/error.h"

/* X(identifier, probe of features.c, name, needed for, what is lost without it, what to do). The
 * first ones, up to SOCKET_STORAGE, are needed for everything. */
#define EYE_FEATURES(X)                                                                            \
    X(CAPABILITIES, capabilities, "capabilities", "everything", "cannot observe the kernel",       \
      "run as root or grant cap_bpf,cap_perfmon,cap_net_admin+ep")                                 \
    X(SYSCALL, syscall, "bpf system call", "everything", "cannot observe the kernel",              \
      "a seccomp filter, a user namespace or a security module refuses it: let it through")        \
    X(BTF, btf, "kernel BTF", "everything", "cannot observe the kernel",                           \
      "use a kernel built with CONFIG_DEBUG_INFO_BTF (/sys/kernel/btf/vmlinux)")                   \
    X(CGROUP2, cgroup2, "cgroup v2 tree", "protocols", "requests of protocols are not seen",       \
      "mount it (mount -t cgroup2 none /sys/fs/cgroup/unified) or set protocols.http: false")      \
    X(ENVIRONMENT, environment, "environment of other users' processes", "services by DD_SERVICE", \
      "older services are called by their unit, container or executable only",                     \
      "run as root or grant cap_sys_ptrace,cap_dac_read_search+ep")                                \
    X(NAMESPACES, namespaces, "entering network namespaces", "older sockets of other namespaces",  \
      "connections older than the daemon are seen in its own network namespace only",              \
      "run as root or grant cap_sys_admin,cap_sys_ptrace+ep")

enum eye_feature {
#define X(identifier, ...) EYE_FEATURE_##identifier,
    EYE_FEATURES(X)
#undef X
        EYE_FEATURE_COUNT,
};

enum eye_answer { EYE_ANSWER_NO, EYE_ANSWER_YES, EYE_ANSWER_UNKNOWN };

/** "no", "yes", "unknown". */
const char *eye_answer_name(enum eye_answer answer);

struct eye_feature_state {
    const char *name;
    const char *needed_for;
    const char *cost; /* what is lost without it */
    const char *remedy;
    enum eye_answer available; /* UNKNOWN: the rights to try it are missing */
    char detail[160];          /* what was found, or why it is not available */
};

/** Tries one feature. */
void eye_feature_probe(enum eye_feature feature, struct eye_feature_state *ret_state);

/** Tries every feature; what says nothing but that rights are missing is UNKNOWN. */
void eye_features_probe(struct eye_feature_state ret_states[EYE_FEATURE_COUNT]);

/**
 * The first feature that is missing among those needed for everything, as the line "what is lost:
 * object: cause; remedy" and -ENOTSUP. 0 when none is.
 */
int eye_features_check(const struct eye_feature_state states[EYE_FEATURE_COUNT],
                       struct eye_error *ret_error);

/** The same for one feature. */
int eye_feature_check(const struct eye_feature_state *state, struct eye_error *ret_error);

/**
 * Does this kernel let programs of @type (enum bpf_prog_type) call @helper (enum bpf_func_id)?
 * Asked of the verifier. False also when it cannot be asked.
 */
bool eye_helper_allowed(unsigned type, int helper);

/** The kernel's lockdown: "none", "integrity", "confidentiality", or "unknown" when securityfs is
 * not mounted or not readable. */
const char *eye_lockdown(void);

/**
 * Opens the root of the cgroup v2 tree, wherever it is mounted. The descriptor, or -ENOENT (not
 * mounted) or another -errno. @ret_path: where; @size bytes.
 */
int eye_cgroup2_open(char *ret_path, size_t size);
