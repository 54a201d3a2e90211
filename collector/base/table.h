/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of pointers: open addressing, linear probing, backward-shift deletion. It stores
 * the 64-bit hash beside each pointer and owns nothing. Not shared between threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct eye_table_slot {
    uint64_t hash;
    void *item; /* NULL: free */
};

struct eye_table {
    struct eye_table_slot *slots;
    size_t capacity; /* zero or a power of two */
    size_t count;
};

/** True when @item is the one that @key describes. */
typedef bool eye_table_match(const void *item, const void *key);

/** Frees the slots; the items are the caller's. Takes a zeroed table. */
void eye_table_done(struct eye_table *table);

/** The item with this hash that @match accepts, or NULL. */
void *eye_table_find(const struct eye_table *table, uint64_t hash, eye_table_match *match,
                     const void *key);

/** Adds @item (not NULL, not in the table yet). 0 or -ENOMEM. */
int eye_table_insert(struct eye_table *table, uint64_t hash, void *item);

/** Takes @item out. It must be in the table under @hash. */
void eye_table_remove(struct eye_table *table, uint64_t hash, const void *item);

/** Forgets every item and keeps the storage. */
void eye_table_clear(struct eye_table *table);

/**
 * Loops over the items in no order. The body must not insert; a removal may make it skip or
 * repeat items, so collect first and remove later.
 */
#define eye_table_for_each(table, variable)                                                        \
    for (size_t eye_slot = 0; eye_slot < (table)->capacity; eye_slot++)                            \
        if (((variable) = (table)->slots[eye_slot].item) != NULL)
