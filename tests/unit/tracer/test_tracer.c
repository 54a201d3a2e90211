/* SPDX-License-Identifier: Apache-2.0 */
/* Connection records: the good are handed on, the malformed are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/tracer/tracer.h"

struct fixture {
    struct eye_tracer tracer;
    uint64_t calls;
    struct eye_connection_record last;
    void *bytes; /* a copy that ends where the record ends, for the address sanitizer */
};

static void keep(void *context, const struct eye_connection_record *sample)
{
    struct fixture *fixture = context;
    fixture->calls++;
    fixture->last = *sample;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->tracer = (struct eye_tracer){.handler = keep, .context = fixture};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    free(((struct fixture *)*state)->bytes);
    free(*state);
    return 0;
}

static struct eye_connection_record good_record(void)
{
    return (struct eye_connection_record){
        .sent_bytes = 10,
        .port = 80,
        .kind = EYE_CONNECTION_LIVE,
        .direction = EYE_INCOMING,
        .family = EYE_IPV4,
    };
}

/* Gives the first @size bytes of @record. */
static void give(struct fixture *fixture, const struct eye_connection_record *record, size_t size)
{
    free(fixture->bytes);
    fixture->bytes = calloc(1, size > 0 ? size : 1);
    assert_non_null(fixture->bytes);
    memcpy(fixture->bytes, record, size < sizeof(*record) ? size : sizeof(*record));
    eye_tracer_take(&fixture->tracer, fixture->bytes, size);
}

static bool is_taken(struct fixture *fixture, const struct eye_connection_record *record)
{
    struct eye_tracer before = fixture->tracer;
    uint64_t calls = fixture->calls;
    give(fixture, record, sizeof(*record));
    bool taken = fixture->tracer.samples != before.samples;
    assert_int_equal(fixture->tracer.samples - before.samples, taken ? 1 : 0);
    assert_int_equal(fixture->tracer.malformed - before.malformed, taken ? 0 : 1);
    assert_int_equal(fixture->calls - calls, taken ? 1 : 0);
    return taken;
}

static void take__hands_a_record_on_unchanged(void **state)
{
    struct fixture *fixture = *state;
    struct eye_connection_record record = good_record();
    assert_true(is_taken(fixture, &record));
    assert_memory_equal(&fixture->last, &record, sizeof(record));
}

static void take__refuses_every_other_length(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_connection_record record = good_record();
    for (size_t size = 0; size < 2 * sizeof(record); size++) {
        give(fixture, &record, size);
    }
    assert_int_equal(fixture->calls, 1);
    assert_int_equal(fixture->tracer.samples, 1);
    assert_int_equal(fixture->tracer.malformed, 2 * sizeof(record) - 1);
}

/* Every value of every enumerated byte. */
static void take__refuses_values_outside_of_enums(void **state)
{
    for (unsigned value = 0; value < 256; value++) {
        struct eye_connection_record record = good_record();
        record.kind = (uint8_t)value;
        assert_int_equal(is_taken(*state, &record), value <= EYE_CONNECTION_FAILED);
        record = good_record();
        record.failure = (uint8_t)value;
        assert_int_equal(is_taken(*state, &record), value < EYE_FAILURE_COUNT);
        record = good_record();
        record.direction = (uint8_t)value;
        assert_int_equal(is_taken(*state, &record), value == EYE_INCOMING || value == EYE_OUTGOING);
        record = good_record();
        record.family = (uint8_t)value;
        assert_int_equal(is_taken(*state, &record), value == EYE_IPV4 || value == EYE_IPV6);
    }
}

static void failures__have_names(void **state)
{
    (void)state;
    static const char *const names[] = {NULL,          "refused",   "timeout", "reset",
                                        "unreachable", "cancelled", "other"};
    static_assert(EYE_ARRAY_LENGTH(names) == EYE_FAILURE_COUNT, "one name each");
    assert_null(eye_failure_name(EYE_FAILURE_NONE));
    for (size_t i = 1; i < EYE_ARRAY_LENGTH(names); i++) {
        assert_string_equal(eye_failure_name((enum eye_failure)i), names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(take__hands_a_record_on_unchanged, setup, teardown),
        cmocka_unit_test_setup_teardown(take__refuses_every_other_length, setup, teardown),
        cmocka_unit_test_setup_teardown(take__refuses_values_outside_of_enums, setup, teardown),
        cmocka_unit_test(failures__have_names),
    };
    return cmocka_run_group_tests_name("tracer", tests, NULL, NULL);
}
