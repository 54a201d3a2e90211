/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bpf/tracer/states.h"

#define STATES 12 /* and 0, which is none */

static void is_open__from_established_until_closed(void **state)
{
    static const bool open[STATES] = {
        [TCP_ESTABLISHED] = true, [TCP_FIN_WAIT1] = true,  [TCP_FIN_WAIT2] = true,
        [TCP_TIME_WAIT] = true,   [TCP_CLOSE_WAIT] = true, [TCP_LAST_ACK] = true,
        [TCP_CLOSING] = true,
    };
    (void)state;
    for (int i = 0; i < STATES; i++) {
        assert_int_equal(eye_is_open(i), open[i]);
    }
}

static void begins__with_any_state_but_closed(void **state)
{
    (void)state;
    assert_true(eye_begins(TCP_CLOSE, TCP_SYN_SENT));
    assert_true(eye_begins(TCP_CLOSE, TCP_LISTEN));
    assert_true(eye_begins(TCP_LISTEN, TCP_SYN_RECV));
    assert_true(eye_begins(TCP_SYN_RECV, TCP_ESTABLISHED));
    assert_true(eye_begins(TCP_SYN_RECV, TCP_FIN_WAIT1)); /* fast open */
    assert_false(eye_begins(TCP_SYN_SENT, TCP_CLOSE));
    assert_false(eye_begins(TCP_LISTEN, TCP_CLOSE));
    assert_false(eye_begins(TCP_ESTABLISHED, TCP_FIN_WAIT1));
    assert_false(eye_begins(TCP_ESTABLISHED, TCP_CLOSE));
}

static void was_skipped__when_the_last_change_handled_is_another(void **state)
{
    (void)state;
    for (int old = 1; old < STATES; old++) {
        for (int new = 1; new < STATES; new ++) {
            const __u8 this_one = (__u8) new;
            const __u8 the_one_before = (__u8)old;
            assert_false(eye_was_skipped(&this_one, old, new));
            assert_int_equal(eye_was_skipped(&the_one_before, old, new), old != new);
        }
    }
}

/* It would have one if its beginning had been handled; of later changes nobody knows. */
static void was_skipped__without_an_entry_when_it_begins(void **state)
{
    (void)state;
    assert_true(eye_was_skipped(NULL, TCP_CLOSE, TCP_SYN_SENT));
    assert_true(eye_was_skipped(NULL, TCP_SYN_RECV, TCP_ESTABLISHED));
    assert_false(eye_was_skipped(NULL, TCP_ESTABLISHED, TCP_CLOSE_WAIT));
    assert_false(eye_was_skipped(NULL, TCP_SYN_SENT, TCP_CLOSE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_open__from_established_until_closed),
        cmocka_unit_test(begins__with_any_state_but_closed),
        cmocka_unit_test(was_skipped__when_the_last_change_handled_is_another),
        cmocka_unit_test(was_skipped__without_an_entry_when_it_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
