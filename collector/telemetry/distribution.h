/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cumulative distribution: count, sum and logarithmic bins. Bin keys are Datadog's own, so its
 * intake takes them unchanged: gamma = 1.015625, key(x) = rint(ln x / ln gamma) + 1338, key 0 for
 * values below 1e-9; a bin's value is gamma^(key - 1338), at most 0.8 % from every value in it.
 * Source: datadog-agent pkg/quantile (Config defaults eps 1/128, min 1e-9).
 *
 * A distribution only grows. Between threads only immutable copies travel
 * (eye_distribution_freeze).
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Keys are 0 .. 4095: the limit of Datadog's sketch. 4095 stands for 3e18 and above. */
#define EYE_DISTRIBUTION_KEYS 4096
#define EYE_DISTRIBUTION_BIAS 1338
#define EYE_DISTRIBUTION_GAMMA 1.015625

struct eye_distribution {
    atomic_uint references; /* of a frozen copy; unused in the live one */
    uint32_t first_key;     /* key of bins[0] */
    uint32_t size;          /* bins used */
    uint32_t capacity;      /* bins allocated */
    uint64_t count;
    double sum;
    uint64_t *bins; /* owned */
};

/** The bin key of @value; negative values and NaN count as zero. */
uint32_t eye_distribution_key(double value);

/** The value that stands for a bin: 0 for key 0. */
double eye_distribution_key_value(uint32_t key);

/**
 * The least and the greatest of some values whose mean is @mean, as their first and their last bin
 * tell: a bin is up to 0.8 % off, the mean is exact, so where the bin would be beyond the mean, the
 * mean is nearer.
 */
double eye_distribution_least(uint32_t first_key, double mean);
double eye_distribution_greatest(uint32_t last_key, double mean);

void eye_distribution_init(struct eye_distribution *distribution);
void eye_distribution_done(struct eye_distribution *distribution);

/**
 * Adds @value with @weight; to the sum, values above the last bin add that of the bin. 0, or
 * -ENOMEM when a new bin could not be made; then nothing is added.
 */
int eye_distribution_record(struct eye_distribution *distribution, double value, uint64_t weight);

/** An immutable copy with one reference, or NULL when out of memory. */
struct eye_distribution *eye_distribution_freeze(const struct eye_distribution *distribution);

/**
 * An immutable one of @size bins from @first_key on, as an earlier freeze had them. The count is
 * that of the bins. 0 with one reference, -ENOMEM, or -EINVAL: a key beyond the last, a count that
 * does not fit, or a @sum that no values have.
 */
int eye_distribution_new_frozen(uint32_t first_key, const uint64_t *bins, size_t size, double sum,
                                struct eye_distribution **ret_frozen);

struct eye_distribution *eye_distribution_ref(struct eye_distribution *frozen);
void eye_distribution_unref(struct eye_distribution *frozen);

/**
 * What happened between two frozen pictures of one series. @before may be NULL: then all of it.
 * @key may be any key; keys outside the bins count zero.
 */
uint64_t eye_distribution_count_since(const struct eye_distribution *now,
                                      const struct eye_distribution *before);
double eye_distribution_sum_since(const struct eye_distribution *now,
                                  const struct eye_distribution *before);

static inline uint64_t eye_distribution_bin_at(const struct eye_distribution *distribution,
                                               uint32_t key)
{
    uint32_t index = key - distribution->first_key;
    return index < distribution->size ? distribution->bins[index] : 0;
}

/* Encoders ask for every bin of every series: here so that the compiler sees into it. */
static inline uint64_t eye_distribution_bin_since(const struct eye_distribution *now,
                                                  const struct eye_distribution *before,
                                                  uint32_t key)
{
    return eye_distribution_bin_at(now, key) -
           (before == NULL ? 0 : eye_distribution_bin_at(before, key));
}

/** Quantile @q in 0..1 of what happened since @before: the value of the bin of rank q (n - 1); 0
 * when empty. */
double eye_distribution_quantile_since(const struct eye_distribution *now,
                                       const struct eye_distribution *before, double q);
