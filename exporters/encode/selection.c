/* SPDX-License-Identifier: Apache-2.0 */
/* Which metrics an exporter wants, and the prefix and fixed tags that it adds. */
#include "exporters/encode/selection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/nearest.h"

bool eye_name_matches(const char *pattern, const char *name)
{
    /* On a mismatch only the last * takes one character more: no recursion, no blow-up. */
    const char *after_star = NULL;
    const char *resume = NULL;
    while (*name != '\0') {
        if (*pattern == '*') {
            after_star = ++pattern;
            resume = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (after_star != NULL) {
            pattern = after_star;
            name = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

static bool matches_any(const struct eye_text_list *patterns, const char *name)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (eye_name_matches(patterns->items[i], name)) {
            return true;
        }
    }
    return false;
}

static void select_metrics(struct eye_selection *selection,
                           const struct eye_exporter_common *common)
{
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        const char *name = eye_metric((enum eye_metric_id)i)->name;
        selection->wanted[i] = (common->allow.count == 0 || matches_any(&common->allow, name)) &&
                               !matches_any(&common->deny, name);
    }
}

/* ---- What was mistyped ---- */

/* No name is longer, and none is near what is. */
#define PATTERN_BYTES 128

static bool matches_any_metric(const char *pattern)
{
    bool matches = false;
    for (int i = 0; i < EYE_METRIC_COUNT && !matches; i++) {
        matches = eye_name_matches(pattern, eye_metric((enum eye_metric_id)i)->name);
    }
    return matches;
}

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

/* Names of sections are taken for all that is in them, and those that a receiver shows begin with
 * the prefix. */
static void append_suggestion(const char *pattern, const char *prefix, struct eye_text *out)
{
    EYE_AUTOFREE char *section = NULL;
    size_t length = strlen(prefix);
    bool prefixed = length > 0 && strncmp(pattern, prefix, length) == 0;
    if (asprintf(&section, "%s.*", pattern) < 0) {
        section = NULL;
        return;
    }
    if (matches_any_metric(section)) {
        eye_text_appendf(out, ", did you mean \"%s\"?", section);
    } else if (prefixed && matches_any_metric(pattern + length)) {
        eye_text_appendf(out, ", did you mean \"%s\"? (without the prefix)", pattern + length);
    } else if (!append_nearest(pattern, out) && prefixed) {
        append_nearest(pattern + length, out);
    }
}

static void append_unmatched(const struct eye_exporter_config *exporter, const char *key,
                             const struct eye_text_list *patterns, struct eye_text *out)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (!matches_any_metric(patterns->items[i])) {
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
