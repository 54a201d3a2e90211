/* SPDX-License-Identifier: Apache-2.0 */
/* Names, tags and fields as DogStatsD text. The protocol knows no escapes. */
#include "exporters/dogstatsd/labels.h"

#include <errno.h>
#include <string.h>

#include "exporters/dogstatsd/origin.h"
#include "exporters/encode/utf8.h"

/* ---- Text that breaks nothing ---- */

/* Where a text stands decides which characters would end it. */
enum place { PLACE_NAME, PLACE_TAG };

static bool is_plain(unsigned char byte, enum place place)
{
    if (byte < 0x20 || byte >= 0x7f || byte == '|' || byte == ',' || byte == '#') {
        return false;
    }
    return place == PLACE_TAG || (byte != ':' && byte != '@');
}

/* Bytes of the character of two or more that @text begins with; 0 when it is none or a control. */
static size_t wide_character(const char *text, size_t length)
{
    uint32_t code_point = 0;
    size_t taken = eye_utf8_decode(text, length, &code_point);
    return taken > 1 && code_point >= 0xa0 ? taken : 0;
}

/* Writes _ over everything from @start on that has a meaning in the format or none in text. */
static void clean(struct eye_text *text, size_t start, enum place place)
{
    for (size_t i = start; i < text->length;) {
        unsigned char byte = (unsigned char)text->data[i];
        size_t length = byte < 0x80 ? 0 : wide_character(text->data + i, text->length - i);
        if (length == 0) {
            text->data[i] = is_plain(byte, place) ? text->data[i] : '_';
            length = 1;
        }
        i += length;
    }
}

void eye_labels_clean_name(struct eye_text *text, size_t start)
{
    clean(text, start, PLACE_NAME);
}

void eye_labels_append_tag(struct eye_text *text, size_t list, const char *key, const char *value)
{
    eye_text_append(text, text->length == list ? "|#" : ",");
    size_t start = text->length;
    eye_text_append(text, key);
    if (value[0] != '\0') {
        eye_text_append_char(text, ':');
        eye_text_append(text, value);
    }
    if (text->failed || text->length == start) {
        return;
    }
    if (text->length - start > EYE_LABELS_TAG_MAX_BYTES) {
        eye_text_truncate(text, start + EYE_LABELS_TAG_MAX_BYTES);
    }
    clean(text, start, PLACE_TAG);
    /* A tag must not end with its separator. */
    if (text->data[text->length - 1] == ':') {
        text->data[text->length - 1] = '_';
    }
}

/* ---- Tags ---- */

static bool has_key(const struct eye_selection *selection, const char *key)
{
    for (size_t i = 0; i < selection->fixed_count; i++) {
        if (strcmp(selection->fixed[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

static void append_tags(struct eye_text *tags, const struct eye_selection *selection,
                        const struct eye_environment *environment)
{
    for (size_t i = 0; i < selection->fixed_count; i++) {
        eye_labels_append_tag(tags, 0, selection->fixed[i].key, selection->fixed[i].value);
    }
    for (size_t i = 0; i < EYE_ENVIRONMENT_TAGS; i++) {
        const struct eye_environment_tag *tag = &environment->tags[i];
        if (tag->value != NULL && !has_key(selection, tag->key)) {
            eye_labels_append_tag(tags, 0, tag->key, tag->value);
        }
    }
}

/* Whether @point has a tag of the key that @tag, of @length bytes, begins with. */
static bool is_own(const struct eye_point *point, const char *tag, size_t length)
{
    char key[EYE_LABELS_TAG_MAX_BYTES + 1];
    const char *colon = memchr(tag, ':', length);
    size_t bytes = colon == NULL ? length : (size_t)(colon - tag);
    memcpy(key, tag, bytes);
    key[bytes] = '\0';
    return eye_point_has_tag(point, key);
}

void eye_labels_append_fixed(struct eye_text *text, const struct eye_labels *labels,
                             const struct eye_point *point)
{
    const char *tag = eye_text_string(&labels->tags);
    const char *mark = "|#";
    while (*tag != '\0') {
        tag += tag == labels->tags.data ? strlen("|#") : strlen(",");
        size_t length = strcspn(tag, ",");
        if (!is_own(point, tag, length)) {
            eye_text_append(text, mark);
            eye_text_append_bytes(text, tag, length);
            mark = ",";
        }
        tag += length;
    }
}

/* ---- Fields ---- */

static void append_field(struct eye_text *fields, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        eye_text_append(fields, name);
        eye_text_append(fields, value);
    }
}

/* In the order of the official client. */
static void append_fields(struct eye_text *fields, const struct eye_labels_source *source)
{
    char origin[EYE_ORIGIN_BYTES];
    if (source->origin_detection) {
        append_field(fields, "|c:", eye_origin_find("", origin) ? origin : NULL);
        append_field(fields, "|e:", source->environment->external);
    }
    append_field(fields, "|card:", source->cardinality);
    eye_text_append_char(fields, '\n');
}

int eye_labels_init(struct eye_labels *labels, const struct eye_selection *selection,
                    const struct eye_labels_source *source, size_t max_bytes)
{
    eye_text_init(&labels->tags, max_bytes);
    eye_text_init(&labels->fields, max_bytes);
    append_tags(&labels->tags, selection, source->environment);
    append_fields(&labels->fields, source);
    if (!labels->tags.failed && !labels->fields.failed &&
        labels->tags.length + labels->fields.length <= max_bytes) {
        return 0;
    }
    eye_labels_done(labels);
    return -EMSGSIZE;
}

void eye_labels_done(struct eye_labels *labels)
{
    eye_text_done(&labels->tags);
    eye_text_done(&labels->fields);
}
