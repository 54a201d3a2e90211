/* SPDX-License-Identifier: Apache-2.0 */
/* The hash table against a plain array of flags, with hashes that collide and wrap around. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/table.h"
#include "tests/support/random.h"

#define ITEMS 600

struct item {
    uint32_t key;
    uint64_t hash;
    bool present;
    uint32_t visits;
};

struct fixture {
    struct eye_table table;
    struct item items[ITEMS];
    size_t present;
    uint64_t random;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    for (uint32_t i = 0; i < ITEMS; i++) {
        fixture->items[i].key = i;
    }
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    eye_table_done(&fixture->table);
    free(fixture);
    return 0;
}

static bool key_matches(const void *item, const void *key)
{
    return ((const struct item *)item)->key == *(const uint32_t *)key;
}

static struct item *find(const struct fixture *fixture, const struct item *item)
{
    return eye_table_find(&fixture->table, item->hash, key_matches, &item->key);
}

static void toggle(struct fixture *fixture, struct item *item)
{
    if (item->present) {
        eye_table_remove(&fixture->table, item->hash, item);
        fixture->present--;
    } else {
        assert_int_equal(eye_table_insert(&fixture->table, item->hash, item), 0);
        fixture->present++;
    }
    item->present = !item->present;
}

static void check_one(const struct fixture *fixture, const struct item *item)
{
    assert_ptr_equal(find(fixture, item), item->present ? item : NULL);
}

static void check_all(struct fixture *fixture)
{
    struct item *item;
    for (size_t i = 0; i < ITEMS; i++) {
        check_one(fixture, &fixture->items[i]);
        fixture->items[i].visits = 0;
    }
    eye_table_for_each (&fixture->table, item) {
        item->visits++;
    }
    for (size_t i = 0; i < ITEMS; i++) {
        assert_int_equal(fixture->items[i].visits, fixture->items[i].present ? 1 : 0);
    }
    assert_int_equal(fixture->table.count, fixture->present);
    assert_int_equal(fixture->table.capacity & (fixture->table.capacity - 1), 0);
}

/* Toggles random items; now many, now few of them are in the table. */
static void exercise(struct fixture *fixture)
{
    for (int i = 0; i < 100000; i++) {
        uint64_t span = i / 10000 % 2 == 0 ? ITEMS : 40;
        struct item *item = &fixture->items[random_below(&fixture->random, span)];
        toggle(fixture, item);
        check_one(fixture, item);
        check_one(fixture, &fixture->items[random_below(&fixture->random, ITEMS)]);
        if (i % 997 == 0) {
            check_all(fixture);
        }
    }
    check_all(fixture);
}

static void table__agrees_with_a_model(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ITEMS; i++) {
        fixture->items[i].hash = random_next(&fixture->random);
    }
    exercise(fixture);
}

/* Few homes: long runs, and deletions in the middle of them. */
static void table__agrees_with_a_model_when_hashes_collide(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ITEMS; i++) {
        fixture->items[i].hash = random_below(&fixture->random, 8) * 5;
    }
    exercise(fixture);
}

/* Every home lies at the end of the slots, whatever their number: runs wrap around. */
static void table__agrees_with_a_model_when_runs_wrap(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ITEMS; i++) {
        fixture->items[i].hash = UINT64_MAX - random_below(&fixture->random, 4);
    }
    exercise(fixture);
}

static void zeroed_table__finds_nothing(void **state)
{
    struct fixture *fixture = *state;
    check_all(fixture);
    eye_table_clear(&fixture->table);
    eye_table_done(&fixture->table);
    assert_null(fixture->table.slots);
}

static void find__asks_match_for_equal_hashes_only(void **state)
{
    struct fixture *fixture = *state;
    fixture->items[1].hash = UINT64_C(1) << 32;
    toggle(fixture, &fixture->items[0]);
    toggle(fixture, &fixture->items[1]);
    uint32_t key = 1;
    assert_null(eye_table_find(&fixture->table, 0, key_matches, &key));
    assert_ptr_equal(eye_table_find(&fixture->table, UINT64_C(1) << 32, key_matches, &key),
                     &fixture->items[1]);
}

static void clear__forgets_and_keeps_the_storage(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 100; i++) {
        toggle(fixture, &fixture->items[i]);
    }
    const void *slots = fixture->table.slots;
    eye_table_clear(&fixture->table);
    assert_ptr_equal(fixture->table.slots, slots);
    for (size_t i = 0; i < 100; i++) {
        fixture->items[i].present = false;
    }
    fixture->present = 0;
    check_all(fixture);
    toggle(fixture, &fixture->items[3]);
    check_all(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(zeroed_table__finds_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(find__asks_match_for_equal_hashes_only, setup, teardown),
        cmocka_unit_test_setup_teardown(clear__forgets_and_keeps_the_storage, setup, teardown),
        cmocka_unit_test_setup_teardown(table__agrees_with_a_model, setup, teardown),
        cmocka_unit_test_setup_teardown(table__agrees_with_a_model_when_hashes_collide, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(table__agrees_with_a_model_when_runs_wrap, setup, teardown),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
