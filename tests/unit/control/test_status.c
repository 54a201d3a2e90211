/* SPDX-License-Identifier: Apache-2.0 */
/* What a status says of snapshots, of what is not seen, and of intervals that do not end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/control/status.h"
#include "collector/control/tls_json.h"

#define INTERVAL_NS EYE_NS_PER_SECOND

struct world {
    struct eye_registry *registry;
    struct eye_group *group;
    struct eye_publisher *publisher;
    struct eye_view view;
    struct eye_sight sight;
    struct eye_config config;
    struct eye_workers workers;
    struct eye_running running;
    uint64_t sequence;
};

static const _Atomic(const char *) nat = "best";

static int setup(void **state)
{
    const struct eye_limits limits = {
        .series_per_metric = 100, .values_per_tag = 100, .idle_ns = EYE_NS_PER_SECOND};
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->registry = eye_registry_new(&limits);
    world->group = eye_group_new(world->registry, NULL, 0);
    world->publisher = eye_publisher_new();
    assert_int_equal(eye_view_open(&world->view, world->publisher), 0);
    world->running = (struct eye_running){
        .config = &world->config,
        .workers = &world->workers,
        .sight = &world->sight,
        .tier = "best",
        .nat = &nat,
        .view = &world->view,
        .monotonic_ns = eye_clock_monotonic_ns(),
        .interval_ns = INTERVAL_NS,
    };
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    eye_view_close(&world->view);
    eye_publisher_free(world->publisher);
    eye_registry_free(world->registry);
    free(world);
    return 0;
}

static struct eye_series *two_tags(const struct world *world, enum eye_metric_id metric,
                                   enum eye_tag first, const char *a, enum eye_tag second,
                                   const char *b)
{
    const struct eye_tag_value tags[] = {{first, a}, {second, b}};
    return eye_group_series(world->group, metric, tags, b == NULL ? 1 : 2);
}

static void set_loss(const struct world *world, const char *reason, uint64_t count)
{
    eye_counter_set(two_tags(world, EYE_METRIC_SELF_KERNEL_LOST, EYE_TAG_PROGRAM, "tcp",
                             EYE_TAG_REASON, reason),
                    count);
}

static void set_attached(const struct world *world, const char *program, double value)
{
    eye_gauge_set(two_tags(world, EYE_METRIC_SELF_BPF_ATTACHED, EYE_TAG_PROGRAM, program, 0, NULL),
                  value);
}

static void publish(struct world *world, uint64_t elapsed_ns)
{
    world->sequence++;
    struct eye_snapshot *snapshot = eye_snapshot_take(
        world->registry, world->sequence, world->sequence * INTERVAL_NS, INTERVAL_NS, 1);
    assert_non_null(snapshot);
    snapshot->elapsed_ns = elapsed_ns;
    eye_publisher_publish(world->publisher, snapshot);
    eye_snapshot_unref(snapshot);
}

static void assert_text(const json_t *object, const char *key, const char *expected)
{
    assert_string_equal(json_string_value(json_object_get(object, key)), expected);
}

static long long integer_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void before_the_first_interval(void **state)
{
    struct world *world = *state;
    json_t *status = eye_status_json(&world->running);
    assert_text(status, "status", "healthy");
    assert_true(json_is_null(json_object_get(json_object_get(status, "interval"), "ended")));
    assert_true(json_is_null(json_object_get(json_object_get(status, "self"), "cpu_ratio")));
    assert_int_equal(json_array_size(json_object_get(status, "losses")), 0);
    json_decref(status);
}

static void losses_with_what_the_last_interval_added(void **state)
{
    struct world *world = *state;
    set_loss(world, "ring_full", 5);
    set_loss(world, "recursion", 0);
    publish(world, INTERVAL_NS);
    set_loss(world, "ring_full", 7);
    publish(world, 2 * INTERVAL_NS);
    json_t *status = eye_status_json(&world->running);
    const json_t *losses = json_object_get(status, "losses");
    assert_int_equal(json_array_size(losses), 1);
    const json_t *loss = json_array_get(losses, 0);
    assert_text(loss, "program", "tcp");
    assert_text(loss, "reason", "ring_full");
    assert_int_equal(integer_of(loss, "total"), 7);
    assert_int_equal(integer_of(loss, "last_interval"), 2);
    assert_text(status, "status", "healthy");
    json_decref(status);
}

static void set_cpu(const struct world *world, uint64_t ns)
{
    eye_counter_set(eye_group_series(world->group, EYE_METRIC_SELF_CPU, NULL, 0), ns);
}

static void assert_says(const json_t *status, const char *words, bool said)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, EYE_STATUS_TEXT_MAX);
    eye_status_write(status, false, &text);
    assert_int_equal(strstr(eye_text_string(&text), words) != NULL, said);
}

/* Of one CPU, for as long as the interval was; of the first one nothing is known. */
static void what_the_daemon_itself_takes(void **state)
{
    struct world *world = *state;
    set_cpu(world, 7 * INTERVAL_NS);
    publish(world, INTERVAL_NS);
    json_t *status = eye_status_json(&world->running);
    assert_says(status, "memory", true);
    assert_says(status, "CPU", false);
    json_decref(status);
    set_cpu(world, 7 * INTERVAL_NS + INTERVAL_NS / 2);
    publish(world, 3 * INTERVAL_NS); /* since the start */
    status = eye_status_json(&world->running);
    assert_says(status, ", CPU 25.00 %\n", true);
    const json_t *self = json_object_get(status, "self");
    const double ratio = json_real_value(json_object_get(self, "cpu_ratio"));
    assert_true(ratio > 0.2499 && ratio < 0.2501);
    json_decref(status);
}

/* Whoever looks later need not wait for the next interval. */
static void a_view_begins_with_what_was_published_last(void **state)
{
    struct world *world = *state;
    struct eye_view late;
    const struct eye_snapshot *now;
    const struct eye_snapshot *before;
    publish(world, INTERVAL_NS);
    assert_int_equal(eye_view_open(&late, world->publisher), 0);
    eye_view_read(&late, &now, &before);
    assert_non_null(now);
    assert_int_equal(now->sequence, world->sequence);
    assert_null(before);
    eye_snapshot_unref(now);
    eye_view_close(&late);
}

static void programs_that_do_not_work(void **state)
{
    struct world *world = *state;
    set_attached(world, "tcp_state", 1);
    set_attached(world, "payload_sent", 0);
    set_attached(world, "payload_received", 0);
    eye_counter_set(
        two_tags(world, EYE_METRIC_SELF_BPF_RUNS, EYE_TAG_PROGRAM, "tcp_state", 0, NULL), 4);
    eye_counter_set(
        two_tags(world, EYE_METRIC_SELF_BPF_TIME, EYE_TAG_PROGRAM, "tcp_state", 0, NULL), 2000);
    publish(world, INTERVAL_NS);
    json_t *status = eye_status_json(&world->running);
    assert_text(status, "status", "degraded");
    assert_string_equal(json_string_value(json_array_get(json_object_get(status, "problems"), 0)),
                        "kernel programs that are not attached: payload_sent, payload_received; "
                        "`sockeye probe` says why");
    const json_t *program = json_array_get(json_object_get(status, "programs"), 0);
    assert_int_equal(integer_of(program, "runs"), 4);
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, 65536);
    eye_status_write(status, false, &text);
    assert_non_null(strstr(text.data, "           4 runs, 500 ns each\n"));
    assert_non_null(strstr(text.data, "payload_sent                 refused\n"));
    json_decref(status);
}

static void files_of_tls_with_what_became_of_them(void **state)
{
    static const struct eye_tls_file probed = {.outcome = EYE_TLS_PROBED,
                                               .path = "/usr/lib/libssl.so.3",
                                               .library = "OpenSSL",
                                               .way = "functions",
                                               .sites = 16,
                                               .stepped = 2,
                                               .calls = 1234,
                                               .took_ns = 4100000,
                                               .processes = 3};
    static const struct eye_tls_file refused = {.outcome = EYE_TLS_REFUSED,
                                                .path = "/opt/libssl-odd.so",
                                                .reason = "no library of TLS that is known",
                                                .processes = 1};
    (void)state;
    json_t *files = json_array();
    eye_tls_file_append(files, &probed);
    eye_tls_file_append(files, &refused);
    assert_int_equal(json_array_size(files), 2);
    assert_text(json_array_get(files, 0), "outcome", "probed");
    assert_true(json_is_null(json_object_get(json_array_get(files, 0), "reason")));
    assert_true(json_is_null(json_object_get(json_array_get(files, 1), "library")));
    json_t *status = json_pack("{s:{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o}}", "tls", "probed", 1,
                               "refused", 1, "doubted", 0, "excluded", 4, "beyond", 6,
                               "connections", 7, "sessions", 5, "files", files);
    assert_non_null(status);
    assert_says(status, "  6 times the last look met one that there is no room for\n", true);
    assert_says(status, "  7 ends of connections began TLS since start, 5 are read\n", true);
    assert_says(status, "1 libraries probed, 1 refused, 0 let go in doubt, 4 left out\n", true);
    assert_says(status,
                "  probed /usr/lib/libssl.so.3\n"
                "    OpenSSL by its functions: 16 places (2 stepped) in 4.1 ms, 1234 calls, 3 "
                "processes\n",
                true);
    assert_says(status, "  refused /opt/libssl-odd.so\n    no library of TLS that is known\n",
                true);
    json_decref(status);
}

static void what_is_seen_by_now_is_not_told(void **state)
{
    struct world *world = *state;
    size_t first = eye_sight_note(&world->sight, &(struct eye_error){"first"});
    eye_sight_note(&world->sight, &(struct eye_error){"second"});
    world->sight.over[first] = true;
    json_t *status = eye_status_json(&world->running);
    const json_t *lines = json_object_get(status, "not_seen");
    assert_int_equal(json_array_size(lines), 1);
    assert_string_equal(json_string_value(json_array_get(lines, 0)), "second");
    json_decref(status);
}

/* @late_ns: since when the next interval should have ended. */
static bool is_alive(struct world *world, uint64_t late_ns)
{
    world->running.monotonic_ns = eye_clock_monotonic_ns() - INTERVAL_NS - late_ns;
    return eye_status_is_alive(&world->running);
}

static void intervals_that_do_not_end(void **state)
{
    struct world *world = *state;
    assert_true(is_alive(world, 0));
    assert_false(is_alive(world, INTERVAL_NS + EYE_STATUS_GRACE_NS));
    publish(world, INTERVAL_NS);
    assert_true(is_alive(world, INTERVAL_NS + EYE_STATUS_GRACE_NS));
    assert_false(is_alive(world, 2 * INTERVAL_NS + EYE_STATUS_GRACE_NS));
    json_t *status = eye_status_json(&world->running);
    assert_text(status, "status", "degraded");
    json_decref(status);
}

/* The interval that is open at a reload may be as long as those before. */
static void an_interval_that_was_longer(void **state)
{
    struct world *world = *state;
    world->running.interval_before_ns = 10 * INTERVAL_NS;
    world->running.reloaded = (struct eye_reloaded){.time_ns = INTERVAL_NS + 1, .done = true};
    publish(world, INTERVAL_NS); /* at INTERVAL_NS: before the reload */
    assert_true(is_alive(world, 15 * INTERVAL_NS));
    publish(world, INTERVAL_NS);
    assert_false(is_alive(world, 15 * INTERVAL_NS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(before_the_first_interval, setup, teardown),
        cmocka_unit_test_setup_teardown(losses_with_what_the_last_interval_added, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_daemon_itself_takes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_view_begins_with_what_was_published_last, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(programs_that_do_not_work, setup, teardown),
        cmocka_unit_test(files_of_tls_with_what_became_of_them),
        cmocka_unit_test_setup_teardown(what_is_seen_by_now_is_not_told, setup, teardown),
        cmocka_unit_test_setup_teardown(intervals_that_do_not_end, setup, teardown),
        cmocka_unit_test_setup_teardown(an_interval_that_was_longer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
