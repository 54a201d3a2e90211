/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and tags the way Datadog keeps them: "key:value" of at most 200 bytes, valid UTF-8 without
 * control characters. Used by one worker thread.
 */
#pragma once

#include "collector/snapshot/snapshot.h"
#include "exporters/encode/selection.h"

/* Datadog cuts longer names and tags, key and colon included. */
#define EYE_DATADOG_TAG_MAX_BYTES 200

struct eye_datadog_labels {
    const struct eye_selection *selection;
    char *host;              /* a fixed tag `host`, else the machine's name; owned */
    struct eye_text storage; /* of the point at hand: its name, then its tags, each with a NUL */
    char *name;              /* in storage */
    char **tags;             /* in storage: fixed ones first; owned array */
    size_t tag_count;
};

/** @selection must outlive the labels. 0 or -ENOMEM. */
int eye_datadog_labels_init(struct eye_datadog_labels *labels,
                            const struct eye_selection *selection);

/** Takes a zeroed one. */
void eye_datadog_labels_done(struct eye_datadog_labels *labels);

/** Makes name and tags of @point. 0, or -EMSGSIZE when there are more than anybody should send. */
int eye_datadog_labels_make(struct eye_datadog_labels *labels, const struct eye_point *point);
