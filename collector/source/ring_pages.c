/* SPDX-License-Identifier: Apache-2.0 */
/* The consumer's page comes first, then the producer's, then the data, twice: what begins at the
 * end of the ring goes on behind it. */
#include "collector/source/ring_pages.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Holds the largest record. */
#define WINDOW_BYTES (128U << 10)

/* To move a window takes 16 us, 6 ns for each record of 48 bytes: a ring through which much flows
 * stays mapped as a whole, from BUSY_FROM on until nothing is left. Each window's worth of records
 * adds BUSY_STEP, each look that finds no record takes one off; the collector looks ten times a
 * second at least. So some 100 KiB/s make a ring busy, and it is at rest after 13 s without any. */
#define BUSY_STEP 16U
#define BUSY_FROM 64U
#define BUSY_MAX 128U

#define RECORD_ALIGNMENT 8U

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void unmap(const void *start, size_t bytes)
{
    if (start != NULL) {
        munmap((void *)(uintptr_t)start, bytes);
    }
}

int eye_ring_pages_map(int fd, size_t bytes, struct eye_ring_pages *ret_pages)
{
    size_t page = page_bytes();
    void *consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (consumer == MAP_FAILED) {
        return -errno;
    }
    void *producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)page);
    if (producer == MAP_FAILED) {
        int error = errno;
        unmap(consumer, page);
        return -error;
    }
    *ret_pages = (struct eye_ring_pages){
        .fd = fd, .bytes = bytes, .consumer = consumer, .producer = producer};
    return 0;
}

static void close_window(struct eye_ring_pages *pages)
{
    unmap(pages->window, pages->window_bytes);
    pages->window = NULL;
}

static bool is_whole(const struct eye_ring_pages *pages)
{
    return pages->window != NULL && pages->window_bytes > pages->bytes;
}

static void add_busy(struct eye_ring_pages *pages, size_t windows)
{
    size_t busy = pages->busy + windows * BUSY_STEP;
    pages->busy = busy < BUSY_MAX ? (unsigned int)busy : BUSY_MAX;
}

static int move_window(struct eye_ring_pages *pages, unsigned long position, size_t bytes)
{
    size_t page = page_bytes();
    unsigned long from = position & ~(unsigned long)(page - 1);
    size_t window = WINDOW_BYTES;
    add_busy(pages, 1);
    if (pages->busy >= BUSY_FROM || position - from + bytes > window || window > pages->bytes) {
        from = position & ~(unsigned long)(pages->bytes - 1);
        window = pages->bytes + (bytes <= window && window < pages->bytes ? window : pages->bytes);
    }
    close_window(pages);
    off_t offset = (off_t)(2 * page + (from & (pages->bytes - 1)));
    void *start = mmap(NULL, window, PROT_READ, MAP_SHARED, pages->fd, offset);
    if (start == MAP_FAILED) {
        return -errno;
    }
    pages->window = start;
    pages->window_bytes = window;
    pages->window_from = from;
    return 0;
}

/* Sees to it that so many bytes are in the window. */
static int look_at(struct eye_ring_pages *pages, unsigned long position, size_t bytes)
{
    if (is_whole(pages) && position - pages->window_from >= pages->bytes) { /* once around */
        pages->window_from += pages->bytes;
        add_busy(pages, pages->bytes / WINDOW_BYTES);
    }
    return pages->window != NULL && position - pages->window_from + bytes <= pages->window_bytes
               ? 0
               : move_window(pages, position, bytes);
}

static void rest(struct eye_ring_pages *pages)
{
    if (pages->busy > 0 && --pages->busy == 0 && is_whole(pages)) {
        close_window(pages);
    }
}

static unsigned long behind(unsigned long position, size_t bytes)
{
    size_t whole = BPF_RINGBUF_HDR_SZ + bytes;
    return position + ((whole + RECORD_ALIGNMENT - 1) & ~(size_t)(RECORD_ALIGNMENT - 1));
}

int eye_ring_pages_take(struct eye_ring_pages *pages, const void **ret_record, size_t *ret_bytes)
{
    for (;;) {
        unsigned long position = *pages->consumer; /* we alone write it */
        /* Not with each record: the writers' CPUs write this line all the time. */
        if (position >= pages->written) {
            pages->written = __atomic_load_n(pages->producer, __ATOMIC_ACQUIRE);
        }
        if (position >= pages->written) {
            rest(pages);
            return 0;
        }
        int result = look_at(pages, position, BPF_RINGBUF_HDR_SZ);
        if (result != 0) {
            return result;
        }
        const void *header = pages->window + (position - pages->window_from);
        uint32_t length = __atomic_load_n((const uint32_t *)header, __ATOMIC_ACQUIRE);
        if (length & BPF_RINGBUF_BUSY_BIT) {
            return 0;
        }
        size_t bytes = length & ~(uint32_t)BPF_RINGBUF_DISCARD_BIT;
        pages->next = behind(position, bytes);
        if (length & BPF_RINGBUF_DISCARD_BIT) {
            eye_ring_pages_release(pages);
            continue;
        }
        result = look_at(pages, position, BPF_RINGBUF_HDR_SZ + bytes);
        if (result != 0) {
            return result;
        }
        *ret_record = pages->window + (position - pages->window_from) + BPF_RINGBUF_HDR_SZ;
        *ret_bytes = bytes;
        return 1;
    }
}

void eye_ring_pages_release(const struct eye_ring_pages *pages)
{
    __atomic_store_n(pages->consumer, pages->next, __ATOMIC_RELEASE);
}

double eye_ring_pages_fill(const struct eye_ring_pages *pages)
{
    unsigned long read = __atomic_load_n(pages->consumer, __ATOMIC_RELAXED);
    unsigned long written = __atomic_load_n(pages->producer, __ATOMIC_RELAXED);
    return (double)(written - read) / (double)pages->bytes;
}

void eye_ring_pages_unmap(struct eye_ring_pages *pages)
{
    unmap(pages->consumer, page_bytes());
    unmap(pages->producer, page_bytes());
    unmap(pages->window, pages->window_bytes);
    *pages = (struct eye_ring_pages){0};
}
