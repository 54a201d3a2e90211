/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a page with every metric of the catalogue, each with all of its tags and hostile values,
 * for parsers that are not ours. sample_page openmetrics|text
 */
#include <stdio.h>
#include <string.h>

#include "exporters/openmetrics/page.h"
#include "tests/unit/exporters/sample.h"

static const char *const hostile[] = {
    "plain",
    "with \"quotes\"",
    "back\\slash\\",
    "line\nbreak",
    "bad\xFF utf8",
    "bad\xFE utf8",
    "caf\xC3\xA9",
    "esc\x1b[0m\r\t",
    "}",
    "a=\"b\",c",
    "",
};

/* Every tag of the metric with the same value. */
static void add_point(struct sample *sample, const struct eye_metric *metric, const char *value)
{
    struct eye_tag_value tags[EYE_TAG_COUNT + 1];
    size_t count = 0;
    for (unsigned tag = 0; tag < EYE_TAG_COUNT; tag++) {
        if (eye_metric_has_tag(metric, (enum eye_tag)tag)) {
            tags[count++] = (struct eye_tag_value){(enum eye_tag)tag, value};
        }
    }
    tags[count] = (struct eye_tag_value){0, NULL};
    sample_add(sample, metric->id, 0.25, tags);
    sample_add(sample, metric->id, 12345, tags);
}

static void fill(struct sample *sample)
{
    for (unsigned id = 0; id < EYE_METRIC_COUNT; id++) {
        for (size_t i = 0; i < EYE_ARRAY_LENGTH(hostile); i++) {
            add_point(sample, eye_metric((enum eye_metric_id)id), hostile[i]);
        }
    }
}

int main(int argc, char **argv)
{
    static char env[] = "env:pr\"od";
    static char port[] = "port:fixed";
    static char *tags[] = {env, port};
    bool openmetrics = argc == 2 && strcmp(argv[1], "openmetrics") == 0;
    enum eye_page_format format = openmetrics ? EYE_PAGE_OPENMETRICS : EYE_PAGE_TEXT;
    struct sample *sample = sample_new(NULL);
    struct eye_selection selection;
    struct eye_pages pages;
    struct eye_text page;
    struct eye_page_counts counts;
    sample->config.tags = (struct eye_text_list){tags, EYE_ARRAY_LENGTH(tags)};
    fill(sample);
    eye_text_init(&page, 16 << 20);
    int result = eye_selection_init(&selection, &sample->setup);
    if (result == 0) {
        result = eye_pages_init(&pages, &selection, true);
    }
    if (result == 0) {
        result = eye_pages_write(&pages, sample_take(sample), format, &page, &counts);
        eye_pages_done(&pages);
        eye_selection_done(&selection);
    }
    fwrite(eye_text_string(&page), 1, page.length, stdout);
    eye_text_done(&page);
    sample_free(sample);
    return result == 0 ? 0 : 1;
}
