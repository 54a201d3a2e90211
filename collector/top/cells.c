/* SPDX-License-Identifier: Apache-2.0 */
/* Characters one by one. */
#include "collector/top/cells.h"

#include <langinfo.h>
#include <string.h>
#include <wchar.h>

#include "collector/base/utf8.h"

#define CUT '~'

#define UTF8_MAX_BYTES 4

bool eye_cells_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Columns of a character; -1: it is not shown. */
static int width_of(uint32_t code_point, bool utf8)
{
    if (code_point < 0x80) {
        return eye_utf8_is_control(code_point) ? -1 : 1;
    }
    return !utf8 || eye_utf8_is_control(code_point) ? -1 : wcwidth((wchar_t)code_point);
}

size_t eye_cells_clean(char *target, const char *bytes, size_t length, bool utf8)
{
    size_t used = 0;
    bool stands = false; /* a character that an accent may be put on: one for each */
    for (size_t i = 0; i < length;) {
        uint32_t code_point = EYE_UTF8_REPLACEMENT;
        size_t size = eye_utf8_decode(bytes + i, length - i, &code_point);
        int width = size == 0 ? -1 : width_of(code_point, utf8);
        size = size == 0 ? 1 : size;
        if (width < 0 || (width == 0 && !stands)) {
            target[used++] = '?';
        } else {
            memcpy(target + used, bytes + i, size);
            used += size;
        }
        stands = width > 0;
        i += size;
    }
    target[used] = '\0';
    return used;
}

/* The next character of a clean text. */
static size_t step(const char *text, size_t *ret_width)
{
    uint32_t code_point = 0;
    size_t size = eye_utf8_decode(text, strnlen(text, UTF8_MAX_BYTES), &code_point);
    int width = size == 0 ? -1 : width_of(code_point, true);
    *ret_width = width < 0 ? 1 : (size_t)width;
    return size == 0 ? 1 : size;
}

size_t eye_cells_width(const char *text)
{
    size_t sum = 0;
    size_t width;
    for (; *text != '\0'; sum += width) {
        text += step(text, &width);
    }
    return sum;
}

static void append_blanks(struct eye_text *line, size_t count)
{
    for (; count > 0; count--) {
        eye_text_append_char(line, ' ');
    }
}

/* The beginning of @text, with its mark, in @width columns. */
static void append_cut(struct eye_text *line, const char *text, size_t width)
{
    size_t used = 0;
    size_t next;
    size_t size = step(text, &next);
    while (used + next < width) {
        eye_text_append_bytes(line, text, size);
        used += next;
        text += size;
        size = step(text, &next);
    }
    eye_text_append_char(line, CUT);
    append_blanks(line, width - used - 1);
}

void eye_cells_append(struct eye_text *line, const char *text, size_t width, bool right)
{
    size_t columns = eye_cells_width(text);
    if (columns > width) {
        if (width > 0) {
            append_cut(line, text, width);
        }
        return;
    }
    append_blanks(line, right ? width - columns : 0);
    eye_text_append(line, text);
    append_blanks(line, right ? 0 : width - columns);
}
