/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a series is looked up by: its metric and all its tags. Private to collector/telemetry,
 * collector thread.
 */
#pragma once

#include "collector/telemetry/telemetry.h"

struct eye_series_key {
    const struct eye_metric *metric;
    uint32_t count;
    enum eye_tag chosen; /* the tag that `choice` is about; EYE_TAG_COUNT: none */
    enum eye_choice choice;
    uint64_t service; /* hash of its service's name; set when the series is not there yet */
    bool owned;       /* it has a service */
    struct eye_tag_value tags[EYE_TAG_COUNT]; /* sorted by tag */
};

/** Of @metric, the @common tags (NULL: none) and @tags; the values are not copied. Nothing is
 * chosen, and its service is not noted. */
void eye_series_key_make(struct eye_series_key *key, const struct eye_tag_set *common,
                         enum eye_metric_id metric, const struct eye_tag_value *tags, size_t count);

uint64_t eye_series_key_hash(const struct eye_series_key *key);

/** eye_table_matches: @item is a struct eye_series, @wanted a key. */
bool eye_series_key_matches(const void *item, const void *wanted);

/** How many of its tags are __other__. */
uint32_t eye_series_key_others(const struct eye_series_key *key);

/** Sets `service` and `owned` by its tags. */
void eye_series_key_note_service(struct eye_series_key *key);
