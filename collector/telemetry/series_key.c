/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of the group and of the look-up, sorted; their hash. */
#include "collector/telemetry/series_key.h"

#include <assert.h>
#include <string.h>

#include "collector/telemetry/budget.h"

static void add_tag(struct eye_series_key *key, const struct eye_tag_value *tag)
{
    if (tag->value == NULL) {
        return;
    }
    assert(eye_metric_has_tag(key->metric, tag->tag));
    uint32_t place = key->count++;
    for (; place > 0 && key->tags[place - 1].tag > tag->tag; place--) {
        key->tags[place] = key->tags[place - 1];
    }
    key->tags[place] = *tag;
}

void eye_series_key_make(struct eye_series_key *key, const struct eye_tag_set *common,
                         enum eye_metric_id metric, const struct eye_tag_value *tags, size_t count)
{
    key->metric = eye_metric(metric);
    key->count = 0;
    key->chosen = EYE_TAG_COUNT;
    key->choice = EYE_CHOICE_OURS;
    for (uint32_t i = 0; common != NULL && i < common->count; i++) {
        add_tag(key, &common->tags[i]);
    }
    for (size_t i = 0; i < count; i++) {
        add_tag(key, &tags[i]);
    }
}

uint64_t eye_series_key_hash(const struct eye_series_key *key)
{
    uint64_t hash = (uint64_t)key->metric->id;
    for (uint32_t i = 0; i < key->count; i++) {
        hash = (hash ^ eye_value_hash(key->tags[i].tag, key->tags[i].value)) *
               UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    return hash;
}

bool eye_series_key_matches(const void *item, const void *wanted)
{
    const struct eye_series *series = item;
    const struct eye_series_key *key = wanted;
    if (series->metric != key->metric || series->tags->count != key->count) {
        return false;
    }
    for (uint32_t i = 0; i < key->count; i++) {
        const struct eye_tag_value *have = &series->tags->tags[i];
        if (have->tag != key->tags[i].tag ||
            strncmp(have->value, key->tags[i].value, EYE_TAG_VALUE_MAX_BYTES) != 0) {
            return false;
        }
    }
    return true;
}

uint32_t eye_series_key_others(const struct eye_series_key *key)
{
    uint32_t others = 0;
    for (uint32_t i = 0; i < key->count; i++) {
        others += eye_tag_is_other(&key->tags[i]) ? 1 : 0;
    }
    return others;
}

void eye_series_key_note_service(struct eye_series_key *key)
{
    const char *service = NULL;
    for (uint32_t i = 0; i < key->count; i++) {
        service = key->tags[i].tag == EYE_TAG_SERVICE ? key->tags[i].value : service;
    }
    key->owned = service != NULL;
    key->service = eye_value_hash(EYE_TAG_SERVICE, service == NULL ? "" : service);
}
