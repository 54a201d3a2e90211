/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a segment both ways, and the list of them. */
#include "exporters/engine/spool_segments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX_DIGITS 16

struct eye_spool_segment eye_spool_segment_of(const struct eye_snapshot *snapshot)
{
    return (struct eye_spool_segment){snapshot->start_ns, snapshot->sequence};
}

int eye_spool_segment_compare(const struct eye_spool_segment *a, const struct eye_spool_segment *b)
{
    if (a->start_ns != b->start_ns) {
        return a->start_ns < b->start_ns ? -1 : 1;
    }
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

void eye_spool_segment_format(const struct eye_spool_segment *segment, const char *ending,
                              char ret_name[static EYE_SPOOL_NAME_BYTES])
{
    snprintf(ret_name, EYE_SPOOL_NAME_BYTES, "%016" PRIx64 "-%016" PRIx64 "%s", segment->start_ns,
             segment->sequence, ending);
}

/* Sixteen lower-case hex digits, or false. */
static bool parse_hex(const char *text, uint64_t *ret_value)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t value = 0;
    for (size_t i = 0; i < HEX_DIGITS; i++) {
        const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);
        if (digit == NULL) {
            return false;
        }
        value = value << 4 | (uint64_t)(digit - digits);
    }
    *ret_value = value;
    return true;
}

const char *eye_spool_segment_parse(const char *name, struct eye_spool_segment *ret_segment)
{
    if (!parse_hex(name, &ret_segment->start_ns) || name[HEX_DIGITS] != '-' ||
        !parse_hex(name + HEX_DIGITS + 1, &ret_segment->sequence)) {
        return NULL;
    }
    return name + HEX_DIGITS + 1 + HEX_DIGITS;
}

int eye_spool_segments_reserve(struct eye_spool_segments *segments)
{
    if (segments->count < segments->capacity) {
        return 0;
    }
    size_t capacity = 2 * segments->capacity + 16;
    void *items = realloc(segments->items, capacity * sizeof(segments->items[0]));
    if (items == NULL) {
        return -ENOMEM;
    }
    segments->items = items;
    void *sizes = realloc(segments->sizes, capacity * sizeof(segments->sizes[0]));
    if (sizes == NULL) {
        return -ENOMEM;
    }
    segments->sizes = sizes;
    segments->capacity = capacity;
    return 0;
}

/* From the end, where its place is nearly always. */
void eye_spool_segments_insert(struct eye_spool_segments *segments,
                               struct eye_spool_segment segment, uint64_t size)
{
    size_t place = segments->count++;
    for (; place > 0 && eye_spool_segment_compare(&segments->items[place - 1], &segment) > 0;
         place--) {
        segments->items[place] = segments->items[place - 1];
        segments->sizes[place] = segments->sizes[place - 1];
    }
    segments->items[place] = segment;
    segments->sizes[place] = size;
}

void eye_spool_segments_remove(struct eye_spool_segments *segments, size_t index)
{
    size_t behind = --segments->count - index;
    memmove(&segments->items[index], &segments->items[index + 1],
            behind * sizeof(segments->items[0]));
    memmove(&segments->sizes[index], &segments->sizes[index + 1],
            behind * sizeof(segments->sizes[0]));
}

bool eye_spool_segments_have(const struct eye_spool_segments *segments,
                             const struct eye_spool_segment *segment)
{
    size_t index = segments->count;
    while (index > 0 && eye_spool_segment_compare(&segments->items[index - 1], segment) > 0) {
        index--;
    }
    return index > 0 && eye_spool_segment_compare(&segments->items[index - 1], segment) == 0;
}

void eye_spool_segments_done(struct eye_spool_segments *segments)
{
    free(segments->items);
    free(segments->sizes);
}
