/* SPDX-License-Identifier: Apache-2.0 */
/* Names, tags, values and weights as DogStatsD text. */
#include "exporters/dogstatsd/lines.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "exporters/dogstatsd/rate.h"
#include "exporters/utf8.h"

#define LENGTH_OF(literal) (sizeof(literal) - 1)

/* The longest value (1e-9 with 17 digits and no exponent) has 28 bytes. */
#define VALUE_MAX_BYTES 31

#define RATE_MARK "|@"
#define DISTRIBUTION_MARK "|d"

/*
 * A line of a distribution is head, value, type, weight and tail. Distributions are refused when
 * this does not fit, so that a series is sent whole or not at all.
 */
#define DISTRIBUTION_MAX_BYTES                                                                     \
    (VALUE_MAX_BYTES + LENGTH_OF(DISTRIBUTION_MARK) + LENGTH_OF(RATE_MARK) + EYE_RATE_TEXT_BYTES)

/*
 * Shortest decimals take a microsecond each and a distribution has up to hundreds of bins, but
 * there are few keys: each is written once.
 */
struct eye_bin_text {
    uint8_t length; /* 0: not made yet */
    char digits[VALUE_MAX_BYTES];
};

/* ---- Text that breaks nothing ---- */

/* Where a text stands decides which characters would end it. */
enum place { PLACE_NAME, PLACE_TAG };

static bool is_plain(unsigned char byte, enum place place)
{
    if (byte < 0x20 || byte >= 0x7f || byte == '|' || byte == ',' || byte == '#') {
        return false;
    }
    return place == PLACE_TAG || (byte != ':' && byte != '@');
}

/* Length of the character of two or more bytes at @text; 0 when it is none or a control. */
static size_t wide_character(const char *text)
{
    uint32_t code_point;
    size_t length = eye_utf8_decode(text, &code_point);
    return length > 1 && code_point >= 0xa0 ? length : 0;
}

/* Writes _ over everything from @start on that has a meaning in the format or none in text. */
static void sanitise(struct eye_text *text, size_t start, enum place place)
{
    for (size_t i = start; i < text->length;) {
        unsigned char byte = (unsigned char)text->data[i];
        size_t length = byte < 0x80 ? 0 : wide_character(text->data + i);
        if (length == 0) {
            text->data[i] = is_plain(byte, place) ? text->data[i] : '_';
            length = 1;
        }
        i += length;
    }
}

/* Appends "key:value" to a list of tags, or "key" alone when @value is empty. */
static void append_tag(struct eye_text *tags, const char *key, const char *value)
{
    eye_text_append(tags, tags->length == 0 ? "|#" : ",");
    size_t start = tags->length;
    eye_text_append(tags, key);
    if (value[0] != '\0') {
        eye_text_append_char(tags, ':');
        eye_text_append(tags, value);
    }
    if (tags->failed) {
        return;
    }
    if (tags->length - start > EYE_LINES_TAG_MAX_BYTES) {
        eye_text_truncate(tags, start + EYE_LINES_TAG_MAX_BYTES);
    }
    sanitise(tags, start, PLACE_TAG);
    /* A tag must not end with its separator. */
    if (tags->data[tags->length - 1] == ':') {
        tags->data[tags->length - 1] = '_';
    }
}

static void append_fixed_tags(struct eye_text *tags, const struct eye_selection *selection)
{
    for (size_t i = 0; i < selection->fixed_count; i++) {
        append_tag(tags, selection->fixed[i].key, selection->fixed[i].value);
    }
}

/* Head and tail of every line of the change at hand. */
static void frame(struct eye_lines *lines)
{
    const struct eye_point *point = lines->change.point;
    eye_text_clear(&lines->head);
    eye_selection_append_name(lines->selection, &lines->head, point->metric);
    sanitise(&lines->head, 0, PLACE_NAME);
    eye_text_append_char(&lines->head, ':');

    eye_text_truncate(&lines->tail, lines->fixed_length);
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (tag->value[0] != '\0') {
            append_tag(&lines->tail, eye_tag_info(tag->tag)->name, tag->value);
        }
    }
    eye_text_append_char(&lines->tail, '\n');
}

/* ---- Counters and gauges ---- */

static void append_text(struct eye_text *text, const struct eye_text *more)
{
    eye_text_append_bytes(text, more->data, more->length);
}

static int make_single(struct eye_lines *lines, double value, const char *type)
{
    if (!isfinite(value)) {
        return -EINVAL;
    }
    frame(lines);
    struct eye_text *line = &lines->line;
    eye_text_clear(line);
    append_text(line, &lines->head);
    eye_text_append_double(line, value);
    eye_text_append(line, type);
    append_text(line, &lines->tail);
    if (lines->head.failed || lines->tail.failed || line->failed) {
        return -EMSGSIZE;
    }
    lines->stage = EYE_LINES_SINGLE;
    return 0;
}

/* ---- Distributions ---- */

static const struct eye_bin_text *bin_text(struct eye_lines *lines, uint32_t key)
{
    struct eye_bin_text *bin = &lines->texts[key];
    if (bin->length == 0) {
        struct eye_text *scratch = &lines->scratch;
        eye_text_clear(scratch);
        eye_text_append_double(scratch, eye_distribution_key_value(key));
        memcpy(bin->digits, scratch->data, scratch->length);
        bin->length = (uint8_t)scratch->length;
    }
    return bin;
}

static uint64_t bin_count(const struct eye_lines *lines, uint32_t key)
{
    return eye_distribution_bin_since(lines->change.point->distribution, lines->change.before, key);
}

static void enter_stage(struct eye_lines *lines, enum eye_lines_stage stage)
{
    lines->stage = stage;
    lines->key = lines->change.point->distribution->first_key;
    lines->rest = bin_count(lines, lines->key);
}

static bool bins_left(const struct eye_lines *lines)
{
    const struct eye_distribution *now = lines->change.point->distribution;
    return lines->key - now->first_key < now->size;
}

static void next_bin(struct eye_lines *lines)
{
    lines->key++;
    lines->rest = bin_count(lines, lines->key);
}

/* Whether @count copies of a bin's value in a shared line are shorter than a line with a weight. */
static bool is_packed(struct eye_lines *lines, const struct eye_bin_text *bin, uint64_t count)
{
    if (count == 1 || count > lines->line.max_bytes) {
        return count == 1;
    }
    size_t copies = count * (bin->length + LENGTH_OF(":"));
    size_t weighted = bin->length + LENGTH_OF(":") + LENGTH_OF(RATE_MARK);
    /* Without other bins there is one line in either form. */
    if (count != lines->change.count) {
        weighted +=
            lines->head.length - LENGTH_OF(":") + LENGTH_OF(DISTRIBUTION_MARK) + lines->tail.length;
    }
    if (copies <= weighted || copies > weighted + EYE_RATE_TEXT_BYTES) {
        return copies <= weighted;
    }
    char rate[EYE_RATE_TEXT_BYTES];
    return copies <= weighted + eye_rate_format(count, rate);
}

/* Appends the bin's value as often as it is left and fits; false when the line is full. */
static bool pack_bin(struct eye_lines *lines, const struct eye_bin_text *bin)
{
    struct eye_text *line = &lines->line;
    size_t end_bytes = LENGTH_OF(DISTRIBUTION_MARK) + lines->tail.length;
    for (; lines->rest > 0; lines->rest--) {
        if (line->length + bin->length + end_bytes > line->max_bytes) {
            return false;
        }
        /* The head ends in the first colon. */
        eye_text_append_bytes(line, bin->digits, bin->length);
        eye_text_append_char(line, ':');
    }
    return true;
}

/* One line with as many values of packed bins as fit. */
static bool next_packed(struct eye_lines *lines)
{
    struct eye_text *line = &lines->line;
    append_text(line, &lines->head);
    for (; bins_left(lines); next_bin(lines)) {
        if (lines->rest == 0) {
            continue;
        }
        const struct eye_bin_text *bin = bin_text(lines, lines->key);
        bool packed = is_packed(lines, bin, bin_count(lines, lines->key));
        if (packed && !pack_bin(lines, bin)) {
            break;
        }
    }
    if (line->length == lines->head.length) {
        return false;
    }
    eye_text_truncate(line, line->length - 1);
    eye_text_append(line, DISTRIBUTION_MARK);
    append_text(line, &lines->tail);
    return true;
}

static void append_weighted(struct eye_lines *lines, const struct eye_bin_text *bin,
                            uint64_t weight)
{
    struct eye_text *line = &lines->line;
    append_text(line, &lines->head);
    eye_text_append_bytes(line, bin->digits, bin->length);
    eye_text_append(line, DISTRIBUTION_MARK);
    if (weight > 1) {
        char rate[EYE_RATE_TEXT_BYTES];
        size_t length = eye_rate_format(weight, rate);
        eye_text_append(line, RATE_MARK);
        eye_text_append_bytes(line, rate, length);
    }
    append_text(line, &lines->tail);
}

/* One line with the next bin that is not packed. */
static bool next_weighted(struct eye_lines *lines)
{
    for (; bins_left(lines); next_bin(lines)) {
        if (lines->rest == 0) {
            continue;
        }
        const struct eye_bin_text *bin = bin_text(lines, lines->key);
        if (!is_packed(lines, bin, bin_count(lines, lines->key))) {
            uint64_t weight = lines->rest < EYE_RATE_MAX_WEIGHT ? lines->rest : EYE_RATE_MAX_WEIGHT;
            append_weighted(lines, bin, weight);
            lines->rest -= weight;
            return true;
        }
    }
    return false;
}

static int begin_distribution(struct eye_lines *lines)
{
    frame(lines);
    if (lines->head.failed || lines->tail.failed ||
        lines->head.length + lines->tail.length + DISTRIBUTION_MAX_BYTES > lines->line.max_bytes) {
        return -EMSGSIZE;
    }
    enter_stage(lines, EYE_LINES_PACKED);
    return 0;
}

/* ---- The encoder ---- */

/* Grows a text to its maximum once, so that no append allocates later. */
static bool reserve(struct eye_text *text, size_t max_bytes)
{
    eye_text_init(text, max_bytes);
    while (text->length < max_bytes && !text->failed) {
        eye_text_append_char(text, ' ');
    }
    bool reserved = !text->failed;
    eye_text_clear(text);
    return reserved;
}

int eye_lines_init(struct eye_lines *lines, const struct eye_selection *selection, size_t max_bytes)
{
    *lines = (struct eye_lines){
        .selection = selection,
        .stage = EYE_LINES_END,
        .texts = calloc(EYE_DISTRIBUTION_KEYS, sizeof(struct eye_bin_text)),
    };
    if (lines->texts == NULL || !reserve(&lines->line, max_bytes) ||
        !reserve(&lines->head, max_bytes) || !reserve(&lines->tail, max_bytes) ||
        !reserve(&lines->scratch, VALUE_MAX_BYTES)) {
        eye_lines_done(lines);
        return -ENOMEM;
    }
    append_fixed_tags(&lines->tail, selection);
    if (lines->tail.failed) {
        eye_lines_done(lines);
        return -EMSGSIZE;
    }
    lines->fixed_length = lines->tail.length;
    return 0;
}

void eye_lines_done(struct eye_lines *lines)
{
    eye_text_done(&lines->line);
    eye_text_done(&lines->head);
    eye_text_done(&lines->tail);
    eye_text_done(&lines->scratch);
    free(lines->texts);
    lines->texts = NULL;
}

int eye_lines_begin(struct eye_lines *lines, const struct eye_change *change)
{
    const struct eye_point *point = change->point;
    lines->change = *change;
    lines->stage = EYE_LINES_END;
    switch (point->metric->kind) {
    case EYE_COUNTER:
        return change->counter == 0
                   ? 0
                   : make_single(lines, eye_counter_value(point->metric, change->counter), "|c");
    case EYE_GAUGE:
        return make_single(lines, point->gauge, "|g");
    case EYE_DISTRIBUTION:
        return change->count == 0 ? 0 : begin_distribution(lines);
    }
    return 0;
}

bool eye_lines_next(struct eye_lines *lines)
{
    if (lines->stage == EYE_LINES_SINGLE) {
        lines->stage = EYE_LINES_END;
        return true;
    }
    eye_text_clear(&lines->line);
    if (lines->stage == EYE_LINES_PACKED) {
        if (next_packed(lines)) {
            return true;
        }
        eye_text_clear(&lines->line);
        enter_stage(lines, EYE_LINES_WEIGHTED);
    }
    if (lines->stage == EYE_LINES_WEIGHTED && next_weighted(lines)) {
        return true;
    }
    lines->stage = EYE_LINES_END;
    return false;
}
