/* SPDX-License-Identifier: Apache-2.0 */
/* The times that samples get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "exporters/remote_write/stamp.h"

#define MS EYE_NS_PER_MS
#define START_MS ((int64_t)1700000000000)

/* The time that a snapshot gets which says @time_ms. */
static int64_t stamp_at(struct eye_write_stamp *stamp, uint64_t sequence, int64_t time_ms)
{
    const struct eye_snapshot now = {
        .start_ns = (uint64_t)START_MS * MS,
        .sequence = sequence,
        .time_ns = (uint64_t)time_ms * MS,
    };
    eye_write_stamp(stamp, &now);
    return stamp->time.now_ms;
}

static void stamp__is_the_snapshots_own(void **state)
{
    (void)state;
    struct eye_write_stamp stamp = {0};
    assert_int_equal(stamp_at(&stamp, 1, START_MS + 10000), START_MS + 10000);
    assert_int_equal(stamp.time.start_ms, START_MS);
    assert_int_equal(stamp_at(&stamp, 2, START_MS + 20000), START_MS + 20000);
}

static void stamp__stays_when_the_same_comes_again(void **state)
{
    (void)state;
    struct eye_write_stamp stamp = {0};
    stamp_at(&stamp, 1, START_MS + 10000);
    assert_int_equal(stamp_at(&stamp, 2, START_MS + 9000), START_MS + 10001);
    assert_int_equal(stamp_at(&stamp, 2, START_MS + 9000), START_MS + 10001);
    assert_int_equal(stamp_at(&stamp, 3, START_MS + 9500), START_MS + 10002);
}

static void stamp__takes_the_start_along(void **state)
{
    (void)state;
    struct eye_write_stamp stamp = {0};
    const int64_t set_back_ms = START_MS - 86400000;
    stamp_at(&stamp, 1, START_MS + 10000);
    assert_int_equal(stamp_at(&stamp, 2, set_back_ms), set_back_ms);
    assert_int_equal(stamp.time.start_ms, set_back_ms);
}

static void stamp__ends_behind_everything(void **state)
{
    (void)state;
    struct eye_write_stamp stamp = {0};
    stamp_at(&stamp, 1, START_MS + 10000);
    eye_write_stamp_end(&stamp, (uint64_t)START_MS * MS);
    assert_int_equal(stamp.time.now_ms, START_MS + 10001);
    eye_write_stamp_end(&stamp, (uint64_t)(START_MS + 30000) * MS);
    assert_int_equal(stamp.time.now_ms, START_MS + 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamp__is_the_snapshots_own),
        cmocka_unit_test(stamp__stays_when_the_same_comes_again),
        cmocka_unit_test(stamp__takes_the_start_along),
        cmocka_unit_test(stamp__ends_behind_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
