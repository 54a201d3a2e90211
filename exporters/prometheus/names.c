/* SPDX-License-Identifier: Apache-2.0 */
/* Families and labels. */
#include "exporters/prometheus/names.h"

#include <ctype.h>
#include <string.h>

/* A name of the catalogue or of the configuration. */
#define NAME_MAX_BYTES ((size_t)1 << 20)

/* Appends @name with everything that no name may hold as an underscore. */
static void append_sanitised(struct eye_text *text, const char *name)
{
    size_t i = text->length;
    eye_text_append(text, name);
    for (; i < text->length; i++) {
        unsigned char byte = (unsigned char)text->data[i];
        if (byte >= 0x80 || isalnum(byte) == 0) {
            text->data[i] = '_';
        }
    }
}

static bool ends_with(const struct eye_text *text, const char *word)
{
    size_t length = strlen(word);
    return text->length > length && text->data[text->length - length - 1] == '_' &&
           strcmp(text->data + text->length - length, word) == 0;
}

static void append_unit(struct eye_text *text, const struct eye_metric *metric)
{
    const char *word = eye_unit_info(metric->unit)->word;
    if (*word != '\0' && !ends_with(text, word)) {
        eye_text_append_char(text, '_');
        eye_text_append(text, word);
    }
}

void eye_prometheus_append_family(const struct eye_selection *selection,
                                  const struct eye_metric *metric, struct eye_text *text)
{
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    eye_text_init(&name, NAME_MAX_BYTES);
    eye_selection_append_plain_name(selection, &name, metric);
    if (isdigit((unsigned char)*eye_text_string(&name)) != 0) {
        eye_text_append_char(text, '_');
    }
    append_sanitised(text, eye_text_string(&name));
    append_unit(text, metric);
    text->failed |= name.failed;
}

void eye_prometheus_append_label(const struct eye_metric *metric, enum eye_tag tag,
                                 struct eye_text *text)
{
    append_sanitised(text, eye_tag_label(metric, tag));
}

/* Label names begin with a letter; a leading underscore is reserved. */
static void append_fixed_name(struct eye_text *text, const char *key)
{
    size_t start = text->length;
    while (*key != '\0' && isalnum((unsigned char)*key) == 0) {
        key++;
    }
    eye_text_append(text, isdigit((unsigned char)*key) != 0 ? "tag_" : "");
    append_sanitised(text, key);
    if (text->length == start) {
        eye_text_append(text, "tag");
    }
}

static bool same_name(const struct eye_text *name, const char *source)
{
    EYE_CLEANUP(eye_text_done) struct eye_text other;
    eye_text_init(&other, NAME_MAX_BYTES);
    append_sanitised(&other, source);
    return strcmp(eye_text_string(name), eye_text_string(&other)) == 0;
}

/* Whether the metric itself uses the label @name, in any series. */
static bool is_own_label(const struct eye_metric *metric, const struct eye_text *name)
{
    for (unsigned i = 0; i < EYE_TAG_COUNT; i++) {
        enum eye_tag tag = (enum eye_tag)i;
        if (eye_metric_has_tag(metric, tag) && same_name(name, eye_tag_label(metric, tag))) {
            return true;
        }
    }
    return metric->kind == EYE_DISTRIBUTION && strcmp(eye_text_string(name), "le") == 0;
}

/* Whether a later fixed tag has the same label: the exporter's own come after the daemon's. */
static bool is_replaced(const struct eye_selection *selection, size_t index,
                        const struct eye_text *name)
{
    for (size_t i = index + 1; i < selection->fixed_count; i++) {
        EYE_CLEANUP(eye_text_done) struct eye_text later;
        eye_text_init(&later, NAME_MAX_BYTES);
        append_fixed_name(&later, selection->fixed[i].key);
        if (strcmp(eye_text_string(name), eye_text_string(&later)) == 0) {
            return true;
        }
    }
    return false;
}

bool eye_prometheus_append_fixed_label(const struct eye_selection *selection,
                                       const struct eye_metric *metric, size_t index,
                                       struct eye_text *text)
{
    const struct eye_fixed_tag *tag = &selection->fixed[index];
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    eye_text_init(&name, NAME_MAX_BYTES);
    append_fixed_name(&name, tag->key);
    if (*tag->value == '\0' || is_own_label(metric, &name) ||
        is_replaced(selection, index, &name)) {
        return false;
    }
    eye_text_append(text, eye_text_string(&name));
    return true;
}
