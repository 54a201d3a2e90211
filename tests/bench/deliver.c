/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_deliver [--quick]: what it costs an exporter to deliver one point. Two snapshots of a
 * registry go through every exporter at once, each in a thread of its own, to a receiver that takes
 * everything. Prints one line per exporter and number of series, medians of the rounds after the
 * first (which makes what is made once):
 *
 *   ns/point     CPU of the exporter's thread, system calls and compression included
 *   points/s     by the clock, all exporters at once
 *   bytes        written per point
 *   allocations  per point
 *   peak KiB     of what the exporter allocated and holds
 */
#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/snapshot/snapshot.h"
#include "exporters/encode/selection.h"
#include "exporters/exporter.h"
#include "exporters/openmetrics/zipped.h"
#include "tests/bench/receiver.h"

#define ROUNDS_MAX 7
#define ROUNDS_QUICK 3
#define VALUES_PER_DISTRIBUTION 8 /* that each gets between the two snapshots */

/* ---- counting allocations: ours stand before the C library's, also for other libraries ---- */

extern void *libc_malloc(size_t bytes) __asm__("__libc_malloc");
extern void *libc_calloc(size_t count, size_t bytes) __asm__("__libc_calloc");
extern void *libc_realloc(void *old, size_t bytes) __asm__("__libc_realloc");
extern void libc_free(void *memory) __asm__("__libc_free");

#define EXPORTED __attribute__((visibility("default")))

struct usage {
    uint64_t allocations;
    int64_t bytes; /* held now; negative when others' memory was freed */
    int64_t peak;
};

static _Thread_local struct usage usage;

static void *note(void *memory)
{
    usage.allocations++;
    usage.bytes += (int64_t)malloc_usable_size(memory);
    usage.peak = usage.bytes > usage.peak ? usage.bytes : usage.peak;
    return memory;
}

EXPORTED void *malloc(size_t bytes)
{
    return note(libc_malloc(bytes));
}

EXPORTED void *calloc(size_t count, size_t bytes)
{
    return note(libc_calloc(count, bytes));
}

EXPORTED void *realloc(void *old, size_t bytes)
{
    usage.bytes -= (int64_t)malloc_usable_size(old);
    return note(libc_realloc(old, bytes));
}

EXPORTED void free(void *memory)
{
    usage.bytes -= (int64_t)malloc_usable_size(memory);
    libc_free(memory);
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
    uint64_t start_ns;
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
    eye_registry_close_interval(world->registry, sequence, sequence, 0);
    struct eye_snapshot *snapshot =
        eye_snapshot_take(world->registry, sequence, world->start_ns + sequence * interval_ns,
                          interval_ns, world->start_ns);
    assert(snapshot != NULL);
    return snapshot;
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
    world->start_ns = eye_clock_wall_ns();
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
    eye_registry_free(world->registry);
}

/* ---- the page of openmetrics, which waits for a scraper: here its making is the delivery ---- */

struct page_maker {
    struct eye_selection selection;
    struct eye_pages pages;
    struct eye_text piece;
    struct eye_zipped *kept; /* the page before, as the exporter has it */
    struct eye_export_stats *stats;
};

static int open_page(void *state, const struct eye_exporter_setup *setup,
                     struct eye_error *ret_error)
{
    (void)ret_error;
    struct page_maker *maker = state;
    maker->stats = setup->stats;
    eye_text_init(&maker->piece, (size_t)64 << 20);
    int result = eye_selection_init(&maker->selection, setup);
    return result == 0 ? eye_pages_init(&maker->pages, &maker->selection, false) : result;
}

static int take_piece(void *context, const struct eye_text *piece)
{
    struct page_maker *maker = context;
    atomic_fetch_add(&maker->stats->bytes, piece->length);
    return 0;
}

static int deliver_page(void *state, const struct eye_snapshot *now,
                        const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    (void)before;
    (void)failure;
    struct page_maker *maker = state;
    struct eye_page_counts counts = {0};
    eye_text_clear(&maker->piece);
    int result = eye_pages_write_pieces(&maker->pages, now, EYE_PAGE_OPENMETRICS, &maker->piece,
                                        take_piece, maker, &counts);
    atomic_fetch_add(&maker->stats->points, counts.points);
    return result;
}

/* As it is kept: the page before gives way to it. */
static int deliver_zipped(void *state, const struct eye_snapshot *now,
                          const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    (void)before;
    (void)failure;
    struct page_maker *maker = state;
    eye_zipped_unref(EYE_TAKE(maker->kept));
    int result = eye_zipped_new(&maker->pages, now, EYE_PAGE_OPENMETRICS, SIZE_MAX, &maker->kept);
    if (result == 0) {
        atomic_fetch_add(&maker->stats->points, maker->kept->counts.points);
        atomic_fetch_add(&maker->stats->bytes, maker->kept->bytes);
    }
    return result;
}

static void close_page(void *state)
{
    struct page_maker *maker = state;
    eye_zipped_unref(maker->kept);
    eye_pages_done(&maker->pages);
    eye_text_done(&maker->piece);
    eye_selection_done(&maker->selection);
}

static const struct eye_exporter_type page_type = {.section = {.type = "page"},
                                                   .state_size = sizeof(struct page_maker),
                                                   .open = open_page,
                                                   .deliver = deliver_page,
                                                   .close = close_page};

static const struct eye_exporter_type zipped_type = {.section = {.type = "zipped"},
                                                     .state_size = sizeof(struct page_maker),
                                                     .open = open_page,
                                                     .deliver = deliver_zipped,
                                                     .close = close_page};

/* ---- exporters ---- */

/* The keys of one configured exporter; %u is the receiver's port. */
static const struct subject {
    const char *name;
    const char *type;
    const char *keys;
    bool datagrams; /* the port is the UDP one */
} subjects[] = {
    {"console json", "console", "format: json", false},
    {"file", "file", "path: '-'", false},
    {"dogstatsd udp", "dogstatsd", "url: 'udp://127.0.0.1:%u'", true},
    {"statsd udp", "statsd", "url: 'udp://127.0.0.1:%u'", true},
    {"statsd tcp", "statsd", "url: 'tcp://127.0.0.1:%u'", false},
    {"graphite tcp", "graphite", "url: 'tcp://127.0.0.1:%u'", false},
    {"graphite pickle", "graphite", "url: 'pickle://127.0.0.1:%u'", false},
    {"datadog json", "datadog", "url: 'http://127.0.0.1:%u', compression: none", false},
    {"datadog protobuf", "datadog",
     "url: 'http://127.0.0.1:%u', compression: none, encoding: protobuf", false},
    {"datadog json zlib", "datadog", "url: 'http://127.0.0.1:%u'", false},
    {"remote_write 1", "remote_write", "url: 'http://127.0.0.1:%u/api/v1/write'", false},
    {"remote_write 2", "remote_write", "url: 'http://127.0.0.1:%u/api/v1/write', version: 2",
     false},
    {"otlp protobuf", "otlp", "url: 'http://127.0.0.1:%u/v1/metrics', compression: none", false},
    {"otlp json", "otlp",
     "url: 'http://127.0.0.1:%u/v1/metrics', compression: none, encoding: json", false},
    {"otlp gzip", "otlp", "url: 'http://127.0.0.1:%u/v1/metrics'", false},
    {"openmetrics page", "page", "tags: []", false},
    {"openmetrics gzip", "zipped", "tags: []", false},
    {"pushgateway", "pushgateway", "url: 'http://127.0.0.1:%u'", false},
};

#define SUBJECTS EYE_ARRAY_LENGTH(subjects)
#define LANES_MAX 2

struct lane {
    void *state;
    struct eye_export_stats stats;
};

struct run {
    const struct subject *subject;
    const struct eye_exporter_type *type;
    struct eye_config *config;
    struct lane lanes[LANES_MAX];
    size_t lane_count;
    const struct world *world;
    size_t rounds;
    pthread_barrier_t *start; /* of each round */
    pthread_t thread;
    uint64_t cpu_ns[ROUNDS_MAX];
    uint64_t wall_ns[ROUNDS_MAX];
    uint64_t allocations[ROUNDS_MAX];
    uint64_t points;
    uint64_t bytes;
    int64_t peak;
};

static struct eye_deadline never = {.at_ns = UINT64_MAX};

static void load_config(struct run *run, const struct bench_receiver *receiver)
{
    char keys[200];
    char assignment[300];
    /* The formats are constants of the table above. */
    _Pragma("GCC diagnostic push");
    _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"");
    snprintf(keys, sizeof(keys), run->subject->keys,
             run->subject->datagrams ? receiver->datagram_port : receiver->stream_port);
    _Pragma("GCC diagnostic pop");
    snprintf(assignment, sizeof(assignment), "exporters=[{type: %s, %s}]", run->subject->type,
             keys);
    const char *const assignments[] = {assignment};
    const struct eye_config_section *const sections[] = {&run->type->section, NULL};
    const struct eye_config_source source = {.file = "/dev/null",
                                             .assignments = assignments,
                                             .assignment_count = 1,
                                             .sections = sections,
                                             .section_count = 1};
    struct eye_error error = {0};
    if (eye_config_load(&source, &run->config, &error) != 0) {
        fprintf(stderr, "%s: %s\n", run->subject->name, error.text);
        exit(1);
    }
}

static void open_run(struct run *run)
{
    run->lane_count = run->type->lanes == NULL ? 1 : LANES_MAX;
    for (size_t i = 0; i < run->lane_count; i++) {
        const struct eye_exporter_setup setup = {.config = run->config,
                                                 .own = &run->config->exporters[0],
                                                 .lane = (unsigned)i,
                                                 .stats = &run->lanes[i].stats,
                                                 .deadline = &never};
        struct eye_error error = {0};
        if (eye_exporter_open(run->type, &setup, &run->lanes[i].state, &error) != 0 ||
            (run->type->bind != NULL && run->type->bind(run->lanes[i].state, &error) != 0)) {
            fprintf(stderr, "%s: %s\n", run->subject->name, error.text);
            exit(1);
        }
    }
}

static void deliver(struct run *run)
{
    for (size_t i = 0; i < run->lane_count; i++) {
        struct eye_export_failure failure = {0};
        if (run->type->deliver(run->lanes[i].state, run->world->now, run->world->before,
                               &failure) != 0 ||
            failure.cause.text[0] != '\0') {
            fprintf(stderr, "%s: %s\n", run->subject->name, failure.cause.text);
            exit(1);
        }
    }
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * EYE_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static uint64_t sum_of(const struct run *run, bool bytes)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < run->lane_count; i++) {
        const struct eye_export_stats *stats = &run->lanes[i].stats;
        sum += atomic_load(bytes ? &stats->bytes : &stats->points);
    }
    return sum;
}

static void *run_rounds(void *argument)
{
    struct run *run = argument;
    usage = (struct usage){0};
    open_run(run);
    for (size_t i = 0; i <= run->rounds; i++) {
        pthread_barrier_wait(run->start);
        uint64_t points = sum_of(run, false);
        uint64_t bytes = sum_of(run, true);
        uint64_t allocations = usage.allocations;
        uint64_t wall = eye_clock_monotonic_ns();
        uint64_t cpu = cpu_ns();
        deliver(run);
        if (i > 0) {
            run->cpu_ns[i - 1] = cpu_ns() - cpu;
            run->wall_ns[i - 1] = eye_clock_monotonic_ns() - wall;
            run->allocations[i - 1] = usage.allocations - allocations;
        }
        run->points = sum_of(run, false) - points;
        run->bytes = sum_of(run, true) - bytes;
    }
    for (size_t i = 0; i < run->lane_count; i++) {
        eye_exporter_close(run->type, run->lanes[i].state);
    }
    run->peak = usage.peak;
    return NULL;
}

/* ---- results ---- */

static int compare_u64(const void *a, const void *b)
{
    uint64_t left;
    uint64_t right;
    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return left < right ? -1 : left > right;
}

static double median(uint64_t *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), compare_u64);
    return (double)values[count / 2];
}

static void print_run(FILE *out, struct run *run)
{
    double points = (double)run->points;
    fprintf(out, "%-18s %8zu %8llu %10.1f %12.0f %8.1f %12.4f %10.0f\n", run->subject->name,
            run->world->now->count, (unsigned long long)run->points,
            median(run->cpu_ns, run->rounds) / points,
            points * 1e9 / median(run->wall_ns, run->rounds), (double)run->bytes / points,
            median(run->allocations, run->rounds) / points, (double)run->peak / 1024);
}

static const struct eye_exporter_type *find_type(const char *name)
{
    static const struct eye_exporter_type *const ours[] = {&page_type, &zipped_type};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ours); i++) {
        if (strcmp(name, ours[i]->section.type) == 0) {
            return ours[i];
        }
    }
    return eye_exporter_type_find(name);
}

static void measure(FILE *out, const struct world *world, size_t rounds,
                    const struct bench_receiver *receiver)
{
    static struct run runs[SUBJECTS];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, SUBJECTS);
    for (size_t i = 0; i < SUBJECTS; i++) {
        runs[i] = (struct run){.subject = &subjects[i],
                               .type = find_type(subjects[i].type),
                               .world = world,
                               .rounds = rounds,
                               .start = &start};
        load_config(&runs[i], receiver);
        int result = pthread_create(&runs[i].thread, NULL, run_rounds, &runs[i]);
        assert(result == 0);
    }
    for (size_t i = 0; i < SUBJECTS; i++) {
        pthread_join(runs[i].thread, NULL);
        print_run(out, &runs[i]);
        eye_config_unref(runs[i].config);
    }
    pthread_barrier_destroy(&start);
}

/* Standard output is the console exporter's; the results go where it was. */
static FILE *move_output(void)
{
    FILE *out = fdopen(dup(STDOUT_FILENO), "w");
    FILE *nowhere = freopen("/dev/null", "w", stdout);
    assert(out != NULL && nowhere != NULL);
    return out;
}

int main(int count, char **arguments)
{
    bool quick = count == 2 && strcmp(arguments[1], "--quick") == 0;
    if (count > 1 && !quick) {
        fprintf(stderr, "usage: bench_deliver [--quick]\n");
        return 2;
    }
    setenv("DD_API_KEY", "0123456789abcdef0123456789abcdef", 1);
    struct bench_receiver receiver = bench_receiver_start();
    FILE *out = move_output();
    fprintf(out, "# %-16s %8s %8s %10s %12s %8s %12s %10s\n", "exporter", "series", "points",
            "ns/point", "points/s", "bytes", "allocations", "peak KiB");
    static const size_t sizes[] = {2000, 100000};
    for (size_t i = 0; i < (quick ? 1 : EYE_ARRAY_LENGTH(sizes)); i++) {
        struct world world;
        world_init(&world, sizes[i]);
        measure(out, &world, quick ? ROUNDS_QUICK : ROUNDS_MAX, &receiver);
        world_done(&world);
    }
    bench_receiver_stop(&receiver);
    return fclose(out) == 0 ? 0 : 1;
}
