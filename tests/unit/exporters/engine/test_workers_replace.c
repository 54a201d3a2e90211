/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers of one configuration become those of another: what goes on untouched, what a
 * successor takes over, what is taken back. Exporters add up how much counters grew, so that a
 * receiver's sum is the counter, or something was lost or counted twice.
 */
#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "exporters/engine/replacement.h"
#include "exporters/engine/worker_handover.h"
#include "exporters/engine/worker_state.h"
#include "tests/support/log_file.h"
#include "tests/support/replacement_run.h"
#include "tests/unit/exporters/sample.h"

#define PATIENCE_NS (10 * EYE_NS_PER_SECOND)
#define TIMEOUT_NS (2 * EYE_NS_PER_SECOND)
#define SHORT_NS (30 * EYE_NS_PER_MS)
#define REPLACEMENTS 200
#define SERVICES 16

/* Two more than may hang. */
#define RECEIVERS (EYE_WORKERS_STUCK_MAX + 2)

/* ---- Receivers ---- */

struct receiver {
    atomic_uint_fast64_t sum;      /* of all counters' growth */
    atomic_uint_fast64_t sequence; /* of what was delivered last */
    atomic_size_t deliveries;
    atomic_size_t attempts;
    atomic_size_t opened;
    atomic_size_t finished;
    atomic_int thread; /* of the last attempt */
    atomic_bool away;
    atomic_bool hangs;
    atomic_bool goodbye_hangs;
    atomic_bool cannot_bind;
    atomic_bool breaks;     /* once, when all was sent and before that is known */
    atomic_uint unreliable; /* of 100 attempts so many fail */
};

static struct receiver receivers[RECEIVERS];

struct values {
    uint64_t to; /* index of the receiver */
    uint64_t tries;
};

struct exporter {
    struct receiver *receiver;
    struct eye_export_stats *stats;
    unsigned seed;
    bool sent; /* what is being delivered */
};

static int tap_open(void *state, const struct eye_exporter_setup *setup,
                    struct eye_error *ret_error)
{
    struct exporter *exporter = state;
    const struct values *values = setup->own->values;
    if (values->tries == 0) {
        return eye_error_set(ret_error, -EINVAL, "`tries` is too few");
    }
    exporter->receiver = &receivers[values->to + setup->lane];
    exporter->stats = setup->stats;
    exporter->seed = (unsigned)values->tries;
    atomic_fetch_add(&exporter->receiver->opened, 1);
    return 0;
}

static int tap_bind(void *state, struct eye_error *ret_error)
{
    const struct exporter *exporter = state;
    return atomic_load(&exporter->receiver->cannot_bind)
               ? eye_error_set(ret_error, -EADDRINUSE, "cannot listen")
               : 0;
}

static int tap_deliver(void *state, const struct eye_snapshot *now,
                       const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    struct exporter *exporter = state;
    struct receiver *receiver = exporter->receiver;
    atomic_store(&receiver->thread, (int)syscall(SYS_gettid));
    atomic_fetch_add(&receiver->attempts, 1);
    while (atomic_load(&receiver->hangs)) {
        usleep(500);
    }
    bool fails = (unsigned)rand_r(&exporter->seed) % 100 < atomic_load(&receiver->unreliable);
    if (fails || atomic_load(&receiver->away)) {
        return eye_export_fail(failure, -ECONNREFUSED, EYE_EXPORT_REFUSED, "away");
    }
    if (!exporter->sent) {
        atomic_fetch_add(&receiver->sum, sample_growth(now, before, EYE_METRIC_TCP_OPENED));
    }
    exporter->sent = atomic_exchange(&receiver->breaks, false);
    if (exporter->sent) {
        failure->started = true;
        failure->retry_after_ns = SHORT_NS;
        return eye_export_fail(failure, -EPIPE, EYE_EXPORT_RESET, "broke off");
    }
    atomic_store(&receiver->sequence, now->sequence);
    atomic_fetch_add(&exporter->stats->points, 1);
    atomic_fetch_add(&receiver->deliveries, 1);
    return 0;
}

static int tap_finish(void *state, const struct eye_snapshot *last,
                      struct eye_export_failure *failure)
{
    const struct exporter *exporter = state;
    (void)last;
    (void)failure;
    while (atomic_load(&exporter->receiver->goodbye_hangs)) {
        usleep(500);
    }
    atomic_fetch_add(&exporter->receiver->finished, 1);
    return 0;
}

static void tap_close(void *state)
{
    (void)state;
}

static const struct eye_config_key keys[] = {
    {.path = "to",
     .type = EYE_CONFIG_COUNT,
     .offset = offsetof(struct values, to),
     .default_value = "0",
     .series = true,
     .help = "Receiver."},
    {.path = "tries",
     .type = EYE_CONFIG_COUNT,
     .offset = offsetof(struct values, tries),
     .default_value = "1",
     .help = "No receiver knows."},
};

#define SECTION(name)                                                                              \
    {                                                                                              \
        .type = (name), .keys = keys, .key_count = EYE_ARRAY_LENGTH(keys),                         \
        .values_size = sizeof(struct values),                                                      \
    }

#define TAP(name, ...)                                                                             \
    {                                                                                              \
        .section = SECTION(name), .remote = true, .retry_max_ns = 2 * EYE_NS_PER_MS,               \
        .state_size = sizeof(struct exporter), .open = tap_open, .deliver = tap_deliver,           \
        .close = tap_close, __VA_ARGS__                                                            \
    }

static const char *const lanes[] = {"left", "right", NULL};
static const struct eye_exporter_type tap = TAP("tap", .timestamped = true, .finish = tap_finish);
static const struct eye_exporter_type lasting =
    TAP("lasting", .finish = tap_finish, .lingers = true);
static const struct eye_exporter_type bound = TAP("bound", .bind = tap_bind);
static const struct eye_exporter_type fetched = TAP("fetched", .bind = tap_bind, .fetched = true);
static const struct eye_exporter_type laned = TAP("laned", .lanes = lanes);

/* Instead of the generated ones. */
const struct eye_exporter_type *const eye_exporter_types[] = {&tap,     &lasting, &bound,
                                                              &fetched, &laned,   NULL};

const struct eye_exporter_type *eye_exporter_type_find(const char *name)
{
    size_t i = 0;
    while (eye_exporter_types[i] != NULL &&
           strcmp(eye_exporter_types[i]->section.type, name) != 0) {
        i++;
    }
    return eye_exporter_types[i];
}

/* ---- The daemon ---- */

struct fixture {
    char folder[64];
    struct eye_registry *registry;
    struct eye_group *group;
    struct eye_publisher *publisher;
    struct eye_reports *reports;
    struct eye_workers workers;
    struct eye_workers_change change;
    struct eye_error error;
    uint64_t sequence;
    uint64_t total; /* what was counted */
    atomic_bool publishing;
    unsigned parts; /* that were taken by who takes a part in a change */
    bool refuses;   /* it does */
    struct log_file log;
};

/* Receivers are new; a series goes as soon as every reader has its last value. */
static int set_up(void **state)
{
    static const struct eye_limits limits = {.series_per_metric = 2000, .values_per_tag = 2000};
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    memset(receivers, 0, sizeof(receivers));
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/eye-replace-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->registry = eye_registry_new(&limits);
    fixture->group = eye_group_new(fixture->registry, NULL, 0);
    fixture->publisher = eye_publisher_new();
    fixture->reports = eye_reports_new();
    log_file_begin(&fixture->log);
    *state = fixture;
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < RECEIVERS; i++) {
        atomic_store(&receivers[i].hangs, false);
        atomic_store(&receivers[i].goodbye_hangs, false);
    }
    eye_workers_end(&fixture->workers, eye_clock_monotonic_ns() + PATIENCE_NS);
    log_file_end(&fixture->log);
    eye_reports_free(fixture->reports);
    eye_publisher_free(fixture->publisher);
    eye_registry_free(fixture->registry);
    nftw(fixture->folder, remove_entry, 4, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return 0;
}

/* @exporters: a list in YAML; @tags: of the daemon. */
static const struct eye_config *configure(const char *exporters, const char *tags)
{
    const struct eye_config_section *sections[EYE_ARRAY_LENGTH(eye_exporter_types) - 1];
    char list[4096];
    char daemon_tags[64];
    snprintf(list, sizeof(list), "exporters=%s", exporters);
    snprintf(daemon_tags, sizeof(daemon_tags), "tags=%s", tags);
    const char *const assignments[] = {list, daemon_tags};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(sections); i++) {
        sections[i] = &eye_exporter_types[i]->section;
    }
    const struct eye_config_source source = {
        .file = "/dev/null",
        .assignments = assignments,
        .assignment_count = EYE_ARRAY_LENGTH(assignments),
        .sections = sections,
        .section_count = EYE_ARRAY_LENGTH(sections),
    };
    struct eye_config *config = NULL;
    struct eye_error error;
    if (eye_config_load(&source, &config, &error) != 0) {
        fail_msg("%s", error.text);
    }
    return config;
}

/* The workers' references are all that is left of a configuration. */
static void start(struct fixture *fixture, const char *exporters)
{
    const struct eye_config *config = configure(exporters, "[]");
    struct eye_workers *workers = &fixture->workers;
    int result = eye_workers_new(config, workers, &fixture->error);
    eye_config_unref(config);
    assert_int_equal(result, 0);
    assert_int_equal(eye_workers_bind(workers, &fixture->error), 0);
    assert_int_equal(
        eye_workers_join(workers, fixture->publisher, fixture->reports, &fixture->error), 0);
    for (size_t i = 0; i < workers->count; i++) {
        assert_int_equal(eye_worker_start(workers->items[i]), 0);
    }
}

/* As the collector does. */
static int take_part(void *context, struct eye_error *ret_error)
{
    struct fixture *fixture = context;
    fixture->parts++;
    return fixture->refuses ? eye_error_set(ret_error, -ENOMEM, "no part") : 0;
}

static int try_replace(struct fixture *fixture, const char *exporters, const char *tags,
                       uint64_t timeout_ns)
{
    const struct eye_config *config = configure(exporters, tags);
    fixture->error.text[0] = '\0';
    const struct eye_replacement_setup setup = {
        .workers = &fixture->workers,
        .publisher = fixture->publisher,
        .reports = fixture->reports,
        .ready = {.take = take_part, .context = fixture},
        .timeout_ns = timeout_ns,
    };
    int result = replacement_run(&setup, config, &fixture->change, &fixture->error);
    eye_config_unref(config);
    return result;
}

static void replace(struct fixture *fixture, const char *exporters)
{
    if (try_replace(fixture, exporters, "[]", TIMEOUT_NS) != 0) {
        fail_msg("%s", fixture->error.text);
    }
}

static void assert_change(const struct fixture *fixture, size_t kept, size_t added, size_t changed,
                          size_t removed)
{
    assert_int_equal(fixture->change.kept, kept);
    assert_int_equal(fixture->change.added, added);
    assert_int_equal(fixture->change.changed, changed);
    assert_int_equal(fixture->change.removed, removed);
}

/* As the collector does at the end of an interval. @count more for one of the services. */
static void publish(struct fixture *fixture, uint64_t count)
{
    char service[16];
    uint64_t sequence = ++fixture->sequence;
    snprintf(service, sizeof(service), "s%u", (unsigned)(sequence / 4 % SERVICES));
    const struct eye_tag_value tags[] = {{EYE_TAG_SERVICE, service}};
    eye_counter_add(eye_group_series(fixture->group, EYE_METRIC_TCP_OPENED, tags, 1), count);
    fixture->total += count;
    eye_reports_tell(fixture->reports, fixture->registry, fixture->group);
    eye_registry_close_interval(fixture->registry, sequence, eye_clock_monotonic_ns(),
                                eye_publisher_delivered(fixture->publisher));
    struct eye_snapshot *snapshot =
        eye_snapshot_take(fixture->registry, sequence, eye_clock_wall_ns(), EYE_NS_PER_MS, 1);
    assert_non_null(snapshot);
    eye_publisher_publish(fixture->publisher, snapshot);
    eye_snapshot_unref(snapshot);
}

static void *publish_on(void *argument)
{
    struct fixture *fixture = argument;
    unsigned seed = 1;
    while (atomic_load(&fixture->publishing)) {
        publish(fixture, (uint64_t)rand_r(&seed) % 100);
        usleep(300);
    }
    return NULL;
}

static bool reaches(const atomic_size_t *number, size_t least)
{
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (atomic_load(number) < least && eye_clock_monotonic_ns() < until_ns) {
        usleep(200);
    }
    return atomic_load(number) >= least;
}

static void wait_for_sequence(const struct receiver *receiver, uint64_t sequence)
{
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (atomic_load(&receiver->sequence) < sequence && eye_clock_monotonic_ns() < until_ns) {
        usleep(200);
    }
    assert_int_equal(atomic_load(&receiver->sequence), sequence);
}

/* All that was counted is at @receiver, and no more. */
static void assert_whole(const struct fixture *fixture, const struct receiver *receiver)
{
    wait_for_sequence(receiver, fixture->sequence);
    assert_int_equal(atomic_load(&receiver->sum), fixture->total);
}

static size_t count_waiting(const char *path)
{
    char pattern[256];
    glob_t found;
    snprintf(pattern, sizeof(pattern), "%s/*.waiting", path);
    size_t count = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

/* ---- Kept ---- */

static void kept__goes_on_untouched(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}, {type: tap, name: b, to: 1}]");
    publish(fixture, 5);
    wait_for_sequence(&receivers[0], 1);
    atomic_store(&receivers[0].away, true);
    publish(fixture, 6);
    publish(fixture, 7);
    assert_true(reaches(&receivers[0].attempts, 2));
    struct eye_worker *worker = fixture->workers.items[0];
    int thread = atomic_load(&receivers[0].thread);
    replace(fixture, "[{type: tap, name: b, to: 1, tries: 2}, {type: tap, name: a}]");
    assert_change(fixture, 1, 0, 1, 0);
    assert_ptr_equal(fixture->workers.items[1], worker);
    assert_int_equal(eye_worker_count(worker).queued, 2);
    atomic_store(&receivers[0].away, false);
    assert_whole(fixture, &receivers[0]);
    assert_int_equal(atomic_load(&receivers[0].thread), thread);
    assert_int_equal(atomic_load(&receivers[0].opened), 1);
    assert_int_equal(atomic_load(&receivers[0].deliveries), 3);
}

static void same__changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}, {type: laned, name: b, to: 1}]");
    replace(fixture, "[{type: tap, name: a}, {type: laned, name: b, to: 1}]");
    assert_change(fixture, 2, 0, 0, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&receivers[i].opened), 1);
    }
}

/* ---- Changed ---- */

static void replace_often(struct fixture *fixture, unsigned unreliable)
{
    static const char *const rest[] = {"", ", {type: tap, name: c, to: 2}",
                                       ", {type: bound, name: c, to: 2}"};
    pthread_t thread;
    atomic_store(&receivers[0].unreliable, unreliable);
    start(fixture, "[{type: tap, name: a}, {type: tap, name: b, to: 1}]");
    atomic_store(&fixture->publishing, true);
    assert_int_equal(pthread_create(&thread, NULL, publish_on, fixture), 0);
    for (unsigned i = 0; i < REPLACEMENTS; i++) {
        char exporters[256];
        snprintf(exporters, sizeof(exporters),
                 "[{type: %s, name: a, tries: %u}, {type: tap, name: b, to: 1}%s]",
                 i % 5 == 0 ? "lasting" : "tap", i + 2, rest[i % EYE_ARRAY_LENGTH(rest)]);
        replace(fixture, exporters);
        assert_int_equal(fixture->change.stuck, 0);
        usleep(500);
    }
    atomic_store(&fixture->publishing, false);
    pthread_join(thread, NULL);
    atomic_store(&receivers[0].unreliable, 0);
    assert_whole(fixture, &receivers[0]);
    assert_whole(fixture, &receivers[1]);
    assert_int_equal(atomic_load(&receivers[0].opened), REPLACEMENTS + 1);
    assert_int_equal(atomic_load(&receivers[1].opened), 1);
    assert_true(fixture->sequence > REPLACEMENTS);
}

static void changed_under_load__loses_no_count_and_none_twice(void **state)
{
    replace_often(*state, 0);
}

static void changed_under_load__neither_with_a_receiver_that_often_fails(void **state)
{
    replace_often(*state, 40);
}

static void changed__takes_over_what_waits_in_memory(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}]");
    publish(fixture, 5);
    wait_for_sequence(&receivers[0], 1);
    atomic_store(&receivers[0].away, true);
    publish(fixture, 6);
    publish(fixture, 7);
    assert_true(reaches(&receivers[0].attempts, 2));
    uint64_t begin_ns = eye_clock_monotonic_ns();
    replace(fixture, "[{type: tap, name: a, to: 1}]");
    assert_true(eye_clock_monotonic_ns() - begin_ns < TIMEOUT_NS / 2);
    publish(fixture, 8);
    wait_for_sequence(&receivers[1], 4);
    assert_int_equal(atomic_load(&receivers[1].deliveries), 3);
    assert_int_equal(atomic_load(&receivers[1].sum), 6 + 7 + 8);
}

/* Nobody tried yet, or the one before it: the counters of the whole run are news. */
static void changed__before_the_first_delivery_begins_where_that_one_would(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&receivers[0].away, true);
    start(fixture, "[{type: tap, name: a}]");
    replace(fixture, "[{type: tap, name: a, tries: 2}]");
    publish(fixture, 5);
    assert_true(reaches(&receivers[0].attempts, 1));
    replace(fixture, "[{type: tap, name: a, tries: 3}]");
    replace(fixture, "[{type: tap, name: a, tries: 4}]");
    atomic_store(&receivers[0].away, false);
    assert_whole(fixture, &receivers[0]);
}

/* Only the exporter that has sent a part of a snapshot knows which. */
static void changed__finishes_first_what_it_has_begun_to_send(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}]");
    atomic_store(&receivers[0].breaks, true);
    publish(fixture, 5);
    assert_true(reaches(&receivers[0].attempts, 1));
    replace(fixture, "[{type: tap, name: a, tries: 2}]");
    publish(fixture, 6);
    assert_whole(fixture, &receivers[0]);
    assert_int_equal(atomic_load(&receivers[0].attempts), 3);
}

/* A counter of the exporter's own goes on as if it were one. */
static void report__of_a_successor_goes_on(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}]");
    for (unsigned i = 1; i <= 3; i++) {
        char exporters[64];
        publish(fixture, 5);
        wait_for_sequence(&receivers[0], fixture->sequence);
        snprintf(exporters, sizeof(exporters), "[{type: tap, name: a, tries: %u}]", i + 1);
        replace(fixture, exporters);
    }
    publish(fixture, 5);
    const struct eye_series *points = eye_registry_first(fixture->registry, EYE_METRIC_SELF_POINTS);
    assert_int_equal(points->counter, 3);
    assert_null(points->next);
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_SELF_QUEUED), 1);
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_SELF_FAILING), 1);
}

static void added__counts_from_when_it_came(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}]");
    publish(fixture, 1000);
    replace(fixture, "[{type: tap, name: a}, {type: tap, name: b, to: 1}]");
    assert_change(fixture, 1, 1, 0, 0);
    publish(fixture, 7);
    wait_for_sequence(&receivers[1], 2);
    assert_int_equal(atomic_load(&receivers[1].sum), 7);
    atomic_store(&receivers[1].away, true);
    publish(fixture, 8);
    replace(fixture, "[{type: tap, name: a}, {type: tap, name: b, to: 1, tries: 2}]");
    atomic_store(&receivers[1].away, false);
    wait_for_sequence(&receivers[1], 3);
    assert_int_equal(atomic_load(&receivers[1].sum), 7 + 8);
}

static void lanes__change_each_and_count_as_one(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: laned, name: a}]");
    publish(fixture, 5);
    atomic_store(&receivers[1].away, true);
    wait_for_sequence(&receivers[0], 1);
    replace(fixture, "[{type: laned, name: a, tries: 2}, {type: laned, name: b, to: 2}]");
    assert_change(fixture, 0, 1, 1, 0);
    assert_int_equal(fixture->workers.count, 4);
    publish(fixture, 6);
    atomic_store(&receivers[1].away, false);
    assert_whole(fixture, &receivers[0]);
    assert_whole(fixture, &receivers[1]);
    replace(fixture, "[{type: laned, name: a, tries: 2}]");
    assert_change(fixture, 1, 0, 0, 1);
    assert_int_equal(fixture->workers.count, 2);
}

static void fetched__shows_again_what_was_delivered_last(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: fetched, name: a}]");
    publish(fixture, 5);
    wait_for_sequence(&receivers[0], 1);
    replace(fixture, "[{type: fetched, name: a, tries: 2}]");
    assert_true(reaches(&receivers[0].deliveries, 2));
    publish(fixture, 6);
    assert_whole(fixture, &receivers[0]);
    assert_int_equal(atomic_load(&receivers[0].deliveries), 3);
}

/* ---- Spools ---- */

static void with_spool(struct fixture *fixture, unsigned tries, const char *folder,
                       char ret_text[static 256])
{
    snprintf(ret_text, 256, "[{type: tap, name: a, tries: %u, spool: {path: %s%s}}]", tries,
             fixture->folder, folder);
}

/* One snapshot is delivered, the two behind it are on disk. */
static void fill_spool(struct fixture *fixture, const char *exporters)
{
    char path[128];
    start(fixture, exporters);
    publish(fixture, 5);
    wait_for_sequence(&receivers[0], 1);
    atomic_store(&receivers[0].away, true);
    publish(fixture, 6);
    publish(fixture, 7);
    snprintf(path, sizeof(path), "%s/one/a", fixture->folder);
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (count_waiting(path) < 2 && eye_clock_monotonic_ns() < until_ns) {
        usleep(500);
    }
    assert_int_equal(count_waiting(path), 2);
}

static void changed__goes_on_in_the_same_spool(void **state)
{
    struct fixture *fixture = *state;
    char exporters[256];
    with_spool(fixture, 1, "/one", exporters);
    fill_spool(fixture, exporters);
    with_spool(fixture, 2, "/one", exporters);
    replace(fixture, exporters);
    const struct eye_worker *worker = fixture->workers.items[0];
    assert_true(atomic_load(&eye_worker_stats(worker)->spooled_bytes) > 0);
    assert_int_equal(atomic_load(&eye_worker_stats(worker)->replayed), 0);
    publish(fixture, 8);
    atomic_store(&receivers[0].away, false);
    assert_whole(fixture, &receivers[0]);
    assert_int_equal(atomic_load(&receivers[0].deliveries), 4);
}

/* What the old spool has of this run may not come again when somebody uses it. */
static void changed__leaves_none_of_this_run_in_another_spool(void **state)
{
    struct fixture *fixture = *state;
    char exporters[256];
    char path[128];
    with_spool(fixture, 1, "/one", exporters);
    fill_spool(fixture, exporters);
    with_spool(fixture, 1, "/two", exporters);
    replace(fixture, exporters);
    snprintf(path, sizeof(path), "%s/one/a", fixture->folder);
    assert_int_equal(count_waiting(path), 0);
    atomic_store(&receivers[0].away, false);
    assert_whole(fixture, &receivers[0]);
    assert_int_equal(atomic_load(&receivers[0].deliveries), 3);
    with_spool(fixture, 1, "/one", exporters);
    replace(fixture, exporters);
    publish(fixture, 8);
    assert_whole(fixture, &receivers[0]);
}

/* It left a part of this run there, and comes again. */
static void removed_and_added__goes_on_in_its_spool(void **state)
{
    struct fixture *fixture = *state;
    char exporters[256];
    with_spool(fixture, 1, "/one", exporters);
    fill_spool(fixture, exporters);
    assert_int_equal(try_replace(fixture, "[{type: tap, name: b, to: 1}]", "[]", SHORT_NS), 0);
    assert_change(fixture, 0, 1, 0, 1);
    publish(fixture, 8);
    replace(fixture, exporters);
    with_spool(fixture, 2, "/one", exporters);
    replace(fixture, exporters);
    replace(fixture, "[{type: tap, name: a, spool: null}]");
    publish(fixture, 9);
    atomic_store(&receivers[0].away, false);
    assert_whole(fixture, &receivers[0]);
}

/* ---- Goodbyes ---- */

static void removed__delivers_says_goodbye_and_holds_nobody_up(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}, {type: tap, name: b, to: 1}]");
    publish(fixture, 5);
    replace(fixture, "[{type: tap, name: a}]");
    assert_change(fixture, 1, 0, 0, 1);
    assert_int_equal(atomic_load(&receivers[1].sum), 5);
    assert_int_equal(atomic_load(&receivers[1].finished), 1);
    assert_int_equal(atomic_load(&receivers[0].finished), 0);
    publish(fixture, 6);
    assert_whole(fixture, &receivers[0]);
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (eye_publisher_delivered(fixture->publisher) < 2 && eye_clock_monotonic_ns() < until_ns) {
        usleep(500);
    }
    assert_int_equal(eye_publisher_delivered(fixture->publisher), 2);
    assert_int_equal(atomic_load(&receivers[1].deliveries), 1);
}

static void changed__says_goodbye_only_to_series_that_would_stay(void **state)
{
    static const struct {
        const char *exporters;
        const char *tags;
        size_t finished; /* in all, by those before it */
    } rows[] = {
        {"[{type: lasting, name: a, tries: 2}]", "[]", 0},
        {"[{type: lasting, name: a, queue: {snapshots: 5}}]", "[]", 0},
        {"[{type: lasting, name: a, prefix: p.}]", "[]", 1},
        {"[{type: lasting, name: a, prefix: p.}]", "['env:prod']", 2},
        {"[{type: lasting, name: a, prefix: p., tags: [x]}]", "['env:prod']", 3},
        {"[{type: tap, name: a, prefix: p., tags: [x]}]", "['env:prod']", 4},
        {"[{type: tap, name: a, prefix: q.}]", "[]", 4},
    };
    struct fixture *fixture = *state;
    start(fixture, "[{type: lasting, name: a}]");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        publish(fixture, i + 1);
        assert_int_equal(try_replace(fixture, rows[i].exporters, rows[i].tags, TIMEOUT_NS), 0);
        assert_change(fixture, 0, 0, 1, 0);
        assert_int_equal(atomic_load(&receivers[0].finished), rows[i].finished);
    }
    assert_whole(fixture, &receivers[0]);
}

/* ---- Taking it back ---- */

static void mistake__is_told_with_its_place_and_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}]");
    struct eye_worker *worker = fixture->workers.items[0];
    fixture->change.kept = 77;
    int result = try_replace(fixture,
                             "[{type: tap, name: a, tries: 0}, {type: tap, name: b, to: 1}, "
                             "{type: tap, name: c, tries: 0}]",
                             "[]", TIMEOUT_NS);
    assert_int_equal(result, -EINVAL);
    assert_string_equal(fixture->error.text, "--set exporters: exporter a: `tries` is too few\n"
                                             "--set exporters: exporter c: `tries` is too few");
    assert_int_equal(fixture->change.kept, 77);
    assert_int_equal(fixture->workers.count, 1);
    assert_ptr_equal(fixture->workers.items[0], worker);
    publish(fixture, 5);
    assert_whole(fixture, &receivers[0]);
    assert_int_equal(atomic_load(&receivers[0].opened), 1);
}

/* Who changed, who has to be bound again, and who was to go: all go on. */
static void bind_that_fails__is_taken_back(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}, {type: bound, name: b, to: 1}, "
                   "{type: lasting, name: c, to: 2}, {type: laned, name: d, to: 3}]");
    publish(fixture, 5);
    atomic_store(&receivers[0].away, true);
    publish(fixture, 6);
    atomic_store(&receivers[5].cannot_bind, true);
    for (unsigned i = 0; i < 3; i++) {
        int result = try_replace(fixture,
                                 "[{type: tap, name: a, tries: 2}, {type: bound, name: b, to: 1, "
                                 "tries: 2}, {type: laned, name: d, to: 3}, "
                                 "{type: bound, name: e, to: 5}, {type: tap, name: f, to: 6}]",
                                 "[]", TIMEOUT_NS);
        assert_int_equal(result, -EADDRINUSE);
        assert_string_equal(fixture->error.text, "--set exporters: exporter e: cannot listen");
        publish(fixture, 7);
    }
    assert_int_equal(fixture->parts, 0);
    assert_int_equal(fixture->workers.count, 5);
    atomic_store(&receivers[0].away, false);
    for (size_t i = 0; i < 5; i++) {
        assert_whole(fixture, &receivers[i]);
        assert_int_equal(atomic_load(&receivers[i].finished), 0);
    }
    assert_int_equal(atomic_load(&receivers[5].attempts), 0);
    assert_int_equal(atomic_load(&receivers[6].attempts), 0);
    assert_int_equal(log_file_count(&fixture->log, "left behind"), 0);
    assert_int_equal(fixture->workers.stuck_count, 0);
}

/* It is asked last, when all exporters could be had. */
static void part_that_is_refused__is_taken_back(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}, {type: bound, name: b, to: 1}]");
    publish(fixture, 5);
    fixture->refuses = true;
    const char *next = "[{type: tap, name: a, tries: 2}, {type: bound, name: b, to: 1, tries: 2}, "
                       "{type: tap, name: c, to: 2}]";
    assert_int_equal(try_replace(fixture, next, "[]", TIMEOUT_NS), -ENOMEM);
    assert_string_equal(fixture->error.text, "no part");
    assert_int_equal(fixture->parts, 1);
    publish(fixture, 6);
    assert_int_equal(fixture->workers.count, 2);
    assert_whole(fixture, &receivers[0]);
    assert_whole(fixture, &receivers[1]);
    assert_int_equal(atomic_load(&receivers[0].finished), 0);
    assert_int_equal(atomic_load(&receivers[2].attempts), 0);
    fixture->refuses = false;
    replace(fixture, next);
    assert_change(fixture, 0, 1, 2, 0);
    assert_int_equal(fixture->parts, 2);
}

static void one_that_cannot_be_bound_again__is_told_and_gone(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: bound, name: a}, {type: tap, name: b, to: 1}]");
    publish(fixture, 5);
    wait_for_sequence(&receivers[0], 1);
    atomic_store(&receivers[0].cannot_bind, true);
    int result = try_replace(fixture, "[{type: bound, name: a, tries: 2}]", "[]", TIMEOUT_NS);
    assert_int_equal(result, -EADDRINUSE);
    assert_string_equal(fixture->error.text,
                        "--set exporters: exporter a: cannot listen\n"
                        "--set exporters: exporter a: cannot listen; it cannot go on");
    assert_int_equal(fixture->workers.count, 1);
    assert_int_equal(fixture->workers.stuck_count, 0);
    publish(fixture, 6);
    assert_whole(fixture, &receivers[1]);
}

/* ---- Who hangs ---- */

static void hang(struct fixture *fixture, size_t index)
{
    atomic_store(&receivers[index].hangs, true);
    size_t attempts = atomic_load(&receivers[index].attempts);
    publish(fixture, 7);
    assert_true(reaches(&receivers[index].attempts, attempts + 1));
}

/* They end when what hangs does. */
static void wait_for_the_stuck(struct fixture *fixture)
{
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (eye_workers_reap(&fixture->workers) > 0 && eye_clock_monotonic_ns() < until_ns) {
        usleep(500);
    }
    assert_int_equal(fixture->workers.stuck_count, 0);
}

static void hanging__is_left_behind_and_freed_when_it_ends(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}, {type: tap, name: b, to: 1}]");
    publish(fixture, 5);
    wait_for_sequence(&receivers[0], 1);
    hang(fixture, 0);
    assert_int_equal(try_replace(fixture,
                                 "[{type: tap, name: a, to: 2}, {type: tap, name: b, to: 1}]", "[]",
                                 SHORT_NS),
                     0);
    assert_change(fixture, 1, 0, 1, 0);
    assert_int_equal(fixture->change.stuck, 1);
    assert_int_equal(log_file_count(&fixture->log, "exporter a hangs"), 1);
    /* What was in work goes again: the snapshot is the newest there is. */
    wait_for_sequence(&receivers[2], 2);
    assert_int_equal(atomic_load(&receivers[2].sum), 7);
    publish(fixture, 8);
    wait_for_sequence(&receivers[2], 3);
    assert_int_equal(atomic_load(&receivers[2].sum), 7 + 8);
    assert_whole(fixture, &receivers[1]);
    atomic_store(&receivers[0].hangs, false);
    wait_for_the_stuck(fixture);
    assert_int_equal(atomic_load(&receivers[0].finished), 0);
    assert_int_equal(atomic_load(&receivers[0].deliveries), 2);
}

/* Somebody else has to change, too, and cannot: the one that hangs stays who it is. */
static void hanging__goes_on_when_it_is_taken_back(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}, {type: tap, name: b, to: 1}]");
    hang(fixture, 0);
    atomic_store(&receivers[2].cannot_bind, true);
    int result = try_replace(
        fixture, "[{type: tap, name: a, tries: 2}, {type: bound, name: c, to: 2}]", "[]", SHORT_NS);
    assert_int_equal(result, -EADDRINUSE);
    atomic_store(&receivers[0].hangs, false);
    publish(fixture, 8);
    assert_whole(fixture, &receivers[0]);
    assert_whole(fixture, &receivers[1]);
    assert_int_equal(fixture->workers.stuck_count, 0);
}

static void hanging__keeps_its_spool_so_nobody_follows(void **state)
{
    struct fixture *fixture = *state;
    char exporters[256];
    with_spool(fixture, 1, "/one", exporters);
    start(fixture, exporters);
    hang(fixture, 0);
    with_spool(fixture, 2, "/one", exporters);
    assert_int_equal(try_replace(fixture, exporters, "[]", SHORT_NS), -EBUSY);
    assert_non_null(strstr(fixture->error.text, "still has its spool"));
    atomic_store(&receivers[0].hangs, false);
    assert_whole(fixture, &receivers[0]);
}

static void list(size_t count, unsigned tries, char *text, size_t size)
{
    size_t length = (size_t)snprintf(text, size, "[");
    for (size_t i = 0; i < count; i++) {
        length += (size_t)snprintf(text + length, size - length,
                                   "%s{type: tap, name: e%zu, to: %zu, tries: %u}",
                                   i == 0 ? "" : ", ", i, i, tries);
    }
    snprintf(text + length, size - length, "]");
}

static void hanging__are_no_more_than_there_may_be(void **state)
{
    struct fixture *fixture = *state;
    char exporters[2048];
    list(EYE_WORKERS_STUCK_MAX + 1, 1, exporters, sizeof(exporters));
    start(fixture, exporters);
    for (size_t i = 0; i <= EYE_WORKERS_STUCK_MAX; i++) {
        atomic_store(&receivers[i].hangs, true);
    }
    publish(fixture, 7);
    for (size_t i = 0; i <= EYE_WORKERS_STUCK_MAX; i++) {
        assert_true(reaches(&receivers[i].attempts, 1));
    }
    list(EYE_WORKERS_STUCK_MAX + 1, 2, exporters, sizeof(exporters));
    assert_int_equal(try_replace(fixture, exporters, "[]", SHORT_NS), -EBUSY);
    assert_ptr_equal(strstr(fixture->error.text, "exporter e8 hangs in a call"),
                     fixture->error.text);
    assert_int_equal(fixture->workers.stuck_count, 0);
    for (size_t i = 0; i <= EYE_WORKERS_STUCK_MAX; i++) {
        atomic_store(&receivers[i].hangs, false);
        assert_whole(fixture, &receivers[i]);
    }
}

/* ---- What is handed over ---- */

static struct eye_replacement *begin(struct fixture *fixture, const char *exporters)
{
    const struct eye_config *config = configure(exporters, "[]");
    const struct eye_replacement_setup setup = {
        .workers = &fixture->workers,
        .publisher = fixture->publisher,
        .reports = fixture->reports,
        .timeout_ns = PATIENCE_NS,
    };
    struct eye_replacement *replacement = NULL;
    int result = eye_replacement_begin(&setup, config, &replacement, &fixture->error);
    eye_config_unref(config);
    assert_int_equal(result, 0);
    return replacement;
}

static void finish(struct fixture *fixture, struct eye_replacement *replacement)
{
    while (!eye_replacement_step(replacement)) {
        usleep(200);
    }
    assert_int_equal(eye_replacement_end(replacement, &fixture->change, &fixture->error), 0);
}

static void wait_for_pause(struct eye_worker *worker)
{
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (!eye_worker_is_paused(worker) && eye_clock_monotonic_ns() < until_ns) {
        usleep(200);
    }
    assert_true(eye_worker_is_paused(worker));
}

/* Each matters in a case of its own that is rare: no field is forgotten. */
static void changed__has_all_that_deliveries_go_on_from(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}]");
    publish(fixture, 5);
    wait_for_sequence(&receivers[0], 1);
    struct eye_worker *old = fixture->workers.items[0];
    struct eye_replacement *replacement = begin(fixture, "[{type: tap, name: a, tries: 2}]");
    wait_for_pause(old); /* from here on it is ours */
    const struct eye_snapshot *before = old->before;
    uint64_t run_ns = old->run_ns;
    old->resumes = true;
    old->joined = eye_snapshot_ref(before);
    old->window.floor_ns = 1234;
    finish(fixture, replacement);
    const struct eye_worker *successor = fixture->workers.items[0];
    assert_ptr_not_equal(successor, old);
    assert_true(run_ns != 0);
    assert_int_equal(successor->run_ns, run_ns);
    assert_ptr_equal(successor->before, before);
    assert_ptr_equal(successor->joined, before);
    assert_true(successor->resumes);
    assert_int_equal(successor->window.floor_ns, 1234);
    assert_int_equal(eye_worker_delivered(successor), 1);
}

/* What has no room in memory when a spool is left is counted as given up. */
static void changed__counts_what_it_cannot_take_from_a_spool(void **state)
{
    struct fixture *fixture = *state;
    char exporters[256];
    with_spool(fixture, 1, "/one", exporters);
    fill_spool(fixture, exporters);
    replace(fixture, "[{type: tap, name: a, queue: {snapshots: 1}}]");
    publish(fixture, 8);
    const struct eye_tag_value tags[] = {{EYE_TAG_EXPORTER, "a"}, {EYE_TAG_OUTCOME, "skipped"}};
    const struct eye_series *skipped =
        eye_group_series(fixture->group, EYE_METRIC_SELF_SNAPSHOTS, tags, 2);
    assert_int_equal(skipped->counter, 1);
    atomic_store(&receivers[0].away, false);
    assert_whole(fixture, &receivers[0]);
}

/* ---- Step by step ---- */

/* Whoever has a loop is not kept, neither by a delivery nor by a goodbye. */
static void step__waits_for_nobody(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}, {type: tap, name: b, to: 1}]");
    hang(fixture, 0);
    struct eye_replacement *replacement = begin(fixture, "[{type: tap, name: b, to: 2}]");
    uint64_t begin_ns = eye_clock_monotonic_ns();
    for (int i = 0; i < 20; i++) {
        assert_false(eye_replacement_step(replacement));
        publish(fixture, 1);
    }
    assert_int_equal(fixture->workers.count, 2);
    atomic_store(&receivers[0].goodbye_hangs, true);
    atomic_store(&receivers[0].hangs, false);
    while (fixture->workers.count == 2) {
        assert_false(eye_replacement_step(replacement));
    }
    /* Committed: the successor queues, and waits for the goodbye. */
    for (int i = 0; i < 20; i++) {
        assert_false(eye_replacement_step(replacement));
        publish(fixture, 1);
    }
    assert_in_range(eye_worker_count(fixture->workers.items[0]).queued, 20, 40);
    assert_int_equal(atomic_load(&receivers[2].attempts), 0);
    assert_true(eye_clock_monotonic_ns() - begin_ns < EYE_NS_PER_SECOND);
    atomic_store(&receivers[0].goodbye_hangs, false);
    finish(fixture, replacement);
    assert_change(fixture, 0, 0, 1, 1);
    assert_int_equal(fixture->change.stuck, 0);
    wait_for_sequence(&receivers[2], fixture->sequence);
    assert_int_equal(atomic_load(&receivers[1].sum) + atomic_load(&receivers[2].sum),
                     fixture->total);
}

static void cancel__takes_back_what_has_not_changed(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}, {type: tap, name: b, to: 1}]");
    hang(fixture, 0);
    struct eye_replacement *replacement =
        begin(fixture, "[{type: tap, name: a, to: 2}, {type: tap, name: b, to: 3}]");
    publish(fixture, 8);
    assert_false(eye_replacement_step(replacement));
    eye_replacement_cancel(replacement, eye_clock_monotonic_ns());
    assert_int_equal(eye_replacement_end(replacement, &fixture->change, &fixture->error),
                     -ECANCELED);
    assert_string_equal(fixture->error.text, "the daemon stops");
    atomic_store(&receivers[0].hangs, false);
    assert_whole(fixture, &receivers[0]);
    assert_whole(fixture, &receivers[1]);
}

/* What it saw of the time that was left is over, too: the end finds it as it was. */
static void cancel__lets_who_hurried_hurry_again(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, "[{type: tap, name: a}, {type: tap, name: b, to: 1}]");
    struct eye_worker *old = fixture->workers.items[0];
    atomic_store(&receivers[0].away, true);
    publish(fixture, 7);
    struct eye_replacement *replacement = begin(fixture, "[{type: tap, name: b, to: 1}]");
    size_t attempts = atomic_load(&receivers[0].attempts);
    assert_true(reaches(&receivers[0].attempts, attempts + 2));
    eye_replacement_cancel(replacement, eye_clock_monotonic_ns());
    assert_false(old->hurries);
    assert_int_equal(eye_replacement_end(replacement, &fixture->change, &fixture->error),
                     -ECANCELED);
    atomic_store(&receivers[0].away, false);
    assert_whole(fixture, &receivers[0]);
}

static void cancel_a_goodbye(struct fixture *fixture, const char *next, size_t removed)
{
    start(fixture, "[{type: lasting, name: a}, {type: tap, name: b, to: 1}]");
    publish(fixture, 7);
    wait_for_sequence(&receivers[0], 1);
    atomic_store(&receivers[0].goodbye_hangs, true);
    struct eye_worker *old = fixture->workers.items[0];
    struct eye_replacement *replacement = begin(fixture, next);
    while (fixture->workers.items[0] == old) {
        assert_false(eye_replacement_step(replacement));
    }
    uint64_t deadline_ns = atomic_load(&old->deadline.at_ns);
    eye_worker_hurry(old, deadline_ns + EYE_NS_PER_SECOND);
    assert_int_equal(atomic_load(&old->deadline.at_ns), deadline_ns);
    uint64_t begin_ns = eye_clock_monotonic_ns();
    eye_replacement_cancel(replacement, begin_ns);
    assert_true(eye_clock_monotonic_ns() - begin_ns < EYE_NS_PER_SECOND / 2);
    assert_int_equal(eye_replacement_end(replacement, &fixture->change, &fixture->error), 0);
    assert_int_equal(fixture->change.removed, removed);
    assert_int_equal(fixture->change.stuck, 1);
    publish(fixture, 8);
    wait_for_sequence(&receivers[2], 2);
    assert_int_equal(atomic_load(&receivers[2].sum), 8);
    atomic_store(&receivers[0].goodbye_hangs, false);
    wait_for_the_stuck(fixture);
}

static void cancel__waits_for_no_goodbye_beyond_the_deadline(void **state)
{
    cancel_a_goodbye(*state, "[{type: tap, name: c, to: 2}]", 2);
}

static void cancel__neither_for_that_of_one_that_changes(void **state)
{
    cancel_a_goodbye(*state, "[{type: lasting, name: a, to: 2}]", 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kept__goes_on_untouched),
        TEST(same__changes_nothing),
        TEST(changed_under_load__loses_no_count_and_none_twice),
        TEST(changed_under_load__neither_with_a_receiver_that_often_fails),
        TEST(changed__takes_over_what_waits_in_memory),
        TEST(changed__before_the_first_delivery_begins_where_that_one_would),
        TEST(changed__finishes_first_what_it_has_begun_to_send),
        TEST(report__of_a_successor_goes_on),
        TEST(added__counts_from_when_it_came),
        TEST(lanes__change_each_and_count_as_one),
        TEST(fetched__shows_again_what_was_delivered_last),
        TEST(changed__goes_on_in_the_same_spool),
        TEST(changed__leaves_none_of_this_run_in_another_spool),
        TEST(removed_and_added__goes_on_in_its_spool),
        TEST(removed__delivers_says_goodbye_and_holds_nobody_up),
        TEST(changed__says_goodbye_only_to_series_that_would_stay),
        TEST(mistake__is_told_with_its_place_and_changes_nothing),
        TEST(bind_that_fails__is_taken_back),
        TEST(part_that_is_refused__is_taken_back),
        TEST(one_that_cannot_be_bound_again__is_told_and_gone),
        TEST(hanging__is_left_behind_and_freed_when_it_ends),
        TEST(hanging__goes_on_when_it_is_taken_back),
        TEST(hanging__keeps_its_spool_so_nobody_follows),
        TEST(hanging__are_no_more_than_there_may_be),
        TEST(changed__has_all_that_deliveries_go_on_from),
        TEST(changed__counts_what_it_cannot_take_from_a_spool),
        TEST(step__waits_for_nobody),
        TEST(cancel__takes_back_what_has_not_changed),
        TEST(cancel__lets_who_hurried_hurry_again),
        TEST(cancel__waits_for_no_goodbye_beyond_the_deadline),
        TEST(cancel__neither_for_that_of_one_that_changes),
    };
    return cmocka_run_group_tests_name("workers_replace", tests, NULL, NULL);
}
