/* SPDX-License-Identifier: Apache-2.0 */
/* Logarithmic bins in one contiguous array, grown towards whichever end a new key lies at. */
#include "collector/telemetry/distribution.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Room is made for this many keys around a new one, so that growing is rare. */
#define GROWTH_KEYS 32

static const double log_gamma = 0.015504186535965254; /* ln 1.015625 */

/* Datadog's agent takes smaller values as zero (1e-9 less half a bin). */
#define SMALLEST 9.94e-10

/* The value of the last bin. Larger ones are summed as this: an infinity would stay in the sum. */
#define LARGEST 3.66e18

uint32_t eye_distribution_key(double value)
{
    if (!(value >= SMALLEST)) {
        return 0;
    }
    double key = rint(log(value) / log_gamma) + EYE_DISTRIBUTION_BIAS;
    if (key < 1) {
        return 1;
    }
    return key >= EYE_DISTRIBUTION_KEYS - 1 ? EYE_DISTRIBUTION_KEYS - 1 : (uint32_t)key;
}

double eye_distribution_key_value(uint32_t key)
{
    return key == 0 ? 0 : exp(((double)key - EYE_DISTRIBUTION_BIAS) * log_gamma);
}

double eye_distribution_least(uint32_t first_key, double mean)
{
    return fmin(eye_distribution_key_value(first_key), mean);
}

double eye_distribution_greatest(uint32_t last_key, double mean)
{
    return fmax(eye_distribution_key_value(last_key), mean);
}

void eye_distribution_init(struct eye_distribution *distribution)
{
    memset(distribution, 0, sizeof(*distribution));
}

void eye_distribution_done(struct eye_distribution *distribution)
{
    free(distribution->bins);
    eye_distribution_init(distribution);
}

/* Makes room for @key; the bins keep their keys. */
static int cover(struct eye_distribution *distribution, uint32_t key)
{
    uint32_t first = distribution->first_key;
    uint32_t end = first + distribution->size;
    if (distribution->size == 0) {
        first = key;
        end = key + 1;
    } else if (key < first) {
        first = key < GROWTH_KEYS ? 0 : key - GROWTH_KEYS;
    } else {
        end = key + 1;
    }
    uint32_t size = end - first;
    if (size > distribution->capacity || first != distribution->first_key) {
        uint32_t capacity = size + GROWTH_KEYS;
        uint64_t *bins = calloc(capacity, sizeof(bins[0]));
        if (bins == NULL) {
            return -ENOMEM;
        }
        if (distribution->size > 0) {
            memcpy(bins + (distribution->first_key - first), distribution->bins,
                   distribution->size * sizeof(bins[0]));
        }
        free(distribution->bins);
        distribution->bins = bins;
        distribution->capacity = capacity;
    }
    distribution->first_key = first;
    distribution->size = size;
    return 0;
}

int eye_distribution_record(struct eye_distribution *distribution, double value, uint64_t weight)
{
    uint32_t key = eye_distribution_key(value);
    /* Unsigned: a key below the first is far above the size. */
    if (key - distribution->first_key >= distribution->size) {
        int result = cover(distribution, key);
        if (result != 0) {
            return result;
        }
    }
    distribution->bins[key - distribution->first_key] += weight;
    distribution->count += weight;
    distribution->sum += value > 0 ? fmin(value, LARGEST) * (double)weight : 0;
    return 0;
}

struct eye_distribution *eye_distribution_freeze(const struct eye_distribution *distribution)
{
    /* One block: the struct, then its bins. */
    size_t bins_bytes = distribution->size * sizeof(distribution->bins[0]);
    struct eye_distribution *frozen = malloc(sizeof(*frozen) + bins_bytes);
    if (frozen == NULL) {
        return NULL;
    }
    *frozen = (struct eye_distribution){
        .first_key = distribution->first_key,
        .size = distribution->size,
        .capacity = distribution->size,
        .count = distribution->count,
        .sum = distribution->sum,
        .bins = (uint64_t *)(frozen + 1),
    };
    atomic_init(&frozen->references, 1);
    if (bins_bytes > 0) {
        memcpy(frozen->bins, distribution->bins, bins_bytes);
    }
    return frozen;
}

/* False when the bins hold more than a count can say. */
static bool sum_bins(const uint64_t *bins, size_t size, uint64_t *ret_count)
{
    uint64_t count = 0;
    for (size_t i = 0; i < size; i++) {
        if (bins[i] > UINT64_MAX - count) {
            return false;
        }
        count += bins[i];
    }
    *ret_count = count;
    return true;
}

int eye_distribution_new_frozen(uint32_t first_key, const uint64_t *bins, size_t size, double sum,
                                struct eye_distribution **ret_frozen)
{
    uint64_t count = 0;
    if (first_key >= EYE_DISTRIBUTION_KEYS || size > EYE_DISTRIBUTION_KEYS - first_key ||
        !sum_bins(bins, size, &count) || !isfinite(sum) || sum < 0 || (count == 0 && sum > 0)) {
        return -EINVAL;
    }
    const struct eye_distribution wanted = {
        .first_key = first_key,
        .size = (uint32_t)size,
        .count = count,
        .sum = sum,
        .bins = (uint64_t *)(uintptr_t)bins, /* only read */
    };
    struct eye_distribution *frozen = eye_distribution_freeze(&wanted);
    if (frozen == NULL) {
        return -ENOMEM;
    }
    *ret_frozen = frozen;
    return 0;
}

struct eye_distribution *eye_distribution_ref(struct eye_distribution *frozen)
{
    atomic_fetch_add_explicit(&frozen->references, 1, memory_order_relaxed);
    return frozen;
}

void eye_distribution_unref(struct eye_distribution *frozen)
{
    if (frozen != NULL &&
        atomic_fetch_sub_explicit(&frozen->references, 1, memory_order_acq_rel) == 1) {
        free(frozen);
    }
}

uint64_t eye_distribution_count_since(const struct eye_distribution *now,
                                      const struct eye_distribution *before)
{
    return now->count - (before == NULL ? 0 : before->count);
}

double eye_distribution_sum_since(const struct eye_distribution *now,
                                  const struct eye_distribution *before)
{
    return now->sum - (before == NULL ? 0 : before->sum);
}

double eye_distribution_quantile_since(const struct eye_distribution *now,
                                       const struct eye_distribution *before, double q)
{
    uint64_t count = eye_distribution_count_since(now, before);
    if (count == 0) {
        return 0;
    }
    double rank = q * (double)(count - 1);
    uint64_t seen = 0;
    uint32_t key = now->first_key;
    for (; key < now->first_key + now->size - 1; key++) {
        seen += eye_distribution_bin_since(now, before, key);
        if ((double)seen > rank) {
            break;
        }
    }
    return eye_distribution_key_value(key);
}
