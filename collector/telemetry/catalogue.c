/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue's tables. */
#include "collector/telemetry/catalogue.h"

#include <assert.h>

static const struct eye_tag_info tags[] = {
#define X(identifier, name, attribute, type, stability, help)                                      \
    {name, {attribute, EYE_ATTRIBUTE_##type}, EYE_##stability, help},
    EYE_TAGS(X)
#undef X
};

static_assert(EYE_TAG_COUNT <= 64, "a mask of tags has 64 bits");

/* https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ */
static const struct eye_attribute http_attributes[EYE_TAG_COUNT] = {
    [EYE_TAG_METHOD] = {"http.request.method", EYE_ATTRIBUTE_STRING},
    [EYE_TAG_STATUS] = {"http.response.status_code", EYE_ATTRIBUTE_INTEGER},
    [EYE_TAG_ROUTE] = {"http.route", EYE_ATTRIBUTE_STRING},
};

/* https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/ */
static const struct eye_attribute rpc_attributes[EYE_TAG_COUNT] = {
    [EYE_TAG_METHOD] = {"rpc.method", EYE_ATTRIBUTE_STRING},
    [EYE_TAG_STATUS] = {"rpc.status_code", EYE_ATTRIBUTE_STRING},
};

/* https://opentelemetry.io/docs/specs/semconv/db/database-metrics/ */
static const struct eye_attribute db_attributes[EYE_TAG_COUNT] = {
    [EYE_TAG_OPERATION] = {"db.operation.name", EYE_ATTRIBUTE_STRING},
    [EYE_TAG_STATUS] = {"db.response.status_code", EYE_ATTRIBUTE_STRING},
};

/* https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/ */
static const struct eye_attribute messaging_attributes[EYE_TAG_COUNT] = {
    [EYE_TAG_OPERATION] = {"messaging.operation.name", EYE_ATTRIBUTE_STRING},
};

static const struct eye_metric_family families[] = {
    [EYE_FAMILY_TCP] = {.semantic = false},
    [EYE_FAMILY_UDP] = {.semantic = false},
    [EYE_FAMILY_USM] = {.semantic = false},
    [EYE_FAMILY_HTTP] = {.semantic = true, .attributes = http_attributes},
    [EYE_FAMILY_RPC] = {.semantic = true, .attributes = rpc_attributes},
    [EYE_FAMILY_DB] = {.semantic = true, .attributes = db_attributes},
    [EYE_FAMILY_MESSAGING] = {.semantic = true, .attributes = messaging_attributes},
    [EYE_FAMILY_KAFKA] = {.semantic = false},
    [EYE_FAMILY_DNS] = {.semantic = true},
    [EYE_FAMILY_EBPF] = {.semantic = false},
    [EYE_FAMILY_SELF] = {.semantic = false},
};

static const struct eye_metric metrics[] = {
#define X(identifier, name, family, kind, unit, scale, tags, bound, stability, help)               \
    {EYE_METRIC_##identifier,                                                                      \
     EYE_##kind,                                                                                   \
     name,                                                                                         \
     &families[EYE_FAMILY_##family],                                                               \
     EYE_UNIT_##unit,                                                                              \
     EYE_SERIES_##bound,                                                                           \
     EYE_##stability,                                                                              \
     scale,                                                                                        \
     tags,                                                                                         \
     help},
    EYE_METRICS(X)
#undef X
};

static const struct eye_unit_info units[] = {
#define X(identifier, word, ucum, datadog) {word, ucum, datadog},
    EYE_UNITS(X)
#undef X
};

const struct eye_unit_info *eye_unit_info(enum eye_unit unit)
{
    assert(unit < EYE_UNIT_COUNT);
    return &units[unit];
}

const struct eye_tag_info *eye_tag_info(enum eye_tag tag)
{
    assert(tag < EYE_TAG_COUNT);
    return &tags[tag];
}

const struct eye_metric *eye_metric(enum eye_metric_id id)
{
    assert(id < EYE_METRIC_COUNT);
    return &metrics[id];
}

const struct eye_attribute *eye_tag_attribute(const struct eye_metric *metric, enum eye_tag tag)
{
    const struct eye_attribute *own = metric->family->attributes;
    assert(tag < EYE_TAG_COUNT);
    return own != NULL && own[tag].name != NULL ? &own[tag] : &tags[tag].attribute;
}

const char *eye_tag_label(const struct eye_metric *metric, enum eye_tag tag)
{
    const char *attribute = metric->family->semantic ? eye_tag_attribute(metric, tag)->name : "";
    return *attribute != '\0' ? attribute : eye_tag_info(tag)->name;
}

const char *eye_metric_kind_name(enum eye_metric_kind kind)
{
    static const char *const names[] = {
        [EYE_COUNTER] = "counter", [EYE_GAUGE] = "gauge", [EYE_DISTRIBUTION] = "distribution"};
    return names[kind];
}
