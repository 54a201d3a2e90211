/* SPDX-License-Identifier: Apache-2.0 */
/* Names and attributes by the semantic conventions, values by temporality. */
#include "exporters/otlp/model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "collector/base/parse.h"
#include "exporters/encode/utf8.h"

enum eye_otlp_kind eye_otlp_kind_of(const struct eye_otlp_model *model,
                                    const struct eye_metric *metric)
{
    switch (metric->kind) {
    case EYE_COUNTER:
        return EYE_OTLP_SUM;
    case EYE_DISTRIBUTION:
        return model->exponential ? EYE_OTLP_EXPONENTIAL_HISTOGRAM : EYE_OTLP_HISTOGRAM;
    case EYE_GAUGE:
        break;
    }
    return EYE_OTLP_GAUGE;
}

static const char *replace_bad_bytes(uint32_t code_point)
{
    return code_point == EYE_UTF8_REPLACEMENT ? EYE_UTF8_REPLACEMENT_TEXT : NULL;
}

void eye_otlp_append_utf8(struct eye_text *text, const char *bytes)
{
    eye_utf8_append(text, bytes, replace_bad_bytes);
}

void eye_otlp_append_name(const struct eye_otlp_model *model, const struct eye_metric *metric,
                          struct eye_text *text)
{
    eye_selection_append_plain_name(model->selection, text, metric);
}

/* ---- Attributes ---- */

static bool is_integer(const struct eye_attribute *attribute, const char *value,
                       int64_t *ret_number)
{
    uint64_t number;
    if (attribute->type != EYE_ATTRIBUTE_INTEGER || eye_parse_u64(value, &number) != 0 ||
        number > INT64_MAX) {
        return false;
    }
    *ret_number = (int64_t)number;
    return true;
}

static bool is_address(const char *value)
{
    struct in6_addr address;
    return inet_pton(AF_INET, value, &address) == 1 || inet_pton(AF_INET6, value, &address) == 1;
}

/* A zone is no address, so it keeps the tag's name. */
static const char *attribute_key(const struct eye_attribute *attribute,
                                 const struct eye_tag_value *tag)
{
    bool fits = tag->tag != EYE_TAG_REMOTE || is_address(tag->value);
    return fits && *attribute->name != '\0' ? attribute->name : eye_tag_info(tag->tag)->name;
}

size_t eye_otlp_attributes(const struct eye_point *point, struct eye_text *scratch,
                           struct eye_otlp_attribute ret_attributes[EYE_TAG_COUNT])
{
    const struct eye_tag_set *tags = point->tags;
    size_t places[EYE_TAG_COUNT];
    size_t count = 0;
    eye_text_clear(scratch);
    for (uint32_t i = 0; i < tags->count; i++) {
        places[i] = scratch->length;
        eye_otlp_append_utf8(scratch, tags->tags[i].value);
        eye_text_append_char(scratch, '\0');
    }
    if (scratch->failed) {
        return 0;
    }
    /* Only now: the text does not move any more. */
    for (uint32_t i = 0; i < tags->count; i++) {
        const struct eye_tag_value *tag = &tags->tags[i];
        if (tag->tag == EYE_TAG_SERVICE) {
            continue;
        }
        const struct eye_attribute *convention = eye_tag_attribute(point->metric, tag->tag);
        struct eye_otlp_attribute *attribute = &ret_attributes[count++];
        *attribute = (struct eye_otlp_attribute){
            .key = attribute_key(convention, tag),
            .value = scratch->data + places[i],
        };
        attribute->is_number = is_integer(convention, tag->value, &attribute->number);
    }
    return count;
}

/* Receivers know a resource by its service: two of one name would not be told apart. */
static bool is_the_daemon(const struct eye_otlp_model *model,
                          const struct eye_otlp_attribute *service)
{
    for (size_t i = 0; i < model->resource_count; i++) {
        if (strcmp(model->resource[i].key, service->key) == 0) {
            return strcmp(model->resource[i].value, service->value) == 0;
        }
    }
    return false;
}

bool eye_otlp_service(const struct eye_otlp_model *model, const struct eye_point *point,
                      struct eye_text *scratch, struct eye_otlp_attribute *ret_service)
{
    const char *value = eye_tag_set_value(point->tags, EYE_TAG_SERVICE);
    if (value == NULL) {
        return false;
    }
    eye_text_clear(scratch);
    eye_otlp_append_utf8(scratch, value);
    const struct eye_otlp_attribute service = {
        .key = eye_tag_info(EYE_TAG_SERVICE)->attribute.name,
        .value = eye_text_string(scratch),
    };
    if (is_the_daemon(model, &service)) {
        return false;
    }
    *ret_service = service;
    return true;
}

/* ---- Values ---- */

static int set_real(struct eye_otlp_value *value, double real)
{
    value->real = real;
    return isfinite(real) ? 0 : -EINVAL;
}

static int set_counter(const struct eye_otlp_model *model, const struct eye_change *change,
                       struct eye_otlp_value *value)
{
    bool delta = model->temporality == EYE_OTLP_DELTA;
    const struct eye_metric *metric = change->point->metric;
    uint64_t counter = delta ? change->counter : change->point->counter;
    if (metric->scale == 1 && counter <= INT64_MAX) {
        value->whole = true;
        value->integer = (int64_t)counter;
        return 0;
    }
    return set_real(value, eye_counter_value(metric, counter));
}

/* The lowest and the highest that was seen; not from the beginning of time
 * on, where they would only ever move apart. */
static void set_range(const struct eye_distribution *now, const struct eye_distribution *before,
                      struct eye_otlp_value *value)
{
    uint32_t first = now->first_key;
    uint32_t last = first + now->size - 1;
    while (first < last && eye_distribution_bin_since(now, before, first) == 0) {
        first++;
    }
    while (last > first && eye_distribution_bin_since(now, before, last) == 0) {
        last--;
    }
    value->has_range = true;
    double mean = value->sum / (double)value->count;
    value->min = eye_distribution_least(first, mean);
    value->max = eye_distribution_greatest(last, mean);
}

static void set_explicit(const struct eye_distribution *now, const struct eye_distribution *before,
                         struct eye_otlp_value *value)
{
    uint64_t within[EYE_BOUNDARY_COUNT];
    uint64_t below = 0;
    eye_buckets_classic(now, before, within);
    for (size_t i = 0; i < EYE_BOUNDARY_COUNT; i++) {
        value->explicit_counts[i] = within[i] - below;
        below = within[i];
    }
    value->explicit_counts[EYE_BOUNDARY_COUNT] = value->count - below;
}

static int set_distribution(const struct eye_otlp_model *model, const struct eye_change *change,
                            struct eye_otlp_value *value)
{
    bool delta = model->temporality == EYE_OTLP_DELTA;
    const struct eye_distribution *now = change->point->distribution;
    const struct eye_distribution *before = delta ? change->before : NULL;
    value->count = eye_distribution_count_since(now, before);
    value->sum = eye_distribution_sum_since(now, before);
    if (model->exponential) {
        eye_buckets_exponential(now, before, &value->exponential);
    } else {
        set_explicit(now, before, value);
    }
    if (delta && value->count > 0) {
        set_range(now, before, value);
    }
    return 0;
}

/* A series that was there before a wall clock was set back "began" now; a delta did not. */
static uint64_t start_of(const struct eye_otlp_model *model, uint64_t since_ns)
{
    bool usable = model->temporality == EYE_OTLP_CUMULATIVE || since_ns < model->time_ns;
    return usable && since_ns > model->start_ns ? since_ns : model->start_ns;
}

int eye_otlp_value(const struct eye_otlp_model *model, uint64_t since_ns,
                   const struct eye_change *change, struct eye_otlp_value *ret_value)
{
    ret_value->start_ns = start_of(model, since_ns);
    ret_value->time_ns = model->time_ns;
    ret_value->whole = false;
    ret_value->has_range = false;
    switch (change->point->metric->kind) {
    case EYE_COUNTER:
        return set_counter(model, change, ret_value);
    case EYE_GAUGE:
        return set_real(ret_value, change->point->gauge);
    case EYE_DISTRIBUTION:
        break;
    }
    return set_distribution(model, change, ret_value);
}
