/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resources that our points belong to. The daemon's own: from the weakest to the strongest what
 * we know of ourselves, OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME, the fixed tags of the
 * configuration. That of a service that was observed has its name, and of the daemon's what is true
 * of the host: nothing of service.*, process.* and the like, which the environment says of the
 * daemon (the fixed tags are for all). telemetry.sdk.* are left out: they are an OpenTelemetry
 * SDK's.
 *
 * service.instance.id is the host's name: a service on two hosts is two, and Prometheus takes its
 * label `instance` from there (https://opentelemetry.io/docs/specs/otel/compatibility/
 * prometheus_and_openmetrics/#resource-attributes-1).
 */
#pragma once

#include "exporters/otlp/model.h"

struct eye_otlp_resource {
    struct eye_fixed_tag *tags;            /* owned, each key once */
    struct eye_otlp_attribute *attributes; /* the same as attributes; owned */
    size_t count;
};

/** The daemon's. 0 or -ENOMEM. A malformed list is told in the log and passed over. */
int eye_otlp_resource_init(struct eye_otlp_resource *resource,
                           const struct eye_selection *selection);

/** What those of observed services have beside service.name; may be empty. 0 or -ENOMEM. */
int eye_otlp_resource_init_observed(struct eye_otlp_resource *resource,
                                    const struct eye_selection *selection);

/** Takes a zeroed one. */
void eye_otlp_resource_done(struct eye_otlp_resource *resource);
