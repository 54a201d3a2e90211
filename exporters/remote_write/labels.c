/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering and sorting. */
#include "exporters/remote_write/labels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/encode/utf8.h"
#include "exporters/prometheus/names.h"

/* A few tags of 200 bytes, each byte at most 3 when replaced, and what the configuration adds. */
#define TEXT_MAX_BYTES ((size_t)1 << 20)

#define ADDED_LABELS 2 /* job, instance */

int eye_write_labels_init(struct eye_write_labels *labels, const struct eye_selection *selection)
{
    *labels = (struct eye_write_labels){
        .selection = selection,
        .items =
            calloc(EYE_TAG_COUNT + selection->fixed_count + ADDED_LABELS, sizeof(struct eye_label)),
    };
    eye_text_init(&labels->text, TEXT_MAX_BYTES);
    if (labels->items == NULL) {
        return -ENOMEM;
    }
    /* POSIX does not say that a cut name ends with a NUL; the array was zero and is longer. */
    if (gethostname(labels->instance, sizeof(labels->instance) - 1) != 0) {
        labels->instance[0] = '\0';
    }
    return 0;
}

void eye_write_labels_done(struct eye_write_labels *labels)
{
    free(labels->items);
    labels->items = NULL;
    eye_text_done(&labels->text);
}

/* The page of the pull side replaces the same characters. */
static const char *replace(uint32_t code_point)
{
    bool hidden = code_point != '\n' && eye_utf8_is_control(code_point);
    return hidden || code_point == EYE_UTF8_REPLACEMENT ? EYE_UTF8_REPLACEMENT_TEXT : NULL;
}

static void end_string(struct eye_text *text)
{
    eye_text_append_bytes(text, "", 1);
}

/* Adds the label whose name was appended at @name. */
static void add_value(struct eye_write_labels *labels, size_t name, const char *value)
{
    end_string(&labels->text);
    labels->items[labels->count++] = (struct eye_label){name, labels->text.length};
    eye_utf8_append(&labels->text, value, replace);
    end_string(&labels->text);
}

static void add_own(struct eye_write_labels *labels, const struct eye_point *point)
{
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        size_t name = labels->text.length;
        if (*tag->value != '\0') {
            eye_prometheus_append_label(point->metric, tag->tag, &labels->text);
            add_value(labels, name, tag->value);
        }
    }
}

static void add_fixed(struct eye_write_labels *labels, const struct eye_metric *metric)
{
    const struct eye_selection *selection = labels->selection;
    for (size_t i = 0; i < selection->fixed_count; i++) {
        size_t name = labels->text.length;
        if (eye_prometheus_append_fixed_label(selection, metric, i, &labels->text)) {
            add_value(labels, name, selection->fixed[i].value);
        }
    }
}

static bool has(const struct eye_write_labels *labels, const char *name)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (strcmp(eye_write_label_name(labels, i), name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_default(struct eye_write_labels *labels, const char *name, const char *value)
{
    size_t start = labels->text.length;
    if (*value != '\0' && !labels->text.failed && !has(labels, name)) {
        eye_text_append(&labels->text, name);
        add_value(labels, start, value);
    }
}

/* There are about ten, and nearly sorted. */
static void sort(struct eye_write_labels *labels)
{
    for (size_t i = 1; i < labels->count; i++) {
        struct eye_label label = labels->items[i];
        const char *name = eye_write_label_name(labels, i);
        size_t at = i;
        for (; at > 0 && strcmp(eye_write_label_name(labels, at - 1), name) > 0; at--) {
            labels->items[at] = labels->items[at - 1];
        }
        labels->items[at] = label;
    }
}

int eye_write_labels_fill(struct eye_write_labels *labels, const struct eye_point *point)
{
    eye_text_clear(&labels->text);
    labels->count = 0;
    add_own(labels, point);
    add_fixed(labels, point->metric);
    add_default(labels, "instance", labels->instance);
    add_default(labels, "job", EYE_WRITE_JOB);
    if (labels->text.failed) {
        return -ENOMEM;
    }
    sort(labels);
    return 0;
}
