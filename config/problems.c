/* SPDX-License-Identifier: Apache-2.0 */
/* Collects lines and fits them into an error of fixed size. */
#include "config/problems.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One line with a path and an explanation; what is longer is cut. */
#define LINE_BYTES 1024

/* "and 20 more problems" and its NUL. */
#define REST_BYTES 24

void eye_problems_init(struct eye_problems *problems)
{
    *problems = (struct eye_problems){0};
    eye_text_init(&problems->lines, (size_t)EYE_PROBLEMS_MAX * LINE_BYTES);
}

void eye_problems_done(struct eye_problems *problems)
{
    eye_text_done(&problems->lines);
}

bool eye_problems_full(const struct eye_problems *problems)
{
    return problems->count >= EYE_PROBLEMS_MAX;
}

void eye_problems_add(struct eye_problems *problems, int code, const char *format, ...)
{
    if (eye_problems_full(problems)) {
        return;
    }
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    eye_format_shown(line, sizeof(line), format, arguments);
    va_end(arguments);
    eye_text_appendf(&problems->lines, "%s\n", line);
    if (problems->count == 0) {
        problems->code = code;
    }
    problems->count++;
}

void eye_problems_add_out_of_memory(struct eye_problems *problems)
{
    eye_problems_add(problems, -ENOMEM, "out of memory");
}

/* Bytes of the whole lines at the start of @lines that fit into @room; counts them. */
static size_t whole_lines(const char *lines, size_t room, size_t *ret_count)
{
    size_t used = 0;
    size_t count = 0;
    const char *end = strchr(lines, '\n');
    while (end != NULL && (size_t)(end - lines) + 1 <= room) {
        used = (size_t)(end - lines) + 1;
        count++;
        end = strchr(end + 1, '\n');
    }
    *ret_count = count;
    return used;
}

static void fit(const struct eye_problems *problems, struct eye_error *ret_error)
{
    const char *lines = eye_text_string(&problems->lines);
    size_t count;
    /* The last line break is not written, so its place takes the NUL. */
    size_t used = whole_lines(lines, sizeof(ret_error->text), &count);
    if (count == problems->count) {
        snprintf(ret_error->text, sizeof(ret_error->text), "%.*s", (int)used - 1, lines);
        return;
    }
    used = whole_lines(lines, sizeof(ret_error->text) - REST_BYTES, &count);
    if (count == 0) {
        used = sizeof(ret_error->text) - REST_BYTES;
        count = 1;
    }
    size_t left = problems->count - count;
    snprintf(ret_error->text, sizeof(ret_error->text), "%.*s\nand %zu more problem%s",
             (int)used - 1, lines, left, left == 1 ? "" : "s");
}

int eye_problems_result(const struct eye_problems *problems, struct eye_error *ret_error)
{
    if (problems->count > 0 && ret_error != NULL) {
        fit(problems, ret_error);
    }
    return problems->code;
}

static bool inside_character(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* Where the user and password of a URL end: at "@"; NULL: it has none. */
static const char *end_of_password(const char *authority)
{
    return memrchr(authority, '@', strcspn(authority, "/?#"));
}

struct eye_excerpt eye_excerpt_of(const char *text)
{
    static const char dots[] = "...";
    struct eye_excerpt excerpt;
    char masked[2 * sizeof(excerpt.text)];
    const char *scheme_end = strstr(text, "://");
    const char *secret = scheme_end == NULL ? NULL : scheme_end + strlen("://");
    const char *rest = secret == NULL ? NULL : end_of_password(secret);
    if (rest != NULL) {
        snprintf(masked, sizeof(masked), "%.*s***%s", (int)(secret - text), text, rest);
        text = masked;
    }
    if (eye_copy_string(excerpt.text, sizeof(excerpt.text), text)) {
        return excerpt;
    }
    size_t length = sizeof(excerpt.text) - sizeof(dots);
    while (length > 0 && inside_character(text[length])) {
        length--;
    }
    memcpy(excerpt.text + length, dots, sizeof(dots));
    return excerpt;
}
