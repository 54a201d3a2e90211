/* SPDX-License-Identifier: Apache-2.0 */
/* Which metrics an exporter wants, and the prefix and fixed tags that it adds. */
#include "exporters/encode/selection.h"

#include <errno.h>
#include <string.h>

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

static int split_tag(struct eye_fixed_tag *tag, const char *text)
{
    size_t key_length = strcspn(text, ":");
    const char *value = text + key_length + (text[key_length] == ':' ? 1 : 0);
    tag->key = strndup(text, key_length);
    tag->value = strdup(value);
    return tag->key == NULL || tag->value == NULL ? -ENOMEM : 0;
}

static int add_fixed(struct eye_selection *selection, const struct eye_text_list *tags)
{
    for (size_t i = 0; i < tags->count; i++) {
        /* Counted first: done() frees a half-made tag too. */
        struct eye_fixed_tag *tag = &selection->fixed[selection->fixed_count++];
        if (split_tag(tag, tags->items[i]) != 0) {
            return -ENOMEM;
        }
    }
    return 0;
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
        free(selection->fixed[i].key);
        free(selection->fixed[i].value);
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
