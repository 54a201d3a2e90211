/* SPDX-License-Identifier: Apache-2.0 */
/* Growing text and number formatting. */
#include "collector/base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/utf8.h"

#define FIRST_CAPACITY 256

void eye_text_init(struct eye_text *text, size_t max_bytes)
{
    *text = (struct eye_text){.max_bytes = max_bytes};
}

void eye_text_done(struct eye_text *text)
{
    free(text->data);
    *text = (struct eye_text){.max_bytes = text->max_bytes};
}

void eye_text_clear(struct eye_text *text)
{
    eye_text_truncate(text, 0);
}

void eye_text_truncate(struct eye_text *text, size_t length)
{
    text->failed = false;
    if (length < text->length) {
        text->length = length;
        text->data[length] = '\0';
    }
}

/* Room for @more bytes and the NUL, or false and `failed`. */
static bool reserve(struct eye_text *text, size_t more)
{
    if (text->failed || more > text->max_bytes - text->length) {
        text->failed = true;
        return false;
    }
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity) {
        return true;
    }
    size_t capacity = text->capacity == 0 ? FIRST_CAPACITY : text->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    char *data = realloc(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void eye_text_append_bytes(struct eye_text *text, const void *bytes, size_t length)
{
    if (reserve(text, length)) {
        memcpy(text->data + text->length, bytes, length);
        text->length += length;
        text->data[text->length] = '\0';
    }
}

char *eye_text_room(struct eye_text *text, size_t bytes)
{
    return reserve(text, bytes) ? text->data + text->length : NULL;
}

void eye_text_end_at(struct eye_text *text, const char *end)
{
    text->length = (size_t)(end - text->data);
    text->data[text->length] = '\0';
}

void eye_text_append(struct eye_text *text, const char *string)
{
    eye_text_append_bytes(text, string, strlen(string));
}

void eye_text_append_char(struct eye_text *text, char character)
{
    eye_text_append_bytes(text, &character, 1);
}

void eye_text_append_u64(struct eye_text *text, uint64_t value)
{
    char digits[20];
    size_t start = sizeof(digits);
    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    eye_text_append_bytes(text, digits + start, sizeof(digits) - start);
}

void eye_text_appendf(struct eye_text *text, const char *format, ...)
{
    va_list arguments;
    va_list again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length >= 0 && reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

/* 2^53: every smaller whole number is exact in a double. */
#define EXACT_INTEGER_LIMIT 9007199254740992.0

/* Exact in a double, all of them. */
static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* How many digits a decimal may have so that every one of them survives a double. */
#define SAFE_DIGITS 15

/* Above, rounding to so many digits ends beyond the largest double. */
#define ROUNDED_MAX 1.79769313486231e308

/* A decimal: digits / 10^places. */
struct decimal {
    uint64_t digits;
    int places;
};

/*
 * Rounds @value to 15 digits, without zeros at the end. The product is off by less than half a
 * digit for decimals of up to 15 digits, so those come out exactly; of others the last digit may be
 * the neighbour. False where the power of ten would not be exact.
 */
static bool round_to_decimal(double value, struct decimal *ret_decimal)
{
    if (!(value >= 1e-7 && value < 1e14)) {
        return false;
    }
    int exponent;
    frexp(value, &exponent);
    int places = SAFE_DIGITS - 1 - (int)floor((exponent - 1) * 0.30102999566398120);
    double scaled = value * powers_of_ten[places];
    if (scaled >= 1e15) {
        scaled = value * powers_of_ten[--places];
    }
    struct decimal decimal = {.digits = (uint64_t)llrint(scaled), .places = places};
    while (decimal.places > 0 && decimal.digits % 10 == 0) {
        decimal.digits /= 10;
        decimal.places--;
    }
    *ret_decimal = decimal;
    return true;
}

/* Digits from the last to the first, at least one before the point. */
static void append_decimal(struct eye_text *text, bool negative, struct decimal decimal)
{
    char digits[40];
    size_t start = sizeof(digits);
    for (int place = decimal.places; place > 0; place--) {
        digits[--start] = (char)('0' + decimal.digits % 10);
        decimal.digits /= 10;
    }
    if (decimal.places > 0) {
        digits[--start] = '.';
    }
    do {
        digits[--start] = (char)('0' + decimal.digits % 10);
        decimal.digits /= 10;
    } while (decimal.digits > 0);
    if (negative) {
        digits[--start] = '-';
    }
    eye_text_append_bytes(text, digits + start, sizeof(digits) - start);
}

/* Nearly all values have 15 digits: a quotient of two exact numbers rounds as strtod() does. */
static bool append_short(struct eye_text *text, double value)
{
    struct decimal decimal;
    double magnitude = fabs(value);
    if (!round_to_decimal(magnitude, &decimal) ||
        (double)decimal.digits / powers_of_ten[decimal.places] != magnitude) {
        return false;
    }
    append_decimal(text, value < 0, decimal);
    return true;
}

static void append_shortest(struct eye_text *text, double value)
{
    char digits[400];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof(digits), "%.*g", precision, value);
        if (strtod(digits, NULL) == value) {
            break;
        }
    }
    /* %g switches to an exponent below 1e-4, where metrics live, and for round numbers above 1e15:
     * write the plain form. */
    double magnitude = fabs(value);
    if (strchr(digits, 'e') != NULL && magnitude >= 1e-12 && magnitude < 1e17) {
        for (int places = 0; places <= 30; places++) {
            snprintf(digits, sizeof(digits), "%.*f", places, value);
            if (strtod(digits, NULL) == value) {
                break;
            }
        }
    }
    eye_text_append(text, digits);
}

void eye_text_append_double(struct eye_text *text, double value)
{
    if (isnan(value)) {
        eye_text_append(text, "NaN");
    } else if (isinf(value)) {
        eye_text_append(text, value > 0 ? "+Inf" : "-Inf");
    } else if (fabs(value) < EXACT_INTEGER_LIMIT && value == trunc(value)) {
        if (value < 0) {
            eye_text_append_char(text, '-');
        }
        eye_text_append_u64(text, (uint64_t)fabs(value));
    } else if (!append_short(text, value)) {
        append_shortest(text, value);
    }
}

void eye_text_append_rounded(struct eye_text *text, double value)
{
    struct decimal decimal;
    if (value == 0) {
        eye_text_append_char(text, '0');
    } else if (round_to_decimal(fabs(value), &decimal)) {
        append_decimal(text, value < 0, decimal);
    } else if (fabs(value) > ROUNDED_MAX) {
        eye_text_append_double(text, value);
    } else {
        eye_text_appendf(text, "%.*g", SAFE_DIGITS, value);
    }
}

/* Characters of UTF-8. */
static size_t count_characters(const char *bytes, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        count += (bytes[i] & 0xC0) != 0x80;
    }
    return count;
}

/* Characters behind the last line break. */
static size_t current_column(const struct eye_text *text)
{
    size_t start = text->length;
    while (start > 0 && text->data[start - 1] != '\n') {
        start--;
    }
    return text->length == 0 ? 0 : count_characters(text->data + start, text->length - start);
}

void eye_text_append_wrapped(struct eye_text *text, const char *words, size_t indent, size_t width)
{
    size_t column = current_column(text);
    size_t line_start = 0; /* a line that has nothing yet takes a word of any length */
    bool first = true;
    while (*words != '\0') {
        size_t length = strcspn(words, " ");
        size_t characters = count_characters(words, length);
        if (column > line_start && column + !first + characters > width) {
            eye_text_appendf(text, "\n%*s", (int)indent, "");
            column = indent;
            line_start = indent;
        } else if (!first) {
            eye_text_append_char(text, ' ');
            column++;
        }
        eye_text_append_bytes(text, words, length);
        column += characters;
        first = false;
        words += length + strspn(words + length, " ");
    }
}

const char *eye_text_string(const struct eye_text *text)
{
    return text->data == NULL ? "" : text->data;
}

bool eye_copy_string(char *target, size_t size, const char *source)
{
    size_t length = strnlen(source, size);
    bool fits = length < size;
    size_t kept = fits ? length : size - 1;
    memcpy(target, source, kept);
    target[kept] = '\0';
    return fits;
}

/* Sorted; first and last. */
static const uint32_t invisible[][2] = {
    {0x0000, 0x001f},   {0x007f, 0x00a0},   {0x00ad, 0x00ad},   {0x034f, 0x034f},
    {0x0600, 0x0605},   {0x061c, 0x061c},   {0x06dd, 0x06dd},   {0x070f, 0x070f},
    {0x0890, 0x0891},   {0x08e2, 0x08e2},   {0x115f, 0x1160},   {0x1680, 0x1680},
    {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x2000, 0x200f},   {0x2028, 0x202f},
    {0x205f, 0x206f},   {0x2800, 0x2800},   {0x3000, 0x3000},   {0x3164, 0x3164},
    {0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xfffb},   {0xfffe, 0xffff},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd},
    {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static bool is_visible(uint32_t code_point)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(invisible) && invisible[i][0] <= code_point; i++) {
        if (code_point <= invisible[i][1]) {
            return false;
        }
    }
    return true;
}

void eye_copy_clean(char *target, size_t size, const char *bytes, size_t length)
{
    size_t used = 0;
    while (length > 0) {
        uint32_t code_point = 0;
        size_t taken = eye_utf8_decode(bytes, length, &code_point);
        bool kept = taken > 0 && is_visible(code_point);
        taken = taken > 0 ? taken : 1;
        size_t put = kept ? taken : 1;
        if (used + put >= size) {
            break;
        }
        memcpy(target + used, kept ? bytes : "_", put);
        used += put;
        bytes += taken;
        length -= taken;
    }
    target[used] = '\0';
}

char *eye_trim(char *text, const char *blanks)
{
    text += strspn(text, blanks);
    size_t length = strlen(text);
    while (length > 0 && strchr(blanks, text[length - 1]) != NULL) {
        length--;
    }
    text[length] = '\0';
    return text;
}

bool eye_name_matches(const char *pattern, const char *name)
{
    /* On a mismatch only the last * takes one character more: no recursion, no blow-up. */
    const char *after_star = NULL;
    const char *resume = NULL;
    while (*name != '\0') {
        if (*pattern == '*') {
            after_star = ++pattern;
            resume = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (after_star != NULL) {
            pattern = after_star;
            name = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

/* What stands in a message for the character of @taken bytes at @bytes (0: they are none). */
static const char *shown_instead(size_t taken, uint32_t code_point)
{
    if (taken == 0) {
        return EYE_UTF8_REPLACEMENT_TEXT;
    }
    if (code_point == '\n' || code_point == '\r' || code_point == '\t') {
        return " ";
    }
    return eye_utf8_is_control(code_point) ? "?" : NULL;
}

size_t eye_copy_shown(char *target, size_t size, const char *bytes, size_t length)
{
    size_t used = 0;
    while (length > 0) {
        uint32_t code_point = 0;
        size_t taken = eye_utf8_decode(bytes, length, &code_point);
        const char *instead = shown_instead(taken, code_point);
        size_t put = instead == NULL ? taken : strlen(instead);
        taken = taken > 0 ? taken : 1;
        if (used + put >= size) {
            break;
        }
        memcpy(target + used, instead == NULL ? bytes : instead, put);
        used += put;
        bytes += taken;
        length -= taken;
    }
    target[used] = '\0';
    return used;
}

/* Without the beginning of a character whose end was cut off. */
static size_t without_torn_end(const char *bytes, size_t length)
{
    uint32_t code_point;
    for (size_t torn = 1; torn < 4 && torn <= length; torn++) {
        unsigned char byte = (unsigned char)bytes[length - torn];
        if (byte >= 0xc0) {
            return eye_utf8_decode(bytes + length - torn, torn, &code_point) == 0 ? length - torn
                                                                                  : length;
        }
    }
    return length;
}

size_t eye_format_shown(char *target, size_t size, const char *format, va_list arguments)
{
    char raw[EYE_MESSAGE_BYTES];
    int whole = vsnprintf(raw, sizeof(raw), format, arguments);
    size_t length = whole > 0 ? (size_t)whole : 0;
    if (length >= sizeof(raw)) {
        length = without_torn_end(raw, sizeof(raw) - 1);
    }
    return eye_copy_shown(target, size, raw, length);
}
