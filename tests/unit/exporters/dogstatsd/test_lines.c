/* SPDX-License-Identifier: Apache-2.0 */
/* The DogStatsD encoder: golden lines, limits, hostile tags. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/dogstatsd/lines.h"
#include "exporters/encode/decimal.h"
#include "tests/unit/exporters/dogstatsd/world.h"

struct fixture {
    struct world world;
    struct eye_selection selection;
    struct eye_environment environment; /* without a variable set */
    struct eye_labels labels;
    struct eye_lines lines;
    struct eye_identities identities;
    struct eye_text payload;
    const struct eye_snapshot *before;
    const struct eye_snapshot *now;
    struct eye_text output;
    struct tally tally;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    world_init(&fixture->world);
    fixture->selection = world_selection(NULL, 0);
    eye_text_init(&fixture->output, 1 << 24);
    *state = fixture;
    return 0;
}

static void end_lines(struct fixture *fixture)
{
    eye_identities_done(&fixture->identities);
    eye_lines_done(&fixture->lines);
    eye_labels_done(&fixture->labels);
    eye_text_done(&fixture->payload);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    end_lines(fixture);
    eye_snapshot_unref(fixture->before);
    eye_snapshot_unref(fixture->now);
    world_done(&fixture->world);
    eye_text_done(&fixture->output);
    tally_done(&fixture->tally);
    free(fixture);
    return 0;
}

/* From here on a payload has at most @max_bytes. */
static void limit_lines(struct fixture *fixture, size_t max_bytes)
{
    const struct eye_labels_source source = {.environment = &fixture->environment};
    end_lines(fixture);
    eye_text_init(&fixture->payload, max_bytes);
    assert_int_equal(eye_labels_init(&fixture->labels, &fixture->selection, &source, 4096), 0);
    assert_int_equal(
        eye_lines_init(&fixture->lines, &fixture->selection, &fixture->labels, max_bytes), 0);
    eye_identities_init(&fixture->identities, eye_lines_write_identity, &fixture->lines,
                        fixture->selection.wanted, max_bytes);
}

static void flush(struct fixture *fixture)
{
    const struct eye_text *payload = &fixture->payload;
    assert_true(payload->length <= payload->max_bytes);
    eye_text_append_bytes(&fixture->output, eye_text_string(payload), payload->length);
    eye_text_clear(&fixture->payload);
}

/* Adds @change; full payloads go to the output. */
static int add(struct fixture *fixture, size_t index, const struct eye_change *change)
{
    const struct eye_identity *identity = eye_identities_at(&fixture->identities, index);
    size_t part = 0;
    int result = 0;
    while ((result = eye_lines_add(&fixture->lines, identity, change, &part, &fixture->payload)) ==
           -ENOBUFS) {
        assert_false(fixture->payload.failed);
        assert_true(fixture->payload.length > 0);
        flush(fixture);
    }
    assert_false(fixture->payload.failed);
    return result;
}

/* Encodes all changes since the last call; returns the number of points refused. */
static size_t encode(struct fixture *fixture)
{
    eye_snapshot_unref(fixture->before);
    fixture->before = fixture->now;
    fixture->now = world_snapshot(&fixture->world);
    assert_int_equal(eye_identities_follow(&fixture->identities, fixture->now), 0);
    eye_text_clear(&fixture->output);
    struct eye_changes changes;
    struct eye_change change;
    size_t refused = 0;
    eye_changes_begin(&changes, fixture->now, fixture->before);
    for (size_t index = 0; eye_changes_next(&changes, &change); index++) {
        if (eye_change_has_news(&change)) {
            refused += add(fixture, index, &change) != 0 ? 1 : 0;
        }
    }
    flush(fixture);
    return refused;
}

static void assert_output(const struct fixture *fixture, const char *expected)
{
    assert_string_equal(eye_text_string(&fixture->output), expected);
}

static void read_output(struct fixture *fixture)
{
    tally_done(&fixture->tally);
    assert_true(
        tally_read(&fixture->tally, eye_text_string(&fixture->output), fixture->output.length));
}

static struct eye_series *route(struct fixture *fixture, const char *value)
{
    return world_series(&fixture->world, EYE_METRIC_HTTP_SERVER_DURATION, EYE_TAG_ROUTE, value);
}

static struct eye_series *sent(struct fixture *fixture, const char *service)
{
    return world_series(&fixture->world, EYE_METRIC_TCP_SENT_BYTES, EYE_TAG_SERVICE, service);
}

/* ---- Golden lines ---- */

static void lines__counters_go_as_increments(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    struct eye_series *series = sent(fixture, "api");
    eye_counter_add(series, 1500);
    encode(fixture);
    assert_output(fixture, "sockeye.tcp.sent.bytes:1500|c|#service:api\n");
    eye_counter_add(series, 7);
    encode(fixture);
    assert_output(fixture, "sockeye.tcp.sent.bytes:7|c|#service:api\n");
    encode(fixture);
    assert_output(fixture, "");
}

static void lines__scaled_counters_are_fractional(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    eye_counter_add(world_series(&fixture->world, EYE_METRIC_SELF_CPU, EYE_TAG_COUNT, NULL),
                    250000000);
    encode(fixture);
    assert_output(fixture, "sockeye.cpu.time:0.25|c\n");
}

static void lines__gauges_go_every_time(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    struct eye_series *series =
        world_series(&fixture->world, EYE_METRIC_SELF_RING_FILL, EYE_TAG_RING, "events");
    eye_gauge_set(series, 0.125);
    for (size_t i = 0; i < 2; i++) {
        encode(fixture);
        assert_output(fixture, "sockeye.kernel.ring.fill:0.125|g|#ring:events\n");
    }
}

static void lines__gauge_that_is_no_number_is_refused(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    struct eye_series *series =
        world_series(&fixture->world, EYE_METRIC_SELF_RING_FILL, EYE_TAG_RING, "events");
    static const double values[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
        eye_gauge_set(series, values[i]);
        assert_int_equal(encode(fixture), 1);
        assert_output(fixture, "");
    }
}

/* Key 1338 is 1, so its text is short and the forms differ in length as they should. */
static void lines__distribution_packs_few_and_weighs_many(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    struct eye_series *series = route(fixture, "/a");
    eye_distribution_add(series, 1, 2);
    eye_distribution_add(series, 0, 3);
    encode(fixture);
    assert_output(fixture, "sockeye.http.server.request.duration:0:0:0:1:1|d|#route:/a\n");
    eye_distribution_add(series, 0, 1);
    eye_distribution_add(series, 1, 93);
    encode(fixture);
    assert_output(fixture, "sockeye.http.server.request.duration:0|d|#route:/a\n"
                           "sockeye.http.server.request.duration:1|d|@0.01075|#route:/a\n");
}

static void lines__single_bin_takes_the_shorter_form(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    struct eye_series *series = route(fixture, "/a");
    eye_distribution_add(series, 1, 2);
    encode(fixture);
    assert_output(fixture, "sockeye.http.server.request.duration:1:1|d|#route:/a\n");
    eye_distribution_add(series, 1, 10);
    encode(fixture);
    assert_output(fixture, "sockeye.http.server.request.duration:1|d|@0.1|#route:/a\n");
    encode(fixture);
    assert_output(fixture, "");
}

static void lines__fixed_tags_come_first(void **state)
{
    struct fixture *fixture = *state;
    char env[] = "env", prod[] = "a|b", canary[] = "can,ary", none[] = "";
    struct eye_fixed_tag fixed[] = {{env, prod}, {canary, none}};
    fixture->selection = world_selection(fixed, 2);
    limit_lines(fixture, 1432);
    eye_counter_add(sent(fixture, "api"), 1);
    eye_counter_add(world_series(&fixture->world, EYE_METRIC_SELF_CPU, EYE_TAG_COUNT, NULL),
                    1000000000);
    encode(fixture);
    assert_output(fixture, "sockeye.tcp.sent.bytes:1|c|#env:a_b,can_ary,service:api\n"
                           "sockeye.cpu.time:1|c|#env:a_b,can_ary\n");
}

static void lines__tags_go_in_their_order_without_empty_ones(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    const struct eye_tag_value tags[] = {
        {EYE_TAG_FAMILY, "ipv6"}, {EYE_TAG_PORT, ""}, {EYE_TAG_DIRECTION, "incoming"}};
    eye_counter_add(eye_group_series(fixture->world.group, EYE_METRIC_TCP_OPENED, tags, 3), 2);
    encode(fixture);
    assert_output(fixture, "sockeye.tcp.connections.opened:2|c|#direction:incoming,family:ipv6\n");
}

static void lines__prefix_is_sanitised(void **state)
{
    struct fixture *fixture = *state;
    fixture->selection.prefix = "a:b@c|d\n.";
    limit_lines(fixture, 1432);
    eye_counter_add(sent(fixture, "x"), 1);
    encode(fixture);
    assert_output(fixture, "a_b_c_d_.tcp.sent.bytes:1|c|#service:x\n");
}

/* ---- Hostile tags ---- */

static void lines__tag_values_are_sanitised(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *value;
        const char *written;
    } values[] = {
        {"a|b,c#d", "a_b_c_d"},
        {"x\nevil:1|c", "x_evil:1_c"},
        {"\r\t\x01\x1f\x7f", "_____"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"\xf0\x9f\x90\x9f", "\xf0\x9f\x90\x9f"},
        {"\xc3", "_"},
        {"\xff\xfe", "__"},
        {"\xc0\xaf", "__"},           /* overlong */
        {"\xed\xa0\x80", "___"},      /* surrogate */
        {"\xc2\x85", "__"},           /* NEL, a control character */
        {"\xf4\x90\x80\x80", "____"}, /* beyond Unicode */
        {"end:", "end_"},
        {"@0.1 $(x)", "@0.1 $(x)"},
    };
    limit_lines(fixture, 1432);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
        char value[64]; /* each another one: what is left of two may be the same */
        char expected[256];
        snprintf(value, sizeof(value), "%zu%s", i, values[i].value);
        eye_counter_add(sent(fixture, value), 1);
        encode(fixture);
        snprintf(expected, sizeof(expected), "sockeye.tcp.sent.bytes:1|c|#service:%zu%s\n", i,
                 values[i].written);
        assert_output(fixture, expected);
    }
}

static void lines__every_byte_keeps_one_line_with_one_tag(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    uint64_t random = 88172645463325252U;
    for (size_t round = 0; round < 3000; round++) {
        char value[24] = {0}; /* begins with the number of the round */
        for (size_t i = (size_t)snprintf(value, sizeof(value), "%zu", round); i < sizeof(value) - 1;
             i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            value[i] = (char)(round < 255 ? round + 1 : random % 255 + 1);
        }
        eye_counter_add(sent(fixture, value), 1);
        encode(fixture);
        const char *text = eye_text_string(&fixture->output);
        assert_ptr_equal(strchr(text, '\n'), text + fixture->output.length - 1);
        assert_null(strchr(text, ','));
        assert_ptr_equal(strchr(text, '#'), strrchr(text, '#'));
        assert_ptr_equal(strrchr(text, '|'), strchr(text, '#') - 1);
        read_output(fixture);
        assert_int_equal(fixture->tally.lines, 1);
    }
}

static void lines__long_tag_is_cut_at_the_limit(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    char value[EYE_TAG_VALUE_MAX_BYTES + 1];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    eye_counter_add(sent(fixture, value), 1);
    encode(fixture);
    const char *tag = strchr(eye_text_string(&fixture->output), '#') + 1;
    assert_int_equal(strlen(tag), EYE_LABELS_TAG_MAX_BYTES + 1);
}

/* ---- Limits and weights ---- */

/* A distribution with every form: single values, few, many, and far too many for one line. */
static uint64_t fill_distribution(struct eye_series *series)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < 120; i++) {
        uint64_t weight = i % 5 == 0 ? 1000 + i : i % 3 + 1;
        eye_distribution_add(series, 0.001 * exp((double)i * 0.05), weight);
        count += weight;
    }
    return count;
}

static void lines__weights_sum_to_the_count_at_every_size(void **state)
{
    struct fixture *fixture = *state;
    struct eye_series *series = route(fixture, "/users/*");
    const char *key = "sockeye.http.server.request.duration|d|#route:/users/*";
    for (size_t max_bytes = 150; max_bytes <= 1500; max_bytes++) {
        uint64_t count = fill_distribution(series);
        limit_lines(fixture, max_bytes);
        assert_int_equal(encode(fixture), 0);
        read_output(fixture);
        assert_int_equal(fixture->tally.count, 1);
        assert_int_equal(tally_find(&fixture->tally, key)->weight, count);
    }
}

static void lines__packed_lines_are_full(void **state)
{
    struct fixture *fixture = *state;
    struct eye_series *series = route(fixture, "/a");
    for (uint32_t i = 0; i < 1000; i++) {
        eye_distribution_add(series, eye_distribution_key_value(1200 + i), 1);
    }
    limit_lines(fixture, 1432);
    encode(fixture);
    read_output(fixture);
    size_t least = fixture->output.length / 1432;
    assert_in_range(fixture->tally.lines, least, least + 2);
    assert_int_equal(fixture->tally.entries[0].weight, 1000);
}

static void lines__huge_bins_are_split(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    eye_distribution_add(route(fixture, "/a"), 1, 3 * EYE_RATE_MAX_WEIGHT + 1);
    encode(fixture);
    read_output(fixture);
    assert_int_equal(fixture->tally.lines, 4);
    assert_int_equal(fixture->tally.entries[0].weight, 3 * EYE_RATE_MAX_WEIGHT + 1);
}

static void lines__values_read_back_exactly(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    struct eye_series *series = route(fixture, "/a");
    for (uint32_t key = 1; key < EYE_DISTRIBUTION_KEYS; key++) {
        eye_distribution_add(series, eye_distribution_key_value(key), 1);
        encode(fixture);
        read_output(fixture);
        assert_true(fixture->tally.entries[0].sum == eye_distribution_key_value(key));
    }
}

static void lines__too_long_is_refused_exactly(void **state)
{
    struct fixture *fixture = *state;
    const char *line = "sockeye.tcp.sent.bytes:1|c|#service:api\n";
    struct eye_series *series = sent(fixture, "api");
    for (size_t max_bytes = 10; max_bytes <= strlen(line) + 3; max_bytes++) {
        limit_lines(fixture, max_bytes);
        eye_counter_add(series, 1);
        bool fits = max_bytes >= strlen(line);
        assert_int_equal(encode(fixture), fits ? 0 : 1);
        assert_output(fixture, fits ? line : "");
    }
}

static void lines__distribution_goes_whole_or_not_at_all(void **state)
{
    struct fixture *fixture = *state;
    struct eye_series *series = route(fixture, "/a");
    for (size_t max_bytes = 10; max_bytes <= 200; max_bytes++) {
        limit_lines(fixture, max_bytes);
        uint64_t count = fill_distribution(series);
        size_t refused = encode(fixture);
        read_output(fixture);
        uint64_t weight = fixture->tally.count == 0 ? 0 : fixture->tally.entries[0].weight;
        assert_int_equal(weight, refused > 0 ? 0 : count);
    }
}

/* Wherever a payload is full, the part tells where the next one goes on. */
static void lines__go_on_at_every_place(void **state)
{
    struct fixture *fixture = *state;
    uint64_t count = fill_distribution(route(fixture, "/a"));
    limit_lines(fixture, 400);
    for (size_t used = 0; used <= 400; used++) {
        eye_snapshot_unref(fixture->now);
        fixture->now = NULL;
        end_lines(fixture);
        limit_lines(fixture, 400);
        for (size_t i = 0; i < used; i++) {
            eye_text_append_char(&fixture->payload, i + 1 == used ? '\n' : 'x');
        }
        encode(fixture);
        const char *text = eye_text_string(&fixture->output);
        tally_done(&fixture->tally);
        assert_true(tally_read(&fixture->tally, text + used, fixture->output.length - used));
        assert_int_equal(fixture->tally.count, 1);
        assert_int_equal(fixture->tally.entries[0].weight, count);
    }
}

static void lines__same_place_gives_the_same_payload(void **state)
{
    struct fixture *fixture = *state;
    fill_distribution(route(fixture, "/a"));
    limit_lines(fixture, 300);
    encode(fixture);
    struct eye_changes changes;
    struct eye_change change;
    eye_changes_begin(&changes, fixture->now, NULL);
    assert_true(eye_changes_next(&changes, &change));
    size_t part = 0;
    int result = -ENOBUFS;
    for (size_t i = 0; result == -ENOBUFS; i++) {
        char first[301];
        size_t again = part;
        const struct eye_identity *identity = eye_identities_at(&fixture->identities, 0);
        result = eye_lines_add(&fixture->lines, identity, &change, &part, &fixture->payload);
        eye_copy_string(first, sizeof(first), eye_text_string(&fixture->payload));
        eye_text_clear(&fixture->payload);
        assert_int_equal(
            eye_lines_add(&fixture->lines, identity, &change, &again, &fixture->payload), result);
        assert_string_equal(eye_text_string(&fixture->payload), first);
        assert_true(result == 0 || part == again);
        eye_text_clear(&fixture->payload);
    }
    assert_int_equal(result, 0);
}

/* Long runs of bins without news before, between and behind those that got values. */
static void lines__find_every_bin_that_grew(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    struct eye_series *series = route(fixture, "/a");
    for (uint32_t key = 1000; key < 1400; key++) {
        eye_distribution_add(series, eye_distribution_key_value(key), 3);
    }
    encode(fixture);
    for (uint32_t key = 990; key < 1410; key++) {
        eye_distribution_add(series, eye_distribution_key_value(key), 1);
        eye_distribution_add(series, eye_distribution_key_value(2400 - key), 700);
        assert_int_equal(encode(fixture), 0);
        read_output(fixture);
        assert_int_equal(fixture->tally.entries[0].weight, 701);
        double sum = eye_distribution_key_value(key) + 700 * eye_distribution_key_value(2400 - key);
        assert_true(fabs(fixture->tally.entries[0].sum - sum) < 1e-9 * sum);
    }
}

static void lines__time_is_of_counters_and_gauges_only(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    eye_lines_set_time(&fixture->lines, UINT64_C(1785672010) * 1000000000 + 999999999);
    eye_counter_add(sent(fixture, "api"), 1);
    eye_gauge_set(world_series(&fixture->world, EYE_METRIC_SELF_MEMORY, EYE_TAG_COUNT, NULL), 5);
    eye_distribution_add(route(fixture, "/a"), 1, 1);
    encode(fixture);
    assert_output(fixture, "sockeye.tcp.sent.bytes:1|c|T1785672010|#service:api\n"
                           "sockeye.http.server.request.duration:1|d|#route:/a\n"
                           "sockeye.memory.resident:5|g|T1785672010\n");
}

static void lines__fields_stand_behind_the_tags(void **state)
{
    struct fixture *fixture = *state;
    char external[] = "it-false,cn-x";
    fixture->environment.external = external;
    fixture->environment.tags[0] = (struct eye_environment_tag){NULL, "env", "prod"};
    const struct eye_labels_source source = {&fixture->environment, false, "low"};
    limit_lines(fixture, 1432);
    eye_labels_done(&fixture->labels);
    assert_int_equal(eye_labels_init(&fixture->labels, &fixture->selection, &source, 4096), 0);
    eye_counter_add(sent(fixture, "api"), 1);
    eye_distribution_add(route(fixture, "/a"), 1, 2);
    encode(fixture);
    assert_output(fixture,
                  "sockeye.tcp.sent.bytes:1|c|#env:prod,service:api|card:low\n"
                  "sockeye.http.server.request.duration:1:1|d|#env:prod,route:/a|card:low\n");
}

static void lines__collisions_are_told(void **state)
{
    struct fixture *fixture = *state;
    limit_lines(fixture, 1432);
    eye_counter_add(sent(fixture, "a|b"), 1);
    eye_counter_add(sent(fixture, "a,b"), 1);
    assert_int_equal(encode(fixture), 1);
    assert_output(fixture, "sockeye.tcp.sent.bytes:1|c|#service:a_b\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines__counters_go_as_increments),
        TEST(lines__scaled_counters_are_fractional),
        TEST(lines__gauges_go_every_time),
        TEST(lines__gauge_that_is_no_number_is_refused),
        TEST(lines__distribution_packs_few_and_weighs_many),
        TEST(lines__single_bin_takes_the_shorter_form),
        TEST(lines__fixed_tags_come_first),
        TEST(lines__tags_go_in_their_order_without_empty_ones),
        TEST(lines__prefix_is_sanitised),
        TEST(lines__tag_values_are_sanitised),
        TEST(lines__every_byte_keeps_one_line_with_one_tag),
        TEST(lines__long_tag_is_cut_at_the_limit),
        TEST(lines__weights_sum_to_the_count_at_every_size),
        TEST(lines__packed_lines_are_full),
        TEST(lines__huge_bins_are_split),
        TEST(lines__values_read_back_exactly),
        TEST(lines__too_long_is_refused_exactly),
        TEST(lines__distribution_goes_whole_or_not_at_all),
        TEST(lines__go_on_at_every_place),
        TEST(lines__same_place_gives_the_same_payload),
        TEST(lines__find_every_bin_that_grew),
        TEST(lines__time_is_of_counters_and_gauges_only),
        TEST(lines__fields_stand_behind_the_tags),
        TEST(lines__collisions_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
