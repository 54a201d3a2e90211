/* SPDX-License-Identifier: Apache-2.0 */
/* A file laid out as the kernel lays out a ring. The linker's --wrap leads here, where a mapping
 * may be refused, and then to the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collector/source/ring_pages.h"

#define RING_BYTES (256U << 10)
#define WINDOW_BYTES (128U << 10)
#define HALF_BYTES (WINDOW_BYTES / 2)

struct ring {
    int fd;
    size_t page;
    unsigned long written;
    struct eye_ring_pages pages;
};

static size_t mapped; /* bytes that are */
static size_t calls;  /* of mmap(2) */
static int refused;   /* the mmap(2) that fails, counted from 1; 0: none */

void *__real_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t bytes);
int __wrap_munmap(void *address, size_t bytes);

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (refused > 0 && --refused == 0) {
        errno = EPERM;
        return MAP_FAILED;
    }
    calls++;
    mapped += bytes;
    return __real_mmap(address, bytes, protection, flags, fd, offset);
}

int __wrap_munmap(void *address, size_t bytes)
{
    mapped -= bytes;
    int result = __real_munmap(address, bytes);
    errno = 0;
    return result;
}

static void put(const struct ring *ring, const void *bytes, size_t count, size_t offset)
{
    assert_int_equal(pwrite(ring->fd, bytes, count, (off_t)offset), count);
}

/* Both copies of the data are written, as both are the same memory in the kernel. */
static void put_data(const struct ring *ring, const void *bytes, size_t count, unsigned long at)
{
    const char *from = bytes;
    for (size_t i = 0; i < count; i += 8) {
        size_t offset = 2 * ring->page + (at + i) % RING_BYTES;
        put(ring, from + i, 8, offset);
        put(ring, from + i, 8, offset + RING_BYTES);
    }
}

/* A record whose first and last word are its position. */
static void write_record(struct ring *ring, uint32_t bytes, uint32_t flags)
{
    uint64_t header = bytes | flags;
    uint64_t word = ring->written;
    put_data(ring, &header, 8, ring->written);
    put_data(ring, &word, 8, ring->written + 8);
    put_data(ring, &word, 8, ring->written + bytes);
    ring->written += 8 + bytes;
    put(ring, &ring->written, 8, ring->page);
}

static void expect_record(struct ring *ring, size_t bytes, uint64_t position)
{
    const void *record;
    size_t found;
    assert_int_equal(eye_ring_pages_take(&ring->pages, &record, &found), 1);
    assert_int_equal(found, bytes);
    assert_int_equal(((const uint64_t *)record)[0], position);
    assert_int_equal(((const uint64_t *)record)[bytes / 8 - 1], position);
    eye_ring_pages_release(&ring->pages);
    assert_int_equal(*ring->pages.consumer, position + 8 + bytes);
}

static void expect_none(struct ring *ring)
{
    const void *record = NULL;
    size_t bytes = 0;
    assert_int_equal(eye_ring_pages_take(&ring->pages, &record, &bytes), 0);
    assert_null(record);
}

static int open_ring(void **state)
{
    static struct ring ring;
    ring = (struct ring){.page = (size_t)sysconf(_SC_PAGESIZE)};
    mapped = 0;
    refused = 0;
    *state = &ring;
    ring.fd = memfd_create("ring", MFD_CLOEXEC);
    if (ring.fd < 0 || ftruncate(ring.fd, (off_t)(2 * ring.page + 2 * (size_t)RING_BYTES)) != 0) {
        return -1;
    }
    return eye_ring_pages_map(ring.fd, RING_BYTES, &ring.pages);
}

static int close_ring(void **state)
{
    struct ring *ring = *state;
    eye_ring_pages_unmap(&ring->pages);
    return close(ring->fd) != 0 || mapped != 0;
}

static void map__shows_how_full_it_is_until_unmap(void **state)
{
    struct ring *ring = *state;
    write_record(ring, RING_BYTES / 4 - 8, 0);
    assert_true(eye_ring_pages_fill(&ring->pages) == 0.25);
    assert_int_equal(mapped, 2 * ring->page);
    eye_ring_pages_unmap(&ring->pages);
    assert_int_equal(mapped, 0);
}

static void map__leaves_no_page_and_the_output_on_failure(void **state)
{
    const struct ring *ring = *state;
    for (int which = 1; which <= 2; which++) {
        struct eye_ring_pages pages = {0};
        size_t before = mapped;
        refused = which;
        assert_int_equal(eye_ring_pages_map(ring->fd, RING_BYTES, &pages), -EPERM);
        assert_int_equal(mapped, before);
        assert_null(pages.consumer);
        assert_null(pages.producer);
    }
}

static void take__in_order_until_there_is_none(void **state)
{
    struct ring *ring = *state;
    expect_none(ring);
    write_record(ring, 16, 0);
    write_record(ring, 24, 0);
    expect_record(ring, 16, 0);
    expect_record(ring, 24, 24);
    expect_none(ring);
}

static void take__passes_over_what_was_given_up(void **state)
{
    struct ring *ring = *state;
    write_record(ring, 16, BPF_RINGBUF_DISCARD_BIT);
    write_record(ring, 16, 0);
    write_record(ring, 16, BPF_RINGBUF_DISCARD_BIT);
    expect_record(ring, 16, 24);
    expect_none(ring);
    assert_int_equal(*ring->pages.consumer, ring->written);
}

static void take__waits_for_what_is_being_written(void **state)
{
    struct ring *ring = *state;
    write_record(ring, 16, BPF_RINGBUF_BUSY_BIT);
    write_record(ring, 16, 0);
    expect_none(ring);
    uint64_t header = 16;
    put_data(ring, &header, 8, 0);
    expect_record(ring, 16, 0);
    expect_record(ring, 16, 24);
}

/* Three times around the ring, over the edges of windows and of the ring. */
static void walk(struct ring *ring, unsigned int looks, size_t expected)
{
    unsigned long end = ring->written + 3UL * RING_BYTES;
    while (ring->written < end) {
        unsigned long at = ring->written;
        write_record(ring, 10000, 0);
        expect_record(ring, 10000, at);
        assert_int_equal(mapped, 2 * ring->page + expected);
        for (unsigned int i = 0; i < looks; i++) {
            expect_none(ring);
        }
    }
}

static void take__whole_records_through_one_window(void **state)
{
    walk(*state, 2, WINDOW_BYTES);
}

static void take__from_a_ring_mapped_whole_while_it_is_busy(void **state)
{
    struct ring *ring = *state;
    for (unsigned long at = 0; at < 2UL * RING_BYTES; at = ring->written) {
        write_record(ring, 10000, 0);
        expect_record(ring, 10000, at);
    }
    calls = 0;
    walk(ring, 0, RING_BYTES + WINDOW_BYTES);
    assert_int_equal(calls, 0);
    for (int i = 0; i < 200; i++) {
        expect_none(ring);
    }
    assert_int_equal(mapped, 2 * ring->page);
    walk(ring, 2, WINDOW_BYTES);
}

static void take__a_record_larger_than_the_window(void **state)
{
    struct ring *ring = *state;
    write_record(ring, 16, 0);
    write_record(ring, WINDOW_BYTES + HALF_BYTES, 0);
    expect_record(ring, 16, 0);
    expect_record(ring, WINDOW_BYTES + HALF_BYTES, 24);
    unsigned long at = ring->written; /* over the end of the ring */
    write_record(ring, WINDOW_BYTES + HALF_BYTES, 0);
    expect_record(ring, WINDOW_BYTES + HALF_BYTES, at);
}

static void take__again_after_no_window_could_be_mapped(void **state)
{
    struct ring *ring = *state;
    const void *record;
    size_t bytes;
    write_record(ring, 16, 0);
    refused = 1;
    assert_int_equal(eye_ring_pages_take(&ring->pages, &record, &bytes), -EPERM);
    assert_int_equal(*ring->pages.consumer, 0);
    expect_record(ring, 16, 0);
    /* Between the header of a record and its end. */
    write_record(ring, HALF_BYTES, 0);
    write_record(ring, HALF_BYTES, 0);
    expect_record(ring, HALF_BYTES, 24);
    refused = 1;
    assert_int_equal(eye_ring_pages_take(&ring->pages, &record, &bytes), -EPERM);
    expect_record(ring, HALF_BYTES, 32 + HALF_BYTES);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(map__shows_how_full_it_is_until_unmap, open_ring,
                                        close_ring),
        cmocka_unit_test_setup_teardown(map__leaves_no_page_and_the_output_on_failure, open_ring,
                                        close_ring),
        cmocka_unit_test_setup_teardown(take__in_order_until_there_is_none, open_ring, close_ring),
        cmocka_unit_test_setup_teardown(take__passes_over_what_was_given_up, open_ring, close_ring),
        cmocka_unit_test_setup_teardown(take__waits_for_what_is_being_written, open_ring,
                                        close_ring),
        cmocka_unit_test_setup_teardown(take__whole_records_through_one_window, open_ring,
                                        close_ring),
        cmocka_unit_test_setup_teardown(take__from_a_ring_mapped_whole_while_it_is_busy, open_ring,
                                        close_ring),
        cmocka_unit_test_setup_teardown(take__a_record_larger_than_the_window, open_ring,
                                        close_ring),
        cmocka_unit_test_setup_teardown(take__again_after_no_window_could_be_mapped, open_ring,
                                        close_ring),
    };
    return cmocka_run_group_tests_name("ring_pages", tests, NULL, NULL);
}
