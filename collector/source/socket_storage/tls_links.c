/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/socket_storage/tls_links.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/file.h"
#include "collector/base/parse.h"
#include "collector/host/remedy.h"

/* linux/bpf.h of build machines is older. */
#define UPROBE_MULTI 48

#define EVENT_TYPE_PATH "/sys/bus/event_source/devices/uprobe/type"

/* ---- Many places at once ---- */

/* union bpf_attr of BPF_LINK_CREATE for many places, as the kernel has it
 * (include/uapi/linux/bpf.h, 6.6): libbpf of Debian 12 does not know it. */
struct link_create {
    uint32_t program;
    uint32_t target;
    uint32_t attach_type;
    uint32_t flags;
    uint64_t path;
    uint64_t offsets;
    uint64_t reference_counters;
    uint64_t cookies;
    uint32_t count;
    uint32_t multi_flags;
    uint32_t pid;
    uint32_t padding;
};

/* A link, or -errno. @program: its descriptor, also below. */
static int link_places(int program, const struct eye_tls_places *places)
{
    struct link_create attributes = {
        .program = (uint32_t)program,
        .attach_type = UPROBE_MULTI,
        .path = (uintptr_t)places->path,
        .offsets = (uintptr_t)places->offsets,
        .cookies = (uintptr_t)places->cookies,
        .count = places->count,
    };
    long link = syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
    return link < 0 ? -errno : (int)link;
}

/* ---- One event for each place ---- */

/* Of every process: that an event wants a processor all the same does not narrow it. */
static int open_event(uint32_t type, const char *path, uint64_t offset)
{
    struct perf_event_attr attributes = {
        .type = type,
        .size = sizeof(attributes),
        .uprobe_path = (uintptr_t)path,
        .probe_offset = offset,
    };
    long event =
        syscall(SYS_perf_event_open, &attributes, -1, sched_getcpu(), -1, PERF_FLAG_FD_CLOEXEC);
    return event < 0 ? -errno : (int)event;
}

/* A link, which keeps the event, or -errno. */
static int link_event(int program, int event, uint64_t cookie)
{
    LIBBPF_OPTS(bpf_link_create_opts, options, .perf_event.bpf_cookie = cookie);
    int link = bpf_link_create(program, event, BPF_PERF_EVENT, &options);
    return link < 0 ? -errno : link;
}

static int link_place(const struct eye_tls_links *links, const struct eye_tls_places *places,
                      uint32_t number)
{
    EYE_AUTOCLOSE int event = open_event(links->event_type, places->path, places->offsets[number]);
    return event < 0 ? event
                     : link_event(bpf_program__fd(places->program), event, places->cookies[number]);
}

/* ---- Which way ---- */

/* A program that does nothing: its descriptor, or -errno. */
static int load_nothing(uint32_t attach_type)
{
    const struct bpf_insn nothing[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K},
        {.code = BPF_JMP | BPF_EXIT},
    };
    LIBBPF_OPTS(bpf_prog_load_opts, options,
                .expected_attach_type = (enum bpf_attach_type)attach_type);
    int program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", nothing,
                                EYE_ARRAY_LENGTH(nothing), &options);
    return program < 0 ? -errno : program;
}

/* 0 or -errno. */
static int try_multi(const char *path)
{
    const uint64_t zero = 0;
    const struct eye_tls_places start = {
        .path = path, .offsets = &zero, .cookies = &zero, .count = 1};
    EYE_AUTOCLOSE int program = load_nothing(UPROBE_MULTI);
    EYE_AUTOCLOSE int link = program < 0 ? program : link_places(program, &start);
    return link < 0 ? link : 0;
}

static int read_event_type(uint32_t *ret_type)
{
    char text[16];
    EYE_AUTOCLOSE int fd = open(EVENT_TYPE_PATH, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -errno : eye_file_read(fd, text, sizeof(text) - 1);
    if (length < 0) {
        return (int)length;
    }
    uint64_t type = 0;
    text[length] = '\0';
    text[strcspn(text, "\n")] = '\0';
    int result = eye_parse_u64(text, &type);
    *ret_type = (uint32_t)type;
    return result;
}

/* 0, or -errno with a message. */
static int try_events(const char *path, uint32_t *ret_type, struct eye_error *ret_error)
{
    int result = read_event_type(ret_type);
    if (result != 0) {
        return eye_error_set(ret_error, result, "%s: %s; %s", EVENT_TYPE_PATH, strerror(-result),
                             eye_remedy(-result, "use a kernel built with CONFIG_UPROBE_EVENTS"));
    }
    EYE_AUTOCLOSE int event = open_event(*ret_type, path, 0);
    if (event < 0) {
        return eye_error_set(
            ret_error, event, "perf_event_open of a uprobe: %s; %s", strerror(-event),
            eye_remedy_of_rights(-event, CAP_SYS_ADMIN, "run as root or grant cap_sys_admin+ep"));
    }
    EYE_AUTOCLOSE int program = load_nothing(0);
    EYE_AUTOCLOSE int link = program < 0 ? program : link_event(program, event, 0);
    return link >= 0 ? 0
                     : eye_error_set(ret_error, link, "a link to a perf event: %s; %s",
                                     strerror(-link), eye_remedy(-link, "use Linux 5.15 or newer"));
}

/* Nobody maps it, so nothing is written into any code. */
static int make_file(void)
{
    int fd = memfd_create("sockeye-trial", MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, 1) == 0) {
        return fd;
    }
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    return -error;
}

int eye_tls_links_find(struct eye_tls_links *ret_links, struct eye_error *ret_error)
{
    *ret_links = (struct eye_tls_links){.way = EYE_TLS_LINKS_NONE};
    EYE_AUTOCLOSE int file = make_file();
    if (file < 0) {
        return eye_error_set(ret_error, file, "memfd_create: %s; %s", strerror(-file),
                             eye_remedy(-file, EYE_REMEDY_DEBUG));
    }
    char path[sizeof("/proc/self/fd/") + 11];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    int multi = try_multi(path);
    if (multi == 0) {
        ret_links->way = EYE_TLS_LINKS_MULTI;
        return 0;
    }
    struct eye_error why;
    int result = try_events(path, &ret_links->event_type, &why);
    if (result != 0) {
        return eye_error_set(ret_error, result,
                             "links of many places (BPF_TRACE_UPROBE_MULTI, Linux 6.6): %s; %s",
                             strerror(-multi), why.text);
    }
    ret_links->way = EYE_TLS_LINKS_EVENTS;
    return 0;
}

/* ---- What is attached ---- */

void eye_tls_links_prepare(const struct eye_tls_links *links, struct bpf_object *object)
{
    uint32_t type = links->way == EYE_TLS_LINKS_MULTI ? UPROBE_MULTI : 0;
    struct bpf_program *program;
    bpf_object__for_each_program(program, object)
    {
        if (bpf_program__type(program) == BPF_PROG_TYPE_KPROBE) {
            bpf_program__set_expected_attach_type(program, (enum bpf_attach_type)type);
        }
    }
}

int eye_tls_links_fit(const struct eye_tls_links *links, size_t places)
{
    if (links->way != EYE_TLS_LINKS_EVENTS) {
        return 0;
    }
    struct rlimit limit;
    size_t events = links->events + places;
    return events > EYE_TLS_EVENTS_MAX                                            ? -ENOSPC
           : getrlimit(RLIMIT_NOFILE, &limit) == 0 && events > limit.rlim_cur / 2 ? -EMFILE
                                                                                  : 0;
}

static int keep(struct eye_tls_linked *linked, int link)
{
    if (link < 0) {
        return link;
    }
    int *links = realloc(linked->links, (linked->count + 1) * sizeof(*links));
    if (links == NULL) {
        close(link);
        return -ENOMEM;
    }
    linked->links = links;
    links[linked->count++] = link;
    return 0;
}

static int attach_events(struct eye_tls_links *links, const struct eye_tls_places *places,
                         struct eye_tls_linked *linked)
{
    int result = 0;
    for (uint32_t i = 0; i < places->count && result == 0; i++) {
        result = keep(linked, link_place(links, places, i));
        links->events += result == 0;
    }
    return result;
}

int eye_tls_links_attach(struct eye_tls_links *links, const struct eye_tls_places *places,
                         struct eye_tls_linked *linked)
{
    return links->way == EYE_TLS_LINKS_EVENTS
               ? attach_events(links, places, linked)
               : keep(linked, link_places(bpf_program__fd(places->program), places));
}

void eye_tls_links_detach(struct eye_tls_links *links, struct eye_tls_linked *linked)
{
    for (size_t i = 0; i < linked->count; i++) {
        close(linked->links[i]);
    }
    links->events -= links->way == EYE_TLS_LINKS_EVENTS ? linked->count : 0;
    free(linked->links);
    *linked = (struct eye_tls_linked){0};
}
