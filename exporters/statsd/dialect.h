/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a series is called in StatsD, which itself knows names only: tags go into the name by a
 * template, or in one of the ways that servers have added
 * (https://github.com/prometheus/statsd_exporter#tagging-extensions):
 *
 *   none       name.of.template:1|c
 *   datadog    name:1|c|#key:value,key:value
 *   influxdb   name,key=value,key=value:1|c
 *   graphite   name;key=value;key=value:1|c
 *   signalfx   name[key=value,key=value]:1|c
 *   librato    name#key=value,key=value:1|c
 *
 * etsy's server understands the first, the second and the fourth. It deletes from names and tags
 * what is no letter, digit or _ - . so that two of them may become one; there everything else is
 * written as _ by us, where a collision is seen. Read-only tables, any thread.
 */
#pragma once

#include <stdbool.h>

#include "exporters/encode/template.h"

/* Order of the choices of `dialect`. */
enum eye_statsd_dialect_id {
    EYE_STATSD_NONE,
    EYE_STATSD_DATADOG,
    EYE_STATSD_INFLUXDB,
    EYE_STATSD_GRAPHITE,
    EYE_STATSD_SIGNALFX,
    EYE_STATSD_LIBRATO,
};

/* Names in the order of the enum, NULL-terminated. */
extern const char *const eye_statsd_dialect_names[];

struct eye_statsd_names {
    const struct eye_selection *selection;
    enum eye_statsd_dialect_id dialect;
    struct eye_template template; /* of EYE_STATSD_NONE */
};

/** True when the tags stand at the end of the line, not before the value. */
bool eye_statsd_tags_last(enum eye_statsd_dialect_id dialect);

/** An eye_identity_write; @context is a struct eye_statsd_names. The cut is behind the name, before
 * the tags. */
void eye_statsd_write_name(void *context, const struct eye_point *point, struct eye_text *text,
                           uint32_t *ret_split);
