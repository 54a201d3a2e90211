/* SPDX-License-Identifier: Apache-2.0 */
/* Scaling to a unit and rounding to about three digits. */
#include "collector/base/human.h"

#include <math.h>

struct scale {
    double factor; /* one of this unit in base units */
    const char *unit;
};

/* Three digits, never an exponent. A limit is where the shorter form would round up to it. */
static void append_digits(struct eye_text *text, double value)
{
    int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    eye_text_appendf(text, "%.*f", decimals, value);
}

void eye_human_append_number(struct eye_text *text, double value)
{
    if (value == trunc(value)) {
        eye_text_appendf(text, "%.0f", value);
    } else {
        append_digits(text, value);
    }
}

/* The largest unit of which there is at least one after rounding to three digits. */
static void append_scaled(struct eye_text *text, double value, const struct scale *scales,
                          size_t count)
{
    size_t i = 0;
    while (i + 1 < count && value < scales[i].factor * 0.9995) {
        i++;
    }
    append_digits(text, value / scales[i].factor);
    eye_text_appendf(text, " %s", scales[i].unit);
}

void eye_human_append_bytes(struct eye_text *text, double bytes)
{
    static const struct scale scales[] = {
        {0x1p40, "TiB"}, {0x1p30, "GiB"}, {0x1p20, "MiB"}, {0x1p10, "KiB"}};
    if (bytes < 1023.5) {
        eye_text_appendf(text, "%.0f B", bytes);
    } else {
        append_scaled(text, bytes, scales, EYE_ARRAY_LENGTH(scales));
    }
}

void eye_human_append_seconds(struct eye_text *text, double seconds)
{
    static const struct scale scales[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}};
    append_scaled(text, seconds, scales, EYE_ARRAY_LENGTH(scales));
}
