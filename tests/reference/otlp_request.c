/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the request that the OTLP encoder makes of the last interval on standard input, read by
 * tests/reference/points.h:
 *
 *   otlp_request protobuf|json cumulative|delta exponential|explicit
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/otlp/encoding.h"
#include "tests/reference/points.h"

/* The last two intervals; @ret_before stays NULL when there is one only. */
static const struct eye_snapshot *read_points(struct sample *sample,
                                              const struct eye_snapshot **ret_before)
{
    while (points_read_interval(sample)) {
        *ret_before = sample_take(sample);
    }
    return sample_take(sample);
}

static void write_request(struct eye_otlp_model *model, const struct eye_otlp_encoding *encoding,
                          const struct eye_snapshot *now, const struct eye_snapshot *before)
{
    static struct eye_otlp_value value;
    struct eye_identities identities;
    struct eye_changes changes;
    struct eye_change change;
    const void *bytes;
    size_t length;
    void *encoder;
    if (encoding->open(model, &encoder) != 0) {
        points_give_up("out of memory");
    }
    eye_identities_init(&identities, encoding->write_identity, encoder, model->selection->wanted,
                        EYE_OTLP_IDENTITY_MAX_BYTES);
    if (eye_identities_follow(&identities, now) != 0) {
        points_give_up("out of memory");
    }
    encoding->begin(encoder);
    eye_changes_begin(&changes, now, before);
    for (size_t i = 0; eye_changes_next(&changes, &change); i++) {
        if (eye_otlp_value(model, 0, &change, &value) != 0 ||
            encoding->add(encoder, change.point->metric, eye_identities_at(&identities, i),
                          &value) != 0) {
            points_give_up("a point does not fit");
        }
    }
    if (encoding->finish(encoder, &bytes, &length) != 0) {
        points_give_up("out of memory");
    }
    fwrite(bytes, 1, length, stdout);
    eye_identities_done(&identities);
    encoding->close(encoder);
}

int main(int count, char **arguments)
{
    static const struct eye_otlp_attribute resource[] = {
        {.key = "service.name", .value = "reference"},
    };
    struct eye_selection selection;
    const struct eye_snapshot *before = NULL;
    struct sample *sample = sample_new(NULL);
    if (count != 4 || eye_selection_init(&selection, &sample->setup) != 0) {
        points_give_up("usage: protobuf|json cumulative|delta exponential|explicit");
    }
    const struct eye_snapshot *now = read_points(sample, &before);
    bool delta = strcmp(arguments[2], "delta") == 0 && before != NULL;
    struct eye_otlp_model model = {
        .selection = &selection,
        .resource = resource,
        .resource_count = EYE_ARRAY_LENGTH(resource),
        .temporality = delta ? EYE_OTLP_DELTA : EYE_OTLP_CUMULATIVE,
        .exponential = strcmp(arguments[3], "exponential") == 0,
        .start_ns = delta ? before->time_ns : now->start_ns,
        .time_ns = now->time_ns,
    };
    bool json = strcmp(arguments[1], "json") == 0;
    write_request(&model, json ? &eye_otlp_json : &eye_otlp_protobuf, now, before);
    eye_selection_done(&selection);
    sample_free(sample);
    return EXIT_SUCCESS;
}
