/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every line of the exporter carries: the fixed tags and the fields that tell the Agent where
 * the line comes from; and the rules by which a name or a tag becomes text that breaks nothing.
 * Immutable after init; used by one worker.
 */
#pragma once

#include "exporters/dogstatsd/environment.h"
#include "exporters/encode/template.h"

/* Datadog cuts longer tags, key and colon included. */
#define EYE_LABELS_TAG_MAX_BYTES 200

struct eye_labels {
    struct eye_text tags;   /* "|#" and tags with commas; empty without any */
    struct eye_text fields; /* "|c:...|e:...|card:..." and the LF of the line */
};

/* Where the lines come from. */
struct eye_labels_source {
    const struct eye_environment *environment;
    bool origin_detection;   /* the fields "c:" and "e:" */
    const char *cardinality; /* NULL: no field */
};

/**
 * Tags of the configuration, then those of the environment whose keys it does not have. 0, -ENOMEM,
 * or -EMSGSIZE when both texts together are longer than @max_bytes.
 */
int eye_labels_init(struct eye_labels *labels, const struct eye_selection *selection,
                    const struct eye_labels_source *source, size_t max_bytes);

/** Takes a zeroed one. */
void eye_labels_done(struct eye_labels *labels);

/** Appends "key:value", or "key" alone when @value is empty, to the list of tags that begins at
 * @list in @text. */
void eye_labels_append_tag(struct eye_text *text, size_t list, const char *key, const char *value);

/** Appends those of the fixed tags that @point has none of its own for. */
void eye_labels_append_fixed(struct eye_text *text, const struct eye_labels *labels,
                             const struct eye_point *point);

/** Writes _ over everything from @start on that no name may have. */
void eye_labels_clean_name(struct eye_text *text, size_t start);

/** Appends all of @more. */
static inline void eye_labels_append(struct eye_text *text, const struct eye_text *more)
{
    eye_text_append_bytes(text, eye_text_string(more), more->length);
}
