/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/rings.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "collector/host/remedy.h"

/* Records per drain: a second of the busiest traffic measured; the next drain goes on. */
#define DRAIN_MAX 400000

const char *eye_ring_name(enum eye_ring ring)
{
    static const char *const names[] = {"owners", "connections", "requests"};
    return names[ring];
}

static int take_record(void *context, void *record, size_t bytes)
{
    struct eye_ring_reader *reader = context;
    reader->records++;
    reader->handler(reader->context, record, bytes);
    return ++reader->rings->drained < DRAIN_MAX ? 0 : -EAGAIN;
}

static int add_to(struct ring_buffer **buffer, int fd, struct eye_ring_reader *reader)
{
    if (*buffer != NULL) {
        return ring_buffer__add(*buffer, fd, take_record, reader);
    }
    *buffer = ring_buffer__new(fd, take_record, reader, NULL);
    return *buffer == NULL ? -errno : 0;
}

static int open_ring(struct eye_rings *rings, enum eye_ring ring, const struct bpf_map *map)
{
    struct eye_ring_reader *reader = &rings->readers[ring];
    reader->rings = rings;
    reader->bytes = bpf_map__max_entries(map);
    int result =
        add_to(ring == EYE_RING_OWNERS ? &rings->owners : &rings->others, bpf_map__fd(map), reader);
    return result == 0 ? eye_ring_pages_map(bpf_map__fd(map), &reader->pages) : result;
}

/* Whoever waits for the other rings is woken by the owners', too. */
static int join(struct eye_rings *rings)
{
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(ring_buffer__epoll_fd(rings->others), EPOLL_CTL_ADD,
                     ring_buffer__epoll_fd(rings->owners), &event) != 0
               ? -errno
               : 0;
}

int eye_rings_open(struct eye_rings *rings, struct bpf_map *const maps[EYE_RING_COUNT],
                   struct eye_error *ret_error)
{
    for (size_t i = 0; i < EYE_RING_COUNT; i++) {
        int result = open_ring(rings, (enum eye_ring)i, maps[i]);
        if (result != 0) {
            return eye_error_set(ret_error, result, "cannot map ring buffer %s: %s; %s",
                                 eye_ring_name((enum eye_ring)i), strerror(-result),
                                 eye_remedy(-result, EYE_REMEDY_DEBUG));
        }
    }
    int result = join(rings);
    return result == 0 ? 0
                       : eye_error_set(ret_error, result, "cannot watch ring buffers: %s",
                                       strerror(-result));
}

void eye_rings_close(struct eye_rings *rings)
{
    ring_buffer__free(rings->others);
    ring_buffer__free(rings->owners);
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
    return ring_buffer__epoll_fd(rings->others);
}

void eye_rings_drain(struct eye_rings *rings)
{
    rings->drained = 0;
    ring_buffer__consume(rings->owners);
    ring_buffer__consume(rings->others);
}

void eye_rings_drain_owners(struct eye_rings *rings)
{
    ring_buffer__consume(rings->owners);
}

uint64_t eye_rings_records(const struct eye_rings *rings, enum eye_ring ring)
{
    return rings->readers[ring].records;
}

double eye_rings_fill(const struct eye_rings *rings, enum eye_ring ring)
{
    const struct eye_ring_reader *reader = &rings->readers[ring];
    unsigned long used = *reader->pages.producer - *reader->pages.consumer;
    return (double)used / (double)reader->bytes;
}
