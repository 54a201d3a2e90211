/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tls/watch.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/base.h"

/* Of each processor: room for some 300 mappings until they are read. */
#define PAGES 8
/* So many bytes wake the reader, who looks by itself before: to wake somebody for each mapping
 * costs whoever maps several times as much as to tell of it. */
#define WAKING_BYTES 16384

struct eye_tls_watch {
    void (*found)(void *context, const struct eye_tls_mapping *mapping);
    void *context;
    int map; /* what libbpf keeps the events in */
    struct perf_buffer *events;
    bool lost;
};

/* PERF_RECORD_MMAP2 of perf_event_open(2); behind it the path, with zeros to a multiple of 8. */
struct mmap2 {
    struct perf_event_header header;
    uint32_t pid;
    uint32_t tid;
    uint64_t address;
    uint64_t length;
    uint64_t offset;
    uint32_t major;
    uint32_t minor;
    uint64_t inode;
    uint64_t generation;
    uint32_t protection;
    uint32_t flags;
    char path[];
};

/* A pid of 0 is one that this process's namespace does not have. */
static void take_mapping(struct eye_tls_watch *watch, const struct mmap2 *record)
{
    size_t room = record->header.size > sizeof(*record) ? record->header.size - sizeof(*record) : 0;
    if (memchr(record->path, '\0', room) == NULL || record->inode == 0) {
        return;
    }
    enum eye_tls_kind kind = eye_tls_kind_of(record->path);
    if (kind == EYE_TLS_OTHER) {
        return;
    }
    if ((int32_t)record->pid <= 0) {
        watch->lost |= kind == EYE_TLS_LIBRARY;
        return;
    }
    const struct eye_tls_mapping mapping = {
        .kind = kind,
        .pid = (pid_t)record->pid,
        .device = (uint64_t)record->major << 32 | record->minor,
        .inode = record->inode,
        .path = record->path,
    };
    watch->found(watch->context, &mapping);
}

static enum bpf_perf_event_ret take(void *context, int cpu, struct perf_event_header *header)
{
    struct eye_tls_watch *watch = context;
    (void)cpu;
    if (header->type == PERF_RECORD_MMAP2) {
        take_mapping(watch, (const struct mmap2 *)(const void *)header);
    } else if (header->type == PERF_RECORD_LOST) {
        watch->lost = true;
    }
    return LIBBPF_PERF_EVENT_CONT;
}

static int open_events(struct eye_tls_watch *watch)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attributes),
        .config = PERF_COUNT_SW_DUMMY,
        .mmap = 1, /* of what can be run */
        .mmap2 = 1,
        .watermark = 1,
        .wakeup_watermark = WAKING_BYTES,
    };
    watch->map = bpf_map_create(BPF_MAP_TYPE_PERF_EVENT_ARRAY, "tls_watch", sizeof(uint32_t),
                                sizeof(uint32_t), (uint32_t)libbpf_num_possible_cpus(), NULL);
    if (watch->map < 0) {
        return -errno;
    }
    watch->events = perf_buffer__new_raw(watch->map, PAGES, &attributes, take, watch, NULL);
    return watch->events == NULL ? -errno : 0;
}

int eye_tls_watch_open(void (*found)(void *context, const struct eye_tls_mapping *mapping),
                       void *context, struct eye_tls_watch **ret_watch)
{
    struct eye_tls_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL) {
        return -ENOMEM;
    }
    watch->found = found;
    watch->context = context;
    int result = open_events(watch);
    if (result != 0) {
        eye_tls_watch_close(watch);
        return result;
    }
    *ret_watch = watch;
    return 0;
}

int eye_tls_watch_fd(const struct eye_tls_watch *watch)
{
    return watch == NULL ? -1 : perf_buffer__epoll_fd(watch->events);
}

bool eye_tls_watch_read(struct eye_tls_watch *watch)
{
    if (watch == NULL) {
        return true;
    }
    watch->lost = false;
    return perf_buffer__consume(watch->events) >= 0 && !watch->lost;
}

void eye_tls_watch_close(struct eye_tls_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    perf_buffer__free(watch->events);
    if (watch->map >= 0) {
        close(watch->map);
    }
    free(watch);
}
