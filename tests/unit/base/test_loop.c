/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that become readable, watches that leave, the end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/loop.h"

struct reader {
    struct eye_watch watch;
    unsigned calls;
    unsigned ends_after; /* calls; 0: never */
    struct eye_loop *loop;
    struct reader *throws_out; /* when called */
};

static bool read_once(void *context)
{
    struct reader *reader = context;
    uint64_t value;
    assert_int_equal(read(reader->watch.fd, &value, sizeof(value)), sizeof(value));
    if (reader->throws_out != NULL) {
        eye_loop_leave(reader->loop, &reader->throws_out->watch);
    }
    return ++reader->calls != reader->ends_after;
}

static void join(struct eye_loop *loop, struct reader *reader)
{
    reader->watch = (struct eye_watch){
        .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .on_readable = read_once, .context = reader};
    reader->loop = loop;
    assert_int_equal(eye_loop_join(loop, &reader->watch), 0);
}

static void make_readable(const struct reader *reader)
{
    const uint64_t one = 1;
    assert_int_equal(write(reader->watch.fd, &one, sizeof(one)), sizeof(one));
}

static void loop__calls_who_is_readable_until_one_ends_it(void **state)
{
    (void)state;
    struct eye_loop *loop = eye_loop_new();
    struct reader silent = {0};
    struct reader first = {0};
    struct reader last = {.ends_after = 2};
    assert_non_null(loop);
    join(loop, &silent);
    join(loop, &first);
    join(loop, &last);
    for (unsigned i = 1; i <= 2; i++) {
        make_readable(&first);
        make_readable(&last);
        last.ends_after = i;
        eye_loop_run(loop);
    }
    assert_int_equal(silent.calls, 0);
    assert_in_range(first.calls, 1, 2); /* who comes first is the kernel's choice */
    assert_int_equal(last.calls, 2);
    eye_loop_free(loop);
    close(silent.watch.fd);
    close(first.watch.fd);
    close(last.watch.fd);
}

/* Both are readable when the first one is called: the other is not called any more. */
static void loop__does_not_call_who_has_left(void **state)
{
    (void)state;
    struct eye_loop *loop = eye_loop_new();
    struct reader readers[2] = {0};
    struct reader last = {.ends_after = 1};
    join(loop, &readers[0]);
    join(loop, &readers[1]);
    readers[0].throws_out = &readers[1];
    readers[1].throws_out = &readers[0];
    make_readable(&readers[0]);
    make_readable(&readers[1]);
    join(loop, &last);
    make_readable(&last);
    eye_loop_run(loop);
    assert_int_equal(readers[0].calls + readers[1].calls, 1);
    eye_loop_free(loop);
    close(readers[0].watch.fd);
    close(readers[1].watch.fd);
    close(last.watch.fd);
}

static void join__refuses_what_is_no_descriptor(void **state)
{
    (void)state;
    struct eye_loop *loop = eye_loop_new();
    struct eye_watch watch = {.fd = -1};
    assert_int_equal(eye_loop_join(loop, &watch), -EBADF);
    eye_loop_free(loop);
    eye_loop_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loop__calls_who_is_readable_until_one_ends_it),
        cmocka_unit_test(loop__does_not_call_who_has_left),
        cmocka_unit_test(join__refuses_what_is_no_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
