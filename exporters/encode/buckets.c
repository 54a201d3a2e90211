/* SPDX-License-Identifier: Apache-2.0 */
/* Which bucket each bin key belongs to: a property of the keys alone, computed once. */
#include "exporters/encode/buckets.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>

#define BUCKETS_PER_DOUBLING (1 << EYE_EXPONENTIAL_SCALE)

const struct eye_boundary eye_boundaries[EYE_BOUNDARY_COUNT] = {
    {1e-5, "1e-05"},     {2.5e-5, "2.5e-05"}, {5e-5, "5e-05"},   {1e-4, "0.0001"},
    {2.5e-4, "0.00025"}, {5e-4, "0.0005"},    {1e-3, "0.001"},   {2.5e-3, "0.0025"},
    {5e-3, "0.005"},     {1e-2, "0.01"},      {2.5e-2, "0.025"}, {5e-2, "0.05"},
    {0.1, "0.1"},        {0.25, "0.25"},      {0.5, "0.5"},      {1, "1.0"},
    {2.5, "2.5"},        {5, "5.0"},          {10, "10.0"},      {30, "30.0"},
    {60, "60.0"},
};

static struct {
    pthread_once_t once;
    uint32_t boundary_keys[EYE_BOUNDARY_COUNT];       /* largest key within each boundary */
    int16_t exponential_index[EYE_DISTRIBUTION_KEYS]; /* of every key but 0 */
} tables = {.once = PTHREAD_ONCE_INIT};

/* Key and value round on their own: the key of a boundary may stand for a value above it. */
static uint32_t largest_key_within(double boundary)
{
    uint32_t key = eye_distribution_key(boundary);
    while (eye_distribution_key_value(key) > boundary) {
        key--;
    }
    return key;
}

static int16_t exponential_index(uint32_t key)
{
    double doublings = log2(eye_distribution_key_value(key));
    return (int16_t)(ceil(doublings * BUCKETS_PER_DOUBLING) - 1);
}

static void fill_tables(void)
{
    for (size_t i = 0; i < EYE_BOUNDARY_COUNT; i++) {
        tables.boundary_keys[i] = largest_key_within(eye_boundaries[i].value);
    }
    for (uint32_t key = 1; key < EYE_DISTRIBUTION_KEYS; key++) {
        tables.exponential_index[key] = exponential_index(key);
    }
    assert(tables.exponential_index[EYE_DISTRIBUTION_KEYS - 1] - tables.exponential_index[1] <
           EYE_EXPONENTIAL_MAX);
}

void eye_buckets_classic(const struct eye_distribution *now, const struct eye_distribution *before,
                         uint64_t ret_counts[EYE_BOUNDARY_COUNT])
{
    uint64_t count = 0;
    uint32_t key = now->first_key;
    uint32_t end = key + now->size;
    pthread_once(&tables.once, fill_tables);
    for (size_t i = 0; i < EYE_BOUNDARY_COUNT; i++) {
        for (; key < end && key <= tables.boundary_keys[i]; key++) {
            count += eye_distribution_bin_since(now, before, key);
        }
        ret_counts[i] = count;
    }
}

/* Keys come in ascending order, and so do their indices. */
static void add_to_bucket(struct eye_exponential *buckets, int32_t index, uint64_t count)
{
    if (buckets->size == 0) {
        buckets->offset = index;
    }
    uint32_t place = (uint32_t)(index - buckets->offset);
    while (buckets->size <= place) {
        buckets->counts[buckets->size++] = 0;
    }
    buckets->counts[place] += count;
}

void eye_buckets_exponential(const struct eye_distribution *now,
                             const struct eye_distribution *before,
                             struct eye_exponential *ret_buckets)
{
    uint32_t end = now->first_key + now->size;
    pthread_once(&tables.once, fill_tables);
    ret_buckets->offset = 0;
    ret_buckets->size = 0;
    ret_buckets->zero = 0;
    for (uint32_t key = now->first_key; key < end; key++) {
        uint64_t count = eye_distribution_bin_since(now, before, key);
        if (count > 0 && key == 0) {
            ret_buckets->zero = count;
        } else if (count > 0) {
            add_to_bucket(ret_buckets, tables.exponential_index[key], count);
        }
    }
}
