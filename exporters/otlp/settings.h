/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How to reach the receiver and what it gets: the configuration, and for what it leaves open the
 * variables OTEL_EXPORTER_OTLP_METRICS_*, then OTEL_EXPORTER_OTLP_*
 * (https://opentelemetry.io/docs/specs/otel/protocol/exporter/). Main thread at start.
 */
#pragma once

#include "exporters/http/client.h"
#include "exporters/http/compress.h"
#include "exporters/otlp/encoding.h"

/* The choice that every key of the environment has: what its variable says, else the default. */
#define EYE_OTLP_AUTO 0

/* Order of the choices. */
enum { EYE_OTLP_ENCODING_PROTOBUF = 1, EYE_OTLP_ENCODING_JSON };
enum { EYE_OTLP_COMPRESSION_GZIP = 1, EYE_OTLP_COMPRESSION_NONE };
enum { EYE_OTLP_TEMPORALITY_CUMULATIVE = 1, EYE_OTLP_TEMPORALITY_DELTA };
enum { EYE_OTLP_HISTOGRAMS_EXPONENTIAL, EYE_OTLP_HISTOGRAMS_EXPLICIT };

/* The exporter's keys. */
struct eye_otlp_values {
    char *url; /* NULL: from the environment */
    int encoding;
    int compression;
    int temporality;
    int histograms;
    struct eye_client_settings http;
};

struct eye_otlp_settings {
    char *url; /* owned */
    bool json; /* else protobuf */
    enum eye_compression compression;
    enum eye_otlp_temporality temporality;
    bool exponential;
    struct eye_client_settings http; /* points to the configuration and the environment */
    struct eye_text_list headers; /* of the environment, maybe secret: http.secret_headers; owned */
};

/**
 * 0 or -ENOMEM. @values outlives the settings. A variable that cannot be used is told in the log
 * and passed over as if it was not set, as the specification of the variables wants it.
 */
int eye_otlp_settings_init(struct eye_otlp_settings *settings,
                           const struct eye_otlp_values *values);

/** Takes a zeroed one. */
void eye_otlp_settings_done(struct eye_otlp_settings *settings);
