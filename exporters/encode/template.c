/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a template, and writing names with it. */
#include "exporters/encode/template.h"

#include <errno.h>
#include <string.h>

/* What stands for a tag that a series could have but does not. */
#define NO_VALUE "none"

#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

/* ---- Reading ---- */

/* A part of the template's text. */
struct span {
    const char *start;
    size_t length;
};

static bool is_word(struct span span, const char *word)
{
    return strlen(word) == span.length && memcmp(span.start, word, span.length) == 0;
}

static const struct eye_fixed_tag *find_fixed(const struct eye_selection *selection,
                                              struct span name)
{
    for (size_t i = 0; i < selection->fixed_count; i++) {
        if (is_word(name, selection->fixed[i].key)) {
            return &selection->fixed[i];
        }
    }
    return NULL;
}

static bool find_tag(struct span name, enum eye_tag *ret_tag)
{
    for (size_t i = 0; i < EYE_TAG_COUNT; i++) {
        if (is_word(name, eye_tag_info((enum eye_tag)i)->name)) {
            *ret_tag = (enum eye_tag)i;
            return true;
        }
    }
    return false;
}

/* Reads the name of a placeholder; false when there is none of that name. */
static bool read_placeholder(const struct eye_selection *selection, struct span name,
                             struct eye_template_part *ret_part)
{
    struct eye_template_part part = {.fixed = find_fixed(selection, name)};
    if (is_word(name, "metric")) {
        part.kind = EYE_TEMPLATE_METRIC;
    } else if (is_word(name, "tags")) {
        part.kind = EYE_TEMPLATE_TAGS;
    } else if (find_tag(name, &part.tag)) {
        part.kind = EYE_TEMPLATE_TAG;
    } else if (part.fixed != NULL) {
        part.kind = EYE_TEMPLATE_FIXED;
    } else if (is_word(name, "host")) {
        part.kind = EYE_TEMPLATE_HOST;
    } else {
        return false;
    }
    *ret_part = part;
    return true;
}

static int refuse_placeholder(struct span name, struct eye_error *ret_error)
{
    EYE_CLEANUP(eye_text_done) struct eye_text known = {.max_bytes = EYE_ERROR_TEXT_BYTES};
    for (size_t i = 0; i < EYE_TAG_COUNT; i++) {
        eye_text_appendf(&known, " %s", eye_tag_info((enum eye_tag)i)->name);
    }
    return eye_error_set(ret_error, -EINVAL,
                         "`template`: unknown placeholder {%.*s}; there are metric tags host%s and "
                         "the keys of `tags`",
                         (int)name.length, name.start, eye_text_string(&known));
}

/* The part that @rest begins with, and its length in the text; 0 or -EINVAL. */
static int read_part(const struct eye_template *template, const char *rest,
                     struct eye_template_part *ret_part, size_t *ret_length,
                     struct eye_error *ret_error)
{
    if (rest[0] != '{') {
        size_t length = strspn(rest, NAME_BYTES ".");
        *ret_part = (struct eye_template_part){.kind = EYE_TEMPLATE_LITERAL,
                                               .start = (uint16_t)(rest - template->text),
                                               .length = (uint16_t)length};
        *ret_length = length;
        return length > 0 ? 0
                          : eye_error_set(ret_error, -EINVAL,
                                          "`template`: '%c' cannot stand in a name: letters, "
                                          "digits, _ - . and {placeholders} can",
                                          rest[0]);
    }
    struct span name = {rest + 1, strcspn(rest + 1, "}")};
    if (name.start[name.length] == '\0') {
        return eye_error_set(ret_error, -EINVAL, "`template`: no } behind {%s", name.start);
    }
    *ret_length = name.length + 2;
    return read_placeholder(template->selection, name, ret_part)
               ? 0
               : refuse_placeholder(name, ret_error);
}

static bool has_kind(const struct eye_template *template, enum eye_template_kind kind)
{
    for (size_t i = 0; i < template->count; i++) {
        if (template->parts[i].kind == kind) {
            return true;
        }
    }
    return false;
}

static int read_parts(struct eye_template *template, struct eye_error *ret_error)
{
    size_t length = 0;
    for (const char *rest = template->text; *rest != '\0'; rest += length) {
        if (template->count == EYE_TEMPLATE_MAX_PARTS) {
            return eye_error_set(ret_error, -EINVAL, "`template` has more than %d parts",
                                 EYE_TEMPLATE_MAX_PARTS);
        }
        int result =
            read_part(template, rest, &template->parts[template->count], &length, ret_error);
        if (result != 0) {
            return result;
        }
        template->count++;
    }
    return has_kind(template, EYE_TEMPLATE_METRIC)
               ? 0
               : eye_error_set(ret_error, -EINVAL,
                               "`template` needs {metric}, or all metrics have one name");
}

int eye_template_parse(const char *text, const struct eye_selection *selection,
                       struct eye_template *ret_template, struct eye_error *ret_error)
{
    struct eye_template template = {.selection = selection};
    if (!eye_copy_string(template.text, sizeof(template.text), text)) {
        return eye_error_set(ret_error, -EINVAL, "`template` is longer than %d bytes",
                             EYE_TEMPLATE_MAX_BYTES);
    }
    if (gethostname(template.host, sizeof(template.host) - 1) != 0) {
        return eye_error_set(ret_error, -errno, "cannot get the host name: %s", strerror(errno));
    }
    int result = read_parts(&template, ret_error);
    if (result == 0) {
        *ret_template = template;
    }
    return result;
}

/* ---- Writing ---- */

/* Writes _ over everything from @start on that @allowed does not have. */
static void sanitise(struct eye_text *text, size_t start, const char *allowed)
{
    for (size_t i = start; i < text->length; i++) {
        if (strchr(allowed, text->data[i]) == NULL) {
            text->data[i] = '_';
        }
    }
}

static void append_component(struct eye_text *text, const char *value)
{
    size_t start = text->length;
    eye_text_append(text, value);
    sanitise(text, start, NAME_BYTES);
}

void eye_template_append_metric(const struct eye_selection *selection,
                                const struct eye_metric *metric, struct eye_text *text)
{
    size_t start = text->length;
    eye_selection_append_name(selection, text, metric);
    sanitise(text, start, NAME_BYTES ".");
}

static void append_tag(struct eye_text *text, const struct eye_point *point, enum eye_tag tag)
{
    const char *value = eye_tag_set_value(point->tags, tag);
    if (value != NULL && value[0] != '\0') {
        append_component(text, value);
    } else if (eye_metric_has_tag(point->metric, tag)) {
        eye_text_append(text, NO_VALUE);
    }
}

static void append_fixed(struct eye_text *text, const struct eye_fixed_tag *fixed)
{
    append_component(text, fixed->value[0] == '\0' ? fixed->key : fixed->value);
}

/* Whether a tag of the series (@fixed NULL) or of the configuration has a placeholder. */
static bool is_placed(const struct eye_template *template, enum eye_tag tag,
                      const struct eye_fixed_tag *fixed)
{
    for (size_t i = 0; i < template->count; i++) {
        const struct eye_template_part *part = &template->parts[i];
        if (fixed == NULL ? part->kind == EYE_TEMPLATE_TAG && part->tag == tag
                          : part->kind == EYE_TEMPLATE_FIXED && part->fixed == fixed) {
            return true;
        }
    }
    return false;
}

static void append_tags(const struct eye_template *template, const struct eye_point *point,
                        struct eye_text *text)
{
    const struct eye_selection *selection = template->selection;
    for (size_t i = 0; i < selection->fixed_count; i++) {
        if (!is_placed(template, EYE_TAG_COUNT, &selection->fixed[i]) &&
            !eye_point_has_tag(point, selection->fixed[i].key)) {
            eye_text_append_char(text, '.');
            append_fixed(text, &selection->fixed[i]);
        }
    }
    for (uint32_t i = 0; i < point->tags->count; i++) {
        enum eye_tag tag = point->tags->tags[i].tag;
        if (!is_placed(template, tag, NULL)) {
            eye_text_append_char(text, '.');
            append_tag(text, point, tag);
        }
    }
}

static void append_part(const struct eye_template *template, const struct eye_template_part *part,
                        const struct eye_point *point, struct eye_text *text)
{
    switch (part->kind) {
    case EYE_TEMPLATE_LITERAL:
        eye_text_append_bytes(text, template->text + part->start, part->length);
        break;
    case EYE_TEMPLATE_METRIC:
        eye_template_append_metric(template->selection, point->metric, text);
        break;
    case EYE_TEMPLATE_HOST:
        append_component(text, template->host);
        break;
    case EYE_TEMPLATE_TAG:
        append_tag(text, point, part->tag);
        break;
    case EYE_TEMPLATE_FIXED:
        append_fixed(text, part->fixed);
        break;
    case EYE_TEMPLATE_TAGS:
        append_tags(template, point, text);
        break;
    }
}

/* Takes out empty components: dots at the ends and behind other dots. */
static void close_gaps(struct eye_text *text, size_t start)
{
    size_t kept = start;
    for (size_t i = start; i < text->length; i++) {
        bool needless = text->data[i] == '.' && (kept == start || text->data[kept - 1] == '.');
        if (!needless) {
            text->data[kept++] = text->data[i];
        }
    }
    while (kept > start && text->data[kept - 1] == '.') {
        kept--;
    }
    eye_text_truncate(text, kept);
}

void eye_template_write(const struct eye_template *template, const struct eye_point *point,
                        struct eye_text *text)
{
    size_t start = text->length;
    for (size_t i = 0; i < template->count; i++) {
        append_part(template, &template->parts[i], point, text);
    }
    if (!text->failed) {
        close_gaps(text, start);
    }
}

bool eye_point_has_tag(const struct eye_point *point, const char *key)
{
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (tag->value[0] != '\0' && strcmp(eye_tag_info(tag->tag)->name, key) == 0) {
            return true;
        }
    }
    return false;
}
