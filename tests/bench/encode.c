/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode [--quick]: what one point costs in each wire format. Two snapshots of a registry go
 * through the encoders, without any socket. Prints one line per encoder and number of series:
 * nanoseconds, bytes and allocations per point, medians of 11 rounds.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/snapshot/snapshot.h"
#include "exporters/console/json.h"
#include "exporters/dogstatsd/lines.h"
#include "exporters/openmetrics/page.h"

#define ROUNDS_MAX 11
#define ROUNDS_QUICK 3
/* Values that each distribution gets between the two snapshots. */
#define VALUES_PER_DISTRIBUTION 8
#define DATAGRAM_BYTES 1432
#define PIECE_BYTES ((size_t)64 << 10)
#define PAGE_BYTES ((size_t)256 << 20)

/* ---- counting allocations: ours stand before the C library's, also for other libraries ---- */

extern void *libc_malloc(size_t bytes) __asm__("__libc_malloc");
extern void *libc_calloc(size_t count, size_t bytes) __asm__("__libc_calloc");
extern void *libc_realloc(void *old, size_t bytes) __asm__("__libc_realloc");

#define EXPORTED __attribute__((visibility("default")))

static uint64_t allocations; /* this program has one thread */

EXPORTED void *malloc(size_t bytes)
{
    allocations++;
    return libc_malloc(bytes);
}

EXPORTED void *calloc(size_t count, size_t bytes)
{
    allocations++;
    return libc_calloc(count, bytes);
}

EXPORTED void *realloc(void *old, size_t bytes)
{
    allocations++;
    return libc_realloc(old, bytes);
}

/* ---- two snapshots ---- */

static const enum eye_metric_id metrics[] = {
    EYE_METRIC_TCP_OPENED,        EYE_METRIC_TCP_ACTIVE,
    EYE_METRIC_TCP_SENT_BYTES,    EYE_METRIC_TCP_RECEIVED_BYTES,
    EYE_METRIC_TCP_SENT_SEGMENTS, EYE_METRIC_TCP_RECEIVED_SEGMENTS,
    EYE_METRIC_TCP_RTT,           EYE_METRIC_HTTP_SERVER_DURATION,
};

struct world {
    struct eye_registry *registry;
    struct eye_group *group;
    struct eye_selection selection;
    struct eye_snapshot *before;
    struct eye_snapshot *now;
};

static struct eye_series *connection_series(const struct world *world, enum eye_metric_id metric,
                                            size_t number)
{
    char port[24];
    char service[40];
    snprintf(port, sizeof(port), "%zu", 1024 + number);
    snprintf(service, sizeof(service), "checkout-%zu", number % 40);
    const struct eye_tag_value tags[] = {
        {EYE_TAG_DIRECTION, number % 2 == 0 ? "incoming" : "outgoing"},
        {EYE_TAG_SERVICE, service},
        {EYE_TAG_PORT, port},
        {EYE_TAG_FAMILY, "ipv4"},
    };
    return eye_group_series(world->group, metric, tags, EYE_ARRAY_LENGTH(tags));
}

static struct eye_series *request_series(const struct world *world, size_t number)
{
    char route[64];
    snprintf(route, sizeof(route), "/api/v1/orders-%zu/*", number);
    const struct eye_tag_value tags[] = {
        {EYE_TAG_METHOD, number % 3 == 0 ? "POST" : "GET"},
        {EYE_TAG_STATUS, number % 50 == 0 ? "500" : "200"},
        {EYE_TAG_ROUTE, route},
        {EYE_TAG_SERVICE, "checkout"},
        {EYE_TAG_PORT, "8080"},
    };
    return eye_group_series(world->group, EYE_METRIC_HTTP_SERVER_DURATION, tags,
                            EYE_ARRAY_LENGTH(tags));
}

static void add_values(struct eye_series *series, size_t number, size_t round)
{
    switch (series->metric->kind) {
    case EYE_COUNTER:
        eye_counter_add(series, 1000 * number + 17 * round + 1);
        break;
    case EYE_GAUGE:
        eye_gauge_set(series, (double)(number + round));
        break;
    case EYE_DISTRIBUTION:
        for (size_t i = 1; i <= VALUES_PER_DISTRIBUTION; i++) {
            eye_distribution_add(series, 1e-4 * (double)(i * i + number % 97 + round), 1);
        }
        break;
    }
}

static void add_everywhere(const struct world *world, size_t series, size_t round)
{
    for (size_t i = 0; i < series; i++) {
        enum eye_metric_id metric = metrics[i % EYE_ARRAY_LENGTH(metrics)];
        size_t number = i / EYE_ARRAY_LENGTH(metrics);
        add_values(metric == EYE_METRIC_HTTP_SERVER_DURATION
                       ? request_series(world, number)
                       : connection_series(world, metric, number),
                   number, round);
    }
}

static struct eye_snapshot *take(const struct world *world, uint64_t sequence)
{
    const uint64_t interval_ns = 10 * EYE_NS_PER_SECOND;
    const uint64_t start_ns = UINT64_C(1785672000) * EYE_NS_PER_SECOND;
    eye_registry_close_interval(world->registry, sequence, sequence, 0);
    struct eye_snapshot *snapshot = eye_snapshot_take(
        world->registry, sequence, start_ns + sequence * interval_ns, interval_ns, start_ns);
    assert(snapshot != NULL);
    return snapshot;
}

static void select_all(struct eye_selection *selection)
{
    static char prefix[] = "sockeye.";
    static const struct eye_config config;
    static struct eye_export_stats stats;
    static struct eye_exporter_config own;
    own.common.prefix = prefix;
    const struct eye_exporter_setup setup = {&config, &own, &stats};
    int result = eye_selection_init(selection, &setup);
    assert(result == 0);
}

static void world_init(struct world *world, size_t series)
{
    const struct eye_limits limits = {.series_per_metric = (uint32_t)series,
                                      .values_per_tag = (uint32_t)series,
                                      .idle_ns = UINT64_MAX};
    world->registry = eye_registry_new(&limits);
    assert(world->registry != NULL);
    world->group = eye_group_new(world->registry, NULL, 0);
    assert(world->group != NULL);
    select_all(&world->selection);
    add_everywhere(world, series, 1);
    world->before = take(world, 1);
    add_everywhere(world, series, 2);
    world->now = take(world, 2);
    assert(world->now->count == series);
}

static void world_done(struct world *world)
{
    eye_snapshot_unref(world->before);
    eye_snapshot_unref(world->now);
    eye_selection_done(&world->selection);
    eye_registry_free(world->registry);
}

/* ---- encoders: the bytes that they made ---- */

static uint64_t encode_console_json(const struct world *world)
{
    struct eye_changes changes;
    struct eye_change change;
    EYE_CLEANUP(eye_text_done) struct eye_text piece;
    uint64_t bytes = 0;
    eye_text_init(&piece, PIECE_BYTES * 2);
    eye_changes_begin(&changes, world->now, world->before);
    while (eye_changes_next(&changes, &change)) {
        if (!eye_console_json_wants(&world->selection, &change)) {
            continue;
        }
        int result = eye_console_json_append(&world->selection, world->now, 10, &change, &piece);
        assert(result == 0);
        if (piece.length >= PIECE_BYTES) {
            bytes += piece.length;
            eye_text_clear(&piece);
        }
    }
    return bytes + piece.length;
}

static uint64_t encode_dogstatsd(const struct world *world)
{
    static struct eye_lines lines; /* lives as long as its exporter, which one round does not */
    struct eye_changes changes;
    struct eye_change change;
    uint64_t bytes = 0;
    if (lines.selection != &world->selection) {
        eye_lines_done(&lines);
        int result = eye_lines_init(&lines, &world->selection, DATAGRAM_BYTES);
        assert(result == 0);
    }
    eye_changes_begin(&changes, world->now, world->before);
    while (eye_changes_next(&changes, &change)) {
        int result = eye_lines_begin(&lines, &change);
        assert(result == 0);
        while (eye_lines_next(&lines)) {
            bytes += lines.line.length;
        }
    }
    return bytes;
}

static uint64_t encode_openmetrics(const struct world *world)
{
    EYE_CLEANUP(eye_text_done) struct eye_text page;
    struct eye_page_counts counts = {0};
    eye_text_init(&page, PAGE_BYTES);
    int result =
        eye_page_write(world->now, &world->selection, EYE_PAGE_OPENMETRICS, &page, &counts);
    assert(result == 0);
    assert(counts.points == world->now->count);
    return page.length;
}

static const struct encoder {
    const char *name;
    uint64_t (*encode)(const struct world *world);
} encoders[] = {
    {"console-json", encode_console_json},
    {"dogstatsd", encode_dogstatsd},
    {"openmetrics", encode_openmetrics},
};

/* ---- rounds ---- */

static int compare_u64(const void *a, const void *b)
{
    uint64_t left;
    uint64_t right;
    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return left < right ? -1 : left > right;
}

static void measure(const struct encoder *encoder, const struct world *world, size_t rounds)
{
    uint64_t ns[ROUNDS_MAX];
    uint64_t made[ROUNDS_MAX];
    double points = (double)world->now->count;
    uint64_t bytes = encoder->encode(world); /* warms caches, makes what is made once */
    for (size_t i = 0; i < rounds; i++) {
        uint64_t allocations_before = allocations;
        uint64_t start_ns = eye_clock_monotonic_ns();
        bytes = encoder->encode(world);
        ns[i] = eye_clock_monotonic_ns() - start_ns;
        made[i] = allocations - allocations_before;
    }
    qsort(ns, rounds, sizeof(ns[0]), compare_u64);
    qsort(made, rounds, sizeof(made[0]), compare_u64);
    printf("%-14s %8zu %10.1f %10.1f %12.4f\n", encoder->name, world->now->count,
           (double)ns[rounds / 2] / points, (double)bytes / points,
           (double)made[rounds / 2] / points);
}

int main(int count, char **arguments)
{
    bool quick = count == 2 && strcmp(arguments[1], "--quick") == 0;
    if (count > 1 && !quick) {
        fprintf(stderr, "usage: bench_encode [--quick]\n");
        return 2;
    }
    printf("# %-12s %8s %10s %10s %12s\n", "encoder", "series", "ns/point", "bytes", "allocations");
    static const size_t sizes[] = {2000, 20000};
    static struct world worlds[EYE_ARRAY_LENGTH(sizes)];
    for (size_t i = 0; i < (quick ? 1 : EYE_ARRAY_LENGTH(sizes)); i++) {
        world_init(&worlds[i], sizes[i]);
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(encoders); j++) {
            measure(&encoders[j], &worlds[i], quick ? ROUNDS_QUICK : ROUNDS_MAX);
        }
        world_done(&worlds[i]);
    }
    return 0;
}
