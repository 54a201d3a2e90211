/* SPDX-License-Identifier: Apache-2.0 */
/* A part of a text, not NUL-terminated, and taking it apart from the front. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct eye_span {
    const char *start;
    size_t length;
};

static inline struct eye_span eye_span_skip(struct eye_span text, size_t count)
{
    return (struct eye_span){text.start + count, text.length - count};
}

static inline bool eye_span_starts_with(struct eye_span text, const char *prefix)
{
    size_t length = strlen(prefix);
    return text.length >= length && memcmp(text.start, prefix, length) == 0;
}

static inline bool eye_span_is(struct eye_span text, const char *other)
{
    return text.length == strlen(other) && eye_span_starts_with(text, other);
}

/* Takes @suffix off @text where it ends so. */
static inline bool eye_span_cut_suffix(struct eye_span *text, const char *suffix)
{
    size_t length = strlen(suffix);
    if (text->length < length || memcmp(text->start + text->length - length, suffix, length) != 0) {
        return false;
    }
    text->length -= length;
    return true;
}

/* Takes the text up to the next @separator off @rest; false when nothing is left. */
static inline bool eye_span_next(struct eye_span *rest, char separator, struct eye_span *ret_part)
{
    if (rest->length == 0) {
        return false;
    }
    const char *end = memchr(rest->start, separator, rest->length);
    size_t length = end == NULL ? rest->length : (size_t)(end - rest->start);
    *ret_part = (struct eye_span){rest->start, length};
    *rest = eye_span_skip(*rest, end == NULL ? length : length + 1);
    return true;
}
