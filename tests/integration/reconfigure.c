/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another configuration while everything runs: source and collector in this process, on the real
 * kernel, under traffic whose numbers are known (reconfigure_load.h). Every connection and every
 * request has to be counted under some name, whatever was switched meanwhile, and nothing may be
 * left over. Moves into a cgroup of its own, whose sockets alone are watched for protocols. Root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/collector.h"
#include "collector/commands.h"
#include "tests/integration/reconfigure_load.h"
#include "tests/support/own_cgroup.h"

/* By which its own series are told from those of others on this host. */
#define SERVICE "eye-reconfigure"

#define RELOADS 100
#define WARM_UP 20        /* of them; then it holds what it holds after the last one */
#define AT_LEAST_US 15000 /* of each configuration */
#define PATIENCE_NS (20 * EYE_NS_PER_SECOND)

/* Ends are told to the millisecond; the last one is looked at when the thread has ended. */
#define CLOCKS_NS (20 * EYE_NS_PER_MS)
#define ENDING_NS (500 * EYE_NS_PER_MS)

static struct {
    struct own_cgroup cgroup;
    struct load *load;
    struct eye_features features;
    const struct eye_config *config; /* in force */
    struct eye_publisher *publisher;
    struct eye_reports *reports;
    struct eye_collector *collector;
    struct eye_subscription subscription;
    uint64_t began_ns;    /* monotonic: the first interval */
    pthread_mutex_t lock; /* of what follows */
    const struct eye_snapshot *last;
    uint64_t elapsed_ns; /* the sum of all intervals */
    bool in_order;       /* so far */
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .in_order = true};

/* ---- The world ---- */

static const char *const intervals[] = {"interval=2s", "interval=1s", "interval=1500ms"};
static const char *const tags[] = {"connections.tags=[service, port]",
                                   "connections.tags=[direction, service, family, process]",
                                   "connections.tags=[service, netns, container]"};
static const char *const remotes[] = {"connections.remote=none", "connections.remote=zone",
                                      "connections.remote=ip", "connections.remote=cidr",
                                      "connections.remote=name"};
static const char *const networks[] = {
    "connections.networks=[]", "connections.networks=[{prefix: 127.0.0.0/8, name: first}]",
    "connections.networks=[{prefix: 127.0.0.0/8, name: second}, {prefix: 127.0.0.1, name: third}]"};
static const char *const excluded[] = {"connections.exclude=[]",
                                       "connections.exclude=[{port: 1}, {address: 192.0.2.0/24}]",
                                       "connections.exclude=[{service: nobody, process: '*'}]"};
static const char *const routes[] = {
    "http.routes=[]", "http.routes=[{pattern: /counted, route: first}]",
    "http.routes=[{pattern: /counted, route: second}, {pattern: /between, route: third}]"};
/* More than others on the host, whose connections are seen as well, use up. */
static const char *const limits[] = {"limits.series=20000", "limits.series=15000",
                                     "limits.series=30000"};
static const char *const values[] = {"limits.tag_values=10000", "limits.tag_values=7000"};
static const char *const idles[] = {"limits.idle=5m", "limits.idle=1h"};

#define PICK(list, i) (list)[(i) % EYE_ARRAY_LENGTH(list)]

/* Off at the start and once in a while: loading the programs anew is what takes most of the time.
 */
#define CYCLE 16
_Static_assert((RELOADS - WARM_UP) % CYCLE == 0, "the same are held");

enum { OFF, ALWAYS, AUTO };

static bool is_on(size_t i)
{
    return i % CYCLE != OFF;
}

static const char *protocols_of(size_t i)
{
    static const char *const when[] = {"protocols.http=auto", "protocols.http=true"};
    return is_on(i) ? PICK(when, i) : "protocols.http=false";
}

static struct eye_config *load_config(const char *const *assignments, size_t count)
{
    struct eye_known known;
    struct eye_config *config = NULL;
    struct eye_error error = {""};
    eye_known_init(&known);
    const struct eye_config_source source = {
        .file = "/dev/null",
        .assignments = assignments,
        .assignment_count = count,
        .sections = known.sections,
        .section_count = known.section_count,
        .tiers = known.tiers,
    };
    int result = eye_config_load(&source, &config, &error);
    if (result != 0) {
        fail_msg("%s", error.text);
    }
    return config;
}

static struct eye_config *config_of(size_t i)
{
    char cgroup[600];
    snprintf(cgroup, sizeof(cgroup), "source.cgroup=%s", world.cgroup.path);
    const char *const assignments[] = {
        cgroup,
#define X(identifier, name) "protocols." #name "=false",
        EYE_PROTOCOLS(X)
#undef X
            protocols_of(i),
        PICK(intervals, i),
        PICK(tags, i),
        PICK(remotes, i / 3),
        PICK(networks, i),
        PICK(excluded, i / 2),
        PICK(routes, i),
        PICK(limits, i / 2),
        PICK(values, i),
        PICK(idles, i / 2),
    };
    return load_config(assignments, EYE_ARRAY_LENGTH(assignments));
}

static void take(void *context, const struct eye_snapshot *snapshot)
{
    (void)context;
    pthread_mutex_lock(&world.lock);
    world.elapsed_ns += snapshot->interval_ns;
    world.in_order &= snapshot->elapsed_ns == world.elapsed_ns;
    if (world.last != NULL) {
        world.in_order &= snapshot->time_ns > world.last->time_ns;
        eye_subscription_deliver(&world.subscription, world.last->sequence);
    }
    eye_snapshot_unref(world.last);
    world.last = eye_snapshot_ref(snapshot);
    pthread_mutex_unlock(&world.lock);
}

/* There is one. */
static const struct eye_snapshot *last_snapshot(void)
{
    pthread_mutex_lock(&world.lock);
    const struct eye_snapshot *last = eye_snapshot_ref(world.last);
    pthread_mutex_unlock(&world.lock);
    return last;
}

static void begin(const struct eye_config *config)
{
    struct eye_source *source = NULL;
    struct eye_error error = {""};
    const struct eye_snapshot *before;
    world.config = config;
    eye_features_init(&world.features, config);
    eye_features_ask_all(&world.features);
    world.publisher = eye_publisher_new();
    world.reports = eye_reports_new();
    world.subscription = (struct eye_subscription){.take = take};
    assert_int_equal(eye_publisher_join(world.publisher, &world.subscription, &before), 0);
    if (eye_source_open(&world.features, NULL, &source, &error) != 0) {
        fail_msg("%s", error.text);
    }
    world.began_ns = eye_source_sight(source)->since_ns;
    assert_int_equal(
        eye_collector_new(config, source, world.publisher, world.reports, &world.collector, &error),
        0);
    assert_int_equal(eye_collector_start(world.collector), 0);
}

static int make_world(void **state)
{
    (void)state;
    eye_log_open();
    own_cgroup_enter(&world.cgroup);
    world.load = load_start();
    return 0;
}

static int end_world(void **state)
{
    (void)state;
    eye_snapshot_unref(world.last);
    load_free(world.load);
    return own_cgroup_leave(&world.cgroup);
}

static void reconfigure(struct eye_config *config)
{
    struct eye_error error = {""};
    if (eye_collector_reconfigure(world.collector, config, &error) != 0) {
        fail_msg("%s", error.text);
    }
    eye_config_unref(world.config);
    world.config = config;
}

static void wait_for(bool (*is_true)(void), const char *what)
{
    uint64_t end_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (!is_true()) {
        if (eye_clock_monotonic_ns() > end_ns) {
            fail_msg("waited in vain for %s", what);
        }
        usleep(1000);
    }
}

/* ---- What is held ---- */

struct held {
    size_t descriptors;
    size_t threads;
    size_t maps;
    size_t programs;
    size_t links;
};

static void count_object(const char *name, struct held *held)
{
    char path[512];
    char line[256];
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", name);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        bool link = strncmp(line, "link_id:", 8) == 0;
        held->links += link;
        held->maps += strncmp(line, "map_id:", 7) == 0;
        held->programs += strncmp(line, "prog_id:", 8) == 0;
        if (link) {
            break; /* it names its program, too */
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

static size_t count_entries(const char *path, struct held *held)
{
    size_t count = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] != '.') {
            count++;
            if (held != NULL) {
                count_object(entry->d_name, held);
            }
        }
    }
    closedir(folder);
    return count;
}

static struct held count_held(void)
{
    struct held held = {0};
    held.threads = count_entries("/proc/self/task", NULL);
    held.descriptors = count_entries("/proc/self/fd", &held);
    return held;
}

/* The collector opens files for a moment: what stays is the least. */
static void assert_held(const struct held *expected)
{
    struct held held = count_held();
    for (size_t i = 0; i < 100 && memcmp(&held, expected, sizeof(held)) != 0; i++) {
        usleep(1000);
        held = count_held();
    }
    assert_int_equal(held.descriptors, expected->descriptors);
    assert_int_equal(held.threads, expected->threads);
    assert_int_equal(held.maps, expected->maps);
    assert_int_equal(held.programs, expected->programs);
    assert_int_equal(held.links, expected->links);
}

static size_t programs_without_http;

static bool http_is_there(void)
{
    return count_held().programs >= programs_without_http + 2;
}

/* ---- What is counted ---- */

static bool has(const struct eye_point *point, enum eye_tag tag, const char *value)
{
    const char *found = eye_tag_set_value(point->tags, tag);
    return found != NULL && strcmp(found, value) == 0;
}

static double value_of(const struct eye_point *point)
{
    switch (point->metric->kind) {
    case EYE_COUNTER:
        return (double)point->counter;
    case EYE_GAUGE:
        return point->gauge;
    default:
        return (double)point->distribution->count;
    }
}

/* Over all series of the metric with this value of @tag. */
static double sum(const struct eye_snapshot *snapshot, enum eye_metric_id metric, enum eye_tag tag,
                  const char *value)
{
    double total = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct eye_point *point = &snapshot->points[i];
        if (point->metric->id == metric && has(point, tag, value)) {
            total += value_of(point);
        }
    }
    return total;
}

static double lost_by(const struct eye_snapshot *snapshot, const char *program, const char *reason)
{
    double total = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct eye_point *point = &snapshot->points[i];
        if (point->metric->id == EYE_METRIC_SELF_KERNEL_LOST &&
            has(point, EYE_TAG_PROGRAM, program) && has(point, EYE_TAG_REASON, reason)) {
            total += (double)point->counter;
        }
    }
    return total;
}

/* Of what was told, nothing else may be missing. */
static double missed_connections(const struct eye_snapshot *snapshot)
{
    return lost_by(snapshot, "tcp", "ring_full") + lost_by(snapshot, "tcp", "recursion") +
           lost_by(snapshot, "tcp", "vanished") + lost_by(snapshot, "tcp", "no_storage");
}

static double missed_requests(const struct eye_snapshot *snapshot)
{
    return lost_by(snapshot, "http", "ring_full") + lost_by(snapshot, "http", "no_storage") +
           lost_by(snapshot, "http", "gap");
}

static void assert_between(const char *what, double value, double least, double most)
{
    if (value < least || value > most) {
        fail_msg("%s: %.0f, expected %.0f to %.0f", what, value, least, most);
    }
}

/* Everything that was lost, and whose connections there were. */
static void print_connections(const struct eye_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct eye_point *point = &snapshot->points[i];
        enum eye_metric_id id = point->metric->id;
        if (value_of(point) != 0 && (id == EYE_METRIC_SELF_KERNEL_LOST ||
                                     id == EYE_METRIC_TCP_OPENED || id == EYE_METRIC_TCP_CLOSED)) {
            print_message("%s %.0f:", point->metric->name, value_of(point));
            for (size_t k = 0; k < point->tags->count; k++) {
                print_message(" %s=%s", eye_tag_info(point->tags->tags[k].tag)->name,
                              point->tags->tags[k].value);
            }
            print_message("\n");
        }
    }
}

static void assert_connections(const struct eye_snapshot *snapshot)
{
    double both_ends = 2 * (double)world.load->opened;
    double missed = missed_connections(snapshot);
    if (sum(snapshot, EYE_METRIC_TCP_OPENED, EYE_TAG_SERVICE, SERVICE) != both_ends ||
        sum(snapshot, EYE_METRIC_TCP_CLOSED, EYE_TAG_SERVICE, SERVICE) != both_ends) {
        print_connections(snapshot);
    }
    assert_between("opened", sum(snapshot, EYE_METRIC_TCP_OPENED, EYE_TAG_SERVICE, SERVICE),
                   both_ends - missed, both_ends);
    assert_between("active", sum(snapshot, EYE_METRIC_TCP_ACTIVE, EYE_TAG_SERVICE, SERVICE), 0, 0);
    assert_between("closed", sum(snapshot, EYE_METRIC_TCP_CLOSED, EYE_TAG_SERVICE, SERVICE),
                   both_ends - missed, both_ends);
}

static void assert_requests(const struct eye_snapshot *snapshot)
{
    static const enum eye_metric_id ends[] = {EYE_METRIC_HTTP_CLIENT_DURATION,
                                              EYE_METRIC_HTTP_SERVER_DURATION};
    double asked = (double)world.load->requests[LOAD_COUNTED];
    double missed = missed_requests(snapshot);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ends); i++) {
        double shaped = sum(snapshot, ends[i], EYE_TAG_ROUTE, load_paths[LOAD_COUNTED]);
        double first = sum(snapshot, ends[i], EYE_TAG_ROUTE, "first");
        double second = sum(snapshot, ends[i], EYE_TAG_ROUTE, "second");
        print_message("%s: %.0f + %.0f + %.0f of %.0f\n", eye_metric(ends[i])->name, shaped, first,
                      second, asked);
        assert_true(shaped > 0 && first > 0 && second > 0);
        assert_between("requests", shaped + first + second, asked - missed, asked);
        assert_true(sum(snapshot, ends[i], EYE_TAG_ROUTE, load_paths[LOAD_IGNORED]) == 0);
    }
}

/* A program that nobody wants is neither attached nor refused. */
static void assert_attached(const struct eye_snapshot *snapshot)
{
    static const char *const programs[] = {"payload_sent", "payload_received", "http_sent",
                                           "http_received"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(programs); i++) {
        assert_true(sum(snapshot, EYE_METRIC_SELF_BPF_ATTACHED, EYE_TAG_PROGRAM, programs[i]) == 1);
    }
}

static uint64_t waited_for;

static bool is_published(void)
{
    pthread_mutex_lock(&world.lock);
    bool published = world.last != NULL && world.last->sequence >= waited_for;
    pthread_mutex_unlock(&world.lock);
    return published;
}

/* One whose interval began after now. */
static const struct eye_snapshot *next_snapshot(void)
{
    waited_for = 1;
    wait_for(is_published, "the first snapshot");
    const struct eye_snapshot *last = last_snapshot();
    waited_for = last->sequence + 2;
    eye_snapshot_unref(last);
    wait_for(is_published, "a snapshot");
    return last_snapshot();
}

/* What is not followed is not lost, and what is followed anew begins at a message. */
static void assert_no_noise(const struct eye_snapshot *snapshot)
{
    assert_true(lost_by(snapshot, "http", "not_loaded") == 0);
    assert_true(lost_by(snapshot, "http", "malformed") == 0);
    assert_true(lost_by(snapshot, "http", "gap") == 0);
    assert_true(sum(snapshot, EYE_METRIC_USM_LOST, EYE_TAG_REASON, "not_loaded") == 0);
}

static void assert_active(const struct eye_snapshot *snapshot)
{
    double active = sum(snapshot, EYE_METRIC_TCP_ACTIVE, EYE_TAG_SERVICE, SERVICE);
    assert_between("active", active, 2 * (LOAD_HELD + LOAD_CLIENTS),
                   2 * (LOAD_HELD + LOAD_CLIENTS));
}

/* ---- The tests ---- */

/* Under load from one configuration to the next; it goes on meanwhile, but counts on neither side.
 */
static void go_on(size_t i)
{
    load_turn(world.load, LOAD_BETWEEN);
    reconfigure(config_of(i));
    load_turn(world.load, is_on(i) ? LOAD_COUNTED : LOAD_IGNORED);
    usleep(AT_LEAST_US);
}

static void reconfigure__loses_nothing(void **state)
{
    (void)state;
    struct held held = {0};
    uint64_t longest_ns = 0;
    begin(config_of(OFF));
    load_turn(world.load, LOAD_IGNORED);
    uint64_t began_ns = eye_clock_monotonic_ns();
    for (size_t i = 1; i <= RELOADS; i++) {
        uint64_t start_ns = eye_clock_monotonic_ns();
        go_on(i);
        uint64_t took_ns = eye_clock_monotonic_ns() - start_ns;
        longest_ns = took_ns > longest_ns ? took_ns : longest_ns;
        if (i == WARM_UP) {
            held = count_held();
        }
    }
    print_message("%d reloads in %llu ms, the longest %llu ms\n", RELOADS,
                  (unsigned long long)((eye_clock_monotonic_ns() - began_ns) / EYE_NS_PER_MS),
                  (unsigned long long)(longest_ns / EYE_NS_PER_MS));
    assert_held(&held);
    load_turn(world.load, LOAD_STILL);
    const struct eye_snapshot *snapshot = next_snapshot();
    assert_active(snapshot);
    assert_requests(snapshot);
    assert_no_noise(snapshot);
    assert_attached(snapshot);
    eye_snapshot_unref(snapshot);
}

static rlim_t limit_descriptors(rlim_t count)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static void assert_whole(void)
{
    assert_true(eye_collector_sees_all(world.collector));
}

/* What cannot be had leaves everything as it was; and then it can be had. */
static void reconfigure__is_whole_or_not_at_all(void **state)
{
    (void)state;
    struct eye_error error = {""};
    go_on(OFF);
    programs_without_http = count_held().programs;
    const struct held held = count_held();
    struct eye_config *config = config_of(ALWAYS);
    rlim_t before = limit_descriptors(held.descriptors + 2);
    int result = eye_collector_reconfigure(world.collector, config, &error);
    limit_descriptors(before);
    print_message("%s\n", error.text);
    assert_int_not_equal(result, 0);
    assert_non_null(strstr(error.text, "requests of protocols are not seen: "));
    assert_held(&held);
    assert_whole();
    load_turn(world.load, LOAD_IGNORED);
    usleep(AT_LEAST_US);
    load_turn(world.load, LOAD_BETWEEN);
    reconfigure(config);
    load_turn(world.load, LOAD_COUNTED);
    usleep(AT_LEAST_US);
    load_turn(world.load, LOAD_BETWEEN);
    assert_whole();
}

/* Switched on, it is brought when it is seen, as after a start. */
static void reconfigure__brings_what_is_seen(void **state)
{
    (void)state;
    load_turn(world.load, LOAD_BETWEEN);
    reconfigure(config_of(OFF));
    programs_without_http = count_held().programs;
    load_turn(world.load, LOAD_STILL);
    reconfigure(config_of(AUTO));
    assert_int_equal(count_held().programs, programs_without_http);
    load_turn(world.load, LOAD_BETWEEN);
    wait_for(http_is_there, "the programs of HTTP");
    usleep(AT_LEAST_US);
}

static void stop__has_counted_everything(void **state)
{
    (void)state;
    load_end(world.load);
    eye_collector_stop(world.collector);
    uint64_t end_ns = eye_clock_monotonic_ns();
    const struct eye_snapshot *last = last_snapshot();
    assert_true(world.in_order);
    uint64_t observed_ns = end_ns - world.began_ns;
    assert_between("elapsed", (double)last->elapsed_ns, (double)observed_ns - ENDING_NS,
                   (double)observed_ns + CLOCKS_NS);
    assert_connections(last);
    assert_requests(last);
    eye_snapshot_unref(last);
    eye_subscription_leave(&world.subscription);
    eye_collector_free(world.collector);
    eye_config_unref(world.config);
    eye_reports_free(world.reports);
    eye_publisher_free(world.publisher);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reconfigure__loses_nothing),
        cmocka_unit_test(reconfigure__is_whole_or_not_at_all),
        cmocka_unit_test(reconfigure__brings_what_is_seen),
        cmocka_unit_test(stop__has_counted_everything),
    };
    (void)argc;
    /* A program has the name that its environment gives it when it begins. */
    const char *service = getenv("DD_SERVICE");
    if (service == NULL || strcmp(service, SERVICE) != 0) {
        setenv("DD_SERVICE", SERVICE, 1);
        execv("/proc/self/exe", argv);
        return 1;
    }
    return cmocka_run_group_tests(tests, make_world, end_world);
}
