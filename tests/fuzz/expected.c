/* SPDX-License-Identifier: Apache-2.0 */
/* Sanitising by the book, and cutting. */
#include "tests/fuzz/expected.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "exporters/encode/template.h"
#include "exporters/encode/utf8.h"

/* ---- Texts ---- */

/* RFC 3629, section 4: first byte, second byte, how many bytes. */
static const struct {
    uint8_t first[2];
    uint8_t second[2];
    size_t length;
} sequences[] = {
    {{0xC2, 0xDF}, {0x80, 0xBF}, 2}, {{0xE0, 0xE0}, {0xA0, 0xBF}, 3},
    {{0xE1, 0xEC}, {0x80, 0xBF}, 3}, {{0xED, 0xED}, {0x80, 0x9F}, 3},
    {{0xEE, 0xEF}, {0x80, 0xBF}, 3}, {{0xF0, 0xF0}, {0x90, 0xBF}, 4},
    {{0xF1, 0xF3}, {0x80, 0xBF}, 4}, {{0xF4, 0xF4}, {0x80, 0x8F}, 4},
};

static bool is_within(char byte, const uint8_t range[2])
{
    return (uint8_t)byte >= range[0] && (uint8_t)byte <= range[1];
}

static size_t sequence_length(const char *text)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(sequences); i++) {
        if (is_within(text[0], sequences[i].first)) {
            return is_within(text[1], sequences[i].second) ? sequences[i].length : 0;
        }
    }
    return 0;
}

size_t expected_character(const char *text, uint32_t *ret_code_point)
{
    static const uint8_t tail[2] = {0x80, 0xBF};
    if ((uint8_t)text[0] < 0x80) {
        *ret_code_point = (uint8_t)text[0];
        return 1;
    }
    size_t length = sequence_length(text);
    uint32_t code_point = (uint8_t)text[0] & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        if (!is_within(text[i], tail)) {
            return 0;
        }
        code_point = code_point << 6 | ((uint8_t)text[i] & 0x3FU);
    }
    *ret_code_point = code_point;
    return length;
}

void expected_append(struct eye_text *text, const char *value,
                     const char *(*replace)(uint32_t code_point))
{
    while (*value != '\0') {
        uint32_t code_point = EYE_UTF8_REPLACEMENT;
        size_t length = expected_character(value, &code_point);
        const char *instead = replace(length == 0 ? EYE_UTF8_REPLACEMENT : code_point);
        length = length == 0 ? 1 : length;
        eye_text_append_bytes(text, instead != NULL ? instead : value,
                              instead != NULL ? strlen(instead) : length);
        value += length;
    }
}

const char *expected_utf8(uint32_t code_point)
{
    return code_point == EYE_UTF8_REPLACEMENT ? EYE_UTF8_REPLACEMENT_TEXT : NULL;
}

const char *expected_visible(uint32_t code_point)
{
    bool hidden = code_point != '\n' && eye_utf8_is_control(code_point);
    return hidden ? EYE_UTF8_REPLACEMENT_TEXT : expected_utf8(code_point);
}

void expected_append_bytes(struct eye_text *text, const char *value, const char *keeps)
{
    for (; *value != '\0'; value++) {
        eye_text_append_char(text, strchr(keeps, *value) != NULL ? *value : '_');
    }
}

void expected_append_name(struct eye_text *text, const struct hostile *world,
                          const struct eye_metric *metric)
{
    const char *prefix = world->own.common.prefix;
    eye_text_append(text, strstr(metric->name, prefix) == metric->name ? "" : prefix);
    eye_text_append(text, metric->name);
}

#define COMPONENT_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

/* Appends a dot, and @value by components: no dot follows another or stands at the beginning. */
static void append_component(struct eye_text *text, size_t start, const char *value,
                             const char *keeps)
{
    struct eye_text clean = {.max_bytes = EXPECTED_MAX_BYTES};
    expected_append_bytes(&clean, value, keeps);
    for (const char *byte = eye_text_string(&clean); *byte != '\0'; byte++) {
        bool dotted = text->length == start || text->data[text->length - 1] == '.';
        if (*byte != '.' || !dotted) {
            eye_text_append_char(text, *byte);
        }
    }
    if (text->length > start && text->data[text->length - 1] != '.') {
        eye_text_append_char(text, '.');
    }
    eye_text_done(&clean);
}

void expected_append_dotted(struct eye_text *text, const struct hostile *world,
                            const struct eye_point *point)
{
    size_t start = text->length;
    struct eye_text name = {.max_bytes = EXPECTED_MAX_BYTES};
    expected_append_name(&name, world, point->metric);
    append_component(text, start, name.data, COMPONENT_BYTES ".");
    for (size_t i = 0; i < world->selection.fixed_count; i++) {
        const struct eye_fixed_tag *fixed = &world->selection.fixed[i];
        if (eye_point_has_tag(point, fixed->key)) {
            continue;
        }
        append_component(text, start, *fixed->value == '\0' ? fixed->key : fixed->value,
                         COMPONENT_BYTES);
    }
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const char *value = point->tags->tags[i].value;
        append_component(text, start, *value == '\0' ? "none" : value, COMPONENT_BYTES);
    }
    eye_text_truncate(text, text->length - 1);
    eye_text_done(&name);
}

bool expected_near(double a, double b, double relative)
{
    return a == b || fabs(a - b) <= relative * fabs(b);
}

double expected_quantile(const struct eye_change *change, double q)
{
    double value = eye_distribution_quantile_since(change->point->distribution, change->before, q);
    double mean = change->sum / (double)change->count;
    return q == 1 && value < mean ? mean : value;
}

/* ---- Who is who ---- */

struct eye_text *expected_next_name(struct expected_names *names)
{
    assert(names->count < HOSTILE_POINTS_MAX);
    struct eye_text *name = &names->all[names->count++];
    eye_text_init(name, EXPECTED_MAX_BYTES);
    return name;
}

void expected_finish_names(struct expected_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct eye_text *name = &names->all[i];
        for (size_t j = 0; j < i; j++) {
            assert(names->all[j].length != name->length ||
                   memcmp(names->all[j].data, name->data, name->length) != 0);
        }
    }
    for (size_t i = 0; i < names->count; i++) {
        eye_text_done(&names->all[i]);
    }
    names->count = 0;
}

/* ---- Pieces ---- */

struct piece piece_cut(struct piece *rest, char separator)
{
    const char *end = rest->length == 0 ? NULL : memchr(rest->start, separator, rest->length);
    struct piece first = *rest;
    if (end != NULL) {
        first.length = (size_t)(end - rest->start);
    }
    size_t used = first.length + (end != NULL ? 1 : 0);
    *rest = (struct piece){rest->start + used, rest->length - used};
    return first;
}

size_t piece_count(struct piece piece, char byte)
{
    size_t count = 0;
    for (size_t i = 0; i < piece.length; i++) {
        count += piece.start[i] == byte;
    }
    return count;
}

bool piece_is(struct piece piece, const char *text)
{
    return piece.length == strlen(text) &&
           (piece.length == 0 || memcmp(piece.start, text, piece.length) == 0);
}

bool piece_is_text(struct piece piece, const struct eye_text *text)
{
    return piece_is(piece, eye_text_string(text));
}

double piece_number(struct piece piece)
{
    char digits[400];
    char *end;
    assert(piece.length > 0 && piece.length < sizeof(digits));
    memcpy(digits, piece.start, piece.length);
    digits[piece.length] = '\0';
    double number = strtod(digits, &end);
    assert(*end == '\0' && strchr("-0123456789", digits[0]) != NULL);
    return number;
}
