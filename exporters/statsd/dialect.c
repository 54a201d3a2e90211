/* SPDX-License-Identifier: Apache-2.0 */
/* A table of marks, and names written with them. */
#include "exporters/statsd/dialect.h"

#include <string.h>

#define WORD_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
#define MORE_BYTES "/*+%$!?~"

struct dialect {
    const char *open;    /* between the name and the first tag */
    const char *equals;  /* between key and value */
    const char *between; /* two tags */
    const char *close;   /* behind the last one */
    const char *keeps;   /* bytes of keys and values that are written as they are */
    bool last;
};

static const struct dialect dialects[] = {
    [EYE_STATSD_DATADOG] = {"|#", ":", ",", "", WORD_BYTES, true},
    [EYE_STATSD_INFLUXDB] = {",", "=", ",", "", WORD_BYTES MORE_BYTES, false},
    [EYE_STATSD_GRAPHITE] = {";", "=", ";", "", WORD_BYTES, false},
    [EYE_STATSD_SIGNALFX] = {"[", "=", ",", "]", WORD_BYTES MORE_BYTES, false},
    [EYE_STATSD_LIBRATO] = {"#", "=", ",", "", WORD_BYTES MORE_BYTES, false},
};

const char *const eye_statsd_dialect_names[] = {
    "none", "datadog", "influxdb", "graphite", "signalfx", "librato", NULL,
};

bool eye_statsd_tags_last(enum eye_statsd_dialect_id dialect)
{
    return dialects[dialect].last;
}

static void append_clean(struct eye_text *text, const char *value, const char *keeps)
{
    size_t start = text->length;
    eye_text_append(text, value);
    for (size_t i = start; i < text->length; i++) {
        if (strchr(keeps, text->data[i]) == NULL) {
            text->data[i] = '_';
        }
    }
}

/* Not every server knows tags without a value. */
static void append_tag(struct eye_text *text, const struct dialect *dialect, size_t name_end,
                       const char *key, const char *value)
{
    eye_text_append(text, text->length == name_end ? dialect->open : dialect->between);
    append_clean(text, key, dialect->keeps);
    eye_text_append(text, dialect->equals);
    append_clean(text, value[0] == '\0' ? "true" : value, dialect->keeps);
}

static void append_tags(const struct eye_statsd_names *names, const struct eye_point *point,
                        struct eye_text *text)
{
    const struct dialect *dialect = &dialects[names->dialect];
    size_t name_end = text->length;
    for (size_t i = 0; i < names->selection->fixed_count; i++) {
        const struct eye_fixed_tag *fixed = &names->selection->fixed[i];
        if (!eye_point_has_tag(point, fixed->key)) {
            append_tag(text, dialect, name_end, fixed->key, fixed->value);
        }
    }
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (tag->value[0] != '\0') {
            append_tag(text, dialect, name_end, eye_tag_info(tag->tag)->name, tag->value);
        }
    }
    if (text->length > name_end) {
        eye_text_append(text, dialect->close);
    }
}

void eye_statsd_write_name(void *context, const struct eye_point *point, struct eye_text *text,
                           uint32_t *ret_split)
{
    const struct eye_statsd_names *names = context;
    if (names->dialect == EYE_STATSD_NONE) {
        eye_template_write(&names->template, point, text);
        *ret_split = (uint32_t)text->length;
        return;
    }
    eye_template_append_metric(names->selection, point->metric, text);
    *ret_split = (uint32_t)text->length;
    append_tags(names, point, text);
}
