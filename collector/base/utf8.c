/* SPDX-License-Identifier: Apache-2.0 */
/* Each length has its range of second bytes, which leaves out overlong forms and surrogates. */
#include "collector/base/utf8.h"

#include "collector/base/base.h"

struct form {
    unsigned char first_low, first_high;
    unsigned char second_low, second_high;
    size_t length;
};

/* All but ASCII. */
static const struct form forms[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool has_form(const unsigned char *bytes, size_t length, const struct form *form)
{
    if (bytes[0] < form->first_low || bytes[0] > form->first_high || length < form->length ||
        bytes[1] < form->second_low || bytes[1] > form->second_high) {
        return false;
    }
    for (size_t i = 2; i < form->length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return false;
        }
    }
    return true;
}

static uint32_t code_point_of(const unsigned char *bytes, size_t length)
{
    uint32_t code_point = bytes[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        code_point = code_point << 6 | (bytes[i] & 0x3f);
    }
    return code_point;
}

size_t eye_utf8_decode(const char *bytes, size_t length, uint32_t *ret_code_point)
{
    const unsigned char *text = (const unsigned char *)bytes;
    if (text[0] < 0x80) {
        *ret_code_point = text[0];
        return 1;
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(forms); i++) {
        if (has_form(text, length, &forms[i])) {
            *ret_code_point = code_point_of(text, forms[i].length);
            return forms[i].length;
        }
    }
    return 0;
}

bool eye_utf8_is_control(uint32_t code_point)
{
    static const struct {
        uint32_t first;
        uint32_t last;
    } ranges[] = {
        {0x00, 0x1F},       {0x7F, 0x9F}, {0x061C, 0x061C}, /* direction mark */
        {0x200B, 0x200F},                                   /* zero width, direction marks */
        {0x2028, 0x202E},   /* line separators, direction overrides */
        {0x2060, 0x206F},   /* invisible operators, direction isolates */
        {0xFEFF, 0xFEFF},   /* byte order mark */
        {0xFFF9, 0xFFFB},   /* annotations */
        {0xE0000, 0xE007F}, /* invisible letters */
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
