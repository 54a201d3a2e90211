/* SPDX-License-Identifier: Apache-2.0 */
/* Slots of snapshots, and what carbon has in the end: the last point of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "exporters/graphite/slots.h"

#define SLOT 60
#define SLOTS_MAX 4096
#define SNAPSHOTS_MAX 64

/* One delivery: the end of an interval in seconds, and what was counted since the run began. */
struct delivery {
    uint64_t run; /* when the run began */
    uint64_t end;
    uint64_t length;
    uint64_t total;
};

struct carbon {
    struct eye_graphite_slots slots;
    struct eye_snapshot snapshots[SNAPSHOTS_MAX]; /* sequence: the total */
    size_t count;
    uint64_t kept[SLOTS_MAX];
};

static int set_up(void **state)
{
    struct carbon *carbon = calloc(1, sizeof(*carbon));
    assert_non_null(carbon);
    eye_graphite_slots_init(&carbon->slots, SLOT * EYE_NS_PER_SECOND);
    *state = carbon;
    return 0;
}

static int tear_down(void **state)
{
    struct carbon *carbon = *state;
    eye_graphite_slots_done(&carbon->slots);
    for (size_t i = 0; i < carbon->count; i++) {
        assert_int_equal(atomic_load(&carbon->snapshots[i].references), 1);
    }
    free(carbon);
    return 0;
}

/* The snapshots are the fixture's: no reference frees one. */
static struct eye_snapshot *snapshot(struct carbon *carbon, const struct delivery *delivery)
{
    struct eye_snapshot *made = &carbon->snapshots[carbon->count++];
    assert_true(carbon->count <= SNAPSHOTS_MAX);
    *made = (struct eye_snapshot){
        .references = 1,
        .sequence = delivery->total,
        .time_ns = delivery->end * EYE_NS_PER_SECOND,
        .interval_ns = delivery->length * EYE_NS_PER_SECOND,
        .start_ns = delivery->run * EYE_NS_PER_SECOND,
    };
    return made;
}

/* Writes the point of @now. Returns its slot in seconds. */
static uint64_t deliver(struct carbon *carbon, const struct eye_snapshot *now,
                        const struct eye_snapshot *before)
{
    eye_graphite_slots_choose(&carbon->slots, now, before);
    uint64_t since = carbon->slots.base == NULL ? 0 : carbon->slots.base->sequence;
    uint64_t slot = carbon->slots.slot_ns / EYE_NS_PER_SECOND;
    assert_int_equal(slot % SLOT, 0);
    assert_in_range(slot / SLOT, 0, SLOTS_MAX - 1);
    carbon->kept[slot / SLOT] = now->sequence - since;
    return slot;
}

static uint64_t sum(const struct carbon *carbon)
{
    uint64_t total = 0;
    for (size_t i = 0; i < SLOTS_MAX; i++) {
        total += carbon->kept[i];
    }
    return total;
}

struct expected {
    struct delivery delivery;
    uint64_t slot;
};

/* Delivers all; a delivery of a run is a change from the last one of the same run. */
static void deliver_all(struct carbon *carbon, const struct expected *rows, size_t count)
{
    const struct eye_snapshot *before = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct eye_snapshot *now = snapshot(carbon, &rows[i].delivery);
        bool same_run = before != NULL && before->start_ns == now->start_ns;
        assert_int_equal(deliver(carbon, now, same_run ? before : NULL), rows[i].slot);
        before = now;
    }
}

static void slots__have_the_sum_of_their_intervals(void **state)
{
    static const struct expected rows[] = {
        {{600, 610, 10, 5}, 600},   {{600, 620, 10, 7}, 600},  {{600, 640, 20, 7}, 600},
        {{600, 660, 20, 9}, 600},   {{600, 670, 10, 20}, 660}, {{600, 725, 55, 31}, 660},
        {{600, 850, 125, 40}, 780},
    };
    struct carbon *carbon = *state;
    deliver_all(carbon, rows, EYE_ARRAY_LENGTH(rows));
    assert_int_equal(carbon->kept[600 / SLOT], 9);
    assert_int_equal(carbon->kept[660 / SLOT], 22);
    assert_int_equal(sum(carbon), 40);
}

/* The same process does not know the run before: carbon does. */
static void slots__of_a_restart_replace_nothing(void **state)
{
    static const struct expected first[] = {{{603, 610, 7, 5}, 660}, {{603, 665, 10, 9}, 660}};
    static const struct expected second[] = {{{666, 670, 4, 3}, 720}, {{666, 730, 10, 8}, 720}};
    struct carbon *carbon = *state;
    deliver_all(carbon, first, EYE_ARRAY_LENGTH(first));
    eye_graphite_slots_done(&carbon->slots);
    eye_graphite_slots_init(&carbon->slots, SLOT * EYE_NS_PER_SECOND);
    deliver_all(carbon, second, EYE_ARRAY_LENGTH(second));
    assert_int_equal(sum(carbon), 17);
}

/* Of an earlier run the spool also has what was delivered last: its slot has been written. */
static void slots__of_a_spool_follow_what_was_delivered(void **state)
{
    struct carbon *carbon = *state;
    carbon->kept[600 / SLOT] = 5; /* by the process that ended */
    const struct eye_snapshot *before = snapshot(carbon, &(struct delivery){540, 620, 10, 5});
    const struct eye_snapshot *now = snapshot(carbon, &(struct delivery){540, 630, 10, 11});
    assert_int_equal(deliver(carbon, now, before), 660);
    /* Then the run of today, from the same slot on. */
    const struct eye_snapshot *own = snapshot(carbon, &(struct delivery){635, 640, 5, 2});
    assert_int_equal(deliver(carbon, own, NULL), 720);
    assert_int_equal(sum(carbon), 13);
}

/* What was delivered before was moved behind the beginning of its run. */
static void slots__of_a_spool_follow_what_was_moved(void **state)
{
    struct carbon *carbon = *state;
    carbon->kept[660 / SLOT] = 5; /* by the process that ended */
    const struct eye_snapshot *before = snapshot(carbon, &(struct delivery){605, 615, 10, 5});
    const struct eye_snapshot *now = snapshot(carbon, &(struct delivery){605, 625, 10, 11});
    assert_int_equal(deliver(carbon, now, before), 720);
    assert_int_equal(sum(carbon), 11);
}

static void slots__stay_while_the_clock_is_behind(void **state)
{
    static const struct expected rows[] = {
        {{7200, 7260, 10, 5}, 7200},
        {{7200, 7330, 10, 9}, 7320},
        {{7200, 3740, 10, 12}, 7320}, /* an hour back */
        {{7200, 7390, 10, 20}, 7380},
        {{7200, 1210, 10, 23}, 1200}, /* more than that: the hours before were wrong */
    };
    struct carbon *carbon = *state;
    deliver_all(carbon, rows, EYE_ARRAY_LENGTH(rows));
    assert_int_equal(sum(carbon), 23);
}

static void slots__are_the_same_for_another_attempt(void **state)
{
    struct carbon *carbon = *state;
    const struct eye_snapshot *first = snapshot(carbon, &(struct delivery){600, 650, 10, 5});
    const struct eye_snapshot *second = snapshot(carbon, &(struct delivery){600, 670, 10, 8});
    deliver(carbon, first, NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(deliver(carbon, second, first), 660);
        assert_ptr_equal(carbon->slots.base, first);
    }
    assert_int_equal(sum(carbon), 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(slots__have_the_sum_of_their_intervals),
        TEST(slots__of_a_restart_replace_nothing),
        TEST(slots__of_a_spool_follow_what_was_delivered),
        TEST(slots__of_a_spool_follow_what_was_moved),
        TEST(slots__stay_while_the_clock_is_behind),
        TEST(slots__are_the_same_for_another_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
