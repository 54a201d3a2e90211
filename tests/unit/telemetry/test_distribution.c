/* SPDX-License-Identifier: Apache-2.0 */
/* Bins against the keys of Datadog's agent and against sorted values. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/telemetry/distribution.h"
#include "tests/support/random.h"

#define VALUES 5000
#define LAST_KEY (EYE_DISTRIBUTION_KEYS - 1)

/* Half a bin: the promise of the header. */
#define ERROR_MAX 0.008

struct fixture {
    struct eye_distribution distribution;
    struct eye_distribution *before;
    struct eye_distribution *now;
    double values[VALUES];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    eye_distribution_init(&fixture->distribution);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    eye_distribution_done(&fixture->distribution);
    eye_distribution_unref(fixture->before);
    eye_distribution_unref(fixture->now);
    free(fixture);
    return 0;
}

static void record(struct fixture *fixture, double value, uint64_t weight)
{
    assert_int_equal(eye_distribution_record(&fixture->distribution, value, weight), 0);
}

static struct eye_distribution *freeze(const struct fixture *fixture)
{
    struct eye_distribution *frozen = eye_distribution_freeze(&fixture->distribution);
    assert_non_null(frozen);
    return frozen;
}

static void key__is_the_one_of_datadog(void **state)
{
    (void)state;
    static const struct {
        double value;
        uint32_t key;
    } cases[] = {
        {1e-6, 447},  {1e-3, 892},  {1e-2, 1041},  {1, 1338},        {1000, 1784},
        {1e6, 2229},  {1e-9, 1},    {9.94e-10, 1}, {9.9e-10, 0},     {0, 0},
        {-0.0, 0},    {-1, 0},      {-1e300, 0},   {NAN, 0},         {-INFINITY, 0},
        {DBL_MIN, 0}, {4e18, 4095}, {1e300, 4095}, {INFINITY, 4095},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        assert_int_equal(eye_distribution_key(cases[i].value), cases[i].key);
    }
}

static void key_value__lies_in_its_own_bin(void **state)
{
    (void)state;
    assert_true(eye_distribution_key_value(0) == 0);
    assert_true(eye_distribution_key_value(EYE_DISTRIBUTION_BIAS) == 1);
    for (uint32_t key = 1; key <= LAST_KEY; key++) {
        assert_int_equal(eye_distribution_key(eye_distribution_key_value(key)), key);
    }
}

static void key_value__is_close_to_every_value(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 100000; i++) {
        double value = pow(10, random_unit(&random) * 27 - 9);
        double stands_for = eye_distribution_key_value(eye_distribution_key(value));
        assert_true(fabs(stands_for - value) <= ERROR_MAX * value);
    }
}

static void mean__lies_between_least_and_greatest(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (int i = 0; i < 100000; i++) {
        double value = pow(10, random_unit(&random) * 27 - 9);
        uint32_t key = eye_distribution_key(value);
        double least = eye_distribution_least(key, value);
        double greatest = eye_distribution_greatest(key, value);
        assert_true(least <= value && value <= greatest);
        assert_true(least >= value * (1 - ERROR_MAX) && greatest <= value * (1 + ERROR_MAX));
    }
    assert_true(eye_distribution_least(0, 0) == 0 && eye_distribution_greatest(0, 0) == 0);
    assert_true(eye_distribution_greatest(EYE_DISTRIBUTION_BIAS, 0.5) == 1);
}

static void record__counts_and_sums(void **state)
{
    struct fixture *fixture = *state;
    record(fixture, 0.5, 1);
    record(fixture, 2, 3);
    record(fixture, 0, 10);
    assert_int_equal(fixture->distribution.count, 14);
    assert_true(fixture->distribution.sum == 6.5);
    fixture->now = freeze(fixture);
    assert_int_equal(eye_distribution_bin_since(fixture->now, NULL, 0), 10);
    assert_int_equal(eye_distribution_bin_since(fixture->now, NULL, eye_distribution_key(2)), 3);
}

static void record__takes_every_double(void **state)
{
    struct fixture *fixture = *state;
    static const double values[] = {-1, NAN, -INFINITY, 0, INFINITY, 1e300, 1};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
        record(fixture, values[i], 1);
    }
    fixture->now = freeze(fixture);
    assert_int_equal(fixture->now->count, EYE_ARRAY_LENGTH(values));
    assert_int_equal(eye_distribution_bin_since(fixture->now, NULL, 0), 4);
    assert_int_equal(eye_distribution_bin_since(fixture->now, NULL, LAST_KEY), 2);
    assert_true(isfinite(fixture->now->sum) && fixture->now->sum >= 1);
}

static void record__grows_both_ways(void **state)
{
    struct fixture *fixture = *state;
    static const uint32_t keys[] = {1338, 1339, 1300, 1290, 1500, 900, 4095, 1, 0, 2000};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(keys); i++) {
        record(fixture, eye_distribution_key_value(keys[i]), i + 1);
        for (size_t j = 0; j <= i; j++) {
            assert_int_equal(eye_distribution_bin_since(&fixture->distribution, NULL, keys[j]),
                             j + 1);
        }
        assert_true(fixture->distribution.first_key + fixture->distribution.size <=
                    EYE_DISTRIBUTION_KEYS);
    }
    assert_int_equal(fixture->distribution.count, 55);
}

static void bins__agree_with_a_model(void **state)
{
    struct fixture *fixture = *state;
    static uint64_t model[EYE_DISTRIBUTION_KEYS];
    uint64_t random = 2;
    for (int i = 0; i < 20000; i++) {
        uint32_t key = (uint32_t)random_below(&random, 200 + (uint64_t)i / 5);
        key = key < EYE_DISTRIBUTION_KEYS ? key : LAST_KEY;
        model[key] += (uint64_t)i;
        record(fixture, eye_distribution_key_value(key), (uint64_t)i);
    }
    for (uint32_t key = 0; key < EYE_DISTRIBUTION_KEYS; key++) {
        assert_int_equal(eye_distribution_bin_since(&fixture->distribution, NULL, key), model[key]);
    }
}

static void freeze__of_nothing_is_empty(void **state)
{
    struct fixture *fixture = *state;
    fixture->now = freeze(fixture);
    assert_int_equal(eye_distribution_count_since(fixture->now, NULL), 0);
    assert_true(eye_distribution_sum_since(fixture->now, NULL) == 0);
    assert_true(eye_distribution_quantile_since(fixture->now, NULL, 0.5) == 0);
    assert_int_equal(eye_distribution_bin_since(fixture->now, NULL, 0), 0);
    assert_int_equal(eye_distribution_bin_since(fixture->now, NULL, UINT32_MAX), 0);
}

static void freeze__does_not_change_with_the_original(void **state)
{
    struct fixture *fixture = *state;
    record(fixture, 1, 5);
    fixture->now = freeze(fixture);
    record(fixture, 1, 1);
    record(fixture, 1e-6, 1);
    eye_distribution_done(&fixture->distribution);
    assert_int_equal(fixture->now->count, 5);
    assert_true(fixture->now->sum == 5);
    assert_int_equal(eye_distribution_bin_since(fixture->now, NULL, 1338), 5);
    assert_int_equal(eye_distribution_bin_since(fixture->now, NULL, 447), 0);
}

static void unref__takes_null_and_frees_last(void **state)
{
    struct fixture *fixture = *state;
    eye_distribution_unref(NULL);
    record(fixture, 1, 1);
    fixture->now = freeze(fixture);
    struct eye_distribution *again = eye_distribution_ref(fixture->now);
    assert_ptr_equal(again, fixture->now);
    eye_distribution_unref(again);
    assert_int_equal(fixture->now->count, 1);
}

static void since__subtracts(void **state)
{
    struct fixture *fixture = *state;
    record(fixture, 1, 5);
    record(fixture, 0.001, 2);
    fixture->before = freeze(fixture);
    record(fixture, 1, 1);
    record(fixture, 1000, 7);
    record(fixture, 1e-6, 3);
    fixture->now = freeze(fixture);
    const struct eye_distribution *now = fixture->now;
    const struct eye_distribution *before = fixture->before;
    assert_int_equal(eye_distribution_count_since(now, before), 11);
    assert_true(fabs(eye_distribution_sum_since(now, before) - 7001.000003) < 1e-9);
    assert_int_equal(eye_distribution_bin_since(now, before, 1338), 1);
    assert_int_equal(eye_distribution_bin_since(now, before, 892), 0);
    assert_int_equal(eye_distribution_bin_since(now, before, 1784), 7);
    assert_int_equal(eye_distribution_bin_since(now, before, 447), 3);
    assert_int_equal(eye_distribution_bin_since(now, now, 1784), 0);
    assert_true(eye_distribution_quantile_since(now, now, 1) == 0);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Values over ten decades; the quantile of rank q (n - 1), rounded down. */
static void check_quantiles(struct fixture *fixture, size_t count, uint64_t *random)
{
    static const double ranks[] = {0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1};
    for (size_t i = 0; i < count; i++) {
        fixture->values[i] = pow(10, random_unit(random) * 10 - 6);
        record(fixture, fixture->values[i], 1);
    }
    qsort(fixture->values, count, sizeof(fixture->values[0]), compare);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ranks); i++) {
        double truth = fixture->values[(size_t)(ranks[i] * (double)(count - 1))];
        double answer =
            eye_distribution_quantile_since(&fixture->distribution, fixture->before, ranks[i]);
        assert_true(fabs(answer - truth) <= ERROR_MAX * truth);
    }
}

static void quantile__is_near_the_sorted_values(void **state)
{
    struct fixture *fixture = *state;
    static const size_t counts[] = {1, 2, 3, 10, 100, 1000, VALUES};
    uint64_t random = 3;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(counts); i++) {
        eye_distribution_done(&fixture->distribution);
        check_quantiles(fixture, counts[i], &random);
    }
}

static void quantile__sees_only_what_came_since(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 4;
    record(fixture, 1e-9, 1000000);
    record(fixture, 1e9, 1000000);
    fixture->before = freeze(fixture);
    check_quantiles(fixture, VALUES, &random);
}

static void new_frozen__is_what_was_frozen(void **state)
{
    struct fixture *fixture = *state;
    record(fixture, 0.5, 3);
    record(fixture, 2, 4);
    struct eye_distribution *frozen = freeze(fixture);
    assert_int_equal(eye_distribution_new_frozen(frozen->first_key, frozen->bins, frozen->size,
                                                 frozen->sum, &fixture->now),
                     0);
    assert_int_equal(fixture->now->count, 7);
    assert_true(fixture->now->sum == frozen->sum);
    assert_int_equal(eye_distribution_bin_since(fixture->now, frozen, eye_distribution_key(2)), 0);
    eye_distribution_unref(frozen);
}

static void new_frozen__refuses_what_cannot_be(void **state)
{
    struct fixture *fixture = *state;
    static const uint64_t bins[] = {UINT64_MAX, 1};
    static const struct {
        uint32_t first_key;
        size_t first_bin;
        size_t size;
        double sum;
    } table[] = {
        {LAST_KEY, 0, 2, 0},    {LAST_KEY + 1, 0, 0, 0}, {UINT32_MAX, 0, 1, 0}, {0, 0, 2, 1},
        {0, 1, 1, (double)NAN}, {0, 1, 1, -1},           {0, 1, 0, 1},          {0, 1, 1, HUGE_VAL},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        assert_int_equal(eye_distribution_new_frozen(table[i].first_key, bins + table[i].first_bin,
                                                     table[i].size, table[i].sum, &fixture->now),
                         -EINVAL);
        assert_null(fixture->now);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key__is_the_one_of_datadog),
        cmocka_unit_test(key_value__lies_in_its_own_bin),
        cmocka_unit_test(key_value__is_close_to_every_value),
        cmocka_unit_test(mean__lies_between_least_and_greatest),
        cmocka_unit_test_setup_teardown(record__counts_and_sums, setup, teardown),
        cmocka_unit_test_setup_teardown(record__takes_every_double, setup, teardown),
        cmocka_unit_test_setup_teardown(record__grows_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(bins__agree_with_a_model, setup, teardown),
        cmocka_unit_test_setup_teardown(freeze__of_nothing_is_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(freeze__does_not_change_with_the_original, setup, teardown),
        cmocka_unit_test_setup_teardown(unref__takes_null_and_frees_last, setup, teardown),
        cmocka_unit_test_setup_teardown(since__subtracts, setup, teardown),
        cmocka_unit_test_setup_teardown(quantile__is_near_the_sorted_values, setup, teardown),
        cmocka_unit_test_setup_teardown(quantile__sees_only_what_came_since, setup, teardown),
        cmocka_unit_test_setup_teardown(new_frozen__is_what_was_frozen, setup, teardown),
        cmocka_unit_test_setup_teardown(new_frozen__refuses_what_cannot_be, setup, teardown),
    };
    return cmocka_run_group_tests_name("distribution", tests, NULL, NULL);
}
