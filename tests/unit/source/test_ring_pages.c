/* SPDX-License-Identifier: Apache-2.0 */
/* A file of two pages in place of a ring. The linker's --wrap leads here, where a page may be
 * refused, and then to the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collector/source/ring_pages.h"

static size_t mapped; /* pages that are */
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
    mapped++;
    return __real_mmap(address, bytes, protection, flags, fd, offset);
}

int __wrap_munmap(void *address, size_t bytes)
{
    mapped--;
    int result = __real_munmap(address, bytes);
    errno = 0;
    return result;
}

static int open_ring(void **state)
{
    static int fd;
    unsigned long positions[2] = {100, 300};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    mapped = 0;
    fd = memfd_create("ring", MFD_CLOEXEC);
    *state = &fd;
    return fd < 0 || ftruncate(fd, (off_t)(2 * page)) != 0 ||
           pwrite(fd, &positions[0], sizeof(long), 0) != (ssize_t)sizeof(long) ||
           pwrite(fd, &positions[1], sizeof(long), (off_t)page) != (ssize_t)sizeof(long);
}

static int close_ring(void **state)
{
    return close(*(const int *)*state);
}

static void map__shows_both_positions_until_unmap(void **state)
{
    struct eye_ring_pages pages = {0};
    assert_int_equal(eye_ring_pages_map(*(const int *)*state, &pages), 0);
    assert_int_equal(*pages.consumer, 100);
    assert_int_equal(*pages.producer, 300);
    assert_int_equal(mapped, 2);
    eye_ring_pages_unmap(&pages);
    assert_int_equal(mapped, 0);
    eye_ring_pages_unmap(&pages);
    assert_int_equal(mapped, 0);
}

static void map__leaves_no_page_and_the_output_on_failure(void **state)
{
    for (int which = 1; which <= 2; which++) {
        struct eye_ring_pages pages = {0};
        refused = which;
        assert_int_equal(eye_ring_pages_map(*(const int *)*state, &pages), -EPERM);
        assert_int_equal(mapped, 0);
        assert_null(pages.consumer);
        assert_null(pages.producer);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(map__shows_both_positions_until_unmap, open_ring,
                                        close_ring),
        cmocka_unit_test_setup_teardown(map__leaves_no_page_and_the_output_on_failure, open_ring,
                                        close_ring),
    };
    return cmocka_run_group_tests_name("ring_pages", tests, NULL, NULL);
}
