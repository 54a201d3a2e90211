/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the catalogue to text, Markdown, JSON. */
#include "collector/metrics_page.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "collector/telemetry/catalogue.h"
#include "config/schema.h"
#include "exporters/prometheus/names.h"

#define NAME_MAX_BYTES 256

/* ---- For people ---- */

/* "direction, route (experimental)" */
static void print_tags(const struct eye_metric *metric, FILE *out)
{
    const char *lead = "";
    for (int tag = 0; tag < EYE_TAG_COUNT; tag++) {
        if (eye_metric_has_tag(metric, (enum eye_tag)tag)) {
            const struct eye_tag_info *info = eye_tag_info((enum eye_tag)tag);
            fprintf(out, "%s%s%s", lead, info->name, info->experimental ? " (experimental)" : "");
            lead = ", ";
        }
    }
}

static void print_metric(const struct eye_metric *metric, FILE *out)
{
    const char *unit = eye_unit_info(metric->unit)->word;
    fprintf(out, "%s  %s%s%s%s\n    %s\n", metric->name, eye_metric_kind_name(metric->kind),
            *unit == '\0' ? "" : ", ", unit, metric->experimental ? "  (experimental)" : "",
            metric->help);
    if (metric->tags != 0) {
        fputs("    tags: ", out);
        print_tags(metric, out);
        fputc('\n', out);
    }
    fputc('\n', out);
}

void eye_metrics_print(FILE *out)
{
    for (int i = 0; i < EYE_METRIC_COUNT; i++) {
        print_metric(eye_metric((enum eye_metric_id)i), out);
    }
}

void eye_metrics_print_markdown(FILE *out)
{
    fputs("| name | kind | unit | tags | stability | meaning |\n|---|---|---|---|---|---|\n", out);
    for (int i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        fprintf(out, "| `%s` | %s | %s | ", metric->name, eye_metric_kind_name(metric->kind),
                eye_unit_info(metric->unit)->word);
        print_tags(metric, out);
        fprintf(out, " | %s | %s |\n", eye_stability_name(metric->experimental), metric->help);
    }
}

/* ---- For programs ---- */

static const char *default_prefix(void)
{
    size_t i = 0;
    while (strcmp(eye_exporter_common_keys[i].path, "prefix") != 0) {
        i++;
        assert(i < eye_exporter_common_key_count);
    }
    return eye_exporter_common_keys[i].default_value;
}

/* What is packed with a name that failed is none: json_pack() fails on NULL. */
static json_t *take_name(struct eye_text *name)
{
    json_t *string = name->failed ? NULL : json_string(eye_text_string(name));
    eye_text_done(name);
    return string;
}

static json_t *prometheus_name(const struct eye_selection *defaults,
                               const struct eye_metric *metric)
{
    struct eye_text name;
    eye_text_init(&name, NAME_MAX_BYTES);
    eye_prometheus_append_family(defaults, metric, &name);
    eye_text_append(&name, metric->kind == EYE_COUNTER ? "_total" : "");
    return take_name(&name);
}

static json_t *otlp_name(const struct eye_selection *defaults, const struct eye_metric *metric)
{
    struct eye_text name;
    eye_text_init(&name, NAME_MAX_BYTES);
    eye_selection_append_plain_name(defaults, &name, metric);
    return take_name(&name);
}

static json_t *prometheus_label(const struct eye_metric *metric, enum eye_tag tag)
{
    struct eye_text name;
    eye_text_init(&name, NAME_MAX_BYTES);
    eye_prometheus_append_label(metric, tag, &name);
    return take_name(&name);
}

/* A list that lacks an item for want of memory is none. @item may be NULL: then there was none. */
static json_t *append_item(json_t *list, json_t *item)
{
    if (json_array_append_new(list, item) != 0) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *pack_tags_of(const struct eye_metric *metric)
{
    json_t *list = json_array();
    for (int i = 0; i < EYE_TAG_COUNT; i++) {
        enum eye_tag tag = (enum eye_tag)i;
        if (eye_metric_has_tag(metric, tag)) {
            const char *attribute = eye_tag_attribute(metric, tag)->name;
            const char *name = eye_tag_info(tag)->name;
            list = append_item(list, json_pack("{s:s, s:o, s:s}", "name", name, "prometheus",
                                               prometheus_label(metric, tag), "otlp",
                                               *attribute == '\0' ? name : attribute));
        }
    }
    return list;
}

static json_t *pack_metrics(void)
{
    const struct eye_selection defaults = {.prefix = default_prefix()};
    json_t *list = json_array();
    for (int i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        const struct eye_unit_info *unit = eye_unit_info(metric->unit);
        list = append_item(
            list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s}", "name", metric->name,
                            "stability", eye_stability_name(metric->experimental), "kind",
                            eye_metric_kind_name(metric->kind), "unit", unit->word, "ucum",
                            unit->ucum, "prometheus", prometheus_name(&defaults, metric), "otlp",
                            otlp_name(&defaults, metric), "tags", pack_tags_of(metric), "help",
                            metric->help));
    }
    return list;
}

static json_t *pack_tags(void)
{
    json_t *list = json_array();
    for (int i = 0; i < EYE_TAG_COUNT; i++) {
        const struct eye_tag_info *tag = eye_tag_info((enum eye_tag)i);
        list =
            append_item(list, json_pack("{s:s, s:s, s:s}", "name", tag->name, "stability",
                                        eye_stability_name(tag->experimental), "help", tag->help));
    }
    return list;
}

int eye_metrics_print_json(FILE *out)
{
    json_t *root = json_pack("{s:s, s:o, s:o}", "version", EYE_VERSION, "metrics", pack_metrics(),
                             "tags", pack_tags());
    if (root == NULL) {
        return -ENOMEM;
    }
    json_dumpf(root, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(root);
    return 0;
}
