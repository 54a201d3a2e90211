/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over the bins, and a text for each key. */
#include "exporters/encode/bins.h"

#include <assert.h>
#include <errno.h>

#include "exporters/encode/decimal.h"

/* ---- Quantiles ---- */

static const double quantiles[EYE_QUANTILE_COUNT] = {
    [EYE_P50] = 0.50,
    [EYE_P95] = 0.95,
    [EYE_P99] = 0.99,
    [EYE_MAX] = 1.00,
};

/* How many values must have been seen when the bin of quantile @q is reached. */
static uint64_t rank_of(double q, uint64_t count)
{
    uint64_t rank = (uint64_t)(q * (double)(count - 1)) + 1;
    return rank < count ? rank : count; /* doubles round above 2^53 */
}

void eye_bins_quantiles(const struct eye_change *change, uint32_t ret_keys[EYE_QUANTILE_COUNT])
{
    const struct eye_distribution *now = change->point->distribution;
    uint64_t ranks[EYE_QUANTILE_COUNT];
    for (size_t i = 0; i < EYE_QUANTILE_COUNT; i++) {
        ranks[i] = rank_of(quantiles[i], change->count);
        ret_keys[i] = now->first_key;
    }
    uint64_t seen = 0;
    size_t found = 0;
    for (uint32_t i = 0; i < now->size && found < EYE_QUANTILE_COUNT; i++) {
        uint32_t key = now->first_key + i;
        seen += eye_distribution_bin_since(now, change->before, key);
        for (; found < EYE_QUANTILE_COUNT && seen >= ranks[found]; found++) {
            ret_keys[found] = key;
        }
    }
}

/* ---- Texts ---- */

int eye_bin_texts_init(struct eye_bin_texts *texts, double scale, unsigned places)
{
    struct eye_bin_text *made = calloc(EYE_DISTRIBUTION_KEYS, sizeof(*made));
    if (made == NULL) {
        return -ENOMEM;
    }
    *texts = (struct eye_bin_texts){.scale = scale, .places = places, .texts = made};
    return 0;
}

void eye_bin_texts_done(struct eye_bin_texts *texts)
{
    free(texts->texts);
    texts->texts = NULL;
}

static void make_text(const struct eye_bin_texts *texts, double value, struct eye_bin_text *bin)
{
    struct eye_text text = {
        .data = bin->digits, .capacity = sizeof(bin->digits), .max_bytes = EYE_BIN_DIGITS};
    if (texts->places == EYE_BIN_SHORTEST) {
        eye_decimal_append(&text, value);
    } else {
        eye_decimal_append_rounded(&text, value, texts->places);
    }
    assert(!text.failed);
    bin->digits[text.length] = ':';
    bin->length = (uint8_t)text.length;
}

const struct eye_bin_text *eye_bin_text(struct eye_bin_texts *texts, uint32_t key)
{
    struct eye_bin_text *bin = &texts->texts[key];
    if (bin->length == 0) {
        make_text(texts, eye_distribution_key_value(key) * texts->scale, bin);
    }
    return bin;
}
