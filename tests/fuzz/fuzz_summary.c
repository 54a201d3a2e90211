/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a statement of SQL; the first says whether the text is cut. Properties: a summary is
 * short, and UTF-8 without controls; each word of it is an operation's or an object's, or a name
 * that stands in the text, but for digits; a text that is cut says less of the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/base/base.h"
#include "collector/base/utf8.h"
#include "collector/usm/summary.h"
#include "tests/fuzz/promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
    const char *bytes;
    size_t length;
};

static bool is_clean(const char *summary, size_t length)
{
    for (size_t at = 0; at < length;) {
        uint32_t code_point = 0;
        size_t step = eye_utf8_decode(summary + at, length - at, &code_point);
        if (step == 0 || eye_utf8_is_control(code_point)) {
            return false;
        }
        at += step;
    }
    return true;
}

static size_t digits_of(struct text text, size_t at)
{
    size_t end = at;
    while (end < text.length && text.bytes[end] >= '0' && text.bytes[end] <= '9') {
        end++;
    }
    return end - at;
}

/* "?" stands for four digits, or for itself within quotes. */
static bool stands_at(struct text text, size_t at, struct text word)
{
    for (size_t i = 0; i < word.length; i++) {
        size_t digits = digits_of(text, at);
        bool many = word.bytes[i] == '?' && digits >= 4;
        if (!many && (at == text.length || strncasecmp(text.bytes + at, word.bytes + i, 1) != 0)) {
            return false;
        }
        at += many ? digits : 1;
    }
    return true;
}

static bool stands_in(struct text text, struct text word)
{
    for (size_t at = 0; at < text.length; at++) {
        if (stands_at(text, at, word)) {
            return true;
        }
    }
    return false;
}

/* Up to a blank or a dot that is not in quotes. */
static size_t word_at(struct text summary, size_t at)
{
    char quote = '\0';
    size_t end = at;
    for (; end < summary.length; end++) {
        char byte = summary.bytes[end];
        if (quote == '\0' && (byte == ' ' || byte == '.')) {
            break;
        }
        if (quote == '\0' ? byte == '"' || byte == '`' : byte == quote) {
            quote = quote == '\0' ? byte : '\0';
        }
    }
    return end - at;
}

static void check_words(struct text text, struct text summary)
{
    for (size_t at = 0; at < summary.length;) {
        size_t length = word_at(summary, at);
        PROMISE(length > 0 && (summary.bytes[at] < '0' || summary.bytes[at] > '9'));
        PROMISE(stands_in(text, (struct text){summary.bytes + at, length}));
        at += length + 1;
    }
}

static struct text summarise(struct text text, bool cut, char *summary)
{
    memset(summary, '#', EYE_SUMMARY_BYTES);
    size_t length = eye_summarise((const uint8_t *)text.bytes, text.length, cut, summary);
    PROMISE(length < EYE_SUMMARY_BYTES && summary[length] == '\0');
    PROMISE(is_clean(summary, length));
    check_words(text, (struct text){summary, length});
    return (struct text){summary, length};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char whole_bytes[EYE_SUMMARY_BYTES];
    char less_bytes[EYE_SUMMARY_BYTES];
    size_t kept = data[0] % size;
    EYE_AUTOFREE char *copy = malloc(kept > 0 ? kept : 1); /* the sanitizer sees its end */
    PROMISE(copy != NULL);
    memcpy(copy, data + 1, kept);
    struct text whole =
        summarise((struct text){(const char *)data + 1, size - 1}, false, whole_bytes);
    struct text less = summarise((struct text){copy, kept}, true, less_bytes);
    PROMISE(less.length <= whole.length && memcmp(less.bytes, whole.bytes, less.length) == 0);
    PROMISE(less.length == 0 || less.length == whole.length || whole.bytes[less.length] == ' ');
    return 0;
}
