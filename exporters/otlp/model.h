/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What OTLP says about our points, whatever the encoding: names, units, attributes, and values in
 * the temporality and the kind of histogram that the user wants.
 *
 * A metric of the semantic conventions has its plain name, all others have the prefix. Attributes
 * are the conventions' on all metrics, and our own tag names where the conventions have none. The
 * service that was observed is no attribute of its points: it is that of their resource.
 * Strings are valid UTF-8 here.
 *
 * Used by one worker thread.
 */
#pragma once

#include "exporters/encode/buckets.h"
#include "exporters/encode/selection.h"

/* The scope of all our metrics. */
#define EYE_OTLP_SCOPE "sockeye"

#define EYE_OTLP_EXPLICIT_COUNTS (EYE_BOUNDARY_COUNT + 1)
#define EYE_OTLP_ZERO_THRESHOLD 1e-9

enum eye_otlp_temporality { /* as on the wire */
                            EYE_OTLP_DELTA = 1,
                            EYE_OTLP_CUMULATIVE = 2,
};

enum eye_otlp_kind {
    EYE_OTLP_GAUGE,
    EYE_OTLP_SUM,
    EYE_OTLP_HISTOGRAM,
    EYE_OTLP_EXPONENTIAL_HISTOGRAM,
};

struct eye_otlp_attribute {
    const char *key;
    const char *value;
    bool is_number; /* an integer by the conventions, and it is one */
    int64_t number;
};

/* A number, or a distribution's summary and buckets. */
struct eye_otlp_value {
    uint64_t start_ns; /* not of gauges */
    uint64_t time_ns;
    bool whole;
    int64_t integer; /* when whole */
    double real;     /* when not */
    uint64_t count;
    double sum;
    bool has_range; /* min and max are known */
    double min;
    double max;
    uint64_t explicit_counts[EYE_OTLP_EXPLICIT_COUNTS];
    struct eye_exponential exponential;
};

struct eye_otlp_model {
    const struct eye_selection *selection;
    const struct eye_otlp_attribute *resource; /* attributes of the daemon's own resource */
    size_t resource_count;
    const struct eye_otlp_attribute *observed; /* of each service's, beside its name */
    size_t observed_count;
    enum eye_otlp_temporality temporality;
    bool exponential; /* else explicit boundaries */

    /* Of the snapshot in delivery. */
    uint64_t start_ns; /* what its values count from */
    uint64_t time_ns;
};

enum eye_otlp_kind eye_otlp_kind_of(const struct eye_otlp_model *model,
                                    const struct eye_metric *metric);

void eye_otlp_append_name(const struct eye_otlp_model *model, const struct eye_metric *metric,
                          struct eye_text *text);

/**
 * The attributes of @point without its service; the values lie in @scratch, which is cleared first
 * and holds them until it is changed. Returns how many; scratch->failed: they are too long.
 */
size_t eye_otlp_attributes(const struct eye_point *point, struct eye_text *scratch,
                           struct eye_otlp_attribute ret_attributes[EYE_TAG_COUNT]);

/**
 * service.name of the resource that @point belongs to; false: it is about no service, or about the
 * daemon, so the resource is the daemon's. The value lies in @scratch as above.
 */
bool eye_otlp_service(const struct eye_otlp_model *model, const struct eye_point *point,
                      struct eye_text *scratch, struct eye_otlp_attribute *ret_service);

/**
 * @since_ns: the series began after it; a series that ended and came back counts from there, not
 * from the start of the daemon. 0, or -EINVAL for a value that is no number; then @ret_value may
 * hold a part of it.
 */
int eye_otlp_value(const struct eye_otlp_model *model, uint64_t since_ns,
                   const struct eye_change *change, struct eye_otlp_value *ret_value);

/** Appends @bytes with everything replaced that is no UTF-8. */
void eye_otlp_append_utf8(struct eye_text *text, const char *bytes);
