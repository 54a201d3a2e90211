/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of a program taken apart. */
#include "collector/process/names.h"

#include <stdio.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/text.h"
#include "collector/process/place.h"
#include "collector/process/span.h"

#define SERVICE_BYTES sizeof(((struct eye_process *)NULL)->service)

static void copy_clean(char *target, size_t size, struct eye_span text)
{
    eye_copy_clean(target, size, text.start, text.length);
}

static struct eye_span trim(struct eye_span text)
{
    while (text.length > 0 && text.start[0] == ' ') {
        text = eye_span_skip(text, 1);
    }
    while (eye_span_cut_suffix(&text, " ")) {
    }
    return text;
}

/* The value of the first "@key=value" in a list; empty without one. @key includes the "=". */
static struct eye_span find_value(struct eye_span list, char separator, const char *key)
{
    struct eye_span part;
    while (eye_span_next(&list, separator, &part)) {
        part = trim(part);
        if (eye_span_starts_with(part, key)) {
            return trim(eye_span_skip(part, strlen(key)));
        }
    }
    return (struct eye_span){0};
}

static int hex_digit(char character)
{
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    if (character >= 'a' && character <= 'f') {
        return character - 'a' + 10;
    }
    if (character >= 'A' && character <= 'F') {
        return character - 'A' + 10;
    }
    return -1;
}

/* The byte that "@mark" and two hex digits at the start of @text mean; -1 when it is not so. */
static int escaped_byte(struct eye_span text, const char *mark)
{
    size_t length = strlen(mark);
    if (text.length < length + 2 || !eye_span_starts_with(text, mark)) {
        return -1;
    }
    int high = hex_digit(text.start[length]);
    int low = hex_digit(text.start[length + 1]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* The same as copy_clean() for a text in which "@mark" and two hex digits stand for a byte. */
static void copy_unescaped(char *target, size_t size, struct eye_span text, const char *mark)
{
    char plain[SERVICE_BYTES];
    size_t used = 0;
    while (text.length > 0 && used < sizeof(plain)) {
        int byte = escaped_byte(text, mark);
        plain[used++] = byte < 0 ? text.start[0] : (char)byte;
        text = eye_span_skip(text, byte < 0 ? 1 : strlen(mark) + 2);
    }
    copy_clean(target, size, (struct eye_span){plain, used});
}

size_t eye_names_whole(const char *bytes, size_t length)
{
    const char *last = length == 0 ? NULL : memrchr(bytes, '\0', length);
    return last == NULL ? 0 : (size_t)(last - bytes) + 1;
}

void eye_names_of_environment(struct eye_process *process, const char *bytes, size_t length)
{
    const struct eye_span environment = {bytes, length};
    struct eye_span service = find_value(environment, '\0', "DD_SERVICE=");
    if (service.length == 0) {
        service = find_value(environment, '\0', "OTEL_SERVICE_NAME=");
    }
    copy_clean(process->service, sizeof(process->service), service);
    if (service.length == 0) {
        struct eye_span attributes = find_value(environment, '\0', "OTEL_RESOURCE_ATTRIBUTES=");
        copy_unescaped(process->service, sizeof(process->service),
                       find_value(attributes, ',', "service.name="), "%");
    }
}

/* Words that mean something else where a name is expected. */
static const char *const reserved[] = {"kernel", "unknown", "__other__"};

static void keep_off_reserved(char *name, size_t size)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(reserved); i++) {
        if (strcmp(name, reserved[i]) == 0) {
            snprintf(name, size, "%s_", reserved[i]);
            return;
        }
    }
}

static void copy_container(struct eye_container_id *id, const struct eye_place *place)
{
    copy_unescaped(id->text, sizeof(id->text), place->container, "\\x");
    /* No container is called so: an escape that makes a path of a name stays one. */
    if (!place->is_name || strchr(id->text, '/') != NULL) {
        copy_clean(id->text, sizeof(id->text), place->container);
    }
    keep_off_reserved(id->text, sizeof(id->text));
    id->is_name = place->is_name;
    copy_clean(id->pod, sizeof(id->pod), place->pod);
    for (char *at = strchr(id->pod, '_'); at != NULL; at = strchr(at, '_')) {
        *at = '-';
    }
}

void eye_names_of_cgroup(struct eye_process *process, const char *path, size_t length, bool systemd)
{
    struct eye_span text = {path, length};
    eye_span_cut_suffix(&text, " (deleted)");
    const struct eye_place place = eye_place_of_path(text);
    if (process->container.text[0] == '\0') {
        copy_container(&process->container, &place);
    }
    if (process->service[0] == '\0' && systemd) {
        copy_unescaped(process->service, sizeof(process->service), place.unit, "\\x");
    }
}

void eye_names_of_executable(struct eye_process *process, const char *path, size_t length)
{
    struct eye_span rest = {path, length};
    struct eye_span name = {0};
    eye_span_cut_suffix(&rest, " (deleted)");
    while (eye_span_next(&rest, '/', &name)) {
    }
    copy_clean(process->executable, sizeof(process->executable), name);
}

void eye_names_copy(char *target, size_t size, const char *bytes, size_t length)
{
    eye_copy_clean(target, size, bytes, length);
    keep_off_reserved(target, size);
}

void eye_names_finish(struct eye_process *process)
{
    char tag[EYE_CONTAINER_ID_BYTES];
    keep_off_reserved(process->service, sizeof(process->service));
    keep_off_reserved(process->executable, sizeof(process->executable));
    if (process->executable[0] == '\0') {
        eye_copy_string(process->executable, sizeof(process->executable), "unknown");
    }
    if (process->service[0] == '\0') {
        eye_container_tag(&process->container, tag);
        eye_copy_string(process->service, sizeof(process->service),
                        tag[0] != '\0' ? tag : process->executable);
    }
}
