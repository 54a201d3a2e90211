/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the body that the Datadog exporter makes of the interval on standard input, read by
 * tests/reference/points.h:
 *
 *   datadog_body json|protobuf|sketches
 *
 * The fixed tags are host:reference and env:test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/datadog/body.h"
#include "tests/reference/points.h"

/* Everything in @snapshot that the body's encoding is for. */
static int write_body(struct eye_datadog_body *body, const struct eye_snapshot *snapshot)
{
    struct eye_identities identities;
    struct eye_changes changes;
    struct eye_change change;
    bool wanted[EYE_METRIC_COUNT];
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        wanted[i] = (eye_metric((enum eye_metric_id)i)->kind == EYE_DISTRIBUTION) ==
                    body->encoding->distributions;
    }
    eye_identities_init(&identities, body->encoding->write_identity, body, wanted,
                        EYE_DATADOG_IDENTITY_MAX_BYTES);
    int result = eye_identities_follow(&identities, snapshot);
    eye_datadog_body_set_time(body, snapshot, NULL);
    eye_datadog_body_begin(body);
    eye_changes_begin(&changes, snapshot, NULL);
    for (size_t i = 0; result == 0 && eye_changes_next(&changes, &change); i++) {
        if (wanted[change.point->metric->id]) {
            result = eye_datadog_body_add(body, eye_identities_at(&identities, i), &change);
        }
    }
    eye_datadog_body_end(body);
    fwrite(body->bytes.data, 1, body->bytes.length, stdout);
    eye_identities_done(&identities);
    return result;
}

static const struct eye_datadog_encoding *find_encoding(const char *name)
{
    if (strcmp(name, "sketches") == 0) {
        return &eye_datadog_sketches;
    }
    return strcmp(name, "json") == 0 ? &eye_datadog_series_json : &eye_datadog_series_protobuf;
}

int main(int count, char **arguments)
{
    static char host[] = "host:reference";
    static char env[] = "env:test";
    static char *tags[] = {host, env};
    struct eye_selection selection;
    struct eye_datadog_body body;
    if (count != 2) {
        return EXIT_FAILURE;
    }
    const struct eye_datadog_encoding *encoding = find_encoding(arguments[1]);
    struct sample *sample = sample_new(NULL);
    sample->own.common.tags = (struct eye_text_list){tags, EYE_ARRAY_LENGTH(tags)};
    points_read_interval(sample);
    if (eye_selection_init(&selection, &sample->setup) != 0 ||
        eye_datadog_body_init(&body, encoding, &selection, encoding->plain_max) != 0) {
        return EXIT_FAILURE;
    }
    int result = write_body(&body, sample_take(sample));
    eye_datadog_body_done(&body);
    eye_selection_done(&selection);
    sample_free(sample);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
