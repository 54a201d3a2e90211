/* SPDX-License-Identifier: Apache-2.0 */
/* Names with tags, or dotted ones. */
#include "exporters/graphite/paths.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_TEMPLATE "{host}.{metric}.{tags}"
#define HOST_KEY "host"

/*
 * Marks of the format (; = ! ^, ~ at the beginning of a value), of carbon's second format (braces,
 * quotes), and what the expressions of graphite-web cannot say.
 */
#define REFUSED_BYTES ";=!^~{}[]()<>,'\"`|\\"

int eye_graphite_paths_init(struct eye_graphite_paths *paths, enum eye_graphite_style style,
                            const char *template, const struct eye_selection *selection,
                            struct eye_error *ret_error)
{
    paths->selection = selection;
    paths->style = style;
    if (style == EYE_GRAPHITE_DOTTED) {
        return eye_template_parse(template == NULL ? DEFAULT_TEMPLATE : template, selection,
                                  &paths->template, ret_error);
    }
    if (template != NULL) {
        return eye_error_set(ret_error, -EINVAL, "`template` is for `style: dotted`");
    }
    if (gethostname(paths->host, sizeof(paths->host) - 1) != 0) {
        return eye_error_set(ret_error, -errno, "cannot get the host name: %s", strerror(errno));
    }
    return 0;
}

static void append_clean(struct eye_text *text, const char *value)
{
    size_t start = text->length;
    eye_text_append(text, value);
    for (size_t i = start; i < text->length; i++) {
        char byte = text->data[i];
        if (byte <= ' ' || byte > '~' || strchr(REFUSED_BYTES, byte) != NULL) {
            text->data[i] = '_';
        }
    }
}

/* A value has at least one character. */
static void append_tag(struct eye_text *text, const char *key, const char *value)
{
    eye_text_append_char(text, ';');
    append_clean(text, key);
    eye_text_append_char(text, '=');
    append_clean(text, value[0] == '\0' ? "true" : value);
}

static bool has_fixed(const struct eye_selection *selection, const char *key)
{
    for (size_t i = 0; i < selection->fixed_count; i++) {
        if (strcmp(selection->fixed[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

/* Two hosts that have the same series write over each other's points, unless they say who they
 * are. */
static void append_host(const struct eye_graphite_paths *paths, struct eye_text *text)
{
    if (!has_fixed(paths->selection, HOST_KEY)) {
        append_tag(text, HOST_KEY, paths->host);
    }
}

static void append_tags(const struct eye_graphite_paths *paths, const struct eye_point *point,
                        struct eye_text *text)
{
    append_host(paths, text);
    for (size_t i = 0; i < paths->selection->fixed_count; i++) {
        const struct eye_fixed_tag *fixed = &paths->selection->fixed[i];
        if (!eye_point_has_tag(point, fixed->key)) {
            append_tag(text, fixed->key, fixed->value);
        }
    }
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (tag->value[0] != '\0') {
            append_tag(text, eye_tag_info(tag->tag)->name, tag->value);
        }
    }
}

void eye_graphite_write_path(void *context, const struct eye_point *point, struct eye_text *text,
                             uint32_t *ret_split)
{
    const struct eye_graphite_paths *paths = context;
    if (paths->style == EYE_GRAPHITE_DOTTED) {
        eye_template_write(&paths->template, point, text);
        *ret_split = (uint32_t)text->length;
        return;
    }
    eye_template_append_metric(paths->selection, point->metric, text);
    *ret_split = (uint32_t)text->length;
    append_tags(paths, point, text);
}
