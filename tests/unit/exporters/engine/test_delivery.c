/* SPDX-License-Identifier: Apache-2.0 */
/* The engine, driven by a format whose payloads hold a few points and whose receiver is scripted.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/engine/delivery.h"
#include "tests/unit/exporters/sample.h"

#define SERIES 40
#define MAX_SENDS 256

/* What the receiver does with one payload. */
struct answer {
    enum eye_verdict verdict;
    uint64_t rejected;
};

struct payload {
    size_t first;  /* index of its first point */
    size_t points; /* that end in it */
    size_t parts;
};

struct fake {
    size_t capacity; /* parts of one payload */
    size_t parts;    /* of each point */
    size_t poisoned; /* index of a point that cannot be said; SIZE_MAX: none */
    int poison;      /* what add() answers for it */
    struct payload filling;
    struct payload sent[MAX_SENDS];
    size_t send_count;
    struct answer script[MAX_SENDS];                /* behind its end: done */
    enum eye_confirmation confirmations[MAX_SENDS]; /* zero: confirmed */
    size_t confirm_count;
    size_t waits;
};

struct fixture {
    struct sample *sample;
    struct fake fake;
    struct eye_delivery delivery;
    struct eye_export_failure failure;
    const struct eye_snapshot *now;
};

static void fake_begin(void *state, const struct eye_snapshot *now)
{
    struct fake *fake = state;
    assert_non_null(now);
    fake->filling = (struct payload){.first = SIZE_MAX};
}

static bool fake_wants(void *state, const struct eye_change *change)
{
    (void)state;
    return change->counter > 0;
}

static int fake_add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct fake *fake = state;
    assert_int_equal(change->counter, 1);
    if (index == fake->poisoned) {
        return fake->poison;
    }
    for (; *part < fake->parts; (*part)++) {
        if (fake->filling.parts == fake->capacity) {
            return -ENOBUFS;
        }
        fake->filling.first = fake->filling.parts == 0 ? index : fake->filling.first;
        fake->filling.parts++;
    }
    fake->filling.points++;
    return 0;
}

static enum eye_verdict fake_send(void *state, uint64_t points, uint64_t *ret_rejected,
                                  struct eye_export_failure *failure)
{
    struct fake *fake = state;
    assert_int_equal(points, fake->filling.points);
    struct answer answer = fake->script[fake->send_count];
    fake->sent[fake->send_count++] = fake->filling;
    if (answer.verdict != EYE_VERDICT_DONE) {
        eye_export_fail(failure, -EIO,
                        answer.verdict == EYE_VERDICT_TOO_LARGE ? EYE_EXPORT_TOO_LARGE
                                                                : EYE_EXPORT_REJECTED,
                        "no, thanks");
    } else if (answer.rejected > 0) {
        *ret_rejected = answer.rejected;
        eye_export_fail(failure, 0, EYE_EXPORT_REJECTED, "not all");
    }
    return answer.verdict;
}

static enum eye_confirmation fake_confirm(void *state, bool wait,
                                          struct eye_export_failure *failure)
{
    struct fake *fake = state;
    enum eye_confirmation confirmation = fake->confirmations[fake->confirm_count++];
    fake->waits += wait;
    if (wait && confirmation == EYE_UNHEARD) {
        return EYE_CONFIRMED;
    }
    if (confirmation == EYE_LOST) {
        eye_export_fail(failure, -EIO, EYE_EXPORT_RESET, "the connection is gone");
    }
    return confirmation;
}

static const struct eye_payload_format plain = {
    .begin = fake_begin, .wants = fake_wants, .add = fake_add, .send = fake_send};
static const struct eye_payload_format confirmed = {.begin = fake_begin,
                                                    .wants = fake_wants,
                                                    .add = fake_add,
                                                    .send = fake_send,
                                                    .confirm = fake_confirm};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->sample = sample_new(NULL);
    for (size_t i = 0; i < SERIES; i++) {
        char port[8];
        snprintf(port, sizeof(port), "%zu", 1000 + i);
        sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, port}));
    }
    fixture->now = sample_take(fixture->sample);
    fixture->fake = (struct fake){.capacity = 10, .parts = 1, .poisoned = SIZE_MAX};
    eye_delivery_init(&fixture->delivery, &plain, &fixture->fake, NULL, &fixture->sample->stats);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sample_free(fixture->sample);
    free(fixture);
    return 0;
}

static int deliver(struct fixture *fixture)
{
    fixture->failure = (struct eye_export_failure){0};
    return eye_delivery_run(&fixture->delivery, fixture->now, NULL, &fixture->failure);
}

static void assert_stats(const struct fixture *fixture, uint64_t points,
                         enum eye_export_reason reason, uint64_t dropped)
{
    const struct eye_export_stats *stats = &fixture->sample->stats;
    assert_int_equal(atomic_load(&stats->points), points);
    assert_int_equal(atomic_load(&stats->dropped[reason]), dropped);
    assert_int_equal(atomic_load(&stats->seen), points + dropped);
}

static void delivery__packs_all_points_in_order(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.capacity = 15;
    assert_int_equal(deliver(fixture), 0);
    assert_int_equal(fixture->fake.send_count, 3);
    assert_int_equal(fixture->fake.sent[0].first, 0);
    assert_int_equal(fixture->fake.sent[1].first, 15);
    assert_int_equal(fixture->fake.sent[2].first, 30);
    assert_int_equal(fixture->fake.sent[2].points, 10);
    assert_string_equal(fixture->failure.cause.text, "");
    assert_stats(fixture, SERIES, EYE_EXPORT_OTHER, 0);
}

static void delivery__goes_on_behind_what_was_taken(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.script[2].verdict = EYE_VERDICT_RETRY;
    assert_int_equal(deliver(fixture), -EIO);
    assert_true(fixture->failure.started);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_REJECTED);
    assert_stats(fixture, 20, EYE_EXPORT_OTHER, 0);
    assert_int_equal(deliver(fixture), 0);
    assert_int_equal(fixture->fake.send_count, 5);
    assert_int_equal(fixture->fake.sent[2].first, 20);
    assert_int_equal(fixture->fake.sent[3].first, 20);
    assert_int_equal(fixture->fake.sent[4].first, 30);
    assert_stats(fixture, SERIES, EYE_EXPORT_OTHER, 0);
}

static void delivery__nothing_taken_is_not_started(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.script[0].verdict = EYE_VERDICT_RETRY;
    assert_int_equal(deliver(fixture), -EIO);
    assert_false(fixture->failure.started);
    assert_stats(fixture, 0, EYE_EXPORT_OTHER, 0);
}

static void delivery__gives_up_one_payload_and_goes_on(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.script[1].verdict = EYE_VERDICT_GIVE_UP;
    assert_int_equal(deliver(fixture), 0);
    assert_int_equal(fixture->fake.send_count, 4);
    assert_string_equal(fixture->failure.cause.text, "no, thanks");
    assert_stats(fixture, 30, EYE_EXPORT_REJECTED, 10);
    assert_int_equal(atomic_load(&fixture->sample->stats.failures[EYE_EXPORT_REJECTED]), 1);
    assert_int_equal(atomic_load(&fixture->sample->stats.refused_points), 10);
}

static void delivery__counts_what_the_receiver_took_out(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.script[0].rejected = 3;
    fixture->fake.script[1].rejected = 99; /* more than there were */
    assert_int_equal(deliver(fixture), 0);
    assert_stats(fixture, 27, EYE_EXPORT_REJECTED, 13);
    assert_int_equal(atomic_load(&fixture->sample->stats.refused_points), 13);
    assert_string_equal(fixture->failure.cause.text, "not all");
}

static void delivery__learns_how_much_a_payload_may_hold(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.capacity = 40;
    fixture->fake.script[0].verdict = EYE_VERDICT_TOO_LARGE;
    assert_int_equal(deliver(fixture), 0);
    assert_int_equal(fixture->fake.send_count, 3);
    assert_int_equal(fixture->fake.sent[1].points, 20);
    assert_int_equal(fixture->fake.sent[2].first, 20);
    assert_int_equal(deliver(fixture), 0);
    assert_int_equal(fixture->fake.send_count, 5);
    assert_stats(fixture, 2 * SERIES, EYE_EXPORT_TOO_LARGE, 0);
}

static void delivery__receiver_that_finds_everything_too_large_costs_few_requests(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.capacity = 40;
    for (size_t i = 0; i < MAX_SENDS; i++) {
        fixture->fake.script[i].verdict = EYE_VERDICT_TOO_LARGE;
    }
    assert_int_equal(deliver(fixture), 0);
    assert_in_range(fixture->fake.send_count, 3, 8);
    assert_stats(fixture, 0, EYE_EXPORT_TOO_LARGE, SERIES);
    assert_int_equal(atomic_load(&fixture->sample->stats.refused_points), SERIES);
}

/* 16 points are not halved again, 17 are. */
static void delivery__payload_of_the_least_size_is_given_up(void **state)
{
    static const struct {
        size_t points;
        size_t sends; /* of payloads that got smaller: the first one once more in halves of 8 */
        uint64_t dropped;
    } cases[] = {{15, 1 + 2, 15}, {16, 1 + 2, 16}, {17, 1 + 5, 0}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct fixture *fixture = *state;
        memset(&fixture->sample->stats, 0, sizeof(fixture->sample->stats));
        fixture->fake = (struct fake){
            .capacity = cases[i].points,
            .parts = 1,
            .poisoned = SIZE_MAX,
            .script = {{.verdict = EYE_VERDICT_TOO_LARGE}},
        };
        eye_delivery_init(&fixture->delivery, &plain, &fixture->fake, NULL,
                          &fixture->sample->stats);
        assert_int_equal(deliver(fixture), 0);
        assert_int_equal(fixture->fake.send_count, cases[i].sends);
        assert_stats(fixture, SERIES - cases[i].dropped, EYE_EXPORT_TOO_LARGE, cases[i].dropped);
        assert_int_equal(atomic_load(&fixture->sample->stats.failures[EYE_EXPORT_TOO_LARGE]), 1);
    }
}

static void delivery__points_that_cannot_be_said_are_counted(void **state)
{
    static const struct {
        int error;
        enum eye_export_reason reason;
        size_t index;
    } cases[] = {
        {-EMSGSIZE, EYE_EXPORT_TOO_LONG, 0},
        {-EEXIST, EYE_EXPORT_COLLISION, 17},
        {-EINVAL, EYE_EXPORT_INVALID, SERIES - 1},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct fixture *fixture = *state;
        memset(&fixture->sample->stats, 0, sizeof(fixture->sample->stats));
        fixture->fake.poisoned = cases[i].index;
        fixture->fake.poison = cases[i].error;
        assert_int_equal(deliver(fixture), 0);
        assert_stats(fixture, SERIES - 1, cases[i].reason, 1);
    }
}

static void delivery__point_of_many_parts_crosses_payloads(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.parts = 25; /* each point fills two payloads and a half */
    fixture->fake.script[3].verdict = EYE_VERDICT_RETRY;
    assert_int_equal(deliver(fixture), -EIO);
    assert_true(fixture->failure.started);
    assert_int_equal(fixture->delivery.settled.point, 1);
    assert_int_equal(fixture->delivery.settled.part, 5);
    assert_int_equal(deliver(fixture), 0);
    assert_int_equal(fixture->fake.send_count, 101);
    assert_stats(fixture, SERIES, EYE_EXPORT_OTHER, 0);
}

/* A part of the first point has arrived: nothing else may come in its place. */
static void delivery__part_of_a_point_is_a_start(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.parts = 25;
    fixture->fake.script[1].verdict = EYE_VERDICT_RETRY;
    assert_int_equal(deliver(fixture), -EIO);
    assert_int_equal(fixture->delivery.settled.point, 0);
    assert_true(fixture->failure.started);
}

static void use_confirmations(struct fixture *fixture)
{
    eye_delivery_init(&fixture->delivery, &confirmed, &fixture->fake, NULL,
                      &fixture->sample->stats);
}

static void delivery__unconfirmed_payloads_are_not_counted(void **state)
{
    struct fixture *fixture = *state;
    use_confirmations(fixture);
    fixture->fake.confirmations[0] = EYE_UNHEARD;
    fixture->fake.confirmations[1] = EYE_UNHEARD;
    fixture->fake.confirmations[2] = EYE_LOST;
    assert_int_equal(deliver(fixture), -EIO);
    assert_false(fixture->failure.started);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_RESET);
    assert_stats(fixture, 0, EYE_EXPORT_OTHER, 0);
    assert_int_equal(deliver(fixture), 0);
    assert_int_equal(fixture->fake.sent[3].first, 0);
    assert_stats(fixture, SERIES, EYE_EXPORT_OTHER, 0);
    assert_int_equal(fixture->fake.waits, 1);
}

static void delivery__loss_after_a_confirmation_goes_back_to_it(void **state)
{
    struct fixture *fixture = *state;
    use_confirmations(fixture);
    fixture->fake.confirmations[1] = EYE_UNHEARD;
    fixture->fake.confirmations[2] = EYE_LOST;
    assert_int_equal(deliver(fixture), -EIO);
    assert_true(fixture->failure.started);
    assert_stats(fixture, 10, EYE_EXPORT_OTHER, 0);
    assert_int_equal(deliver(fixture), 0);
    assert_int_equal(fixture->fake.sent[3].first, 10);
    assert_stats(fixture, SERIES, EYE_EXPORT_OTHER, 0);
}

static void delivery__nothing_to_say_sends_nothing(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_snapshot *later = sample_take(fixture->sample);
    assert_int_equal(eye_delivery_run(&fixture->delivery, later, fixture->now, &fixture->failure),
                     0);
    assert_int_equal(fixture->fake.send_count, 0);
    assert_stats(fixture, 0, EYE_EXPORT_OTHER, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(delivery__packs_all_points_in_order),
        TEST(delivery__goes_on_behind_what_was_taken),
        TEST(delivery__nothing_taken_is_not_started),
        TEST(delivery__gives_up_one_payload_and_goes_on),
        TEST(delivery__counts_what_the_receiver_took_out),
        TEST(delivery__learns_how_much_a_payload_may_hold),
        TEST(delivery__receiver_that_finds_everything_too_large_costs_few_requests),
        TEST(delivery__payload_of_the_least_size_is_given_up),
        TEST(delivery__points_that_cannot_be_said_are_counted),
        TEST(delivery__point_of_many_parts_crosses_payloads),
        TEST(delivery__part_of_a_point_is_a_start),
        TEST(delivery__unconfirmed_payloads_are_not_counted),
        TEST(delivery__loss_after_a_confirmation_goes_back_to_it),
        TEST(delivery__nothing_to_say_sends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
