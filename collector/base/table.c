/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with the hash beside the pointer: one cache line answers most look-ups. */
#include "collector/base/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 16

void eye_table_done(struct eye_table *table)
{
    free(table->slots);
    *table = (struct eye_table){0};
}

static size_t next_slot(const struct eye_table *table, size_t index)
{
    return (index + 1) & (table->capacity - 1);
}

static size_t home_slot(const struct eye_table *table, uint64_t hash)
{
    return (size_t)hash & (table->capacity - 1);
}

void *eye_table_find(const struct eye_table *table, uint64_t hash, eye_table_match *match,
                     const void *key)
{
    if (table->count == 0) {
        return NULL;
    }
    for (size_t i = home_slot(table, hash); table->slots[i].item != NULL; i = next_slot(table, i)) {
        if (table->slots[i].hash == hash && match(table->slots[i].item, key)) {
            return table->slots[i].item;
        }
    }
    return NULL;
}

static void place(struct eye_table *table, uint64_t hash, void *item)
{
    size_t i = home_slot(table, hash);
    while (table->slots[i].item != NULL) {
        i = next_slot(table, i);
    }
    table->slots[i] = (struct eye_table_slot){.hash = hash, .item = item};
    table->count++;
}

static int grow(struct eye_table *table)
{
    struct eye_table bigger = {
        .capacity = table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2,
    };
    bigger.slots = calloc(bigger.capacity, sizeof(bigger.slots[0]));
    if (bigger.slots == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].item != NULL) {
            place(&bigger, table->slots[i].hash, table->slots[i].item);
        }
    }
    free(table->slots);
    *table = bigger;
    return 0;
}

int eye_table_insert(struct eye_table *table, uint64_t hash, void *item)
{
    assert(item != NULL);
    if (table->count + 1 > table->capacity / 4 * 3) {
        int result = grow(table);
        if (result != 0) {
            return result;
        }
    }
    place(table, hash, item);
    return 0;
}

void eye_table_remove(struct eye_table *table, uint64_t hash, const void *item)
{
    size_t hole = home_slot(table, hash);
    while (table->slots[hole].item != item) {
        assert(table->slots[hole].item != NULL);
        hole = next_slot(table, hole);
    }
    /* Close the gap: move back every follower whose home does not lie behind the hole. */
    for (size_t i = next_slot(table, hole); table->slots[i].item != NULL; i = next_slot(table, i)) {
        size_t distance_home = (i - home_slot(table, table->slots[i].hash)) & (table->capacity - 1);
        size_t distance_hole = (i - hole) & (table->capacity - 1);
        if (distance_home >= distance_hole) {
            table->slots[hole] = table->slots[i];
            hole = i;
        }
    }
    table->slots[hole].item = NULL;
    table->count--;
}

void eye_table_clear(struct eye_table *table)
{
    if (table->capacity > 0) {
        memset(table->slots, 0, table->capacity * sizeof(table->slots[0]));
    }
    table->count = 0;
}
