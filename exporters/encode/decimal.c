/* SPDX-License-Identifier: Apache-2.0 */
/* Plain decimals. */
#include "exporters/encode/decimal.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Smaller ones are written without exponent by eye_text_append_double(). */
#define PLAIN_LIMIT 1e17
#define SMALL_PLACES 30

#define PLACES_MAX 9

/* Below this the whole part fits 64 bits. */
#define ROUNDED_LIMIT 1e19

static const uint64_t powers_of_ten[PLACES_MAX + 1] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
};

void eye_decimal_append(struct eye_text *text, double value)
{
    size_t start = text->length;
    eye_text_append_double(text, value);
    if (!text->failed && memchr(text->data + start, 'e', text->length - start) != NULL) {
        eye_text_truncate(text, start);
        eye_text_appendf(text, "%.*f", fabs(value) < PLAIN_LIMIT ? SMALL_PLACES : 0, value);
    }
}

/* "." and the digits of @fraction / 10^@places up to the last that is not zero. */
static void append_fraction(struct eye_text *text, uint64_t fraction, unsigned places)
{
    char digits[1 + PLACES_MAX] = ".";
    size_t length = 1;
    for (unsigned place = places; place > 0; place--) {
        digits[place] = (char)('0' + fraction % 10);
        length = length == 1 && fraction % 10 != 0 ? place + 1 : length;
        fraction /= 10;
    }
    if (length > 1) {
        eye_text_append_bytes(text, digits, length);
    }
}

void eye_decimal_append_rounded(struct eye_text *text, double value, unsigned places)
{
    assert(places <= PLACES_MAX);
    double magnitude = fabs(value);
    if (!(magnitude < ROUNDED_LIMIT)) {
        eye_decimal_append(text, value);
        return;
    }
    uint64_t unit = powers_of_ten[places];
    uint64_t whole = (uint64_t)magnitude;
    uint64_t fraction = (uint64_t)((magnitude - (double)whole) * (double)unit + 0.5);
    if (fraction == unit) {
        whole++;
        fraction = 0;
    }
    if (value < 0 && whole + fraction > 0) {
        eye_text_append_char(text, '-');
    }
    eye_text_append_u64(text, whole);
    append_fraction(text, fraction, places);
}

/* ---- Sample rates ---- */

#define RATE_MAX_DIGITS (EYE_RATE_TEXT_BYTES - 2)

static size_t write_rate(uint64_t numerator, size_t digits, char *ret_text)
{
    ret_text[0] = '0';
    ret_text[1] = '.';
    for (size_t place = digits; place > 0; place--) {
        ret_text[1 + place] = (char)('0' + numerator % 10);
        numerator /= 10;
    }
    return 2 + digits;
}

/* What a receiver counts; nothing at all is infinitely much. */
static double weight_of(uint64_t numerator, double denominator)
{
    return numerator == 0 ? INFINITY : 1.0 / ((double)numerator / denominator);
}

/*
 * Long division of 1 by the weight. Numerator and denominator are exact doubles, so their quotient
 * is what reading the text gives.
 */
size_t eye_decimal_format_rate(uint64_t weight, double excess, char *ret_text)
{
    assert(weight >= 2 && weight <= EYE_RATE_MAX_WEIGHT);
    uint64_t quotient = 0;
    uint64_t remainder = 1;
    double denominator = 1;
    for (size_t digits = 1; digits <= RATE_MAX_DIGITS; digits++) {
        remainder *= 10;
        quotient = quotient * 10 + remainder / weight;
        remainder %= weight;
        denominator *= 10;
        /* 1/n itself may weigh a little less than n, as for 3125: then the next smaller one. */
        uint64_t numerator = quotient;
        if (weight_of(numerator, denominator) < (double)weight) {
            numerator--;
        }
        if (weight_of(numerator, denominator) < (double)weight + excess) {
            return write_rate(numerator, digits, ret_text);
        }
    }
    assert(false); /* log10(weight) + 12 digits are always enough */
    return 0;
}
