/* SPDX-License-Identifier: Apache-2.0 */
/* Trying what the kernel can do. */
#include "collector/host/features.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/btf.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "collector/base/text.h"
#include "collector/host/bpf_call.h"
#include "collector/host/capabilities.h"
#include "collector/host/host.h"
#include "collector/host/kernel_type.h"
#include "collector/host/remedy.h"

static const struct {
    const char *name;
    unsigned int number;
} needed_capabilities[] = {
    {"cap_net_admin", CAP_NET_ADMIN},
    {"cap_perfmon", CAP_PERFMON},
    {"cap_bpf", CAP_BPF},
};

static enum eye_answer answer_of(bool available)
{
    return available ? EYE_ANSWER_YES : EYE_ANSWER_NO;
}

/* Writes what was found. Returns @answer, so that a finding is one line. */
__attribute__((format(printf, 3, 4))) static enum eye_answer found(struct eye_feature_state *state,
                                                                   enum eye_answer answer,
                                                                   const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    eye_format_shown(state->detail, sizeof(state->detail), format, arguments);
    va_end(arguments);
    return answer;
}

/* Capabilities count in the user namespace that they are of. Which one that is cannot be known
 * without /proc: then bpf(2) itself will tell. */
static bool is_in_other_user_namespace(struct eye_features *features)
{
    if (features->user_namespace == EYE_ANSWER_UNKNOWN) {
        bool initial;
        int result = eye_host_namespace(features->config->source.proc, EYE_HOST_USER, &initial);
        features->user_namespace = answer_of(result != 0 || initial);
    }
    return features->user_namespace == EYE_ANSWER_NO;
}

static bool has_capabilities(struct eye_features *features)
{
    bool complete = !is_in_other_user_namespace(features);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(needed_capabilities) && complete; i++) {
        complete = eye_capability_has(needed_capabilities[i].number);
    }
    return complete;
}

#define MOUNT_PROC "mount /proc (mount -t proc proc /proc), or set source.proc to where it is"

/* What is known of a feature before its probe. */
static const struct eye_feature_state usual[EYE_FEATURE_COUNT] = {
#define X(identifier, probe, name, needed_for, cost, remedy)                                       \
    [EYE_FEATURE_##identifier] = {#probe, name, needed_for, cost, remedy, EYE_ANSWER_UNKNOWN, ""},
    EYE_FEATURES(X)
#undef X
};

/* Nothing that is granted inside helps. */
#define LEAVE_USER_NAMESPACE                                                                       \
    "run it in the host's user namespace (not rootless, no PrivateUsers=, --userns=host)"

static enum eye_answer probe_capabilities(struct eye_features *features,
                                          struct eye_feature_state *state)
{
    if (is_in_other_user_namespace(features)) {
        state->remedy = LEAVE_USER_NAMESPACE;
        return found(state, EYE_ANSWER_NO, "those of a user namespace that is not the host's");
    }
    EYE_CLEANUP(eye_text_done) struct eye_text missing;
    eye_text_init(&missing, sizeof(state->detail) - 16);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(needed_capabilities); i++) {
        if (!eye_capability_has(needed_capabilities[i].number)) {
            eye_text_appendf(&missing, " %s", needed_capabilities[i].name);
        }
    }
    bool complete = missing.length == 0;
    return found(state, answer_of(complete), "%s%s", complete ? "complete" : "missing",
                 eye_text_string(&missing));
}

static enum eye_answer probe_descriptors(struct eye_features *features,
                                         struct eye_feature_state *state)
{
    (void)features;
    int fds[EYE_DESCRIPTORS];
    size_t count = 0;
    int error = 0;
    while (count < EYE_DESCRIPTORS && error == 0) {
        fds[count] = eventfd(0, EFD_CLOEXEC);
        error = fds[count] < 0 ? errno : 0;
        count += error == 0;
    }
    for (size_t i = 0; i < count; i++) {
        close(fds[i]);
    }
    if (error == 0) {
        return found(state, EYE_ANSWER_YES, "%d more can be opened", EYE_DESCRIPTORS);
    }
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    return found(state, EYE_ANSWER_NO, "%s: the limit is %" PRIu64 ", and %d more are needed",
                 strerror(error), (uint64_t)limit.rlim_cur, EYE_DESCRIPTORS);
}

/* Each command, and what the kernel says to the simplest of all maps. */
static enum eye_answer try_syscall(struct eye_feature_state *state)
{
    const char *command;
    int refused = eye_bpf_call_refused(&command);
    if (refused < 0) {
        state->remedy = "a seccomp filter kills who calls it: let it through (SystemCallFilter=, "
                        "--security-opt seccomp=)";
        return found(state, EYE_ANSWER_NO, "%s: Bad system call (SIGSYS)", command);
    }
    EYE_AUTOCLOSE int fd = -1;
    if (refused == 0) {
        command = "BPF_MAP_CREATE";
        fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, sizeof(__u32), sizeof(__u32), 1, NULL);
        refused = fd < 0 ? errno : 0;
    }
    if (refused != 0) {
        state->remedy = eye_remedy(refused, state->remedy);
        return found(state, EYE_ANSWER_NO, "%s: %s", command, strerror(refused));
    }
    return found(state, EYE_ANSWER_YES, "available");
}

/* What the kernel says to somebody without rights is about the rights. */
static enum eye_answer probe_syscall(struct eye_features *features, struct eye_feature_state *state)
{
    enum eye_answer answer = try_syscall(state);
    return has_capabilities(features)
               ? answer
               : found(state, EYE_ANSWER_UNKNOWN, "cannot be tried without capabilities");
}

static bool is_sysfs(void)
{
    struct statfs system;
    return statfs("/sys", &system) == 0 && system.f_type == SYSFS_MAGIC;
}

/* Begins as BTF and is as long as it says. Whether libbpf understands all of it shows when it loads
 * the programs: to parse it here as well costs a start 10 ms. */
static int check_btf(const char *path)
{
    struct btf_header header;
    struct stat status;
    EYE_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        return errno;
    }
    ssize_t bytes = read(fd, &header, sizeof(header));
    if (bytes < 0) {
        return errno;
    }
    uint64_t size = (uint64_t)status.st_size;
    bool whole = bytes == (ssize_t)sizeof(header) && header.magic == BTF_MAGIC &&
                 (uint64_t)header.hdr_len + header.type_off + header.type_len <= size &&
                 (uint64_t)header.hdr_len + header.str_off + header.str_len <= size;
    return whole ? 0 : EINVAL;
}

static enum eye_answer probe_btf(struct eye_features *features, struct eye_feature_state *state)
{
    (void)features;
    static const char path[] = "/sys/kernel/btf/vmlinux";
    int error = check_btf(path);
    if (error == 0) {
        return found(state, EYE_ANSWER_YES, "%s", path);
    }
    if (!is_sysfs()) {
        state->remedy = "mount sysfs (mount -t sysfs sysfs /sys)";
    } else if (error != ENOENT) {
        state->remedy = eye_remedy(error, "this is not what the kernel put there: is something "
                                          "mounted over it?");
    }
    return found(state, EYE_ANSWER_NO, "%s: %s%s", path, strerror(error),
                 is_sysfs() ? "" : " (/sys is not mounted)");
}

/* Counters of the kernel side are one for each CPU. */
static enum eye_answer probe_cpus(struct eye_features *features, struct eye_feature_state *state)
{
    (void)features;
    int count = libbpf_num_possible_cpus();
    return count > 0 ? found(state, EYE_ANSWER_YES, "%d", count)
                     : found(state, EYE_ANSWER_NO, "/sys/devices/system/cpu/possible: %s",
                             strerror(-count));
}

static enum eye_proc_state look_at_proc(struct eye_features *features)
{
    if (!features->proc_looked_at) {
        features->proc = eye_proc_look(features->config->source.proc, &features->proc_error);
        features->proc_looked_at = true;
    }
    return features->proc;
}

static enum eye_answer say_hiding(struct eye_feature_state *state, const char *proc, int error)
{
    state->cost = "older services of other users are called unknown";
    state->remedy = "grant cap_sys_ptrace, or mount /proc without hidepid= (gid= admits a group)";
    return found(state, EYE_ANSWER_NO, "%s/2: %s: processes of other users are hidden (hidepid)",
                 proc, strerror(error));
}

static enum eye_answer probe_proc(struct eye_features *features, struct eye_feature_state *state)
{
    const char *proc = features->config->source.proc;
    enum eye_proc_state found_there = look_at_proc(features);
    int error = features->proc_error;
    switch (found_there) {
    case EYE_PROC_HOST:
        break;
    case EYE_PROC_HIDING:
        return say_hiding(state, proc, error);
    case EYE_PROC_FOREIGN:
        return found(state, EYE_ANSWER_NO, "%s is of another pid namespace than the host's", proc);
    case EYE_PROC_ABSENT:
        state->remedy = MOUNT_PROC;
        return found(state, EYE_ANSWER_NO, "%s: %s", proc,
                     error == 0 ? "not a proc file system" : strerror(error));
    }
    return found(state, EYE_ANSWER_YES, "%s", proc);
}

static enum eye_answer say_no_cgroup(struct eye_features *features, struct eye_feature_state *state,
                                     const char *path, int error)
{
    if (error == ENOENT && path[0] == '\0') {
        return found(state, EYE_ANSWER_NO, "not mounted");
    }
    if (features->config->source.cgroup != NULL) {
        state->remedy = "set source.cgroup to a directory of a mounted cgroup v2 tree, or leave it "
                        "out";
    } else if (error == ENOENT) {
        state->remedy = "mount /proc, or set source.cgroup to where the tree is mounted";
    }
    state->remedy = eye_remedy(error, state->remedy);
    return found(state, EYE_ANSWER_NO, "%s: %s", path,
                 error == ENOTSUP ? "not in a cgroup v2 tree" : strerror(error));
}

/* What is configured is taken as given, also when it is a part of the tree. */
static enum eye_answer probe_cgroup2(struct eye_features *features, struct eye_feature_state *state)
{
    struct eye_cgroup cgroup;
    int result =
        eye_cgroup_open(features->config->source.cgroup, features->config->source.proc, &cgroup);
    if (result != 0) {
        return say_no_cgroup(features, state, cgroup.path, -result);
    }
    close(cgroup.fd);
    if (eye_cgroup_is_root(&cgroup)) {
        return found(state, EYE_ANSWER_YES, "%s", cgroup.path);
    }
    if (features->config->source.cgroup != NULL) {
        return found(state, EYE_ANSWER_YES, "%s, a part of it (source.cgroup)", cgroup.path);
    }
    state->cost = "connects without a route, NAT, overflows of listeners, UDP and requests of "
                  "protocols are seen in a part of the host only";
    state->remedy = "run it in the host's cgroup namespace (--cgroupns=host) or mount the host's "
                    "tree into the container; source.cgroup takes a part on purpose";
    return found(state, EYE_ANSWER_NO,
                 "%s is a part of the host's tree (inode %" PRIu64 ", the root has 1)", cgroup.path,
                 cgroup.inode);
}

/* Whether looking at other processes says something about the host's. */
static bool sees_host(struct eye_features *features)
{
    enum eye_proc_state state = look_at_proc(features);
    return state == EYE_PROC_HOST || state == EYE_PROC_HIDING;
}

/* What gives the host's processes back is what helps. */
static enum eye_answer cannot_see_host(struct eye_features *features,
                                       struct eye_feature_state *state)
{
    state->remedy =
        look_at_proc(features) == EYE_PROC_ABSENT ? MOUNT_PROC : usual[EYE_FEATURE_PROC].remedy;
    return found(state, EYE_ANSWER_UNKNOWN, "the host's processes are not visible");
}

/* Paths in /proc/PID/cgroup begin at the reader's own root. */
static enum eye_answer probe_cgroup_names(struct eye_features *features,
                                          struct eye_feature_state *state)
{
    bool initial;
    if (!sees_host(features)) {
        return cannot_see_host(features, state);
    }
    int result = eye_host_namespace(features->config->source.proc, EYE_HOST_CGROUP, &initial);
    if (result != 0) {
        return found(state, EYE_ANSWER_UNKNOWN, "%s/self/ns/cgroup: %s",
                     features->config->source.proc, strerror(-result));
    }
    return initial ? found(state, EYE_ANSWER_YES, "shared")
                   : found(state, EYE_ANSWER_NO, "this process is in another one");
}

/* What an environment is good for without the executable, which tells whose it is: nothing. 0 or
 * errno, and what ended in it. */
static int read_names(int proc, const char *pid, const char **ret_what)
{
    char path[NAME_MAX + sizeof("/environ")];
    char byte;
    *ret_what = "environ";
    snprintf(path, sizeof(path), "%s/environ", pid);
    EYE_AUTOCLOSE int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, &byte, 1) < 0) {
        return errno;
    }
    *ret_what = "exe";
    snprintf(path, sizeof(path), "%s/exe", pid);
    return readlinkat(proc, path, &byte, 1) < 0 ? errno : 0;
}

/* True when @pid is a process of another user; *ret_error: of reading it, 0: it can be read. */
static bool read_process(int proc, const char *pid, const char **ret_what, int *ret_error)
{
    struct stat status;
    if (fstatat(proc, pid, &status, 0) != 0 || status.st_uid == geteuid()) {
        return false;
    }
    const char *what;
    int error = read_names(proc, pid, &what);
    if (error == ENOENT || error == ESRCH) {
        return false; /* it has ended, or is one of the kernel's */
    }
    *ret_what = what;
    *ret_error = error;
    return true;
}

/*
 * By its effect: which capabilities it takes differs between kernels. One that can be read is
 * enough: some processes are closed even to root.
 */
static enum eye_answer probe_environment(struct eye_features *features,
                                         struct eye_feature_state *state)
{
    if (!sees_host(features)) {
        return cannot_see_host(features, state);
    }
    DIR *proc = opendir(features->config->source.proc);
    if (proc == NULL) {
        return found(state, EYE_ANSWER_UNKNOWN, "%s: %s", features->config->source.proc,
                     strerror(errno));
    }
    bool met = false;
    bool readable = false;
    const char *what = "";
    int error = 0;
    for (struct dirent *entry = readdir(proc); entry != NULL && !readable; entry = readdir(proc)) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            read_process(dirfd(proc), entry->d_name, &what, &error)) {
            met = true;
            readable = error == 0;
        }
    }
    closedir(proc);
    if (!met) {
        return found(state, EYE_ANSWER_UNKNOWN, "no process of another user to try it on");
    }
    if (readable) {
        return found(state, EYE_ANSWER_YES, "readable");
    }
    unsigned int capability = strcmp(what, "exe") == 0 ? CAP_SYS_PTRACE : CAP_DAC_READ_SEARCH;
    state->remedy = eye_remedy_of_rights(error, capability, state->remedy);
    return found(state, EYE_ANSWER_NO, "%s: %s", what, strerror(error));
}

/* Enters the namespace that we are in, and opens that of kthreadd, which is no process of ours.
 * 0, or errno and what ended in it. */
static int try_namespaces(const char *proc, unsigned int *ret_capability, const char **ret_step)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/self/ns/net", proc);
    *ret_step = "its own";
    *ret_capability = CAP_SYS_PTRACE;
    EYE_AUTOCLOSE int own = open(path, O_RDONLY | O_CLOEXEC);
    if (own < 0) {
        return errno;
    }
    *ret_step = "setns";
    *ret_capability = CAP_SYS_ADMIN;
    if (setns(own, CLONE_NEWNET) != 0) {
        return errno;
    }
    snprintf(path, sizeof(path), "%s/2/ns/net", proc);
    *ret_step = "those of other users' processes";
    *ret_capability = CAP_SYS_PTRACE;
    EYE_AUTOCLOSE int other = open(path, O_RDONLY | O_CLOEXEC);
    return other < 0 ? errno : 0;
}

static enum eye_answer probe_namespaces(struct eye_features *features,
                                        struct eye_feature_state *state)
{
    if (is_in_other_user_namespace(features)) {
        state->remedy = LEAVE_USER_NAMESPACE;
        return found(state, EYE_ANSWER_UNKNOWN, "cannot be tried in this user namespace");
    }
    if (!sees_host(features)) {
        return cannot_see_host(features, state);
    }
    const char *step;
    unsigned int capability;
    int error = try_namespaces(features->config->source.proc, &capability, &step);
    if (error == 0) {
        return found(state, EYE_ANSWER_YES, "available");
    }
    state->remedy = eye_remedy_of_rights(error, capability, state->remedy);
    return found(state, EYE_ANSWER_NO, "%s: %s", step, strerror(error));
}

const char *eye_answer_name(enum eye_answer answer)
{
    static const char *const names[] = {"no", "yes", "unknown"};
    return names[answer];
}

typedef enum eye_answer eye_probe(struct eye_features *features, struct eye_feature_state *state);

static eye_probe *const probes[EYE_FEATURE_COUNT] = {
#define X(identifier, probe, ...) [EYE_FEATURE_##identifier] = probe_##probe,
    EYE_FEATURES(X)
#undef X
};

void eye_features_init(struct eye_features *features, const struct eye_config *config)
{
    memset(features, 0, sizeof(*features));
    features->config = config;
    features->user_namespace = EYE_ANSWER_UNKNOWN;
    for (size_t i = 0; i < EYE_HELPER_COUNT; i++) {
        features->helpers[i] = EYE_ANSWER_UNKNOWN;
    }
}

const struct eye_feature_state *eye_feature_ask(struct eye_features *features,
                                                enum eye_feature feature)
{
    struct eye_feature_state *state = &features->states[feature];
    if (state->key == NULL) {
        libbpf_print_fn_t printer = libbpf_set_print(NULL);
        *state = usual[feature];
        state->available = probes[feature](features, state);
        libbpf_set_print(printer);
    }
    return state;
}

void eye_features_ask_all(struct eye_features *features)
{
    for (size_t i = 0; i < EYE_FEATURE_COUNT; i++) {
        eye_feature_ask(features, (enum eye_feature)i);
    }
}

void eye_feature_forget(struct eye_features *features, enum eye_feature feature)
{
    features->states[feature].key = NULL;
}

const char *eye_features_proc(struct eye_features *features)
{
    return sees_host(features) ? features->config->source.proc : NULL;
}

int eye_feature_check(const struct eye_feature_state *state, struct eye_error *ret_error)
{
    if (state->available != EYE_ANSWER_NO) {
        return 0;
    }
    return eye_error_set(ret_error, -ENOTSUP, "%s: %s: %s; %s", state->cost, state->name,
                         state->detail, state->remedy);
}

int eye_features_check(struct eye_features *features, struct eye_error *ret_error)
{
    int result = 0;
    for (size_t i = 0; i <= EYE_FEATURE_CPUS && result == 0; i++) {
        result = eye_feature_check(eye_feature_ask(features, (enum eye_feature)i), ret_error);
    }
    return result;
}

/* A call without arguments is refused all the same; the words say why. */
static bool try_helper(enum bpf_prog_type type, int helper)
{
    const struct bpf_insn instructions[] = {
        {.code = BPF_JMP | BPF_CALL, .imm = helper},
        {.code = BPF_JMP | BPF_EXIT},
    };
    char log[4096] = "";
    LIBBPF_OPTS(bpf_prog_load_opts, options, .log_level = 1, .log_buf = log,
                .log_size = sizeof(log));
    EYE_AUTOCLOSE int fd =
        bpf_prog_load(type, NULL, "GPL", instructions, EYE_ARRAY_LENGTH(instructions), &options);
    /* "unknown func" until 6.10, "program of this type cannot use helper" from then on. */
    return fd >= 0 ||
           (log[0] != '\0' && strstr(log, "unknown func") == NULL &&
            strstr(log, "invalid func") == NULL && strstr(log, "cannot use helper") == NULL);
}

bool eye_helper_allowed(struct eye_features *features, enum eye_helper helper)
{
    static const struct {
        enum bpf_prog_type type;
        int number;
    } asked[EYE_HELPER_COUNT] = {
#define X(identifier, type, number) {type, number},
        EYE_HELPERS(X)
#undef X
    };
    if (features->helpers[helper] == EYE_ANSWER_UNKNOWN) {
        features->helpers[helper] = answer_of(try_helper(asked[helper].type, asked[helper].number));
    }
    return features->helpers[helper] == EYE_ANSWER_YES;
}

/* The present one stands in brackets: "none [integrity] confidentiality". */
const char *eye_lockdown(void)
{
    static const char *const levels[] = {"none", "integrity", "confidentiality"};
    FILE *file = fopen("/sys/kernel/security/lockdown", "re");
    char line[128] = "";
    char bracketed[32];
    if (file != NULL) {
        if (fgets(line, sizeof(line), file) == NULL) {
            line[0] = '\0';
        }
        fclose(file);
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(levels); i++) {
        snprintf(bracketed, sizeof(bracketed), "[%s]", levels[i]);
        if (strstr(line, bracketed) != NULL) {
            return levels[i];
        }
    }
    return "unknown";
}

/* The member came with the lockless way of unlinking. */
static bool unlinks_without_lock(const struct btf *kernel)
{
    int entry = btf__find_by_name_kind(kernel, "bpf_local_storage_elem", BTF_KIND_STRUCT);
    return entry > 0 &&
           eye_kernel_type_offset(kernel, btf__type_by_id(kernel, (uint32_t)entry), "state") != 0;
}

static bool refuses_storage_iterators(const struct btf *kernel)
{
    static const struct bpf_insn nothing[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    int iterator = btf__find_by_name_kind(kernel, "bpf_iter_bpf_sk_storage_map", BTF_KIND_FUNC);
    if (iterator < 0) {
        return true;
    }
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.expected_attach_type = BPF_TRACE_ITER;
    options.attach_btf_id = (uint32_t)iterator;
    EYE_AUTOCLOSE int fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, NULL, "GPL", nothing,
                                         EYE_ARRAY_LENGTH(nothing), &options);
    return fd < 0;
}

/* Without BTF no program is loaded at all. */
static enum eye_storage_walk try_storage_walk(struct eye_features *features)
{
    struct btf *kernel = btf__load_vmlinux_btf();
    enum eye_storage_walk walk = EYE_STORAGE_WALK_WORKS;
    if (kernel != NULL && unlinks_without_lock(kernel)) {
        walk = EYE_STORAGE_WALK_CRASHES;
    } else if (kernel != NULL && has_capabilities(features) && refuses_storage_iterators(kernel)) {
        walk = EYE_STORAGE_WALK_REFUSED;
    }
    btf__free(kernel);
    return walk;
}

enum eye_storage_walk eye_storage_walk(struct eye_features *features)
{
    if (features->storage_walk == EYE_STORAGE_WALK_UNKNOWN) {
        features->storage_walk = try_storage_walk(features);
    }
    return features->storage_walk;
}
