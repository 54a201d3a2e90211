/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the lines that the DogStatsD encoder makes of one point, for comparison with other
 * clients:
 *
 *   dogstatsd_lines c|g|d NAME VALUE WEIGHT [TAG TEXT]...
 *
 * A counter grows by VALUE, a gauge is VALUE, a distribution gets VALUE, WEIGHT times.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/parse.h"
#include "exporters/dogstatsd/lines.h"
#include "tests/reference/points.h"

#define FIRST_TAG 5
#define PAYLOAD_BYTES 1432

/* The lines of the one point of a snapshot that is not there. */
static int print_payloads(struct eye_lines *lines, const struct eye_identity *identity,
                          const struct eye_change *change)
{
    EYE_CLEANUP(eye_text_done) struct eye_text payload;
    size_t part = 0;
    int result = -ENOBUFS;
    eye_text_init(&payload, PAYLOAD_BYTES);
    while (result == -ENOBUFS) {
        result = eye_lines_add(lines, identity, change, &part, &payload);
        fwrite(eye_text_string(&payload), 1, payload.length, stdout);
        eye_text_clear(&payload);
    }
    return result;
}

static struct eye_identity *make_identity(struct eye_lines *lines, const struct eye_point *point)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    uint32_t cut = 0;
    eye_text_init(&text, PAYLOAD_BYTES);
    eye_lines_write_identity(lines, point, &text, &cut);
    struct eye_identity *identity = calloc(1, sizeof(*identity) + text.length + 1);
    if (identity != NULL) {
        identity->length = (uint32_t)text.length;
        identity->split = cut;
        memcpy(identity->text, eye_text_string(&text), text.length);
    }
    return identity;
}

static int print_lines(const struct eye_change *change)
{
    const struct eye_selection selection = {.prefix = ""};
    const struct eye_environment environment = {0};
    const struct eye_labels_source source = {.environment = &environment};
    struct eye_labels labels = {0};
    struct eye_lines lines = {0};
    int result = eye_labels_init(&labels, &selection, &source, PAYLOAD_BYTES);
    if (result == 0) {
        result = eye_lines_init(&lines, &selection, &labels, PAYLOAD_BYTES);
    }
    if (result == 0) {
        EYE_AUTOFREE struct eye_identity *identity = make_identity(&lines, change->point);
        result = identity == NULL ? -ENOMEM : print_payloads(&lines, identity, change);
    }
    eye_lines_done(&lines);
    eye_labels_done(&labels);
    return result;
}

static int print_point(struct eye_point *point, double value, uint64_t weight)
{
    struct eye_distribution distribution;
    struct eye_change change = {.point = point};
    eye_distribution_init(&distribution);
    int result = eye_distribution_record(&distribution, value, weight);
    if (result != 0) {
        return result;
    }
    switch (point->metric->kind) {
    case EYE_COUNTER:
        change.counter = (uint64_t)value;
        break;
    case EYE_GAUGE:
        point->gauge = value;
        break;
    case EYE_DISTRIBUTION:
        point->distribution = &distribution;
        change.count = weight;
        break;
    }
    result = print_lines(&change);
    eye_distribution_done(&distribution);
    return result;
}

int main(int count, char **arguments)
{
    static const char kinds[] = {[EYE_COUNTER] = 'c', [EYE_GAUGE] = 'g', [EYE_DISTRIBUTION] = 'd'};
    uint64_t weight;
    if (count < FIRST_TAG || eye_parse_u64(arguments[4], &weight) != 0) {
        return EXIT_FAILURE;
    }
    const char *kind = memchr(kinds, arguments[1][0], sizeof(kinds));
    if (kind == NULL) {
        return EXIT_FAILURE;
    }
    const struct eye_metric metric = {
        .name = arguments[2],
        .kind = (enum eye_metric_kind)(kind - kinds),
        .scale = 1,
    };
    struct eye_tag_set *tags = points_tag_set(arguments + FIRST_TAG, (size_t)count - FIRST_TAG);
    struct eye_point point = {.metric = &metric, .tags = tags};
    int result = print_point(&point, strtod(arguments[3], NULL), weight);
    eye_tag_set_unref(tags);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
