/* SPDX-License-Identifier: Apache-2.0 */
/* Values and weights as StatsD text. */
#include "exporters/statsd/lines.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "exporters/encode/decimal.h"

/* Nanoseconds, in either unit. */
#define PLAIN_PLACES 9
#define MILLISECOND_PLACES 6

/* etsy's server adds 1 / rate as it is: of counts up to 10^9 this is less than anybody prints. */
#define RATE_EXCESS EYE_RATE_MIN_EXCESS

int eye_statsd_lines_init(struct eye_statsd_lines *lines, enum eye_statsd_dialect_id dialect,
                          enum eye_statsd_distributions distributions)
{
    struct eye_statsd_lines made = {
        .distributions = distributions,
        .tags_last = eye_statsd_tags_last(dialect),
    };
    if (eye_bin_texts_init(&made.milliseconds, 1000, MILLISECOND_PLACES) != 0 ||
        eye_bin_texts_init(&made.plain, 1, PLAIN_PLACES) != 0) {
        eye_statsd_lines_done(&made);
        return -ENOMEM;
    }
    *lines = made;
    return 0;
}

void eye_statsd_lines_done(struct eye_statsd_lines *lines)
{
    eye_bin_texts_done(&lines->milliseconds);
    eye_bin_texts_done(&lines->plain);
}

/* ---- One line ---- */

/* Where a line, or lines that belong together, began. */
struct place {
    struct eye_text *payload;
    size_t start;
};

static struct place here(struct eye_text *payload)
{
    return (struct place){payload, payload->length};
}

/* Takes back what did not fit. -EMSGSIZE: nor would it fit an empty payload. */
static int check(struct place place)
{
    if (!place.payload->failed) {
        return 0;
    }
    eye_text_truncate(place.payload, place.start);
    return place.start == 0 ? -EMSGSIZE : -ENOBUFS;
}

static void append_tags(struct eye_text *payload, const struct eye_identity *identity)
{
    eye_text_append_bytes(payload, identity->text + identity->split,
                          identity->length - identity->split);
}

/* Everything before the value. */
static void begin_line(const struct eye_statsd_lines *lines, const struct eye_identity *identity,
                       const char *suffix, struct eye_text *payload)
{
    eye_text_append_bytes(payload, identity->text, identity->split);
    eye_text_append(payload, suffix);
    if (!lines->tags_last) {
        append_tags(payload, identity);
    }
    eye_text_append_char(payload, ':');
}

/* Everything behind the value. */
static void end_line(const struct eye_statsd_lines *lines, const struct eye_identity *identity,
                     const char *type, uint64_t weight, struct eye_text *payload)
{
    eye_text_append(payload, type);
    if (weight > 1) {
        char rate[EYE_RATE_TEXT_BYTES];
        eye_text_append(payload, "|@");
        eye_text_append_bytes(payload, rate,
                              eye_decimal_format_rate(weight, (double)weight * RATE_EXCESS, rate));
    }
    if (lines->tags_last) {
        append_tags(payload, identity);
    }
    eye_text_append_char(payload, '\n');
}

/* ---- Counters and gauges ---- */

static int add_counter(const struct eye_statsd_lines *lines, const struct eye_identity *identity,
                       const struct eye_change *change, struct eye_text *payload)
{
    struct place place = here(payload);
    begin_line(lines, identity, "", payload);
    eye_decimal_append(payload, eye_counter_value(change->point->metric, change->counter));
    end_line(lines, identity, "|c", 1, payload);
    return check(place);
}

static void append_gauge(const struct eye_statsd_lines *lines, const struct eye_identity *identity,
                         double value, struct eye_text *payload)
{
    begin_line(lines, identity, "", payload);
    eye_decimal_append(payload, value);
    end_line(lines, identity, "|g", 1, payload);
}

static int add_gauge(const struct eye_statsd_lines *lines, const struct eye_identity *identity,
                     double value, struct eye_text *payload)
{
    if (!isfinite(value)) {
        return -EINVAL;
    }
    struct place place = here(payload);
    if (value < 0) {
        /* A sign makes a value relative to the one before. */
        append_gauge(lines, identity, 0, payload);
    }
    append_gauge(lines, identity, value, payload);
    return check(place);
}

/* ---- Distributions as samples ---- */

static bool is_in_seconds(const struct eye_change *change)
{
    return change->point->metric->unit == EYE_UNIT_SECONDS;
}

static const struct eye_bin_text *bin_text(struct eye_statsd_lines *lines,
                                           const struct eye_change *change, uint32_t key)
{
    return eye_bin_text(is_in_seconds(change) ? &lines->milliseconds : &lines->plain, key);
}

/* How many values a line stands for, at most. */
static uint64_t max_weight(uint64_t count)
{
    uint64_t weight = (count - 1) / EYE_STATSD_SAMPLES + 1;
    return weight < EYE_RATE_MAX_WEIGHT ? weight : EYE_RATE_MAX_WEIGHT;
}

/* Appends lines @from .. @count - 1 of a bin's @values. *@ret_done: the first that is not in. */
static int add_bin(const struct eye_statsd_lines *lines, const struct eye_identity *identity,
                   const struct eye_bin_text *bin, uint64_t values, uint64_t from, uint64_t count,
                   struct eye_text *payload, uint64_t *ret_done)
{
    for (uint64_t i = from; i < count; i++) {
        struct place place = here(payload);
        begin_line(lines, identity, "", payload);
        eye_text_append_bytes(payload, bin->digits, bin->length);
        end_line(lines, identity, "|ms", values / count + (i < values % count), payload);
        int result = check(place);
        if (result != 0) {
            *ret_done = i;
            return result;
        }
    }
    *ret_done = count;
    return 0;
}

static int add_samples(struct eye_statsd_lines *lines, const struct eye_identity *identity,
                       const struct eye_change *change, struct eye_text *payload, size_t *part)
{
    const struct eye_distribution *now = change->point->distribution;
    uint64_t weight = max_weight(change->count);
    uint64_t before = 0; /* lines of the bins before */
    for (uint32_t key = now->first_key; key - now->first_key < now->size; key++) {
        uint64_t values = eye_distribution_bin_since(now, change->before, key);
        uint64_t count = values / weight + (values % weight != 0);
        if (before + count > *part) {
            uint64_t done = 0;
            int result = add_bin(lines, identity, bin_text(lines, change, key), values,
                                 *part - before, count, payload, &done);
            *part = before + done;
            if (result != 0) {
                return result;
            }
        }
        before += count;
    }
    return 0;
}

/* ---- Distributions as gauges ---- */

enum { PART_MEAN = EYE_QUANTILE_COUNT, PART_COUNT, PARTS };

static const char *const suffixes[PARTS] = {
    [EYE_P50] = ".p50", [EYE_P95] = ".p95",    [EYE_P99] = ".p99",
    [EYE_MAX] = ".max", [PART_MEAN] = ".mean", [PART_COUNT] = ".count",
};

static void append_part(struct eye_statsd_lines *lines, const struct eye_change *change,
                        const uint32_t keys[EYE_QUANTILE_COUNT], size_t part,
                        struct eye_text *payload)
{
    double mean = change->sum / (double)change->count;
    bool is_mean = part == PART_MEAN ||
                   (part == EYE_MAX && eye_distribution_greatest(keys[EYE_MAX], mean) == mean);
    if (is_mean) {
        bool seconds = is_in_seconds(change);
        eye_decimal_append_rounded(payload, seconds ? mean * 1000 : mean,
                                   seconds ? MILLISECOND_PLACES : PLAIN_PLACES);
    } else if (part < EYE_QUANTILE_COUNT) {
        const struct eye_bin_text *bin = bin_text(lines, change, keys[part]);
        eye_text_append_bytes(payload, bin->digits, bin->length);
    } else {
        eye_text_append_u64(payload, change->count);
    }
}

static int add_gauges(struct eye_statsd_lines *lines, const struct eye_identity *identity,
                      const struct eye_change *change, struct eye_text *payload, size_t *part)
{
    uint32_t keys[EYE_QUANTILE_COUNT];
    eye_bins_quantiles(change, keys);
    for (; *part < PARTS; (*part)++) {
        struct place place = here(payload);
        begin_line(lines, identity, suffixes[*part], payload);
        append_part(lines, change, keys, *part, payload);
        end_line(lines, identity, *part == PART_COUNT ? "|c" : "|g", 1, payload);
        int result = check(place);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

/* ---- The encoder ---- */

int eye_statsd_lines_add(struct eye_statsd_lines *lines, const struct eye_identity *identity,
                         const struct eye_change *change, struct eye_text *payload, size_t *part)
{
    int result = eye_identity_check(identity);
    if (result != 0) {
        return result;
    }
    switch (change->point->metric->kind) {
    case EYE_COUNTER:
        return add_counter(lines, identity, change, payload);
    case EYE_GAUGE:
        return add_gauge(lines, identity, change->point->gauge, payload);
    case EYE_DISTRIBUTION:
        return lines->distributions == EYE_STATSD_AS_GAUGES
                   ? add_gauges(lines, identity, change, payload, part)
                   : add_samples(lines, identity, change, payload, part);
    }
    return 0;
}

/* ---- The end ---- */

static int add_zero(const struct eye_statsd_lines *lines, const struct eye_identity *identity,
                    const char *suffix, struct eye_text *payload)
{
    struct place place = here(payload);
    begin_line(lines, identity, suffix, payload);
    eye_text_append_char(payload, '0');
    end_line(lines, identity, "|g", 1, payload);
    return check(place);
}

int eye_statsd_lines_add_zeros(const struct eye_statsd_lines *lines,
                               const struct eye_identity *identity, const struct eye_point *point,
                               struct eye_text *payload, size_t *part)
{
    int result = eye_identity_check(identity);
    if (result == 0 && point->metric->kind == EYE_GAUGE) {
        return add_zero(lines, identity, "", payload);
    }
    bool parts = point->metric->kind == EYE_DISTRIBUTION &&
                 lines->distributions == EYE_STATSD_AS_GAUGES && point->distribution->count > 0;
    while (result == 0 && parts && *part < PART_COUNT) {
        result = add_zero(lines, identity, suffixes[*part], payload);
        *part += result == 0;
    }
    return result;
}
