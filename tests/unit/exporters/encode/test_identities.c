/* SPDX-License-Identifier: Apache-2.0 */
/* Identities followed over snapshots whose series come, go and collide. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "exporters/encode/identities.h"
#include "tests/support/random.h"

#define ROUNDS 300
#define SERIES 60
#define TEXT_MAX 24
#define INTERVAL 10

/* A snapshot made by hand: ids and one tag each. */
struct fixture {
    struct eye_identities identities;
    bool wanted[EYE_METRIC_COUNT];
    size_t written;
    uint64_t time_ns; /* of the next snapshot */
    const struct eye_snapshot *now;
};

/* The format of this test writes upper and lower case as one. */
static void write_identity(void *context, const struct eye_point *point, struct eye_text *text,
                           uint32_t *ret_split)
{
    struct fixture *fixture = context;
    fixture->written++;
    eye_text_append(text, point->metric->name);
    *ret_split = (uint32_t)text->length;
    for (const char *c = point->tags->tags[0].value; *c != '\0'; c++) {
        eye_text_append_char(text, (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c));
    }
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->wanted[EYE_METRIC_TCP_OPENED] = true;
    fixture->wanted[EYE_METRIC_TCP_CLOSED] = true;
    eye_identities_init(&fixture->identities, write_identity, fixture, fixture->wanted,
                        strlen("tcp.connections.opened") + TEXT_MAX);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    eye_identities_done(&fixture->identities);
    eye_snapshot_unref(fixture->now);
    free(fixture);
    return 0;
}

struct row {
    enum eye_metric_id metric;
    uint64_t id;
    const char *value;
};

static void follow(struct fixture *fixture, uint64_t start_ns, uint64_t sequence,
                   const struct row *rows, size_t count)
{
    struct eye_snapshot *snapshot = calloc(1, sizeof(*snapshot) + count * sizeof(struct eye_point));
    atomic_init(&snapshot->references, 1);
    snapshot->start_ns = start_ns;
    snapshot->time_ns = fixture->time_ns;
    snapshot->interval_ns = INTERVAL;
    snapshot->sequence = sequence;
    snapshot->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct eye_tag_value tag = {EYE_TAG_ROUTE, rows[i].value};
        snapshot->points[i] = (struct eye_point){.metric = eye_metric(rows[i].metric),
                                                 .tags = eye_tag_set_new(&tag, 1),
                                                 .id = rows[i].id};
    }
    eye_snapshot_unref(fixture->now);
    fixture->now = snapshot;
    assert_int_equal(eye_identities_follow(&fixture->identities, snapshot), 0);
}

static const struct eye_identity *at(const struct fixture *fixture, size_t index)
{
    return eye_identities_at(&fixture->identities, index);
}

static void identities__are_made_once_while_the_series_lives(void **state)
{
    struct fixture *fixture = *state;
    const struct row first[] = {{EYE_METRIC_TCP_OPENED, 1, "a"}, {EYE_METRIC_TCP_OPENED, 3, "b"}};
    const struct row second[] = {{EYE_METRIC_TCP_OPENED, 1, "a"},
                                 {EYE_METRIC_TCP_OPENED, 2, "new"},
                                 {EYE_METRIC_TCP_OPENED, 3, "b"}};
    follow(fixture, 1, 1, first, 2);
    assert_string_equal(at(fixture, 1)->text, "tcp.connections.openedb");
    assert_int_equal(at(fixture, 1)->split, strlen("tcp.connections.opened"));
    follow(fixture, 1, 2, second, 3);
    assert_int_equal(fixture->written, 3);
    assert_string_equal(at(fixture, 1)->text, "tcp.connections.openednew");
    follow(fixture, 1, 1, first, 2); /* back, as after a replay */
    assert_int_equal(fixture->written, 3);
    assert_string_equal(at(fixture, 1)->text, "tcp.connections.openedb");
}

static void identities__of_unwanted_metrics_are_not_made(void **state)
{
    struct fixture *fixture = *state;
    const struct row rows[] = {{EYE_METRIC_TCP_OPENED, 1, "a"},
                               {EYE_METRIC_TCP_SENT_BYTES, 1, "a"}};
    follow(fixture, 1, 1, rows, 2);
    assert_non_null(at(fixture, 0));
    assert_null(at(fixture, 1));
    assert_int_equal(fixture->written, 1);
}

static void identities__another_run_has_other_ids(void **state)
{
    struct fixture *fixture = *state;
    const struct row old[] = {{EYE_METRIC_TCP_OPENED, 1, "old"}};
    const struct row new[] = {{EYE_METRIC_TCP_OPENED, 1, "new"}};
    follow(fixture, 1, 5, old, 1);
    follow(fixture, 2, 5, new, 1);
    assert_string_equal(at(fixture, 0)->text, "tcp.connections.openednew");
}

static void identities__too_long_ones_say_so(void **state)
{
    struct fixture *fixture = *state;
    const struct row rows[] = {{EYE_METRIC_TCP_OPENED, 1, "aaaaaaaaaaaaaaaaaaaaaaaa"},
                               {EYE_METRIC_TCP_OPENED, 2, "aaaaaaaaaaaaaaaaaaaaaaaaa"}};
    follow(fixture, 1, 1, rows, 2);
    assert_int_equal(eye_identity_check(at(fixture, 0)), 0);
    assert_int_equal(eye_identity_check(at(fixture, 1)), -EMSGSIZE);
}

static void identities__later_of_two_with_one_text_is_marked_until_the_first_goes(void **state)
{
    struct fixture *fixture = *state;
    const struct row both[] = {{EYE_METRIC_TCP_OPENED, 1, "Name"},
                               {EYE_METRIC_TCP_OPENED, 2, "nAme"},
                               {EYE_METRIC_TCP_OPENED, 3, "naMe"}};
    follow(fixture, 1, 1, both, 3);
    assert_int_equal(eye_identity_check(at(fixture, 0)), 0);
    assert_int_equal(eye_identity_check(at(fixture, 1)), -EEXIST);
    assert_int_equal(eye_identity_check(at(fixture, 2)), -EEXIST);
    assert_int_equal(fixture->identities.collisions, 2);
    follow(fixture, 1, 2, both + 1, 2);
    assert_int_equal(eye_identity_check(at(fixture, 0)), 0);
    assert_int_equal(eye_identity_check(at(fixture, 1)), -EEXIST);
    follow(fixture, 1, 3, both + 1, 1);
    assert_int_equal(fixture->identities.collisions, 0);
}

static void identities__text_set_free_goes_to_the_oldest_that_waits(void **state)
{
    struct fixture *fixture = *state;
    const struct row rows[] = {{EYE_METRIC_TCP_OPENED, 1, "Name"},
                               {EYE_METRIC_TCP_OPENED, 2, "nAme"},
                               {EYE_METRIC_TCP_OPENED, 3, "naMe"}};
    follow(fixture, 1, 1, rows, 2);
    follow(fixture, 1, 2, rows + 1, 2); /* the third one is born as the first one goes */
    assert_int_equal(eye_identity_check(at(fixture, 0)), 0);
    assert_int_equal(eye_identity_check(at(fixture, 1)), -EEXIST);
    assert_int_equal(fixture->identities.collisions, 1);
}

/* Any sequence of snapshots: each point has its own text, and of equal texts exactly one is free.
 */
/* Series 1 begins with the daemon, at 100, each of the others in an interval. */
static void identities__begin_never_later_than_the_snapshot(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        uint64_t time_ns;
        uint64_t since_ns[4];
    } steps[] = {
        {110, {100}},
        {120, {100, 110}},
        {115, {100, 110, 105}}, /* set back, but not to before any began */
        {50,
         {50, 50, 50, 40}}, /* to before all of them: they go with the clock, a new one is new */
        {60, {50, 50, 50, 40}}, /* and stay there: another start would tell of a reset */
        {500, {50, 50, 50, 40}},
    };
    const struct row rows[] = {
        {EYE_METRIC_TCP_OPENED, 1, "a"},
        {EYE_METRIC_TCP_OPENED, 2, "b"},
        {EYE_METRIC_TCP_OPENED, 3, "c"},
        {EYE_METRIC_TCP_OPENED, 4, "d"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(steps); i++) {
        size_t count = i < EYE_ARRAY_LENGTH(rows) ? i + 1 : EYE_ARRAY_LENGTH(rows);
        fixture->time_ns = steps[i].time_ns;
        follow(fixture, 100, i + 1, rows, count);
        for (size_t j = 0; j < count; j++) {
            assert_int_equal(at(fixture, j)->since_ns, steps[i].since_ns[j]);
        }
    }
}

static void identities__hold_under_churn(void **state)
{
    struct fixture *fixture = *state;
    static const char *const values[] = {"a", "A", "b", "c", "C", "cc", "Cc", "d"};
    static struct row rows[2 * SERIES];
    uint64_t random = 1;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        size_t count = 0;
        for (size_t i = 0; i < 2 * (size_t)SERIES; i++) {
            if (random_below(&random, 3) > 0) {
                rows[count++] =
                    (struct row){i < SERIES ? EYE_METRIC_TCP_OPENED : EYE_METRIC_TCP_CLOSED,
                                 i % SERIES, values[i % EYE_ARRAY_LENGTH(values)]};
            }
        }
        follow(fixture, 1, round, rows, count);
        size_t free_texts[2][EYE_ARRAY_LENGTH(values)] = {{0}};
        for (size_t i = 0; i < count; i++) {
            const struct eye_identity *identity = at(fixture, i);
            size_t length = strlen(rows[i].value);
            assert_int_equal(identity->length - identity->split, length);
            assert_int_equal(strncasecmp(identity->text + identity->split, rows[i].value, length),
                             0);
            size_t group =
                (size_t)((unsigned char)identity->text[identity->split] - 'a') * 2 + (length - 1);
            free_texts[rows[i].metric == EYE_METRIC_TCP_CLOSED][group] += !identity->collides;
        }
        for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
            assert_true(free_texts[0][i] <= 1 && free_texts[1][i] <= 1);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(identities__are_made_once_while_the_series_lives),
        TEST(identities__of_unwanted_metrics_are_not_made),
        TEST(identities__another_run_has_other_ids),
        TEST(identities__too_long_ones_say_so),
        TEST(identities__later_of_two_with_one_text_is_marked_until_the_first_goes),
        TEST(identities__text_set_free_goes_to_the_oldest_that_waits),
        TEST(identities__begin_never_later_than_the_snapshot),
        TEST(identities__hold_under_churn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
