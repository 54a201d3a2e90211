/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots as bytes: what comes back, and what is refused. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/snapshot/codec.h"
#include "collector/snapshot/codec.pb-c.h"
#include "tests/support/random.h"

#define SECOND UINT64_C(1000000000)

struct fixture {
    struct eye_registry *registry;
    struct eye_group *group;
    const struct eye_snapshot *snapshot;
    const struct eye_snapshot *decoded;
    size_t unknown;
    struct eye_text bytes;
};

static int setup(void **state)
{
    static struct fixture fixture;
    const struct eye_limits limits = {
        .series_per_metric = 100000, .values_per_tag = 100000, .idle_ns = SECOND};
    fixture = (struct fixture){.registry = eye_registry_new(&limits), .unknown = 77};
    assert_non_null(fixture.registry);
    fixture.group = eye_group_new(fixture.registry, NULL, 0);
    eye_text_init(&fixture.bytes, EYE_SNAPSHOT_ENCODED_MAX_BYTES);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    eye_snapshot_unref(fixture->snapshot);
    eye_snapshot_unref(fixture->decoded);
    eye_registry_free(fixture->registry);
    eye_text_done(&fixture->bytes);
    return 0;
}

static void take(struct fixture *fixture)
{
    struct eye_snapshot *snapshot = eye_snapshot_take(fixture->registry, 9, 1785672010 * SECOND,
                                                      10 * SECOND, 1785670000 * SECOND + 1);
    assert_non_null(snapshot);
    snapshot->elapsed_ns -= 7 * SECOND; /* the wall clock was set */
    fixture->snapshot = snapshot;
}

static void encode(struct fixture *fixture)
{
    take(fixture);
    assert_int_equal(eye_snapshot_encode(fixture->snapshot, &fixture->bytes), 0);
}

static int decode(struct fixture *fixture)
{
    return eye_snapshot_decode(fixture->bytes.data, fixture->bytes.length, &fixture->decoded,
                               &fixture->unknown);
}

static struct eye_series *series(struct fixture *fixture, enum eye_metric_id metric,
                                 const char *service, const char *port)
{
    const struct eye_tag_value tags[] = {{EYE_TAG_SERVICE, service}, {EYE_TAG_PORT, port}};
    return eye_group_series(fixture->group, metric, tags, 2);
}

static void assert_same_tags(const struct eye_tag_set *a, const struct eye_tag_set *b)
{
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        assert_int_equal(a->tags[i].tag, b->tags[i].tag);
        assert_string_equal(a->tags[i].value, b->tags[i].value);
    }
}

static void assert_same_distribution(const struct eye_distribution *a,
                                     const struct eye_distribution *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(&a->sum, &b->sum, sizeof(a->sum));
    assert_int_equal(a->first_key, b->first_key);
    assert_int_equal(a->size, b->size);
    if (a->size > 0) {
        assert_memory_equal(a->bins, b->bins, a->size * sizeof(a->bins[0]));
    }
}

static void assert_same_point(const struct eye_point *a, const struct eye_point *b)
{
    assert_ptr_equal(a->metric, b->metric);
    assert_int_equal(a->id, b->id);
    assert_same_tags(a->tags, b->tags);
    if (a->metric->kind == EYE_DISTRIBUTION) {
        assert_same_distribution(a->distribution, b->distribution);
    } else {
        /* Bit by bit: a gauge may be -0.0 or not a number. */
        assert_memory_equal(&a->counter, &b->counter, sizeof(a->counter));
    }
}

static void assert_same(const struct eye_snapshot *a, const struct eye_snapshot *b)
{
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->time_ns, b->time_ns);
    assert_int_equal(a->interval_ns, b->interval_ns);
    assert_int_equal(a->start_ns, b->start_ns);
    assert_int_equal(a->elapsed_ns, b->elapsed_ns);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_same_point(&a->points[i], &b->points[i]);
    }
}

static void snapshot__comes_back_the_same(void **state)
{
    struct fixture *fixture = *state;
    eye_counter_add(series(fixture, EYE_METRIC_TCP_OPENED, "nginx", "80"), UINT64_MAX);
    eye_counter_add(series(fixture, EYE_METRIC_TCP_OPENED, "\xFF|\n,#{\"", ""), 0);
    eye_gauge_set(series(fixture, EYE_METRIC_TCP_ACTIVE, "a", "1"), -0.0);
    eye_gauge_set(series(fixture, EYE_METRIC_TCP_ACTIVE, "a", "2"), (double)NAN);
    eye_gauge_set(eye_group_series(fixture->group, EYE_METRIC_TCP_ACTIVE, NULL, 0), 1e-300);
    series(fixture, EYE_METRIC_TCP_RTT, "empty", "1");
    static const double values[] = {0, 1e-9, 1, 1, 1e19};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
        eye_distribution_add(series(fixture, EYE_METRIC_TCP_RTT, "a", "1"), values[i], 3);
    }
    encode(fixture);
    assert_int_equal(decode(fixture), 0);
    assert_int_equal(fixture->unknown, 0);
    assert_same(fixture->snapshot, fixture->decoded);
}

static void empty_snapshot__comes_back(void **state)
{
    struct fixture *fixture = *state;
    encode(fixture);
    assert_int_equal(decode(fixture), 0);
    assert_same(fixture->snapshot, fixture->decoded);
}

/* More points than one family holds, of every kind of metric. */
static void many_points__come_back_in_order(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 5;
    for (int i = 0; i < 2000; i++) {
        char port[8];
        snprintf(port, sizeof(port), "%u", (unsigned)random_below(&random, 60000));
        eye_counter_add(series(fixture, EYE_METRIC_TCP_SENT_BYTES, "s", port), (uint64_t)i);
        eye_distribution_add(series(fixture, EYE_METRIC_HTTP_SERVER_DURATION, "s", port),
                             (double)random_below(&random, 1000) / 1000, 1);
    }
    encode(fixture);
    assert_int_equal(decode(fixture), 0);
    assert_true(fixture->decoded->count > 3000);
    assert_same(fixture->snapshot, fixture->decoded);
}

static void changes__between_decoded_snapshots_are_those_of_the_originals(void **state)
{
    struct fixture *fixture = *state;
    struct eye_changes changes;
    struct eye_change change;
    eye_counter_add(series(fixture, EYE_METRIC_TCP_OPENED, "a", "80"), 3);
    encode(fixture);
    assert_int_equal(decode(fixture), 0);
    eye_snapshot_unref(fixture->snapshot);
    eye_counter_add(series(fixture, EYE_METRIC_TCP_OPENED, "a", "80"), 4);
    eye_counter_add(series(fixture, EYE_METRIC_TCP_OPENED, "b", "80"), 9);
    take(fixture);
    eye_changes_begin(&changes, fixture->snapshot, fixture->decoded);
    assert_true(eye_changes_next(&changes, &change));
    assert_int_equal(change.counter, 4);
    assert_true(eye_changes_next(&changes, &change));
    assert_int_equal(change.counter, 9);
}

static void encode__leaves_the_text_when_it_does_not_fit(void **state)
{
    struct fixture *fixture = *state;
    eye_counter_add(series(fixture, EYE_METRIC_TCP_OPENED, "nginx", "80"), 1);
    encode(fixture);
    size_t length = fixture->bytes.length;
    for (size_t max = 0; max < length; max++) {
        eye_text_truncate(&fixture->bytes, 0);
        fixture->bytes.max_bytes = max + 3;
        eye_text_append(&fixture->bytes, "abc");
        assert_int_equal(eye_snapshot_encode(fixture->snapshot, &fixture->bytes), -EMSGSIZE);
        assert_string_equal(eye_text_string(&fixture->bytes), "abc");
    }
}

static void decode__refuses_every_shorter_message_or_loses_whole_families(void **state)
{
    struct fixture *fixture = *state;
    eye_counter_add(series(fixture, EYE_METRIC_TCP_OPENED, "nginx", "80"), 1);
    eye_distribution_add(series(fixture, EYE_METRIC_TCP_RTT, "nginx", "80"), 1, 1);
    encode(fixture);
    size_t accepted = 0;
    for (size_t length = 0; length < fixture->bytes.length; length++) {
        const struct eye_snapshot *cut = NULL;
        size_t unknown = 77;
        int result = eye_snapshot_decode(fixture->bytes.data, length, &cut, &unknown);
        if (result == 0) {
            accepted++;
            eye_snapshot_unref(cut);
        } else {
            assert_int_equal(result, -EBADMSG);
            assert_null(cut);
            assert_int_equal(unknown, 77);
        }
    }
    /* Protobuf has no end: cuts between fields that may be absent, tags and elapsed_ns. */
    assert_true(accepted <= EYE_TAG_COUNT + 3);
}

/* ---- Messages made by hand ---- */

static char tag_service[] = "service";
static char tag_port[] = "port";
static char tag_new[] = "tag.of.tomorrow";
static char *tag_names[] = {tag_service, tag_port, tag_new};
static char metric_opened[] = "tcp.connections.opened";
static char metric_active[] = "tcp.connections.active";
static char metric_rtt[] = "tcp.rtt";
static char metric_series[] = "sockeye.series";
static char metric_new[] = "metric.of.tomorrow";
static char kind_counter[] = "counter";
static char kind_gauge[] = "gauge";
static char kind_distribution[] = "distribution";

struct draft {
    Eye__Snapshot__Snapshot snapshot;
    Eye__Snapshot__Family family;
    Eye__Snapshot__Point points[2];
    Eye__Snapshot__Point *list[2];
    Eye__Snapshot__Distribution distribution;
    uint32_t tags[2];
    ProtobufCBinaryData values[2];
    uint64_t bins[2];
};

/* One counter with tags service and port. */
static void begin_draft(struct draft *draft)
{
    static uint8_t value[] = "x";
    *draft = (struct draft){
        .snapshot = EYE__SNAPSHOT__SNAPSHOT__INIT,
        .family = EYE__SNAPSHOT__FAMILY__INIT,
        .points = {EYE__SNAPSHOT__POINT__INIT, EYE__SNAPSHOT__POINT__INIT},
        .list = {&draft->points[0], &draft->points[1]},
        .distribution = EYE__SNAPSHOT__DISTRIBUTION__INIT,
        .tags = {0, 1},
        .values = {{1, value}, {1, value}},
        .bins = {1, 2},
    };
    draft->snapshot.has_sequence = draft->snapshot.has_time_ns = true;
    draft->snapshot.has_interval_ns = draft->snapshot.has_start_ns = true;
    draft->snapshot.n_tags = EYE_ARRAY_LENGTH(tag_names);
    draft->snapshot.tags = tag_names;
    draft->family.metric = metric_opened;
    draft->family.kind = kind_counter;
    draft->family.scale = 1;
    draft->family.n_points = 1;
    draft->family.points = draft->list;
    for (size_t i = 0; i < 2; i++) {
        draft->points[i].series = i;
        draft->points[i].n_tags = draft->points[i].n_values = 2;
        draft->points[i].tags = draft->tags;
        draft->points[i].values = draft->values;
        draft->points[i].has_counter = true;
    }
    draft->distribution.n_bins = 2;
    draft->distribution.bins = draft->bins;
    draft->distribution.sum = 1;
}

static void make_distribution(struct draft *draft)
{
    draft->family.metric = metric_rtt;
    draft->family.kind = kind_distribution;
    draft->points[0].distribution = &draft->distribution;
}

static int decode_draft(struct fixture *fixture, struct draft *draft)
{
    static uint8_t packed[4096];
    static uint8_t whole[8192];
    ProtobufCBinaryData family = {0, packed};
    assert_true(eye__snapshot__family__get_packed_size(&draft->family) <= sizeof(packed));
    family.len = eye__snapshot__family__pack(&draft->family, packed);
    draft->snapshot.n_families = 1;
    draft->snapshot.families = &family;
    size_t length = eye__snapshot__snapshot__pack(&draft->snapshot, whole);
    eye_text_clear(&fixture->bytes);
    eye_text_append_bytes(&fixture->bytes, whole, length);
    return decode(fixture);
}

static void good(struct draft *draft)
{
    (void)draft;
}

static void good_distribution(struct draft *draft)
{
    make_distribution(draft);
    draft->distribution.first_key = EYE_DISTRIBUTION_KEYS - 2;
}

static void drafts__that_are_right_are_taken(void **state)
{
    static void (*const changes[])(struct draft *) = {good, good_distribution};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(changes); i++) {
        struct fixture *fixture = *state;
        struct draft draft;
        begin_draft(&draft);
        changes[i](&draft);
        assert_int_equal(decode_draft(fixture, &draft), 0);
        assert_int_equal(fixture->unknown, 0);
        assert_int_equal(fixture->decoded->count, 1);
        assert_string_equal(eye_tag_set_value(fixture->decoded->points[0].tags, EYE_TAG_PORT), "x");
        eye_snapshot_unref(EYE_TAKE(fixture->decoded));
    }
}

static void without_time(struct draft *draft)
{
    draft->snapshot.has_time_ns = false;
}

static void without_value(struct draft *draft)
{
    draft->points[0].has_counter = false;
}

static void with_fewer_values(struct draft *draft)
{
    draft->points[0].n_values = 1;
}

static void with_tag_beyond_names(struct draft *draft)
{
    draft->tags[1] = 3;
}

static void with_tag_twice(struct draft *draft)
{
    draft->tags[1] = 0;
}

static void with_nul_in_value(struct draft *draft)
{
    static uint8_t bytes[] = "a\0b";
    draft->values[0] = (ProtobufCBinaryData){3, bytes};
}

static void with_long_value(struct draft *draft)
{
    static uint8_t bytes[EYE_TAG_VALUE_MAX_BYTES + 1];
    memset(bytes, 'x', sizeof(bytes));
    draft->values[0] = (ProtobufCBinaryData){sizeof(bytes), bytes};
}

static void with_series_twice(struct draft *draft)
{
    draft->family.n_points = 2;
    draft->points[1].series = 0;
}

static void with_no_distribution(struct draft *draft)
{
    make_distribution(draft);
    draft->points[0].distribution = NULL;
}

static void with_keys_beyond_the_last(struct draft *draft)
{
    make_distribution(draft);
    draft->distribution.first_key = EYE_DISTRIBUTION_KEYS - 1;
}

static void with_huge_key(struct draft *draft)
{
    make_distribution(draft);
    draft->distribution.first_key = UINT32_MAX;
}

static void with_count_overflow(struct draft *draft)
{
    make_distribution(draft);
    draft->bins[0] = UINT64_MAX;
}

static void with_infinite_sum(struct draft *draft)
{
    make_distribution(draft);
    draft->distribution.sum = (double)INFINITY;
}

static void with_negative_sum(struct draft *draft)
{
    make_distribution(draft);
    draft->distribution.sum = -1;
}

static void with_sum_of_nothing(struct draft *draft)
{
    make_distribution(draft);
    draft->distribution.n_bins = 0;
}

static void drafts__that_are_wrong_are_refused(void **state)
{
    static void (*const changes[])(struct draft *) = {
        without_time,         without_value,
        with_fewer_values,    with_tag_beyond_names,
        with_tag_twice,       with_nul_in_value,
        with_long_value,      with_series_twice,
        with_no_distribution, with_keys_beyond_the_last,
        with_huge_key,        with_count_overflow,
        with_infinite_sum,    with_negative_sum,
        with_sum_of_nothing,
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(changes); i++) {
        struct fixture *fixture = *state;
        struct draft draft;
        begin_draft(&draft);
        changes[i](&draft);
        assert_int_equal(decode_draft(fixture, &draft), -EBADMSG);
        assert_null(fixture->decoded);
        assert_int_equal(fixture->unknown, 77);
    }
}

static void of_new_metric(struct draft *draft)
{
    draft->family.metric = metric_new;
}

static void of_other_kind(struct draft *draft)
{
    draft->family.metric = metric_active; /* a gauge here */
}

static void of_other_scale(struct draft *draft)
{
    draft->family.scale = 1e-9;
}

static void with_new_tag(struct draft *draft)
{
    draft->tags[1] = 2;
}

static void with_tag_of_other_metrics(struct draft *draft)
{
    draft->family.metric = metric_series;
    draft->family.kind = kind_gauge;
}

static void what_is_not_known_here__is_left_out_and_counted(void **state)
{
    static void (*const changes[])(struct draft *) = {
        of_new_metric, of_other_kind, of_other_scale, with_new_tag, with_tag_of_other_metrics,
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(changes); i++) {
        struct fixture *fixture = *state;
        struct draft draft;
        begin_draft(&draft);
        draft.family.n_points = 2;
        changes[i](&draft);
        assert_int_equal(decode_draft(fixture, &draft), 0);
        assert_int_equal(fixture->unknown, 2);
        assert_int_equal(fixture->decoded->count, 0);
        eye_snapshot_unref(EYE_TAKE(fixture->decoded));
    }
}

/* A writer with its metrics in another order. */
static void points__are_sorted(void **state)
{
    struct fixture *fixture = *state;
    struct draft draft;
    begin_draft(&draft);
    draft.family.n_points = 2;
    draft.points[0].series = 9;
    assert_int_equal(decode_draft(fixture, &draft), 0);
    assert_int_equal(fixture->decoded->points[0].id, 1);
    assert_int_equal(fixture->decoded->points[1].id, 9);
}

/* A message of @count empty names: two bytes each, and much more for who unpacks them. */
static void write_empty_names(struct eye_text *bytes, size_t count)
{
    struct draft draft;
    uint8_t head[256];
    begin_draft(&draft);
    eye_text_clear(bytes);
    eye_text_append_bytes(bytes, head, eye__snapshot__snapshot__pack(&draft.snapshot, head));
    for (size_t i = 0; i < count; i++) {
        static const char name[] = {5 << 3 | 2, 0};
        eye_text_append_bytes(bytes, name, sizeof(name));
    }
}

static void memory__is_bounded_by_the_input(void **state)
{
    struct fixture *fixture = *state;
    write_empty_names(&fixture->bytes, 1 << 20);
    assert_int_equal(decode(fixture), -EBADMSG);
    write_empty_names(&fixture->bytes, 100);
    assert_int_equal(decode(fixture), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(snapshot__comes_back_the_same),
        TEST(empty_snapshot__comes_back),
        TEST(many_points__come_back_in_order),
        TEST(changes__between_decoded_snapshots_are_those_of_the_originals),
        TEST(encode__leaves_the_text_when_it_does_not_fit),
        TEST(decode__refuses_every_shorter_message_or_loses_whole_families),
        TEST(drafts__that_are_right_are_taken),
        TEST(drafts__that_are_wrong_are_refused),
        TEST(what_is_not_known_here__is_left_out_and_counted),
        TEST(points__are_sorted),
        TEST(memory__is_bounded_by_the_input),
    };
    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
