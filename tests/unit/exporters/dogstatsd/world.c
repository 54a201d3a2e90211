/* SPDX-License-Identifier: Apache-2.0 */
/* Registry, and lines as an Agent reads them: weights are int(1 / rate). */
#include "tests/unit/exporters/dogstatsd/world.h"
#include "collector/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/clock.h"

void world_init(struct world *world)
{
    static const struct eye_limits limits = {
        .series_per_metric = 10000,
        .values_per_tag = 10000,
        .idle_ns = UINT64_MAX,
    };
    *world = (struct world){.registry = eye_registry_new(&limits)};
    world->group = eye_group_new(world->registry, NULL, 0);
}

void world_done(struct world *world)
{
    eye_registry_free(world->registry);
}

struct eye_series *world_series(struct world *world, enum eye_metric_id metric, enum eye_tag tag,
                                const char *value)
{
    const struct eye_tag_value tags[] = {{tag, value}};
    return eye_group_series(world->group, metric, tags, tag == EYE_TAG_COUNT ? 0 : 1);
}

struct eye_snapshot *world_snapshot(struct world *world)
{
    uint64_t sequence = ++world->sequence;
    eye_registry_close_interval(world->registry, sequence, eye_clock_monotonic_ns(), 0);
    return eye_snapshot_take(world->registry, sequence, sequence * 10 * EYE_NS_PER_SECOND,
                             10 * EYE_NS_PER_SECOND, 0);
}

struct eye_selection world_selection(struct eye_fixed_tag *fixed, size_t count)
{
    struct eye_selection selection = {.prefix = "sockeye.", .fixed = fixed, .fixed_count = count};
    memset(selection.wanted, true, sizeof(selection.wanted));
    return selection;
}

void tally_done(struct tally *tally)
{
    for (size_t i = 0; i < tally->count; i++) {
        free(tally->entries[i].key);
    }
    free(tally->entries);
    *tally = (struct tally){.client = tally->client};
}

static struct tally_entry *find(const struct tally *tally, const char *key)
{
    for (size_t i = 0; i < tally->count; i++) {
        if (strcmp(tally->entries[i].key, key) == 0) {
            return &tally->entries[i];
        }
    }
    return NULL;
}

const struct tally_entry *tally_find(const struct tally *tally, const char *key)
{
    return find(tally, key);
}

static struct tally_entry *find_or_add(struct tally *tally, const char *key)
{
    struct tally_entry *entry = find(tally, key);
    if (entry == NULL) {
        size_t bytes = (tally->count + 1) * sizeof(*entry);
        tally->entries = realloc(tally->entries, bytes);
        entry = &tally->entries[tally->count++];
        *entry = (struct tally_entry){.key = strdup(key)};
    }
    return entry;
}

/* "|@rate" at *@rest, if it is there, as the Agent's weight; 0 when it is malformed. */
static uint64_t read_weight(char **rest)
{
    if (strncmp(*rest, "|@", 2) != 0) {
        return 1;
    }
    char *end = NULL;
    double rate = strtod(*rest + 2, &end);
    bool good = end > *rest + 2 && rate > 0 && rate < 1 && (*end == '|' || *end == '\0');
    *rest = end;
    return good ? (uint64_t)(1 / rate) : 0;
}

/* Cuts the fields behind the tags off, and a time before them. False: a field that is none. */
static bool cut_fields(struct tally *tally, char *rest)
{
    static const char *const fields[] = {"|c:", "|e:", "|card:"};
    if (strncmp(rest, "|T", 2) == 0) {
        size_t length = 2 + strspn(rest + 2, "0123456789");
        tally->times++;
        memmove(rest, rest + length, strlen(rest + length) + 1);
    }
    size_t end = strlen(rest);
    for (size_t i = EYE_ARRAY_LENGTH(fields); i-- > 0;) {
        char *field = strstr(rest, fields[i]);
        if (field != NULL) {
            if (strcspn(field + 1, "|") != (size_t)(rest + end - field) - 1) {
                return false;
            }
            end = (size_t)(field - rest);
            *field = '\0';
            tally->fields++;
        }
    }
    return true;
}

/* "name:v1:v2|type[|@rate][|Ttime][|#tags][|fields]" without its LF. */
static bool read_metric(struct tally *tally, char *line)
{
    char *values = strchr(line, ':');
    char *bar = values == NULL ? NULL : strchr(values, '|');
    if (bar == NULL || values == line || strchr("cgd", bar[1]) == NULL || bar[1] == '\0') {
        return false;
    }
    char type = bar[1];
    char *rest = bar + 2;
    uint64_t weight = read_weight(&rest);
    if (weight == 0 || !cut_fields(tally, rest) ||
        (rest[0] != '\0' && (strncmp(rest, "|#", 2) != 0 || strchr(rest + 2, '|')))) {
        return false;
    }
    char key[4096];
    snprintf(key, sizeof(key), "%.*s|%c%s", (int)(values - line), line, type, rest);
    struct tally_entry *entry = find_or_add(tally, key);
    for (char *cursor = values; cursor < bar;) {
        char *end = NULL;
        double value = strtod(cursor + 1, &end);
        if (end == cursor + 1 || (*end != ':' && *end != '|')) {
            return false;
        }
        entry->sum = type == 'g' ? value : entry->sum + value * (double)weight;
        entry->weight += weight;
        cursor = end;
    }
    tally->lines++;
    return true;
}

static bool read_line(struct tally *tally, char *line)
{
    static const char client[] = "datadog.dogstatsd.client.";
    if (strncmp(line, "_e{", 3) == 0) {
        const char *title = strchr(line, ':');
        if (title == NULL) {
            return false;
        }
        eye_copy_shown(tally->event, sizeof(tally->event), title + 1, strcspn(title + 1, "|"));
        tally->events++;
        return true;
    }
    if (strncmp(line, "_sc|", 4) == 0) {
        tally->checks++;
        return true;
    }
    return strncmp(line, client, sizeof(client) - 1) == 0
               ? read_metric(tally->client == NULL ? tally : tally->client, line)
               : read_metric(tally, line);
}

bool tally_read(struct tally *tally, const char *bytes, size_t length)
{
    char line[65536];
    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        size_t line_length = end == NULL ? 0 : (size_t)(end - bytes);
        if (line_length == 0 || memchr(bytes, '\0', line_length) != NULL) {
            return false;
        }
        memcpy(line, bytes, line_length);
        line[line_length] = '\0';
        if (!read_line(tally, line)) {
            return false;
        }
        bytes += line_length + 1;
        length -= line_length + 1;
    }
    return true;
}
