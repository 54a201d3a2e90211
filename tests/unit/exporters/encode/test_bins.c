/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles against those of the distribution itself, and texts of bins. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/encode/bins.h"
#include "tests/unit/exporters/sample.h"

static int set_up(void **state)
{
    *state = sample_new(NULL);
    return 0;
}

static int tear_down(void **state)
{
    sample_free(*state);
    return 0;
}

static void record(struct sample *sample, double value, uint64_t weight)
{
    eye_distribution_add(eye_group_series(sample->group, EYE_METRIC_TCP_RTT, NULL, 0), value,
                         weight);
}

/* The change of the only series since the last call. */
static struct eye_change take(struct sample *sample)
{
    struct eye_snapshot *before =
        sample->sequence == 0 ? NULL : sample->snapshots[sample->sequence - 1];
    struct eye_changes changes;
    struct eye_change change;
    eye_changes_begin(&changes, sample_take(sample), before);
    assert_true(eye_changes_next(&changes, &change));
    return change;
}

static void assert_quantiles(const struct eye_change *change)
{
    static const double quantiles[EYE_QUANTILE_COUNT] = {0.5, 0.95, 0.99, 1};
    uint32_t keys[EYE_QUANTILE_COUNT];
    eye_bins_quantiles(change, keys);
    for (size_t i = 0; i < EYE_QUANTILE_COUNT; i++) {
        double expected = eye_distribution_quantile_since(change->point->distribution,
                                                          change->before, quantiles[i]);
        assert_true(eye_distribution_key_value(keys[i]) == expected);
    }
}

static void quantiles__are_those_of_the_interval(void **state)
{
    struct sample *sample = *state;
    record(sample, 100, 1000);
    struct eye_change first = take(sample);
    assert_quantiles(&first);
    for (size_t interval = 0; interval < 6; interval++) {
        for (size_t i = 1; i < 200; i++) {
            record(sample, 1e-3 * exp((double)(i * (interval + 1)) * 0.01), i % 7 + 1);
        }
        struct eye_change change = take(sample);
        assert_quantiles(&change);
    }
}

static void quantiles__of_few_values(void **state)
{
    struct sample *sample = *state;
    record(sample, 0, 1);
    struct eye_change one = take(sample);
    assert_quantiles(&one);
    record(sample, 5, 1);
    record(sample, 7, 1);
    struct eye_change two = take(sample);
    assert_quantiles(&two);
}

static void quantiles__of_counts_beyond_doubles(void **state)
{
    struct sample *sample = *state;
    record(sample, 1, UINT64_C(1) << 62);
    record(sample, 2, 3);
    struct eye_change change = take(sample);
    uint32_t keys[EYE_QUANTILE_COUNT];
    eye_bins_quantiles(&change, keys);
    assert_int_equal(keys[EYE_P50], eye_distribution_key(1));
    assert_int_equal(keys[EYE_MAX], eye_distribution_key(2));
}

static void texts__are_scaled_and_short(void **state)
{
    (void)state;
    struct eye_bin_texts texts;
    assert_int_equal(eye_bin_texts_init(&texts, 1000, 6), 0);
    char one[EYE_BIN_DIGITS + 1];
    const struct eye_bin_text *bin = eye_bin_text(&texts, EYE_DISTRIBUTION_BIAS);
    snprintf(one, sizeof(one), "%.*s", bin->length, bin->digits);
    bool same = eye_bin_text(&texts, EYE_DISTRIBUTION_BIAS) == bin;
    uint8_t zero = eye_bin_text(&texts, 0)->length;
    size_t longest = 0;
    bool close = true;
    for (uint32_t key = 1; key < EYE_DISTRIBUTION_KEYS; key++) {
        char digits[EYE_BIN_DIGITS + 1];
        bin = eye_bin_text(&texts, key);
        snprintf(digits, sizeof(digits), "%.*s", bin->length, bin->digits);
        double value = eye_distribution_key_value(key) * 1000;
        close = close && fabs(strtod(digits, NULL) - value) <= 0.51e-6 + value * 1e-12;
        longest = bin->length > longest ? bin->length : longest;
    }
    eye_bin_texts_done(&texts);
    assert_string_equal(one, "1000");
    assert_true(same);
    assert_int_equal(zero, 1);
    assert_true(close);
    assert_in_range(longest, 20, EYE_BIN_DIGITS - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(quantiles__are_those_of_the_interval),
        TEST(quantiles__of_few_values),
        TEST(quantiles__of_counts_beyond_doubles),
        TEST(texts__are_scaled_and_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
