/* SPDX-License-Identifier: Apache-2.0 */
/* Walking bytes as UTF-8. */
#include "exporters/encode/utf8.h"

#include <string.h>

size_t eye_utf8_next(const char *bytes, size_t length, uint32_t *ret_code_point)
{
    size_t taken = eye_utf8_decode(bytes, length, ret_code_point);
    if (taken == 0) {
        *ret_code_point = EYE_UTF8_REPLACEMENT;
        return 1;
    }
    return taken;
}

size_t eye_utf8_count(const char *text, size_t length)
{
    size_t count = 0;
    uint32_t code_point = 0;
    for (size_t i = 0; i < length; count++) {
        i += eye_utf8_next(text + i, length - i, &code_point);
    }
    return count;
}

void eye_utf8_append(struct eye_text *text, const char *value, eye_utf8_replace *replace)
{
    const char *run = value; /* what is not yet appended and needs no replacement */
    const char *end = value + strlen(value);
    while (value < end) {
        uint32_t code_point = 0;
        size_t length = eye_utf8_next(value, (size_t)(end - value), &code_point);
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
