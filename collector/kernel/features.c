/* SPDX-License-Identifier: Apache-2.0 */
/* Trying what the kernel can do. */
#include "collector/kernel/features.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "collector/base/text.h"

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

/* From the kernel, not from /proc, which may be missing. */
static uint64_t effective_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capget, &header, data) == 0
               ? data[0].effective | (uint64_t)data[1].effective << 32
               : 0;
}

static bool has_capability(uint64_t mask, unsigned int number)
{
    return (mask >> number & 1) != 0;
}

static enum eye_answer probe_capabilities(struct eye_feature_state *state)
{
    uint64_t mask = effective_capabilities();
    struct eye_text missing;
    eye_text_init(&missing, sizeof(state->detail) - 16);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(needed_capabilities); i++) {
        /* Before 5.8 CAP_SYS_ADMIN was both cap_bpf and cap_perfmon, and still implies them. */
        bool implied =
            needed_capabilities[i].number >= CAP_PERFMON && has_capability(mask, CAP_SYS_ADMIN);
        if (!implied && !has_capability(mask, needed_capabilities[i].number)) {
            eye_text_appendf(&missing, " %s", needed_capabilities[i].name);
        }
    }
    bool complete = missing.length == 0;
    snprintf(state->detail, sizeof(state->detail), "%s%s", complete ? "complete" : "missing",
             eye_text_string(&missing));
    eye_text_done(&missing);
    return answer_of(complete);
}

/* What the kernel says to the simplest of all maps. */
static enum eye_answer probe_syscall(struct eye_feature_state *state)
{
    EYE_AUTOCLOSE int fd =
        bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, sizeof(__u32), sizeof(__u32), 1, NULL);
    int error = errno;
    if (fd < 0 && error == ENOSYS) {
        state->remedy = "use a kernel built with CONFIG_BPF_SYSCALL, or let it through seccomp";
    }
    snprintf(state->detail, sizeof(state->detail), "%s", fd < 0 ? strerror(error) : "available");
    return answer_of(fd >= 0);
}

static enum eye_answer probe_btf(struct eye_feature_state *state)
{
    static const char path[] = "/sys/kernel/btf/vmlinux";
    bool readable = access(path, R_OK) == 0;
    snprintf(state->detail, sizeof(state->detail), "%s%s%s", path, readable ? "" : ": ",
             readable ? "" : strerror(errno));
    return answer_of(readable);
}

static enum eye_answer probe_cgroup2(struct eye_feature_state *state)
{
    EYE_AUTOCLOSE int fd = eye_cgroup2_open(state->detail, sizeof(state->detail));
    if (fd < 0) {
        snprintf(state->detail, sizeof(state->detail), "%s",
                 fd == -ENOENT ? "not mounted" : strerror(-fd));
    }
    return answer_of(fd >= 0);
}

/* True when @pid is a process of another user; *ret_error: of reading its environment, 0: it can
 * be read. */
static bool read_environment(int proc, const char *pid, int *ret_error)
{
    char path[NAME_MAX + sizeof("/environ")];
    struct stat status;
    if (fstatat(proc, pid, &status, 0) != 0 || status.st_uid == geteuid()) {
        return false;
    }
    snprintf(path, sizeof(path), "%s/environ", pid);
    EYE_AUTOCLOSE int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    char byte;
    int error = fd < 0 || read(fd, &byte, 1) < 0 ? errno : 0;
    if (error == ENOENT || error == ESRCH) {
        return false; /* it has ended */
    }
    *ret_error = error;
    return true;
}

/*
 * By its effect: which capabilities it takes differs between kernels. One that can be read is
 * enough: some processes are closed even to root.
 */
static enum eye_answer probe_environment(struct eye_feature_state *state)
{
    DIR *proc = opendir("/proc");
    bool found = false;
    bool readable = false;
    int error = 0;
    for (struct dirent *entry = proc == NULL ? NULL : readdir(proc); entry != NULL && !readable;
         entry = readdir(proc)) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            read_environment(dirfd(proc), entry->d_name, &error)) {
            found = true;
            readable = error == 0;
        }
    }
    if (proc != NULL) {
        closedir(proc);
    }
    snprintf(state->detail, sizeof(state->detail), "%s",
             !found     ? "no process of another user to try it on"
             : readable ? "readable"
                        : strerror(error));
    return found ? answer_of(readable) : EYE_ANSWER_UNKNOWN;
}

static enum eye_answer probe_namespaces(struct eye_feature_state *state)
{
    bool allowed = has_capability(effective_capabilities(), CAP_SYS_ADMIN);
    snprintf(state->detail, sizeof(state->detail), "%s",
             allowed ? "available" : "missing cap_sys_admin");
    return answer_of(allowed);
}

const char *eye_answer_name(enum eye_answer answer)
{
    static const char *const names[] = {"no", "yes", "unknown"};
    return names[answer];
}

static const struct {
    struct eye_feature_state state;
    enum eye_answer (*probe)(struct eye_feature_state *state);
} features[EYE_FEATURE_COUNT] = {
#define X(identifier, probe, name, needed_for, cost, remedy)                                       \
    [EYE_FEATURE_##                                                                                \
        identifier] = {{name, needed_for, cost, remedy, EYE_ANSWER_UNKNOWN, ""}, probe_##probe},
    EYE_FEATURES(X)
#undef X
};

void eye_feature_probe(enum eye_feature feature, struct eye_feature_state *ret_state)
{
    libbpf_print_fn_t printer = libbpf_set_print(NULL);
    *ret_state = features[feature].state;
    ret_state->available = features[feature].probe(ret_state);
    libbpf_set_print(printer);
}

void eye_features_probe(struct eye_feature_state ret_states[EYE_FEATURE_COUNT])
{
    for (size_t i = 0; i < EYE_FEATURE_COUNT; i++) {
        eye_feature_probe((enum eye_feature)i, &ret_states[i]);
    }
    if (ret_states[EYE_FEATURE_CAPABILITIES].available != EYE_ANSWER_YES) {
        struct eye_feature_state *state = &ret_states[EYE_FEATURE_SYSCALL];
        state->available = EYE_ANSWER_UNKNOWN; /* the answer is about the capabilities */
        snprintf(state->detail, sizeof(state->detail), "cannot be tried without capabilities");
    }
}

int eye_feature_check(const struct eye_feature_state *state, struct eye_error *ret_error)
{
    if (state->available == EYE_ANSWER_YES) {
        return 0;
    }
    return eye_error_set(ret_error, -ENOTSUP, "%s: %s: %s; %s", state->cost, state->name,
                         state->detail, state->remedy);
}

int eye_features_check(const struct eye_feature_state states[EYE_FEATURE_COUNT],
                       struct eye_error *ret_error)
{
    int result = 0;
    for (size_t i = 0; i <= EYE_FEATURE_BTF && result == 0; i++) {
        result = eye_feature_check(&states[i], ret_error);
    }
    return result;
}

/* A call without arguments is refused all the same; the words say why. */
bool eye_helper_allowed(unsigned type, int helper)
{
    const struct bpf_insn instructions[] = {
        {.code = BPF_JMP | BPF_CALL, .imm = helper},
        {.code = BPF_JMP | BPF_EXIT},
    };
    char log[4096] = "";
    LIBBPF_OPTS(bpf_prog_load_opts, options, .log_level = 1, .log_buf = log,
                .log_size = sizeof(log));
    EYE_AUTOCLOSE int fd = bpf_prog_load((enum bpf_prog_type)type, NULL, "GPL", instructions,
                                         EYE_ARRAY_LENGTH(instructions), &options);
    /* "unknown func" until 6.10, "program of this type cannot use helper" from then on. */
    return fd >= 0 ||
           (log[0] != '\0' && strstr(log, "unknown func") == NULL &&
            strstr(log, "invalid func") == NULL && strstr(log, "cannot use helper") == NULL);
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

/* The mount point of the first cgroup2 line of mountinfo (proc_pid_mountinfo(5)): field 5, and
 * the type behind " - ". */
static bool read_cgroup2_mount(const char *line, char *ret_path, size_t size)
{
    const char *separator = strstr(line, " - cgroup2 ");
    const char *field = line;
    for (int i = 0; i < 4 && field != NULL; i++) {
        field = strchr(field, ' ');
        field = field == NULL ? NULL : field + 1;
    }
    if (separator == NULL || field == NULL) {
        return false;
    }
    size_t length = strcspn(field, " ");
    if (length >= size) {
        return false;
    }
    memcpy(ret_path, field, length);
    ret_path[length] = '\0';
    return true;
}

int eye_cgroup2_open(char *ret_path, size_t size)
{
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    if (mounts == NULL) {
        return -errno;
    }
    char line[4096];
    bool found = false;
    while (!found && fgets(line, sizeof(line), mounts) != NULL) {
        found = read_cgroup2_mount(line, ret_path, size);
    }
    fclose(mounts);
    if (!found) {
        return -ENOENT;
    }
    int fd = open(ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}
