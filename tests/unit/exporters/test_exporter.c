/* SPDX-License-Identifier: Apache-2.0 */
/* Making an exporter and freeing it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "exporters/exporter.h"

/* What a type is asked to do, and how it goes. */
struct script {
    int open_result;
    bool was_zeroed;
    const void *opened;
    const void *closed;
};

static int fake_open(void *state, const struct eye_exporter_setup *setup,
                     struct eye_error *ret_error)
{
    struct script **script = state;
    struct script *asked = setup->own->values;
    asked->was_zeroed = *script == NULL;
    asked->opened = state;
    *script = asked;
    return asked->open_result == 0 ? 0 : eye_error_set(ret_error, asked->open_result, "no");
}

static void fake_close(void *state)
{
    struct script **script = state;
    (*script)->closed = state;
}

static const struct eye_exporter_type fake_type = {
    .section = {.type = "fake"},
    .state_size = sizeof(struct script *),
    .open = fake_open,
    .close = fake_close,
};

static int open_fake(struct script *script, void **ret_exporter)
{
    struct eye_exporter_config own = {.values = script};
    const struct eye_exporter_setup setup = {.own = &own};
    struct eye_error error;
    return eye_exporter_open(&fake_type, &setup, ret_exporter, &error);
}

static void open__gives_a_state_that_is_zeroed(void **state)
{
    (void)state;
    struct script script = {0};
    void *exporter = NULL;
    assert_int_equal(open_fake(&script, &exporter), 0);
    assert_true(script.was_zeroed);
    assert_ptr_equal(exporter, script.opened);
    assert_null(script.closed);
    eye_exporter_close(&fake_type, exporter);
    assert_ptr_equal(script.closed, script.opened);
}

static void open__closes_what_is_half_made(void **state)
{
    (void)state;
    struct script script = {.open_result = -EINVAL};
    void *exporter = &script;
    assert_int_equal(open_fake(&script, &exporter), -EINVAL);
    assert_ptr_equal(exporter, &script);
    assert_non_null(script.opened);
    assert_ptr_equal(script.closed, script.opened);
}

static void close__takes_null(void **state)
{
    (void)state;
    eye_exporter_close(&fake_type, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open__gives_a_state_that_is_zeroed),
        cmocka_unit_test(open__closes_what_is_half_made),
        cmocka_unit_test(close__takes_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
