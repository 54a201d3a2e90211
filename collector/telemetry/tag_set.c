/* SPDX-License-Identifier: Apache-2.0 */
/* Tag sets in one allocation: header, sorted tags, strings. */
#include "collector/telemetry/tag_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Copies the strings behind the array, sorted by tag: the tags are few, so insertion sort. */
static void fill(struct eye_tag_set *set, const struct eye_tag_value *tags, size_t count)
{
    char *cursor = (char *)(set->tags + count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strnlen(tags[i].value, EYE_TAG_VALUE_MAX_BYTES);
        memcpy(cursor, tags[i].value, length);
        cursor[length] = '\0';
        size_t place = i;
        for (; place > 0 && set->tags[place - 1].tag > tags[i].tag; place--) {
            set->tags[place] = set->tags[place - 1];
        }
        set->tags[place] = (struct eye_tag_value){.tag = tags[i].tag, .value = cursor};
        cursor += length + 1;
    }
}

struct eye_tag_set *eye_tag_set_new(const struct eye_tag_value *tags, size_t count)
{
    assert(count <= EYE_TAG_COUNT);
    size_t bytes = sizeof(struct eye_tag_set) + count * sizeof(struct eye_tag_value);
    for (size_t i = 0; i < count; i++) {
        bytes += strnlen(tags[i].value, EYE_TAG_VALUE_MAX_BYTES) + 1;
    }
    struct eye_tag_set *set = malloc(bytes);
    if (set == NULL) {
        return NULL;
    }
    atomic_init(&set->references, 1);
    set->count = (uint32_t)count;
    fill(set, tags, count);
    return set;
}

struct eye_tag_set *eye_tag_set_ref(struct eye_tag_set *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void eye_tag_set_unref(struct eye_tag_set *set)
{
    if (set != NULL && atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) == 1) {
        free(set);
    }
}

bool eye_tag_is_other(const struct eye_tag_value *tag)
{
    return strcmp(tag->value, EYE_TAG_OTHER) == 0;
}

const char *eye_tag_set_value(const struct eye_tag_set *set, enum eye_tag tag)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->tags[i].tag == tag) {
            return set->tags[i].value;
        }
    }
    return NULL;
}
