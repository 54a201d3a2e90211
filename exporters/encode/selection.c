/* SPDX-License-Identifier: Apache-2.0 */
/* Which metrics an exporter wants, and the prefix and fixed tags that it adds. */
#include "exporters/encode/selection.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/nearest.h"

/* ---- What a pattern means ---- */

/* A prefix of the configuration, a name, a unit and an ending; what is longer is no pattern's. */
#define SHOWN_BYTES 256

/* What the formats with underscores put behind a name. */
static const char *const shown_endings[] = {"", "_total", "_count", "_sum", "_bucket", "_created"};

/* What StatsD and Graphite put behind the name of a distribution. */
static const char *const shown_parts[] = {".p50",  ".p95",   ".p99", ".max",
                                          ".mean", ".count", ".sum"};

static bool matches_any_metric(const char *pattern)
{
    bool matches = false;
    for (int i = 0; i < EYE_METRIC_COUNT && !matches; i++) {
        matches = eye_name_matches(pattern, eye_metric((enum eye_metric_id)i)->name);
    }
    return matches;
}

/* Whether @pattern matches @name as the formats with underscores write it. */
static bool matches_underscored(const char *pattern, const char *name, const char *unit)
{
    char shown[SHOWN_BYTES];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(shown_endings); i++) {
        snprintf(shown, sizeof(shown), "%s%s%s%s", name, unit[0] != '\0' ? "_" : "", unit,
                 shown_endings[i]);
        for (char *at = shown; *at != '\0'; at++) {
            *at = isalnum((unsigned char)*at) != 0 ? *at : '_';
        }
        if (eye_name_matches(pattern, shown)) {
            return true;
        }
    }
    return false;
}

/* Whether @pattern matches a part of distribution @name. */
static bool matches_part(const char *pattern, const char *name)
{
    char shown[SHOWN_BYTES];
    bool matches = false;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(shown_parts) && !matches; i++) {
        snprintf(shown, sizeof(shown), "%s%s", name, shown_parts[i]);
        matches = eye_name_matches(pattern, shown);
    }
    return matches;
}

/* Whether @pattern matches what a receiver shows of @metric. */
static bool matches_shown(const char *pattern, const struct eye_metric *metric, const char *prefix)
{
    char whole[SHOWN_BYTES];
    bool has_prefix = strncmp(metric->name, prefix, strlen(prefix)) == 0;
    bool has_parts = metric->kind == EYE_DISTRIBUTION;
    const char *unit = eye_unit_info(metric->unit)->word;
    snprintf(whole, sizeof(whole), "%s%s", has_prefix ? "" : prefix, metric->name);
    return eye_name_matches(pattern, whole) || (has_parts && matches_part(pattern, whole)) ||
           (has_parts && matches_part(pattern, metric->name)) ||
           matches_underscored(pattern, whole, "") || matches_underscored(pattern, whole, unit) ||
           matches_underscored(pattern, metric->name, "") ||
           matches_underscored(pattern, metric->name, unit);
}

/* A pattern that matches names of the catalogue means these; any other one, what receivers show:
 * who reads "sockeye_tcp_sent_bytes_total" there writes that. */
static bool means(const char *pattern, const struct eye_metric *metric, const char *prefix)
{
    return matches_any_metric(pattern) ? eye_name_matches(pattern, metric->name)
                                       : matches_shown(pattern, metric, prefix);
}

static bool any_means(const struct eye_text_list *patterns, const struct eye_metric *metric,
                      const char *prefix)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (means(patterns->items[i], metric, prefix)) {
            return true;
        }
    }
    return false;
}

static void select_metrics(struct eye_selection *selection,
                           const struct eye_exporter_common *common)
{
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        selection->wanted[i] =
            (common->allow.count == 0 || any_means(&common->allow, metric, common->prefix)) &&
            !any_means(&common->deny, metric, common->prefix);
    }
}

static bool means_anything(const char *pattern, const char *prefix)
{
    bool found = false;
    for (int i = 0; i < EYE_METRIC_COUNT && !found; i++) {
        found = means(pattern, eye_metric((enum eye_metric_id)i), prefix);
    }
    return found;
}

/* ---- What was mistyped ---- */

/* No name is longer, and none is near what is. */
#define PATTERN_BYTES 128

/* Offers all names, and with @sections what stands before each of their dots. */
static void offer_names(struct eye_nearest *nearest, bool sections)
{
    for (int i = 0; i < EYE_METRIC_COUNT; i++) {
        const char *name = eye_metric((enum eye_metric_id)i)->name;
        const char *dot = sections ? strchr(name, '.') : NULL;
        for (; dot != NULL; dot = strchr(dot + 1, '.')) {
            eye_nearest_offer(nearest, name, (size_t)(dot - name));
        }
        eye_nearest_offer(nearest, name, strlen(name));
    }
}

/* Appends the pattern that @pattern may mean; false when nothing is near. */
static bool append_nearest(const char *pattern, struct eye_text *out)
{
    char stem[PATTERN_BYTES];
    if (!eye_copy_string(stem, sizeof(stem), pattern)) {
        return false;
    }
    size_t length = strlen(stem);
    const char *ending = "";
    if (length > 2 && strcmp(stem + length - 2, ".*") == 0) {
        ending = ".*";
    } else if (length > 1 && stem[length - 1] == '*') {
        ending = "*";
    }
    stem[length - strlen(ending)] = '\0';
    struct eye_nearest nearest;
    eye_nearest_init(&nearest, stem);
    offer_names(&nearest, ending[0] != '\0');
    if (nearest.best != NULL) {
        eye_text_appendf(out, ", did you mean \"%.*s%s\"?", (int)nearest.best_length, nearest.best,
                         ending);
    }
    return nearest.best != NULL;
}

/* Cuts off what stands for a part of a distribution, also a quantile that nobody makes. */
static void cut_part(char *name)
{
    char *dot = strrchr(name, '.');
    if (dot == NULL) {
        return;
    }
    bool is_part = dot[1] == 'p' && isdigit((unsigned char)dot[2]) != 0;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(shown_parts) && !is_part; i++) {
        is_part = strcmp(dot, shown_parts[i]) == 0;
    }
    if (is_part) {
        *dot = '\0';
    }
}

/* As "sockeye_tcp_snt_bytes_total" was meant: without prefix and ending, with dots. */
static void append_nearest_of_shown(const char *pattern, const char *prefix, struct eye_text *out)
{
    char name[PATTERN_BYTES];
    eye_copy_string(name, sizeof(name), pattern);
    cut_part(name);
    size_t length = strlen(name);
    for (size_t i = 1; i < EYE_ARRAY_LENGTH(shown_endings); i++) {
        size_t ending = strlen(shown_endings[i]);
        if (length > ending && strcmp(name + length - ending, shown_endings[i]) == 0) {
            length -= ending;
            name[length] = '\0';
        }
    }
    for (char *at = name; *at != '\0'; at++) {
        *at = *at == '_' ? '.' : *at;
    }
    size_t skipped = strncmp(name, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
    if (!append_nearest(name + skipped, out) && skipped > 0) {
        append_nearest(name, out);
    }
}

/* Names of sections are taken for all that is in them. */
static void append_suggestion(const char *pattern, const char *prefix, struct eye_text *out)
{
    EYE_AUTOFREE char *section = NULL;
    if (asprintf(&section, "%s.*", pattern) < 0) {
        section = NULL;
        return;
    }
    if (matches_any_metric(section)) {
        eye_text_appendf(out, ", did you mean \"%s\"?", section);
    } else if (!append_nearest(pattern, out)) {
        append_nearest_of_shown(pattern, prefix, out);
    }
}

static void append_unmatched(const struct eye_exporter_config *exporter, const char *key,
                             const struct eye_text_list *patterns, struct eye_text *out)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (!means_anything(patterns->items[i], exporter->common.prefix)) {
            eye_text_appendf(out, "%s: %s of exporter %s: no metric is called \"%s\"",
                             exporter->origin, key, exporter->name, patterns->items[i]);
            append_suggestion(patterns->items[i], exporter->common.prefix, out);
            eye_text_append(out, " (\"sockeye metrics\" lists them)\n");
        }
    }
}

void eye_selection_append_warnings(const struct eye_config *config, struct eye_text *out)
{
    for (size_t i = 0; i < config->exporter_count; i++) {
        const struct eye_exporter_config *exporter = &config->exporters[i];
        struct eye_selection selection;
        append_unmatched(exporter, "metrics.allow", &exporter->common.allow, out);
        append_unmatched(exporter, "metrics.deny", &exporter->common.deny, out);
        select_metrics(&selection, &exporter->common);
        if (memchr(selection.wanted, true, sizeof(selection.wanted)) == NULL) {
            eye_text_appendf(out,
                             "%s: metrics.allow and metrics.deny leave exporter %s nothing to "
                             "send\n",
                             exporter->origin, exporter->name);
        }
    }
}

/* ---- Prefix and tags ---- */

static int split_tag(struct eye_fixed_tag *tag, const char *text)
{
    size_t key_length = strcspn(text, ":");
    const char *value = text + key_length + (text[key_length] == ':' ? 1 : 0);
    tag->key = strndup(text, key_length);
    tag->value = strdup(value);
    return tag->key == NULL || tag->value == NULL ? -ENOMEM : 0;
}

/* The fixed tag that has the key of @text; NULL: none. */
static struct eye_fixed_tag *find_key(const struct eye_selection *selection, const char *text)
{
    size_t length = strcspn(text, ":");
    for (size_t i = 0; i < selection->fixed_count; i++) {
        struct eye_fixed_tag *tag = &selection->fixed[i];
        if (strlen(tag->key) == length && strncmp(tag->key, text, length) == 0) {
            return tag;
        }
    }
    return NULL;
}

static void free_tag(struct eye_fixed_tag *tag)
{
    free(tag->key);
    free(tag->value);
}

/* Appends @text; a tag that has its key goes. There is room for it. */
static int set_tag(struct eye_selection *selection, const char *text)
{
    struct eye_fixed_tag made = {NULL, NULL};
    if (split_tag(&made, text) != 0) {
        free_tag(&made);
        return -ENOMEM;
    }
    struct eye_fixed_tag *tag = find_key(selection, text);
    if (tag != NULL) {
        free_tag(tag);
        size_t behind = (size_t)(selection->fixed + --selection->fixed_count - tag);
        memmove(tag, tag + 1, behind * sizeof(*tag));
    }
    selection->fixed[selection->fixed_count++] = made;
    return 0;
}

static int add_fixed(struct eye_selection *selection, const struct eye_text_list *tags)
{
    int result = 0;
    for (size_t i = 0; i < tags->count && result == 0; i++) {
        result = set_tag(selection, tags->items[i]);
    }
    return result;
}

int eye_selection_add_default(struct eye_selection *selection, const char *tag)
{
    if (find_key(selection, tag) != NULL) {
        return 0;
    }
    struct eye_fixed_tag *fixed =
        reallocarray(selection->fixed, selection->fixed_count + 1, sizeof(*fixed));
    if (fixed == NULL) {
        return -ENOMEM;
    }
    selection->fixed = fixed;
    return set_tag(selection, tag);
}

int eye_selection_init(struct eye_selection *selection, const struct eye_exporter_setup *setup)
{
    const struct eye_exporter_common *common = &setup->own->common;
    /* One more: no tags must not look like a lack of memory. */
    size_t room = setup->config->tags.count + common->tags.count + 1;
    struct eye_selection made = {
        .prefix = common->prefix,
        .fixed = calloc(room, sizeof(struct eye_fixed_tag)),
    };
    if (made.fixed == NULL) {
        return -ENOMEM;
    }
    if (add_fixed(&made, &setup->config->tags) != 0 || add_fixed(&made, &common->tags) != 0) {
        eye_selection_done(&made);
        return -ENOMEM;
    }
    select_metrics(&made, common);
    *selection = made;
    return 0;
}

void eye_selection_done(struct eye_selection *selection)
{
    for (size_t i = 0; i < selection->fixed_count; i++) {
        free_tag(&selection->fixed[i]);
    }
    free(selection->fixed);
    selection->fixed = NULL;
    selection->fixed_count = 0;
}

void eye_selection_append_name(const struct eye_selection *selection, struct eye_text *text,
                               const struct eye_metric *metric)
{
    if (strncmp(metric->name, selection->prefix, strlen(selection->prefix)) != 0) {
        eye_text_append(text, selection->prefix);
    }
    eye_text_append(text, metric->name);
}

void eye_selection_append_plain_name(const struct eye_selection *selection, struct eye_text *text,
                                     const struct eye_metric *metric)
{
    if (metric->family->semantic) {
        eye_text_append(text, metric->name);
    } else {
        eye_selection_append_name(selection, text, metric);
    }
}
