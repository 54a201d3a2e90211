/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel, this host and these rights allow, apart from the programs themselves (trial.h).
 * Each feature is tried, never guessed from a version or from a capability's name, and without a
 * look at another one's answer; rights come first, because without them nothing else can be known.
 * An answer is remembered: each question is asked once in a run. Used by `sockeye probe` and by the
 * daemon, by one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/base/error.h"
#include "collector/host/host.h"
#include "config/config.h"

/* Descriptors that the daemon must be able to open: maps, programs, links, iterators, a receiver
 * and some files of /proc at once. The usual limit is 1024. */
#define EYE_DESCRIPTORS 112

/* X(identifier, probe of features.c and value of the tag `feature`, name, needed for, what is lost
 * without it, what to do). The first ones, up to CPUS, are needed for kernel programs,
 * and DESCRIPTORS by every tier. What is lost and
 * what to do are the usual case: a probe that knows better says so. */
#define EYE_FEATURES(X)                                                                            \
    X(CAPABILITIES, capabilities, "capabilities", "kernel programs", "cannot observe the kernel",  \
      "run as root or grant cap_bpf,cap_perfmon,cap_net_admin+ep")                                 \
    X(DESCRIPTORS, descriptors, "open files", "everything", "cannot observe the kernel",           \
      "allow more open files (ulimit -n, LimitNOFILE=)")                                           \
    X(SYSCALL, syscall, "bpf system call", "kernel programs", "cannot observe the kernel",         \
      "use a kernel built with CONFIG_BPF_SYSCALL")                                                \
    X(BTF, btf, "kernel BTF", "kernel programs", "cannot observe the kernel",                      \
      "use a kernel built with CONFIG_DEBUG_INFO_BTF (/sys/kernel/btf/vmlinux)")                   \
    X(CPUS, cpus, "number of CPUs", "kernel programs", "cannot observe the kernel",                \
      "mount sysfs (mount -t sysfs sysfs /sys)")                                                   \
    X(PROC, proc, "host's processes", "names of services",                                         \
      "older services are called unknown, and connections older than the daemon are seen in its "  \
      "own network namespace only",                                                                \
      "run it in the host's pid namespace (--pid=host, hostPID: true), or mount the host's /proc " \
      "and set source.proc")                                                                       \
    X(CGROUP2, cgroup2, "cgroup v2 root", "protocols and UDP",                                     \
      "connects without a route, overflows of listeners, UDP and requests of protocols are "       \
      "not seen",                                                                                  \
      "mount it (mount -t cgroup2 none /sys/fs/cgroup; beside version 1: /sys/fs/cgroup/unified) " \
      "or set protocols.* and connections.udp: false")                                             \
    X(ENVIRONMENT, environment, "environment of other users' processes", "services by DD_SERVICE", \
      "older services are called by their unit, container or executable only",                     \
      "run as root or grant cap_sys_ptrace,cap_dac_read_search+ep")                                \
    X(CGROUP_NAMES, cgroup_names, "host's cgroup namespace", "services by unit or container",      \
      "older services of the daemon's own cgroup have neither unit nor container",                 \
      "run it in the host's cgroup namespace (--cgroupns=host)")                                   \
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

/* Of what was found: most are short, paths are not. */
#define EYE_FEATURE_DETAIL_BYTES 512

struct eye_feature_state {
    const char *key; /* as a tag value: "cgroup2" */
    const char *name;
    const char *needed_for;
    const char *cost; /* what is lost without it */
    const char *remedy;
    enum eye_answer available;             /* UNKNOWN: it cannot be tried here */
    char detail[EYE_FEATURE_DETAIL_BYTES]; /* what was found, or why it is not available */
};

/* X(identifier, type of program, helper): what verifiers do not allow to all programs alike. */
#define EYE_HELPERS(X)                                                                             \
    X(TRACING_READS_STRINGS, BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_FUNC_probe_read_kernel_str)         \
    X(CGROUP_HAS_TASK_STORAGE, BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_task_storage_get)                \
    X(CGROUP_READS_USERS, BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_probe_read_user)                      \
    X(CGROUP_READS_STRINGS, BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_probe_read_kernel_str)

enum eye_helper {
#define X(identifier, ...) EYE_HELPER_##identifier,
    EYE_HELPERS(X)
#undef X
        EYE_HELPER_COUNT,
};

/* What becomes of a walk over the storage of all sockets (iter/bpf_sk_storage_map). */
enum eye_storage_walk {
    EYE_STORAGE_WALK_UNKNOWN, /* not asked yet */
    EYE_STORAGE_WALK_WORKS,
    EYE_STORAGE_WALK_CRASHES, /* the kernel, now and then */
    EYE_STORAGE_WALK_REFUSED, /* whatever program it is */
};

/* The answers so far. */
struct eye_features {
    const struct eye_config *config;                    /* where to look */
    struct eye_feature_state states[EYE_FEATURE_COUNT]; /* key NULL: not asked yet */
    enum eye_answer helpers[EYE_HELPER_COUNT];          /* UNKNOWN: not asked yet */
    enum eye_storage_walk storage_walk;
    enum eye_answer user_namespace; /* is it the host's, as far as known? UNKNOWN: not asked yet */
    bool proc_looked_at;
    enum eye_proc_state proc;
    int proc_error; /* as eye_proc_look() gives it */
};

/** Nothing was asked yet. @config outlives @features. */
void eye_features_init(struct eye_features *features, const struct eye_config *config);

/** The answer, remembered or tried now. It stays where it is, until it is forgotten. */
const struct eye_feature_state *eye_feature_ask(struct eye_features *features,
                                                enum eye_feature feature);

void eye_features_ask_all(struct eye_features *features);

/** What was found may have changed since: the next question is tried again. */
void eye_feature_forget(struct eye_features *features, enum eye_feature feature);

/**
 * The first feature that is missing among those needed for kernel programs, as the line "what is
 * lost: object: cause; remedy" and -ENOTSUP. 0 when none is.
 */
int eye_features_check(struct eye_features *features, struct eye_error *ret_error);

/** The same for one feature; one that cannot be tried is not missing. */
int eye_feature_check(const struct eye_feature_state *state, struct eye_error *ret_error);

/** Does this kernel's verifier let the programs call the helper? False also when it cannot be
 * asked. */
bool eye_helper_allowed(struct eye_features *features, enum eye_helper helper);

/**
 * May this kernel's iterator bpf_sk_storage_map be run? Never EYE_STORAGE_WALK_UNKNOWN.
 *
 * CRASHES: since Linux 7.0 an entry whose socket is freed loses its way back to it while the
 * iterator stands there ("bpf: Switch to bpf_selem_unlink_nofail in bpf_local_storage_{map_free,
 * destroy}"), which __bpf_sk_storage_map_seq_show() follows without looking: the kernel's oops
 * kills the thread that reads. What is asked is BTF, as versions tell little of what was ported
 * back.
 *
 * REFUSED: hardened kernels refuse programs of the iterators over maps' values
 * (bpf_sk_storage_map, bpf_map_elem) with EPERM and take all others. What is asked is a program
 * that does nothing; without the rights to load it, nobody asks.
 */
enum eye_storage_walk eye_storage_walk(struct eye_features *features);

/** Where the host's processes stand under the numbers that records have: source.proc; NULL when
 * they stand nowhere, because what is there is of another pid namespace, or nothing. */
const char *eye_features_proc(struct eye_features *features);

/** The kernel's lockdown: "none", "integrity", "confidentiality", or "unknown" when securityfs is
 * not mounted or not readable. */
const char *eye_lockdown(void);
