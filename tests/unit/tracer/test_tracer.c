/* SPDX-License-Identifier: Apache-2.0 */
/* Records of sockets: the good are handed on, the malformed are counted. */
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
    struct eye_datagram_record last_datagrams;
    void *bytes; /* a copy that ends where the record ends, for the address sanitizer */
};

static void keep(void *context, const struct eye_connection_record *sample)
{
    struct fixture *fixture = context;
    fixture->calls++;
    fixture->last = *sample;
}

static void keep_datagrams(void *context, const struct eye_datagram_record *sample)
{
    struct fixture *fixture = context;
    fixture->calls++;
    fixture->last_datagrams = *sample;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->tracer = (struct eye_tracer){.on_connection = keep,
                                          .on_listener = keep,
                                          .on_datagrams = keep_datagrams,
                                          .context = fixture};
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
        if (size != sizeof(struct eye_datagram_record)) {
            give(fixture, &record, size);
        }
    }
    assert_int_equal(fixture->calls, 1);
    assert_int_equal(fixture->tracer.samples, 1);
    assert_int_equal(fixture->tracer.malformed, 2 * sizeof(record) - 2);
}

/* Every value of every enumerated byte. */
static void take__refuses_values_outside_of_enums(void **state)
{
    for (unsigned value = 0; value < 256; value++) {
        struct eye_connection_record record = good_record();
        record.kind = (uint8_t)value;
        assert_int_equal(is_taken(*state, &record), value <= EYE_CONNECTION_LISTENS);
        record = good_record();
        record.failure = (uint8_t)value;
        assert_int_equal(is_taken(*state, &record), value < EYE_FAILURE_COUNT);
        record = good_record();
        record.nat = (uint8_t)value;
        assert_int_equal(is_taken(*state, &record), value < EYE_NAT_COUNT);
        record = good_record();
        record.direction = (uint8_t)value;
        assert_int_equal(is_taken(*state, &record), value == EYE_INCOMING || value == EYE_OUTGOING);
        record = good_record();
        record.family = (uint8_t)value;
        assert_int_equal(is_taken(*state, &record), value == EYE_IPV4 || value == EYE_IPV6);
    }
}

static struct eye_datagram_record good_datagrams(void)
{
    return (struct eye_datagram_record){
        .sent_bytes = 10,
        .sent = 1,
        .port = 53,
        .direction = EYE_OUTGOING,
        .family = EYE_IPV6,
    };
}

static bool are_taken(struct fixture *fixture, const struct eye_datagram_record *record)
{
    uint64_t calls = fixture->calls;
    uint64_t malformed = fixture->tracer.malformed;
    eye_tracer_take(&fixture->tracer, record, sizeof(*record));
    assert_int_equal(fixture->calls - calls + fixture->tracer.malformed - malformed, 1);
    return fixture->calls != calls;
}

static void take__hands_datagrams_on_unchanged(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_datagram_record record = good_datagrams();
    assert_true(are_taken(fixture, &record));
    assert_memory_equal(&fixture->last_datagrams, &record, sizeof(record));
}

static void take__refuses_datagrams_outside_of_enums(void **state)
{
    for (unsigned value = 0; value < 256; value++) {
        struct eye_datagram_record record = good_datagrams();
        record.cast = (uint8_t)value;
        assert_int_equal(are_taken(*state, &record), value < EYE_CAST_COUNT);
        record = good_datagrams();
        record.direction = (uint8_t)value;
        assert_int_equal(are_taken(*state, &record),
                         value == EYE_INCOMING || value == EYE_OUTGOING);
        record = good_datagrams();
        record.family = (uint8_t)value;
        assert_int_equal(are_taken(*state, &record), value == EYE_IPV4 || value == EYE_IPV6);
    }
}

static void casts__have_names(void **state)
{
    (void)state;
    assert_string_equal(eye_cast_name(EYE_UNICAST), "");
    assert_string_equal(eye_cast_name(EYE_MULTICAST), "multicast");
    assert_string_equal(eye_cast_name(EYE_BROADCAST), "broadcast");
}

static void nats__have_names(void **state)
{
    (void)state;
    assert_string_equal(eye_nat_name(EYE_NAT_NONE), "none");
    assert_string_equal(eye_nat_name(EYE_NAT_SOURCE), "source");
    assert_string_equal(eye_nat_name(EYE_NAT_DESTINATION), "destination");
    assert_string_equal(eye_nat_name(EYE_NAT_BOTH), "both");
    assert_string_equal(eye_nat_name(EYE_NAT_UNKNOWN), "");
}

static void failures__have_names(void **state)
{
    (void)state;
    static const char *const names[] = {NULL,          "refused",   "timeout", "reset",
                                        "unreachable", "cancelled", "other",   "local"};
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
        cmocka_unit_test_setup_teardown(take__hands_datagrams_on_unchanged, setup, teardown),
        cmocka_unit_test_setup_teardown(take__refuses_datagrams_outside_of_enums, setup, teardown),
        cmocka_unit_test(casts__have_names),
        cmocka_unit_test(nats__have_names),
        cmocka_unit_test(failures__have_names),
    };
    return cmocka_run_group_tests_name("tracer", tests, NULL, NULL);
}
