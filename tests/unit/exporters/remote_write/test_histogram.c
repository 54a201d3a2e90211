/* SPDX-License-Identifier: Apache-2.0 */
/* Native histograms: every value in the bucket that holds it, read back from spans and deltas. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "exporters/remote_write/histogram.h"

/* A bin is at most 0.8 % from its values. */
#define BIN_ERROR 0.008

struct fixture {
    struct eye_distribution distribution;
    struct eye_write_histogram *histogram;
};

static int make_fixture(void **state)
{
    static struct fixture fixture;
    fixture.histogram = eye_write_histogram_new();
    assert_non_null(fixture.histogram);
    eye_distribution_init(&fixture.distribution);
    *state = &fixture;
    return 0;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_distribution_done(&fixture->distribution);
    free(fixture->histogram);
    return 0;
}

static void record(struct fixture *fixture, double value, uint64_t weight)
{
    assert_int_equal(eye_distribution_record(&fixture->distribution, value, weight), 0);
}

/* Calls back with the upper bound and the count of each bucket, as a receiver reads them. */
static uint64_t for_each_bucket(const EyeWrite__Histogram *message,
                                void (*each)(double upper, int64_t count, void *context),
                                void *context)
{
    int64_t index = 0;
    int64_t count = 0;
    uint64_t total = 0;
    size_t delta = 0;
    for (size_t i = 0; i < message->n_positive_spans; i++) {
        index += message->positive_spans[i]->offset;
        for (uint32_t j = 0; j < message->positive_spans[i]->length; j++, index++) {
            count += message->positive_deltas[delta++];
            total += (uint64_t)count;
            each(exp2((double)index / 32), count, context);
        }
    }
    assert_int_equal(delta, message->n_positive_deltas);
    return total;
}

struct expected {
    const double *values;
    const int64_t *counts;
    size_t count;
    size_t at;
};

static void check_bucket(double upper, int64_t count, void *context)
{
    struct expected *expected = context;
    assert_true(count >= 0);
    if (count > 0) {
        double value = expected->values[expected->at];
        assert_true(value <= upper * (1 + BIN_ERROR));
        assert_true(value >= upper * exp2(-1.0 / 32) * (1 - BIN_ERROR));
        assert_int_equal(count, expected->counts[expected->at++]);
    }
}

static void histogram__holds_every_value(void **state)
{
    struct fixture *fixture = *state;
    static const double values[] = {2e-9, 1e-6, 0.001, 0.00105, 0.25, 1, 1.5, 1e6, 1e15};
    static const int64_t counts[] = {1, 7, 3, 4, 1, 2, 1000000, 5, 1};
    struct expected expected = {values, counts, EYE_ARRAY_LENGTH(values), 0};
    for (size_t i = 0; i < expected.count; i++) {
        record(fixture, values[i], (uint64_t)counts[i]);
    }
    record(fixture, 0, 11);
    eye_write_histogram_fill(fixture->histogram, &fixture->distribution);
    const EyeWrite__Histogram *message = &fixture->histogram->message;
    uint64_t total = for_each_bucket(message, check_bucket, &expected);
    assert_int_equal(expected.at, expected.count);
    assert_int_equal(message->zero_count_int, 11);
    assert_int_equal(message->count_int, total + 11);
    assert_int_equal(message->schema, 5);
    assert_true(message->zero_threshold == 1e-9);
    assert_true(message->sum == fixture->distribution.sum);
}

static void histogram__fills_small_gaps_and_spans_large_ones(void **state)
{
    struct fixture *fixture = *state;
    const double step = exp2(1.0 / 32);
    record(fixture, 0.99, 1);
    record(fixture, 0.99 * pow(step, 3), 5);   /* two buckets between */
    record(fixture, 0.99 * pow(step, 103), 2); /* 99 between */
    eye_write_histogram_fill(fixture->histogram, &fixture->distribution);
    const EyeWrite__Histogram *message = &fixture->histogram->message;
    static const int64_t deltas[] = {1, -1, 0, 5, -3};
    assert_int_equal(message->n_positive_spans, 2);
    assert_int_equal(message->positive_spans[0]->offset, 0);
    assert_int_equal(message->positive_spans[0]->length, 4);
    assert_int_equal(message->positive_spans[1]->offset, 99);
    assert_int_equal(message->positive_spans[1]->length, 1);
    assert_int_equal(message->n_positive_deltas, EYE_ARRAY_LENGTH(deltas));
    assert_memory_equal(message->positive_deltas, deltas, sizeof(deltas));
}

static void histogram__of_zeros_alone_has_no_buckets(void **state)
{
    struct fixture *fixture = *state;
    record(fixture, 0, 3);
    eye_write_histogram_fill(fixture->histogram, &fixture->distribution);
    assert_int_equal(fixture->histogram->message.n_positive_spans, 0);
    assert_int_equal(fixture->histogram->message.n_positive_deltas, 0);
    assert_int_equal(fixture->histogram->message.zero_count_int, 3);
    assert_int_equal(fixture->histogram->message.count_int, 3);
}

static void histogram__of_all_keys_fits(void **state)
{
    struct fixture *fixture = *state;
    for (uint32_t key = 0; key < EYE_DISTRIBUTION_KEYS; key += 2) {
        record(fixture, eye_distribution_key_value(key), 1);
    }
    eye_write_histogram_fill(fixture->histogram, &fixture->distribution);
    assert_int_equal(fixture->histogram->message.count_int, EYE_DISTRIBUTION_KEYS / 2);
}

static void histogram__ends_with_the_marker(void **state)
{
    struct fixture *fixture = *state;
    record(fixture, 1, 3);
    eye_write_histogram_fill(fixture->histogram, &fixture->distribution);
    eye_write_histogram_end(fixture->histogram, 7);
    assert_true(fixture->histogram->message.sum == 7);
    assert_int_equal(fixture->histogram->message.count_int, 0);
    assert_int_equal(fixture->histogram->message.n_positive_spans, 0);
    assert_int_equal(fixture->histogram->message.n_positive_deltas, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(histogram__holds_every_value, make_fixture, free_fixture),
        cmocka_unit_test_setup_teardown(histogram__fills_small_gaps_and_spans_large_ones,
                                        make_fixture, free_fixture),
        cmocka_unit_test_setup_teardown(histogram__of_zeros_alone_has_no_buckets, make_fixture,
                                        free_fixture),
        cmocka_unit_test_setup_teardown(histogram__of_all_keys_fits, make_fixture, free_fixture),
        cmocka_unit_test_setup_teardown(histogram__ends_with_the_marker, make_fixture,
                                        free_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
