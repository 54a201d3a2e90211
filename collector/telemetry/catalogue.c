/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue's tables. */
#include "collector/telemetry/catalogue.h"

#include <assert.h>

static const struct eye_tag_info tags[] = {
#define X(identifier, name, attribute, help) {name, attribute, help},
    EYE_TAGS(X)
#undef X
};

static const struct eye_metric metrics[] = {
#define X(identifier, name, kind, unit, scale, tags, semantic, help)                               \
    {EYE_METRIC_##identifier, name, EYE_##kind, EYE_UNIT_##unit, scale, tags, semantic, help},
    EYE_METRICS(X)
#undef X
};

static_assert(EYE_TAG_COUNT <= 64, "a mask of tags has 64 bits");

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

const char *eye_metric_kind_name(enum eye_metric_kind kind)
{
    static const char *const names[] = {
        [EYE_COUNTER] = "counter", [EYE_GAUGE] = "gauge", [EYE_DISTRIBUTION] = "distribution"};
    return names[kind];
}
