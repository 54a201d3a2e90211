/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and writing the labels of a group. */
#include "exporters/pushgateway/group.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "exporters/http/client.h"
#include "exporters/http/url.h"
#include "exporters/prometheus/names.h"

#define LABEL_MAX_BYTES 256

static size_t name_length(const char *label)
{
    return strcspn(label, ":");
}

static bool is_name_of(const char *label, const char *name)
{
    return strlen(name) == name_length(label) && strncmp(label, name, strlen(name)) == 0;
}

bool eye_group_label_valid(const char *text)
{
    size_t length = name_length(text);
    if (text[length] != ':' || length == 0 || isdigit((unsigned char)text[0]) != 0) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte != '_' && (byte >= 0x80 || isalnum(byte) == 0)) {
            return false;
        }
    }
    /* Two underscores begin the names that Prometheus keeps for itself. */
    return strncmp(text, "__", 2) != 0;
}

bool eye_group_base_valid(const char *text)
{
    static const char metrics[] = "/metrics";
    const char *path = eye_url_path(text);
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/') {
        length--;
    }
    bool is_page = length >= strlen(metrics) &&
                   strncmp(path + length - strlen(metrics), metrics, strlen(metrics)) == 0;
    return eye_url_valid(text) && !is_page && strstr(path, "/metrics/job") == NULL &&
           strchr(path, '?') == NULL;
}

/* ---- Labels that series have already ---- */

static bool is_label_of(const char *label, const struct eye_metric *metric, enum eye_tag tag)
{
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    eye_text_init(&name, LABEL_MAX_BYTES);
    eye_prometheus_append_label(metric, tag, &name);
    return is_name_of(label, eye_text_string(&name));
}

static bool has_label(const struct eye_metric *metric, const char *label)
{
    bool has = metric->kind == EYE_DISTRIBUTION && is_name_of(label, "le");
    for (unsigned i = 0; i < EYE_TAG_COUNT && !has; i++) {
        has = eye_metric_has_tag(metric, (enum eye_tag)i) &&
              is_label_of(label, metric, (enum eye_tag)i);
    }
    return has;
}

/* The first metric of @selection that has @label; NULL: none. */
static const struct eye_metric *owner_of(const char *label, const struct eye_selection *selection)
{
    for (int i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        if (selection->wanted[i] && has_label(metric, label)) {
            return metric;
        }
    }
    return NULL;
}

int eye_group_check_labels(const struct eye_text_list *labels,
                           const struct eye_selection *selection, struct eye_error *ret_error)
{
    for (size_t i = 0; i < labels->count; i++) {
        const char *label = labels->items[i];
        int length = (int)name_length(label);
        if (is_name_of(label, "job") || is_name_of(label, "instance")) {
            return eye_error_set(ret_error, -EINVAL,
                                 "`labels` has %.*s, which has a key of its own: `%.*s`", length,
                                 label, length, label);
        }
        const struct eye_metric *owner = owner_of(label, selection);
        if (owner != NULL) {
            return eye_error_set(ret_error, -EINVAL,
                                 "`labels` has %.*s, which is a label of %s: the gateway would "
                                 "write it over the values of the series; take another name",
                                 length, label, owner->name);
        }
    }
    return 0;
}

/* RFC 3986's unreserved characters. A dot alone would be a step in the path. */
static bool is_plain(const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte >= 0x80 || (isalnum(byte) == 0 && strchr("-._~", byte) == NULL)) {
            return false;
        }
    }
    return *value != '\0' && strcmp(value, ".") != 0 && strcmp(value, "..") != 0;
}

/* RFC 4648 section 5 without padding; the gateway wants a lone "=" for nothing. */
static void append_base64(struct eye_text *text, const char *value)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t length = strlen(value);
    if (length == 0) {
        eye_text_append_char(text, '=');
    }
    for (size_t i = 0; i < length; i += 3) {
        size_t count = length - i < 3 ? length - i : 3;
        uint32_t bits = 0;
        for (size_t j = 0; j < 3; j++) {
            bits = bits << 8 | (j < count ? (unsigned char)value[i + j] : 0);
        }
        for (size_t j = 0; j <= count; j++) {
            eye_text_append_char(text, digits[bits >> (18 - 6 * j) & 63]);
        }
    }
}

static void append_label(struct eye_text *text, const char *name, size_t length, const char *value)
{
    eye_text_append_char(text, '/');
    eye_text_append_bytes(text, name, length);
    if (is_plain(value)) {
        eye_text_append_char(text, '/');
        eye_text_append(text, value);
    } else {
        eye_text_append(text, "@base64/");
        append_base64(text, value);
    }
}

static bool is_twice(const struct eye_text_list *labels, size_t index)
{
    size_t length = name_length(labels->items[index]);
    for (size_t i = 0; i < index; i++) {
        if (name_length(labels->items[i]) == length &&
            strncmp(labels->items[i], labels->items[index], length) == 0) {
            return true;
        }
    }
    return false;
}

static void append_base(struct eye_text *text, const char *base)
{
    size_t length = strlen(base);
    while (length > 0 && base[length - 1] == '/') {
        length--;
    }
    eye_text_append_bytes(text, base, length);
    eye_text_append(text, "/metrics");
}

int eye_group_append_url(struct eye_text *text, const char *base, const char *job,
                         const char *instance, const struct eye_text_list *labels,
                         struct eye_error *ret_error)
{
    if (*job == '\0') {
        return eye_error_set(ret_error, -EINVAL, "`job` is empty: a group must have one");
    }
    append_base(text, base);
    append_label(text, "job", strlen("job"), job);
    append_label(text, "instance", strlen("instance"), instance);
    for (size_t i = 0; i < labels->count; i++) {
        const char *label = labels->items[i];
        size_t length = name_length(label);
        if (is_twice(labels, i)) {
            return eye_error_set(ret_error, -EINVAL, "`labels` has %.*s twice", (int)length, label);
        }
        append_label(text, label, length, label + length + 1);
    }
    return text->failed ? eye_error_set(ret_error, -ENOMEM, "out of memory") : 0;
}
