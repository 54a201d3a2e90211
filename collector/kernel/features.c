/* SPDX-License-Identifier: Apache-2.0 */
/* Trying what the kernel can do. */
#include "collector/kernel/features.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/text.h"

/* include/uapi/linux/capability.h */
static const struct {
    const char *name;
    unsigned int number;
} needed_capabilities[] = {
    {"cap_net_admin", 12},
    {"cap_sys_ptrace", 19},
    {"cap_perfmon", 38},
    {"cap_bpf", 39},
};
#define CAP_SYS_ADMIN 21

static uint64_t effective_capabilities(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    uint64_t mask = 0;
    char line[256];
    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        unsigned long long value;
        if (sscanf(line, "CapEff: %llx", &value) == 1) { /* NOLINT: the kernel's own number */
            mask = value;
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return mask;
}

static bool has_capability(uint64_t mask, unsigned int number)
{
    return (mask >> number & 1) != 0;
}

static bool probe_capabilities(struct eye_feature_state *state)
{
    uint64_t mask = effective_capabilities();
    struct eye_text missing;
    eye_text_init(&missing, sizeof(state->detail) - 16);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(needed_capabilities); i++) {
        /* Before 5.8 CAP_SYS_ADMIN was both cap_bpf and cap_perfmon, and still implies them. */
        bool implied = needed_capabilities[i].number >= 38 && has_capability(mask, CAP_SYS_ADMIN);
        if (!implied && !has_capability(mask, needed_capabilities[i].number)) {
            eye_text_appendf(&missing, " %s", needed_capabilities[i].name);
        }
    }
    bool complete = missing.length == 0;
    snprintf(state->detail, sizeof(state->detail), "%s%s", complete ? "complete" : "missing",
             eye_text_string(&missing));
    eye_text_done(&missing);
    return complete;
}

static bool probe_btf(struct eye_feature_state *state)
{
    static const char path[] = "/sys/kernel/btf/vmlinux";
    bool readable = access(path, R_OK) == 0;
    snprintf(state->detail, sizeof(state->detail), "%s%s%s", path, readable ? "" : ": ",
             readable ? "" : strerror(errno));
    return readable;
}

static bool tell(struct eye_feature_state *state, int result)
{
    snprintf(state->detail, sizeof(state->detail), "%s",
             result > 0    ? "available"
             : result == 0 ? "the kernel refuses it"
                           : strerror(-result));
    return result > 0;
}

static bool probe_ring_buffer(struct eye_feature_state *state)
{
    return tell(state, libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL));
}

static bool probe_socket_storage(struct eye_feature_state *state)
{
    return tell(state, libbpf_probe_bpf_map_type(BPF_MAP_TYPE_SK_STORAGE, NULL));
}

/* Not libbpf's own probe: it tries fentry, which some kernels refuse while tp_btf works. */
static bool probe_tracing(struct eye_feature_state *state)
{
    int id = libbpf_find_vmlinux_btf_id("inet_sock_set_state", BPF_TRACE_RAW_TP);
    if (id < 0) {
        snprintf(state->detail, sizeof(state->detail), "no tracepoint inet_sock_set_state: %s",
                 strerror(-id));
        return false;
    }
    static const struct bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K}, /* r0 = 0 */
        {.code = BPF_JMP | BPF_EXIT},
    };
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.expected_attach_type = BPF_TRACE_RAW_TP;
    options.attach_btf_id = (__u32)id;
    EYE_AUTOCLOSE int fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "eye_probe", "GPL", program,
                                         EYE_ARRAY_LENGTH(program), &options);
    return tell(state, fd < 0 ? fd : 1);
}

static bool probe_cgroup_skb(struct eye_feature_state *state)
{
    return tell(state, libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_CGROUP_SKB, NULL));
}

static bool probe_loop(struct eye_feature_state *state)
{
    return tell(state, libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_loop, NULL));
}

static bool probe_cgroup2(struct eye_feature_state *state)
{
    EYE_AUTOCLOSE int fd = eye_cgroup2_open(state->detail, sizeof(state->detail));
    if (fd < 0) {
        snprintf(state->detail, sizeof(state->detail), "%s",
                 fd == -ENOENT ? "not mounted" : strerror(-fd));
    }
    return fd >= 0;
}

static bool probe_namespaces(struct eye_feature_state *state)
{
    bool allowed = has_capability(effective_capabilities(), CAP_SYS_ADMIN);
    snprintf(state->detail, sizeof(state->detail), "%s",
             allowed ? "available" : "missing cap_sys_admin");
    return allowed;
}

void eye_features_probe(struct eye_feature_state ret_states[EYE_FEATURE_COUNT])
{
    static const struct eye_feature_state features[EYE_FEATURE_COUNT] = {
#define X(identifier, name, needed_for, remedy)                                                    \
    [EYE_FEATURE_##identifier] = {name, needed_for, remedy, false, ""},
        EYE_FEATURES(X)
#undef X
    };
    static bool (*const probes[EYE_FEATURE_COUNT])(struct eye_feature_state * state) = {
        [EYE_FEATURE_CAPABILITIES] = probe_capabilities,
        [EYE_FEATURE_BTF] = probe_btf,
        [EYE_FEATURE_RING_BUFFER] = probe_ring_buffer,
        [EYE_FEATURE_SOCKET_STORAGE] = probe_socket_storage,
        [EYE_FEATURE_TRACING] = probe_tracing,
        [EYE_FEATURE_CGROUP_SKB] = probe_cgroup_skb,
        [EYE_FEATURE_LOOP] = probe_loop,
        [EYE_FEATURE_CGROUP2] = probe_cgroup2,
        [EYE_FEATURE_NAMESPACES] = probe_namespaces,
    };
    libbpf_print_fn_t printer = libbpf_set_print(NULL);
    for (size_t i = 0; i < EYE_FEATURE_COUNT; i++) {
        ret_states[i] = features[i];
        ret_states[i].available = probes[i](&ret_states[i]);
    }
    libbpf_set_print(printer);
}

int eye_features_check(const struct eye_feature_state states[EYE_FEATURE_COUNT], bool protocols,
                       struct eye_error *ret_error)
{
    enum eye_feature last = protocols ? EYE_FEATURE_CGROUP2 : EYE_FEATURE_TRACING;
    for (size_t i = 0; i <= (size_t)last; i++) {
        if (!states[i].available) {
            return eye_error_set(ret_error, -ENOTSUP, "cannot observe the kernel: %s: %s; %s",
                                 states[i].name, states[i].detail, states[i].remedy);
        }
    }
    return 0;
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
