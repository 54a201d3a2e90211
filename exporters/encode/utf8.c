/* SPDX-License-Identifier: Apache-2.0 */
/* Walking bytes as UTF-8. */
#include "exporters/encode/utf8.h"

/* Length and smallest code point of the sequence that @byte begins; 0 when it begins none. */
static size_t sequence_length(unsigned char byte, uint32_t *ret_min)
{
    if (byte >= 0xC2 && byte <= 0xDF) {
        *ret_min = 0x80;
        return 2;
    }
    if (byte >= 0xE0 && byte <= 0xEF) {
        *ret_min = 0x800;
        return 3;
    }
    if (byte >= 0xF0 && byte <= 0xF4) {
        *ret_min = 0x10000;
        return 4;
    }
    return 0;
}

static bool is_scalar(uint32_t code_point)
{
    return code_point <= 0x10FFFF && (code_point < 0xD800 || code_point > 0xDFFF);
}

/* The NUL at the end is no continuation byte, so a cut sequence is never read past. */
static size_t decode_sequence(const char *text, uint32_t *ret_code_point)
{
    unsigned char first = (unsigned char)text[0];
    uint32_t min = 0;
    size_t length = sequence_length(first, &min);
    uint32_t code_point = first & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte & 0xC0) != 0x80) {
            return 0;
        }
        code_point = code_point << 6 | (byte & 0x3F);
    }
    if (length == 0 || code_point < min || !is_scalar(code_point)) {
        return 0;
    }
    *ret_code_point = code_point;
    return length;
}

size_t eye_utf8_decode(const char *text, uint32_t *ret_code_point)
{
    unsigned char first = (unsigned char)text[0];
    if (first < 0x80) {
        *ret_code_point = first;
        return 1;
    }
    size_t length = decode_sequence(text, ret_code_point);
    if (length == 0) {
        *ret_code_point = EYE_UTF8_REPLACEMENT;
        return 1;
    }
    return length;
}

bool eye_utf8_is_control(uint32_t code_point)
{
    static const struct {
        uint32_t first;
        uint32_t last;
    } ranges[] = {
        {0x00, 0x1F},     {0x7F, 0x9F}, {0x200B, 0x200F}, /* zero width, direction marks */
        {0x2028, 0x202E},                                 /* line separators, direction overrides */
        {0x2060, 0x206F}, /* invisible operators, direction isolates */
        {0xFEFF, 0xFEFF},
    };
    if (code_point >= ' ' && code_point <= '~') {
        return false; /* nearly all there is */
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ranges); i++) {
        if (code_point >= ranges[i].first && code_point <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

size_t eye_utf8_count(const char *text, size_t length)
{
    size_t count = 0;
    uint32_t code_point = 0;
    for (size_t i = 0; i < length; count++) {
        i += eye_utf8_decode(text + i, &code_point);
    }
    return count;
}

void eye_utf8_append(struct eye_text *text, const char *value, eye_utf8_replace *replace)
{
    const char *run = value; /* what is not yet appended and needs no replacement */
    while (*value != '\0') {
        uint32_t code_point = 0;
        size_t length = eye_utf8_decode(value, &code_point);
        const char *instead = replace(code_point);
        if (instead != NULL) {
            eye_text_append_bytes(text, run, (size_t)(value - run));
            eye_text_append(text, instead);
            run = value + length;
        }
        value += length;
    }
    eye_text_append_bytes(text, run, (size_t)(value - run));
}
