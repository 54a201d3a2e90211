/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The labels of a series as remote write has them: sorted by name, unique, none empty, every value
 * valid UTF-8. They are those of the pull side (exporters/prometheus/names.h), and `job` and
 * `instance`, which a scrape would add, unless a tag gives them. Used by one worker thread.
 */
#pragma once

#include "exporters/encode/selection.h"

#define EYE_WRITE_JOB "sockeye"

/* Places in the text of the labels. */
struct eye_label {
    size_t name;
    size_t value;
};

struct eye_write_labels {
    const struct eye_selection *selection;
    char instance[256];      /* the machine's host name */
    struct eye_label *items; /* owned */
    size_t count;
    struct eye_text text; /* names and values, each with its NUL */
};

/** @selection must outlive the labels. 0 or -ENOMEM. */
int eye_write_labels_init(struct eye_write_labels *labels, const struct eye_selection *selection);

/** Takes a zeroed one. */
void eye_write_labels_done(struct eye_write_labels *labels);

/** Replaces the content by the labels of @point; without __name__ and le. 0, or -ENOMEM. */
int eye_write_labels_fill(struct eye_write_labels *labels, const struct eye_point *point);

static inline const char *eye_write_label_name(const struct eye_write_labels *labels, size_t index)
{
    return labels->text.data + labels->items[index].name;
}

static inline const char *eye_write_label_value(const struct eye_write_labels *labels, size_t index)
{
    return labels->text.data + labels->items[index].value;
}
