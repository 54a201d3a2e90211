/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes to stdout the body, before compression, that remote write makes of one point, for
 * comparison with what protoc reads:
 *
 *   remote_write_body 1|2 classic|native METRIC TIME_MS START_MS VALUE WEIGHT [TAG TEXT]...
 *
 * A counter stands at VALUE in its own units, a gauge is VALUE, a distribution got VALUE, WEIGHT
 * times. VALUE "ended": the markers that the series ended. The instance is "box". 1.0 is described.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/parse.h"
#include "exporters/remote_write/version.h"
#include "tests/reference/points.h"

enum { VERSION = 1, HISTOGRAMS, METRIC, TIME_MS, START_MS, VALUE, WEIGHT, FIRST_TAG };

static int set_value(struct eye_point *point, struct eye_distribution *distribution, double value,
                     uint64_t weight)
{
    switch (point->metric->kind) {
    case EYE_COUNTER:
        point->counter = (uint64_t)value;
        break;
    case EYE_GAUGE:
        point->gauge = value;
        break;
    case EYE_DISTRIBUTION:
        point->distribution = distribution;
        return eye_distribution_record(distribution, value, weight);
    }
    return 0;
}

/* The body with @snapshot's one point. */
static int write_body(const struct eye_write_version *version, struct eye_write_shared *shared,
                      const struct eye_snapshot *snapshot, const struct eye_write_time *time,
                      bool ended)
{
    struct eye_identities identities;
    void *encoder = NULL;
    int result = version->open(shared, &encoder);
    if (result != 0) {
        return result;
    }
    eye_identities_init(&identities, version->identity, encoder, shared->selection->wanted,
                        EYE_WRITE_IDENTITY_BYTES);
    result = eye_identities_follow(&identities, snapshot);
    version->begin(encoder, time);
    if (version->describe != NULL) {
        version->describe(encoder);
    }
    if (result == 0) {
        result =
            version->add(encoder, eye_identities_at(&identities, 0), &snapshot->points[0], ended);
    }
    const struct eye_text *body = version->body(encoder);
    if (result == 0 && fwrite(body->data, 1, body->length, stdout) != body->length) {
        result = -1;
    }
    eye_identities_done(&identities);
    version->close(encoder);
    return result;
}

static int run(char **arguments, const struct eye_snapshot *snapshot)
{
    struct eye_selection selection = {.prefix = "sockeye."};
    struct eye_write_shared shared;
    uint64_t time_ms = 0;
    uint64_t start_ms = 0;
    if (eye_parse_u64(arguments[TIME_MS], &time_ms) != 0 ||
        eye_parse_u64(arguments[START_MS], &start_ms) != 0) {
        return -1;
    }
    const struct eye_write_time time = {(int64_t)time_ms, (int64_t)start_ms};
    selection.wanted[snapshot->points[0].metric->id] = true;
    int result =
        eye_write_shared_init(&shared, &selection, strcmp(arguments[HISTOGRAMS], "native") == 0);
    eye_copy_string(shared.labels.instance, sizeof(shared.labels.instance), "box");
    if (result == 0) {
        result = write_body(strcmp(arguments[VERSION], "2") == 0 ? &eye_write_version_2
                                                                 : &eye_write_version_1,
                            &shared, snapshot, &time, strcmp(arguments[VALUE], "ended") == 0);
    }
    eye_write_shared_done(&shared);
    return result;
}

int main(int count, char **arguments)
{
    uint64_t weight = 0;
    if (count < FIRST_TAG || eye_parse_u64(arguments[WEIGHT], &weight) != 0) {
        return EXIT_FAILURE;
    }
    EYE_AUTOFREE struct eye_snapshot *snapshot =
        calloc(1, sizeof(*snapshot) + sizeof(struct eye_point));
    if (snapshot == NULL) {
        return EXIT_FAILURE;
    }
    struct eye_tag_set *tags = points_tag_set(arguments + FIRST_TAG, (size_t)count - FIRST_TAG);
    const struct eye_metric *metric = eye_metric(points_metric(arguments[METRIC]));
    struct eye_distribution distribution;
    eye_distribution_init(&distribution);
    snapshot->count = 1;
    snapshot->sequence = 1;
    snapshot->points[0] = (struct eye_point){.metric = metric, .tags = tags, .id = 1};
    int result =
        set_value(&snapshot->points[0], &distribution, strtod(arguments[VALUE], NULL), weight);
    if (result == 0) {
        result = run(arguments, snapshot);
    }
    eye_distribution_done(&distribution);
    eye_tag_set_unref(tags);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
