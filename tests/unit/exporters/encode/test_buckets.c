/* SPDX-License-Identifier: Apache-2.0 */
/* Bins into buckets, against brute force over every bin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "collector/base/base.h"
#include "exporters/encode/buckets.h"
#include "tests/support/random.h"

#define VALUES 20000
#define LAST_KEY (EYE_DISTRIBUTION_KEYS - 1)

struct fixture {
    struct eye_distribution before;
    struct eye_distribution now;
    struct eye_exponential buckets;
    uint64_t added[EYE_DISTRIBUTION_KEYS]; /* since `before`, by key */
    uint64_t count;                        /* of them */
};

static int make_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL) {
        return -1;
    }
    eye_distribution_init(&fixture->before);
    eye_distribution_init(&fixture->now);
    *state = fixture;
    return 0;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_distribution_done(&fixture->before);
    eye_distribution_done(&fixture->now);
    free(fixture);
    return 0;
}

static void add(struct fixture *fixture, double value, uint64_t weight)
{
    assert_int_equal(eye_distribution_record(&fixture->now, value, weight), 0);
    fixture->added[eye_distribution_key(value)] += weight;
    fixture->count += weight;
}

/* In both pictures: nothing that happened since. */
static void add_earlier(struct fixture *fixture, double value, uint64_t weight)
{
    assert_int_equal(eye_distribution_record(&fixture->before, value, weight), 0);
    assert_int_equal(eye_distribution_record(&fixture->now, value, weight), 0);
}

static double random_value(uint64_t *random)
{
    return exp(random_unit(random) * 60 - 20);
}

static void add_random(struct fixture *fixture)
{
    uint64_t random = 42;
    for (int i = 0; i < VALUES; i++) {
        add_earlier(fixture, random_value(&random), 3);
        add(fixture, random_value(&random), 1 + (uint64_t)i % 7);
    }
    add(fixture, 0, 11);
}

static uint64_t bucket_at(const struct eye_exponential *buckets, int32_t index)
{
    int32_t place = index - buckets->offset;
    return place < 0 || (uint32_t)place >= buckets->size ? 0 : buckets->counts[place];
}

/* The bucket of @value found by its bounds, without a logarithm. */
static int32_t search_index(double value)
{
    int32_t index = -1100;
    while (pow(2, (index + 1) / 32.0) < value) {
        index++;
    }
    return index;
}

static void classic__counts_every_bin_up_to_each_boundary(void **state)
{
    struct fixture *fixture = *state;
    uint64_t counts[EYE_BOUNDARY_COUNT];
    add_random(fixture);
    eye_buckets_classic(&fixture->now, &fixture->before, counts);
    for (size_t i = 0; i < EYE_BOUNDARY_COUNT; i++) {
        uint64_t expected = 0;
        for (uint32_t key = 0; key <= LAST_KEY; key++) {
            bool within = eye_distribution_key_value(key) <= eye_boundaries[i].value;
            expected += within ? fixture->added[key] : 0;
        }
        assert_int_equal(counts[i], expected);
    }
}

static void classic__counts_all_without_an_earlier_picture(void **state)
{
    struct fixture *fixture = *state;
    uint64_t counts[EYE_BOUNDARY_COUNT];
    add_earlier(fixture, 0, 2);
    add_earlier(fixture, 0.001, 5);
    add_earlier(fixture, 1, 7);
    add_earlier(fixture, 100, 9);
    eye_buckets_classic(&fixture->now, NULL, counts);
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[7], 7);   /* 0.0025 */
    assert_int_equal(counts[15], 14); /* 1: its own bin belongs to it */
    assert_int_equal(counts[EYE_BOUNDARY_COUNT - 1], 14);
}

static void classic__of_nothing_is_zero(void **state)
{
    struct fixture *fixture = *state;
    uint64_t counts[EYE_BOUNDARY_COUNT];
    memset(counts, 0xff, sizeof(counts));
    eye_buckets_classic(&fixture->now, NULL, counts);
    for (size_t i = 0; i < EYE_BOUNDARY_COUNT; i++) {
        assert_int_equal(counts[i], 0);
    }
}

static void boundaries__ascend_and_their_texts_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_BOUNDARY_COUNT; i++) {
        assert_true(strtod(eye_boundaries[i].text, NULL) == eye_boundaries[i].value);
        assert_true(i == 0 || eye_boundaries[i - 1].value < eye_boundaries[i].value);
        assert_non_null(strpbrk(eye_boundaries[i].text, ".e"));
    }
}

static void exponential__holds_every_bin_between_the_bounds_of_its_bucket(void **state)
{
    struct fixture *fixture = *state;
    for (uint32_t key = 1; key <= LAST_KEY; key++) {
        double value = eye_distribution_key_value(key);
        eye_distribution_done(&fixture->now);
        add(fixture, value, 1);
        eye_buckets_exponential(&fixture->now, NULL, &fixture->buckets);
        assert_int_equal(fixture->buckets.size, 1);
        assert_int_equal(fixture->buckets.offset, search_index(value));
        assert_int_equal(fixture->buckets.counts[0], 1);
    }
}

static void exponential__adds_up_to_the_count_of_the_bins(void **state)
{
    struct fixture *fixture = *state;
    add_random(fixture);
    eye_buckets_exponential(&fixture->now, &fixture->before, &fixture->buckets);
    uint64_t total = fixture->buckets.zero;
    for (uint32_t i = 0; i < fixture->buckets.size; i++) {
        total += fixture->buckets.counts[i];
    }
    assert_int_equal(total, fixture->count);
    assert_int_equal(fixture->buckets.zero, fixture->added[0]);
    for (uint32_t key = 1; key <= LAST_KEY; key++) {
        int32_t index = search_index(eye_distribution_key_value(key));
        uint64_t count = bucket_at(&fixture->buckets, index);
        assert_true(count >= fixture->added[key]);
    }
}

static void exponential__cuts_empty_ends(void **state)
{
    struct fixture *fixture = *state;
    add_earlier(fixture, 1e-6, 5);
    add_earlier(fixture, 1e6, 5);
    add(fixture, 1, 2);
    add(fixture, 2, 3);
    eye_buckets_exponential(&fixture->now, &fixture->before, &fixture->buckets);
    assert_int_equal(fixture->buckets.offset, -1); /* 1 is the upper bound of its bucket */
    assert_int_equal(fixture->buckets.counts[0], 2);
    assert_int_equal(bucket_at(&fixture->buckets,
                               search_index(eye_distribution_key_value(eye_distribution_key(2)))),
                     3);
    assert_int_equal(fixture->buckets.counts[fixture->buckets.size - 1], 3);
    assert_int_equal(fixture->buckets.zero, 0);
}

static void exponential__of_nothing_is_empty(void **state)
{
    struct fixture *fixture = *state;
    add_earlier(fixture, 1, 2);
    fixture->buckets.size = 99;
    eye_buckets_exponential(&fixture->now, &fixture->before, &fixture->buckets);
    assert_int_equal(fixture->buckets.size, 0);
    assert_int_equal(fixture->buckets.zero, 0);
}

static void exponential__has_room_for_all_keys(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, eye_distribution_key_value(1), 1);
    add(fixture, INFINITY, 1);
    add(fixture, 0, 1);
    eye_buckets_exponential(&fixture->now, NULL, &fixture->buckets);
    assert_in_range(fixture->buckets.size, 2900, EYE_EXPONENTIAL_MAX);
    assert_int_equal(fixture->buckets.counts[0], 1);
    assert_int_equal(fixture->buckets.counts[fixture->buckets.size - 1], 1);
    assert_int_equal(fixture->buckets.zero, 1);
}

/* What a receiver takes for a bucket: the middle of its bounds on the logarithmic axis. */
static double quantile_of_buckets(const struct eye_exponential *buckets, uint64_t count, double q)
{
    double rank = q * (double)(count - 1);
    uint64_t seen = buckets->zero;
    uint32_t i = 0;
    for (; i < buckets->size - 1; i++) {
        seen += buckets->counts[i];
        if ((double)seen > rank) {
            break;
        }
    }
    return pow(2, ((double)buckets->offset + i + 0.5) / 32);
}

static int compare_values(const void *a, const void *b)
{
    const double *left = a;
    const double *right = b;
    return (*left > *right) - (*left < *right);
}

/* Half a bin (0.78 %) and half a bucket (1.09 %) at most, against the values themselves. */
static void exponential__keeps_quantiles_within_two_per_cent(void **state)
{
    struct fixture *fixture = *state;
    static double values[VALUES];
    static const double quantiles[] = {0.01, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999};
    uint64_t random = 7;
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = random_value(&random);
        add(fixture, values[i], 1);
    }
    qsort(values, VALUES, sizeof(values[0]), compare_values);
    eye_buckets_exponential(&fixture->now, NULL, &fixture->buckets);
    double worst = 0;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(quantiles); i++) {
        double exact = values[(size_t)(quantiles[i] * (VALUES - 1))];
        double found = quantile_of_buckets(&fixture->buckets, VALUES, quantiles[i]);
        worst = fmax(worst, fabs(found / exact - 1));
    }
    print_message("largest error of a quantile: %.2f %%\n", 100 * worst);
    assert_true(worst < 0.02);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(classic__counts_every_bin_up_to_each_boundary),
        TEST(classic__counts_all_without_an_earlier_picture),
        TEST(classic__of_nothing_is_zero),
        cmocka_unit_test(boundaries__ascend_and_their_texts_read_back),
        TEST(exponential__holds_every_bin_between_the_bounds_of_its_bucket),
        TEST(exponential__adds_up_to_the_count_of_the_bins),
        TEST(exponential__cuts_empty_ends),
        TEST(exponential__of_nothing_is_empty),
        TEST(exponential__has_room_for_all_keys),
        TEST(exponential__keeps_quantiles_within_two_per_cent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
