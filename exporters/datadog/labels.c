/* SPDX-License-Identifier: Apache-2.0 */
/* Making names and tags harmless. */
#include "exporters/datadog/labels.h"

#include <errno.h>
#include <string.h>

#include "exporters/encode/template.h"
#include "exporters/encode/utf8.h"

/* Room for 60 tags of full length. */
#define STORAGE_MAX_BYTES ((size_t)12 << 10)

/* Of gethostname(2), and of what Datadog takes. */
#define HOST_BYTES 256

static const char *replace_in_tag(uint32_t code_point)
{
    bool bad = code_point == ',' || code_point == '|' || code_point == '#' ||
               code_point == EYE_UTF8_REPLACEMENT || eye_utf8_is_control(code_point);
    return bad ? "_" : NULL;
}

static const char *replace_in_name(uint32_t code_point)
{
    bool good = (code_point >= 'a' && code_point <= 'z') ||
                (code_point >= 'A' && code_point <= 'Z') ||
                (code_point >= '0' && code_point <= '9') || code_point == '.' || code_point == '_';
    return good ? NULL : "_";
}

static char *machine_name(void)
{
    char name[HOST_BYTES];
    if (gethostname(name, sizeof(name)) != 0) {
        return strdup("unknown");
    }
    name[sizeof(name) - 1] = '\0';
    return strdup(name);
}

static bool is_host(const struct eye_fixed_tag *tag)
{
    return strcmp(tag->key, "host") == 0 && tag->value[0] != '\0';
}

/* The tag that is nearest to the exporter's own configuration counts. */
static char *find_host(const struct eye_selection *selection)
{
    for (size_t i = selection->fixed_count; i > 0; i--) {
        if (is_host(&selection->fixed[i - 1])) {
            struct eye_text text;
            eye_text_init(&text, STORAGE_MAX_BYTES);
            eye_utf8_append(&text, selection->fixed[i - 1].value, replace_in_tag);
            return text.data;
        }
    }
    return machine_name();
}

int eye_datadog_labels_init(struct eye_datadog_labels *labels,
                            const struct eye_selection *selection)
{
    struct eye_datadog_labels made = {
        .selection = selection,
        .host = find_host(selection),
        .tags = calloc(selection->fixed_count + EYE_TAG_COUNT, sizeof(char *)),
    };
    eye_text_init(&made.storage, STORAGE_MAX_BYTES);
    if (made.host == NULL || made.tags == NULL) {
        eye_datadog_labels_done(&made);
        return -ENOMEM;
    }
    *labels = made;
    return 0;
}

void eye_datadog_labels_done(struct eye_datadog_labels *labels)
{
    free(labels->host);
    free(labels->tags);
    eye_text_done(&labels->storage);
    *labels = (struct eye_datadog_labels){0};
}

/* Cuts what was written since @start to the limit, between characters, and ends it with a NUL. */
static void end_label(struct eye_text *storage, size_t start)
{
    if (storage->length - start > EYE_DATADOG_TAG_MAX_BYTES) {
        size_t end = start + EYE_DATADOG_TAG_MAX_BYTES;
        while (((unsigned char)storage->data[end] & 0xC0) == 0x80) {
            end--;
        }
        eye_text_truncate(storage, end);
    }
    /* A tag must not end with its separator. */
    if (storage->length > start && storage->data[storage->length - 1] == ':') {
        storage->data[storage->length - 1] = '_';
    }
    eye_text_append_bytes(storage, "", 1);
}

static void add_tag(struct eye_datadog_labels *labels, const char *key, const char *value)
{
    struct eye_text *storage = &labels->storage;
    size_t start = storage->length;
    eye_utf8_append(storage, key, replace_in_tag);
    if (value[0] != '\0') {
        eye_text_append_char(storage, ':');
        eye_utf8_append(storage, value, replace_in_tag);
    }
    if (!storage->failed) {
        end_label(storage, start);
        labels->tag_count++;
    }
}

static void add_fixed_tags(struct eye_datadog_labels *labels, const struct eye_point *point)
{
    for (size_t i = 0; i < labels->selection->fixed_count; i++) {
        const struct eye_fixed_tag *tag = &labels->selection->fixed[i];
        if (!is_host(tag) && !eye_point_has_tag(point, tag->key)) {
            add_tag(labels, tag->key, tag->value);
        }
    }
}

static void add_point_tags(struct eye_datadog_labels *labels, const struct eye_tag_set *tags)
{
    for (uint32_t i = 0; i < tags->count; i++) {
        if (tags->tags[i].value[0] != '\0') {
            add_tag(labels, eye_tag_info(tags->tags[i].tag)->name, tags->tags[i].value);
        }
    }
}

static void add_name(struct eye_datadog_labels *labels, const struct eye_metric *metric)
{
    struct eye_text *storage = &labels->storage;
    eye_selection_append_name(labels->selection, storage, metric);
    for (size_t i = 0; i < storage->length; i++) {
        /* Byte by byte: a name is ASCII. */
        if (replace_in_name((unsigned char)storage->data[i]) != NULL) {
            storage->data[i] = '_';
        }
    }
    end_label(storage, 0);
}

/* Storage does not move any more: its texts get their pointers. */
static void point_into_storage(struct eye_datadog_labels *labels)
{
    char *at = labels->storage.data;
    labels->name = at;
    for (size_t i = 0; i < labels->tag_count; i++) {
        at += strlen(at) + 1;
        labels->tags[i] = at;
    }
}

int eye_datadog_labels_make(struct eye_datadog_labels *labels, const struct eye_point *point)
{
    eye_text_clear(&labels->storage);
    labels->tag_count = 0;
    add_name(labels, point->metric);
    add_fixed_tags(labels, point);
    add_point_tags(labels, point->tags);
    if (labels->storage.failed) {
        return -EMSGSIZE;
    }
    point_into_storage(labels);
    return 0;
}
