/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/rings.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "collector/base/log.h"
#include "collector/host/remedy.h"

/* Records per drain: a second of the busiest traffic measured; the next drain goes on. */
#define DRAIN_MAX 400000

const char *eye_ring_name(enum eye_ring ring)
{
    static const char *const names[] = {
        [EYE_RING_OWNERS] = "owners",
        [EYE_RING_REQUESTS] = "requests",
        [EYE_RING_CONNECTIONS] = "connections",
        [EYE_RING_PROCESSES] = "processes",
    };
    return names[ring];
}

static int open_ring(struct eye_rings *rings, enum eye_ring ring, const struct bpf_map *map)
{
    int fd = bpf_map__fd(map);
    struct epoll_event event = {.events = EPOLLIN};
    int result = eye_ring_pages_map(fd, bpf_map__max_entries(map), &rings->readers[ring].pages);
    return result != 0                                               ? result
           : epoll_ctl(rings->epoll, EPOLL_CTL_ADD, fd, &event) != 0 ? -errno
                                                                     : 0;
}

int eye_rings_open(struct eye_rings *rings, struct bpf_map *const maps[EYE_RING_COUNT],
                   struct eye_error *ret_error)
{
    rings->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (rings->epoll < 0) {
        int error = errno;
        return eye_error_set(ret_error, -error, "cannot watch ring buffers: %s; %s",
                             strerror(error), eye_remedy(error, EYE_REMEDY_DEBUG));
    }
    for (size_t i = 0; i < EYE_RING_COUNT; i++) {
        int result = open_ring(rings, (enum eye_ring)i, maps[i]);
        if (result != 0) {
            return eye_error_set(ret_error, result, "cannot map ring buffer %s: %s; %s",
                                 eye_ring_name((enum eye_ring)i), strerror(-result),
                                 eye_remedy(-result, EYE_REMEDY_DEBUG));
        }
    }
    return 0;
}

void eye_rings_close(struct eye_rings *rings)
{
    if (rings->epoll > 0) {
        close(rings->epoll);
    }
    for (size_t i = 0; i < EYE_RING_COUNT; i++) {
        eye_ring_pages_unmap(&rings->readers[i].pages);
    }
}

void eye_rings_on_record(struct eye_rings *rings, enum eye_ring ring, eye_record_handler *handler,
                         void *context)
{
    rings->readers[ring].handler = handler;
    rings->readers[ring].context = context;
}

int eye_rings_fd(const struct eye_rings *rings)
{
    return rings->epoll;
}

/* What cannot be mapped waits in the ring, and is tried again by the next drain. */
static void say_unreadable(struct eye_ring_reader *reader, enum eye_ring ring, int result)
{
    if (result < 0 && !reader->unreadable) {
        eye_log_warning("ring buffer %s cannot be read now: mmap: %s; %s", eye_ring_name(ring),
                        strerror(-result), eye_remedy(-result, "free some memory"));
    }
    reader->unreadable = result < 0;
}

void eye_rings_hand_on(struct eye_rings *rings, enum eye_ring ring, const void *record,
                       size_t bytes)
{
    struct eye_ring_reader *reader = &rings->readers[ring];
    reader->records++;
    reader->handler(reader->context, record, bytes);
}

/* False: enough for this drain. */
static bool drain_ring(struct eye_rings *rings, enum eye_ring ring)
{
    struct eye_ring_reader *reader = &rings->readers[ring];
    const void *record;
    size_t bytes;
    int result;
    while ((result = eye_ring_pages_take(&reader->pages, &record, &bytes)) > 0) {
        eye_rings_hand_on(rings, ring, record, bytes);
        eye_ring_pages_release(&reader->pages);
        if (++rings->drained >= DRAIN_MAX) {
            return false;
        }
    }
    say_unreadable(reader, ring, result);
    return true;
}

void eye_rings_drain(struct eye_rings *rings)
{
    bool go_on = true;
    rings->drained = 0;
    for (size_t i = 0; i < EYE_RING_COUNT && go_on; i++) {
        go_on = drain_ring(rings, (enum eye_ring)i);
    }
}

void eye_rings_drain_owners(struct eye_rings *rings)
{
    drain_ring(rings, EYE_RING_OWNERS);
}

uint64_t eye_rings_records(const struct eye_rings *rings, enum eye_ring ring)
{
    return rings->readers[ring].records;
}

double eye_rings_fill(const struct eye_rings *rings, enum eye_ring ring)
{
    return eye_ring_pages_fill(&rings->readers[ring].pages);
}
