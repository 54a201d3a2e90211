/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resource that all our points belong to: the daemon on its host. From the weakest to the
 * strongest: what we know of ourselves, OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME, the fixed tags
 * of the configuration. telemetry.sdk.* are left out: they are an OpenTelemetry SDK's.
 */
#pragma once

#include "exporters/otlp/model.h"

struct eye_otlp_resource {
    struct eye_fixed_tag *tags;            /* owned, each key once */
    struct eye_otlp_attribute *attributes; /* the same as attributes; owned */
    size_t count;
};

/** 0 or -ENOMEM. A malformed list is told in the log and passed over. */
int eye_otlp_resource_init(struct eye_otlp_resource *resource,
                           const struct eye_selection *selection);

/** Takes a zeroed one. */
void eye_otlp_resource_done(struct eye_otlp_resource *resource);
