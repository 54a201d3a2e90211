/* SPDX-License-Identifier: Apache-2.0 */
/* Values and weights as DogStatsD text. */
#include "exporters/dogstatsd/lines.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "collector/base/clock.h"
#include "exporters/encode/decimal.h"

#define LENGTH_OF(literal) (sizeof(literal) - 1)

/* "|T" and the seconds until the clock's end */
#define TIMESTAMP_MAX_BYTES 24

/* Agents truncate 1 / rate, other receivers do not: what is too much is less than 1, and less than
 * this part of the weight. */
#define RATE_EXCESS_MAX 0.999
#define RATE_ERROR 0.002

#define RATE_MARK "|@"
#define DISTRIBUTION_MARK "|d"

/*
 * A line of a distribution is head, value, type, weight and tail. Distributions are refused when
 * this does not fit, so that a series is sent whole or not at all.
 */
#define DISTRIBUTION_MAX_BYTES                                                                     \
    (EYE_BIN_DIGITS + LENGTH_OF(DISTRIBUTION_MARK) + LENGTH_OF(RATE_MARK) + EYE_RATE_TEXT_BYTES)

int eye_lines_init(struct eye_lines *lines, const struct eye_selection *selection,
                   const struct eye_labels *labels, size_t max_bytes)
{
    struct eye_bin_texts bins;
    int result = eye_bin_texts_init(&bins, 1, EYE_BIN_SHORTEST);
    if (result != 0) {
        return result;
    }
    *lines = (struct eye_lines){
        .selection = selection,
        .labels = labels,
        .max_bytes = max_bytes,
        .bins = bins,
    };
    eye_text_init(&lines->timestamp, TIMESTAMP_MAX_BYTES);
    return 0;
}

void eye_lines_done(struct eye_lines *lines)
{
    eye_text_done(&lines->timestamp);
    eye_bin_texts_done(&lines->bins);
}

void eye_lines_set_time(struct eye_lines *lines, uint64_t time_ns)
{
    eye_text_clear(&lines->timestamp);
    eye_text_append(&lines->timestamp, "|T");
    eye_text_append_u64(&lines->timestamp, time_ns / EYE_NS_PER_SECOND);
}

/* ---- Identities ---- */

void eye_lines_write_identity(void *context, const struct eye_point *point, struct eye_text *text,
                              uint32_t *ret_cut)
{
    const struct eye_lines *lines = context;
    eye_selection_append_name(lines->selection, text, point->metric);
    eye_labels_clean_name(text, 0);
    eye_text_append_char(text, ':');
    size_t cut = text->length;
    eye_labels_append_fixed(text, lines->labels, point);
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (tag->value[0] != '\0') {
            eye_labels_append_tag(text, cut, eye_tag_info(tag->tag)->name, tag->value);
        }
    }
    eye_labels_append(text, &lines->labels->fields);
    *ret_cut = (uint32_t)cut;
}

static size_t format_rate(uint64_t weight, char ret_text[static EYE_RATE_TEXT_BYTES])
{
    double excess = (double)weight * RATE_ERROR;
    return eye_decimal_format_rate(weight, excess < RATE_EXCESS_MAX ? excess : RATE_EXCESS_MAX,
                                   ret_text);
}

static void append_head(struct eye_text *payload, const struct eye_identity *identity)
{
    eye_text_append_bytes(payload, identity->text, identity->split);
}

static size_t tail_length(const struct eye_identity *identity)
{
    return identity->length - identity->split;
}

static void append_tail(struct eye_text *payload, const struct eye_identity *identity)
{
    eye_text_append_bytes(payload, identity->text + identity->split, tail_length(identity));
}

/* ---- Counters and gauges ---- */

/* Takes the line that begins at @start back when it did not fit. */
static int end_line(struct eye_text *payload, size_t start)
{
    if (!payload->failed) {
        return 0;
    }
    eye_text_truncate(payload, start);
    return start == 0 ? -EMSGSIZE : -ENOBUFS;
}

static int add_single(const struct eye_lines *lines, const struct eye_identity *identity,
                      double value, const char *type, struct eye_text *payload)
{
    if (!isfinite(value)) {
        return -EINVAL;
    }
    size_t start = payload->length;
    append_head(payload, identity);
    eye_text_append_double(payload, value);
    eye_text_append_bytes(payload, type, 2);
    eye_labels_append(payload, &lines->timestamp);
    append_tail(payload, identity);
    return end_line(payload, start);
}

/* ---- Distributions: a walk over the bins ---- */

/*
 * Bins that are shorter as repeated values share a line and go first; the others have a line each.
 * The place where a walk stands is a part: it grows, and 0 is the beginning.
 */
struct walk {
    struct eye_lines *lines;
    const struct eye_identity *identity;
    const struct eye_change *change;
    struct eye_text *payload;
    bool weighted;  /* in the second round */
    bool mixed;     /* there may be something for a second round */
    uint32_t index; /* of the bin, from the distribution's first */
    uint64_t done;  /* of the bin: values in the shared line, or lines of a weighted bin */
    uint64_t left;  /* values in bins from here on, or more */
};

#define PART_DONE_BITS 50
#define PART_INDEX_BITS 13
_Static_assert(SIZE_MAX == UINT64_MAX, "a part holds round, bin and what is done of it");

static void read_part(struct walk *walk, size_t part)
{
    walk->done = part & ((UINT64_C(1) << PART_DONE_BITS) - 1);
    walk->index = (uint32_t)(part >> PART_DONE_BITS) & ((1U << PART_INDEX_BITS) - 1);
    walk->weighted = part >> (PART_DONE_BITS + PART_INDEX_BITS) != 0;
    walk->mixed = part != 0;
    walk->left = part == 0 ? walk->change->count : UINT64_MAX;
}

static size_t write_part(const struct walk *walk)
{
    size_t place = ((size_t)walk->weighted << PART_INDEX_BITS) | walk->index;
    return (place << PART_DONE_BITS) | walk->done;
}

static void begin_second_round(struct walk *walk)
{
    walk->weighted = true;
    walk->index = 0;
    walk->done = 0;
    walk->left = walk->change->count;
}

/* Most bins got nothing, and looking for the others is most of the work: so many are compared at
 * once. */
#define BINS_AT_ONCE 16

/* True when the next 16 bins are the same before and now. */
static bool is_unchanged(const struct walk *walk)
{
    const struct eye_distribution *now = walk->change->point->distribution;
    const struct eye_distribution *before = walk->change->before;
    uint32_t key = now->first_key + walk->index;
    if (before == NULL || key < before->first_key) {
        return false;
    }
    size_t other = key - before->first_key;
    return walk->index + BINS_AT_ONCE <= now->size && other + BINS_AT_ONCE <= before->size &&
           memcmp(now->bins + walk->index, before->bins + other,
                  BINS_AT_ONCE * sizeof(now->bins[0])) == 0;
}

/* The values in the first of up to 16 bins that got any; 0: none did. */
static uint64_t find_among_next(struct walk *walk)
{
    const struct eye_distribution *now = walk->change->point->distribution;
    for (uint32_t i = 0; i < BINS_AT_ONCE && walk->index < now->size; i++, walk->index++) {
        uint64_t count =
            eye_distribution_bin_since(now, walk->change->before, now->first_key + walk->index);
        if (count > 0) {
            return count;
        }
    }
    return 0;
}

/* Goes on to the next bin that got values, the present one included: how many, 0 at the end. */
static uint64_t find_bin(struct walk *walk)
{
    uint64_t count = 0;
    while (count == 0 && walk->left > 0 && walk->index < walk->change->point->distribution->size) {
        if (is_unchanged(walk)) {
            walk->index += BINS_AT_ONCE;
        } else {
            count = find_among_next(walk);
        }
    }
    return count;
}

static void leave_bin(struct walk *walk, uint64_t count)
{
    walk->index++;
    walk->done = 0;
    walk->left = walk->left > count ? walk->left - count : 0;
}

/* The value of the bin at hand. */
static const struct eye_bin_text *bin_text(const struct walk *walk)
{
    uint32_t key = walk->change->point->distribution->first_key + walk->index;
    return eye_bin_text(&walk->lines->bins, key);
}

/* Whether @count copies of a bin's value in a shared line are shorter than a line with a weight. */
static bool is_packed(const struct walk *walk, const struct eye_bin_text *bin, uint64_t count)
{
    if (count == 1 || count > walk->lines->max_bytes) {
        return count == 1;
    }
    size_t copies = count * (bin->length + LENGTH_OF(":"));
    size_t weighted = bin->length + LENGTH_OF(":") + LENGTH_OF(RATE_MARK);
    /* Without other bins there is one line in either form. */
    if (count != walk->change->count) {
        weighted += walk->identity->length - LENGTH_OF(":") + LENGTH_OF(DISTRIBUTION_MARK);
    }
    if (copies <= weighted || copies > weighted + EYE_RATE_TEXT_BYTES) {
        return copies <= weighted;
    }
    char rate[EYE_RATE_TEXT_BYTES];
    return copies <= weighted + format_rate(count, rate);
}

/* ---- Distributions: the first round ---- */

/* Appends the value at hand as often as it is left and fits; false when the payload is full. */
static bool pack_bin(struct walk *walk, const struct eye_bin_text *bin, uint64_t count)
{
    struct eye_text *payload = walk->payload;
    size_t end_bytes = LENGTH_OF(DISTRIBUTION_MARK) + tail_length(walk->identity);
    for (; walk->done < count; walk->done++) {
        if (payload->length + bin->length + end_bytes > payload->max_bytes) {
            return false;
        }
        /* The head ends in the first colon. */
        eye_text_append_bytes(payload, bin->digits, bin->length + LENGTH_OF(":"));
        if (payload->failed) {
            return false;
        }
    }
    return true;
}

/* True when all packed bins are in. */
static bool pack_bins(struct walk *walk)
{
    uint64_t count = 0;
    while ((count = find_bin(walk)) > 0) {
        const struct eye_bin_text *bin = bin_text(walk);
        if (!is_packed(walk, bin, count)) {
            walk->mixed = true;
        } else if (!pack_bin(walk, bin, count)) {
            return false;
        }
        leave_bin(walk, count);
    }
    return true;
}

/* One line: where it does not take all, the payload has no room for a second. */
static bool first_round(struct walk *walk)
{
    struct eye_text *payload = walk->payload;
    size_t start = payload->length;
    append_head(payload, walk->identity);
    size_t values = payload->length;
    bool whole = !payload->failed && pack_bins(walk);
    eye_text_truncate(payload, payload->length > values ? payload->length - 1 : start);
    if (payload->length > start) {
        eye_text_append(payload, DISTRIBUTION_MARK);
        append_tail(payload, walk->identity);
    }
    return whole;
}

/* ---- Distributions: the second round ---- */

static void append_weighted(const struct walk *walk, const struct eye_bin_text *bin,
                            uint64_t weight)
{
    struct eye_text *payload = walk->payload;
    append_head(payload, walk->identity);
    eye_text_append_bytes(payload, bin->digits, bin->length);
    eye_text_append(payload, DISTRIBUTION_MARK);
    if (weight > 1) {
        char rate[EYE_RATE_TEXT_BYTES];
        size_t length = format_rate(weight, rate);
        eye_text_append(payload, RATE_MARK);
        eye_text_append_bytes(payload, rate, length);
    }
    append_tail(payload, walk->identity);
}

/* Lines for the bin at hand: one, unless its weight is huge. False when the payload is full. */
static bool weigh_bin(struct walk *walk, const struct eye_bin_text *bin, uint64_t count)
{
    uint64_t rest = count - walk->done * EYE_RATE_MAX_WEIGHT;
    while (rest > 0) {
        uint64_t weight = rest < EYE_RATE_MAX_WEIGHT ? rest : EYE_RATE_MAX_WEIGHT;
        size_t start = walk->payload->length;
        append_weighted(walk, bin, weight);
        if (end_line(walk->payload, start) != 0) {
            return false;
        }
        walk->done++;
        rest -= weight;
    }
    return true;
}

static bool second_round(struct walk *walk)
{
    uint64_t count = 0;
    while ((count = find_bin(walk)) > 0) {
        const struct eye_bin_text *bin = bin_text(walk);
        if (!is_packed(walk, bin, count) && !weigh_bin(walk, bin, count)) {
            return false;
        }
        leave_bin(walk, count);
    }
    return true;
}

static int add_distribution(struct eye_lines *lines, const struct eye_identity *identity,
                            const struct eye_change *change, size_t *part, struct eye_text *payload)
{
    if (identity->length + DISTRIBUTION_MAX_BYTES > lines->max_bytes) {
        return -EMSGSIZE;
    }
    struct walk walk = {.lines = lines, .identity = identity, .change = change, .payload = payload};
    read_part(&walk, *part);
    bool whole = walk.weighted || first_round(&walk);
    if (whole && !walk.weighted) {
        begin_second_round(&walk);
    }
    if (whole && (!walk.mixed || second_round(&walk))) {
        return 0;
    }
    *part = write_part(&walk);
    return -ENOBUFS;
}

/* ---- The encoder ---- */

int eye_lines_add(struct eye_lines *lines, const struct eye_identity *identity,
                  const struct eye_change *change, size_t *part, struct eye_text *payload)
{
    const struct eye_metric *metric = change->point->metric;
    int result = eye_identity_check(identity);
    if (result != 0) {
        return result;
    }
    switch (metric->kind) {
    case EYE_COUNTER:
        return add_single(lines, identity, eye_counter_value(metric, change->counter), "|c",
                          payload);
    case EYE_GAUGE:
        return add_single(lines, identity, change->point->gauge, "|g", payload);
    case EYE_DISTRIBUTION:
        return add_distribution(lines, identity, change, part, payload);
    }
    return -EINVAL;
}
