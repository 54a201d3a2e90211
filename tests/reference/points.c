/* SPDX-License-Identifier: Apache-2.0 */
/* Names are looked up one by one: these programs read a few hundred. */
#include "tests/reference/points.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 16384

void points_give_up(const char *what)
{
    fprintf(stderr, "cannot use this: %s\n", what);
    exit(EXIT_FAILURE);
}

enum eye_metric_id points_metric(const char *name)
{
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        if (strcmp(eye_metric((enum eye_metric_id)i)->name, name) == 0) {
            return (enum eye_metric_id)i;
        }
    }
    points_give_up(name);
}

static enum eye_tag find_tag(const char *name)
{
    for (size_t i = 0; i < EYE_TAG_COUNT; i++) {
        if (strcmp(eye_tag_info((enum eye_tag)i)->name, name) == 0) {
            return (enum eye_tag)i;
        }
    }
    points_give_up(name);
}

struct eye_tag_set *points_tag_set(char **arguments, size_t count)
{
    struct eye_tag_value tags[EYE_TAG_COUNT];
    size_t used = 0;
    for (size_t i = 0; i + 1 < count && used < EYE_TAG_COUNT; i += 2, used++) {
        tags[used] = (struct eye_tag_value){find_tag(arguments[i]), arguments[i + 1]};
    }
    struct eye_tag_set *set = eye_tag_set_new(tags, used);
    if (set == NULL) {
        points_give_up("out of memory");
    }
    return set;
}

static const char *next_field(char **rest)
{
    const char *field = strsep(rest, "\t");
    if (field == NULL) {
        points_give_up("a field is missing");
    }
    return field;
}

static unsigned digit_value(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = digit == '\0' ? NULL : strchr(digits, digit);
    if (found == NULL) {
        points_give_up("not hexadecimal");
    }
    return (unsigned)(found - digits);
}

/* The bytes that @field stands for, written over the line that holds it. */
static const char *decode_field(char **rest)
{
    char *bytes = *rest;
    const char *field = next_field(rest);
    size_t length = strlen(field) / 2;
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (char)(digit_value(field[2 * i]) << 4 | digit_value(field[2 * i + 1]));
    }
    bytes[length] = '\0';
    return bytes;
}

static void add_value(struct sample *sample, char *line)
{
    struct eye_tag_value tags[EYE_TAG_COUNT + 1] = {{0, NULL}};
    char *rest = line;
    enum eye_metric_id metric = points_metric(next_field(&rest));
    double value = strtod(next_field(&rest), NULL);
    for (size_t i = 0; i < EYE_TAG_COUNT && rest != NULL; i++) {
        tags[i].tag = find_tag(next_field(&rest));
        tags[i].value = decode_field(&rest);
    }
    sample_add(sample, metric, value, tags);
}

bool points_read_interval(struct sample *sample)
{
    char line[LINE_BYTES];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "-") == 0) {
            return true;
        }
        add_value(sample, line);
    }
    return false;
}
