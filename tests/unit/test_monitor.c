/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process monitor: whom it asks, and the real connector that fails and comes back. The tier is
 * the test's; time is what it says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/monitor.h"

/* ---- The source ---- */

static bool follows;
static struct eye_process_counts counts;
static uint64_t ring_losses;

const char *eye_source_proc(const struct eye_source *source)
{
    assert_null(source);
    return NULL; /* no other network namespace */
}

bool eye_source_follows_processes(const struct eye_source *source)
{
    assert_null(source);
    return follows;
}

struct eye_process_counts eye_source_process_counts(const struct eye_source *source)
{
    assert_null(source);
    return counts;
}

void eye_source_losses(const struct eye_source *source, uint64_t ret_losses[EYE_LOSS_COUNT])
{
    assert_null(source);
    memset(ret_losses, 0, EYE_LOSS_COUNT * sizeof(ret_losses[0]));
    ret_losses[EYE_LOSS_PROCESS_RING] = ring_losses;
}

/* ---- */

struct fixture {
    struct eye_monitor monitor;
    struct eye_processes *processes;
    struct eye_config config;
    uint64_t now_ns;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->processes = eye_processes_new("/proc", "/nonexistent");
    fixture->monitor.connector.fd = -1;
    fixture->now_ns = eye_clock_monotonic_ns();
    follows = false;
    counts = (struct eye_process_counts){0};
    ring_losses = 0;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    eye_monitor_close(&fixture->monitor);
    eye_processes_free(fixture->processes);
    free(fixture);
    return 0;
}

static void open_monitor(struct fixture *fixture, enum eye_monitoring wanted)
{
    fixture->config.source.processes = (int)wanted;
    eye_monitor_open(&fixture->monitor, &fixture->config, NULL, fixture->processes);
}

static void tick(struct fixture *fixture, uint64_t after_ns)
{
    fixture->now_ns += after_ns;
    eye_monitor_tick(&fixture->monitor, fixture->now_ns);
}

static void end_a_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void open__asks_who_is_wanted_and_works(void **state)
{
    (void)state;
    static const struct {
        enum eye_monitoring wanted;
        bool follows;
        const char *way;
    } cases[] = {
        {EYE_MONITORING_AUTO, true, "tracepoints"},
        {EYE_MONITORING_TRACEPOINTS, true, "tracepoints"},
        {EYE_MONITORING_AUTO, false, "connector"},
        {EYE_MONITORING_CONNECTOR, false, "connector"},
        {EYE_MONITORING_TRACEPOINTS, false, NULL}, /* refused: the tier has said so */
        {EYE_MONITORING_NONE, false, NULL},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        void *each;
        setup(&each);
        struct fixture *fixture = each;
        follows = cases[i].follows;
        open_monitor(fixture, cases[i].wanted);
        const char *way = eye_monitor_way(&fixture->monitor);
        assert_int_equal(way == NULL, cases[i].way == NULL);
        if (way != NULL) {
            assert_string_equal(way, cases[i].way);
        }
        teardown(&each);
    }
}

static void check__has_the_counts_of_the_tier(void **state)
{
    struct fixture *fixture = *state;
    follows = true;
    open_monitor(fixture, EYE_MONITORING_AUTO);
    counts = (struct eye_process_counts){.execs = 7, .exits = 5};
    ring_losses = 2;
    tick(fixture, EYE_NS_PER_SECOND);
    eye_monitor_check(&fixture->monitor);
    const struct eye_monitor_stats stats = eye_monitor_stats(&fixture->monitor);
    assert_int_equal(stats.events, 12);
    assert_int_equal(stats.execs, 7);
    assert_int_equal(stats.exits, 5);
    assert_int_equal(stats.lost, 2);
    assert_int_equal(stats.restarts + stats.failures + stats.scans_failed, 0);
}

/* By an answer, or by an event outside of the root pid namespace: before its second is over. */
static void wait_until_connected(struct fixture *fixture)
{
    for (int i = 0; i < 90 && fixture->monitor.state == EYE_MONITOR_ASKED; i++) {
        tick(fixture, 10 * EYE_NS_PER_MS);
        usleep(500);
    }
    assert_int_equal(fixture->monitor.state, EYE_MONITOR_CONNECTED);
}

static void wait_for_an_exit(struct fixture *fixture, uint64_t before)
{
    for (int i = 0; i < 1000 && eye_monitor_stats(&fixture->monitor).exits == before; i++) {
        tick(fixture, EYE_NS_PER_MS);
        usleep(500);
    }
    assert_true(eye_monitor_stats(&fixture->monitor).exits > before);
}

/* Its descriptor is closed behind its back: it comes back, and tells. */
static void tick__goes_on_after_an_error(void **state)
{
    struct fixture *fixture = *state;
    if (geteuid() != 0) {
        skip();
    }
    open_monitor(fixture, EYE_MONITORING_CONNECTOR);
    wait_until_connected(fixture);
    for (uint64_t i = 1; i <= 3; i++) {
        close(fixture->monitor.connector.fd);
        tick(fixture, EYE_NS_PER_MS);
        assert_int_equal(fixture->monitor.state, EYE_MONITOR_CLOSED);
        tick(fixture, 60 * EYE_NS_PER_SECOND);
        wait_until_connected(fixture);
        uint64_t before = eye_monitor_stats(&fixture->monitor).exits;
        end_a_child();
        wait_for_an_exit(fixture, before);
        const struct eye_monitor_stats stats = eye_monitor_stats(&fixture->monitor);
        assert_int_equal(stats.restarts, i);
        assert_int_equal(stats.failures, 0);
    }
}

/* Takes the answer away, and what else came. */
static void steal_answer(const struct fixture *fixture)
{
    char message[256];
    while (recv(fixture->monitor.connector.fd, message, sizeof(message), 0) > 0) {
    }
}

/* Outside of the root pid namespace nobody is answered, and events may come. */
static void tick__takes_an_event_for_an_answer(void **state)
{
    struct fixture *fixture = *state;
    if (geteuid() != 0) {
        skip();
    }
    open_monitor(fixture, EYE_MONITORING_CONNECTOR);
    steal_answer(fixture);
    tick(fixture, EYE_NS_PER_MS);
    assert_false(fixture->monitor.provoked);
    assert_int_equal(fixture->monitor.state, EYE_MONITOR_ASKED);
    tick(fixture, 500 * EYE_NS_PER_MS);
    assert_true(fixture->monitor.provoked);
    tick(fixture, EYE_NS_PER_MS);
    assert_int_equal(fixture->monitor.state, EYE_MONITOR_CONNECTED);
    assert_int_equal(eye_monitor_stats(&fixture->monitor).failures, 0);
}

/* It has a second; then it has failed, and is asked again for ever. */
static void tick__fails_who_tells_nothing(void **state)
{
    struct fixture *fixture = *state;
    if (geteuid() != 0) {
        skip();
    }
    open_monitor(fixture, EYE_MONITORING_CONNECTOR);
    for (uint64_t i = 1; i <= 3; i++) {
        const int group = CN_IDX_PROC;
        assert_int_equal(setsockopt(fixture->monitor.connector.fd, SOL_NETLINK,
                                    NETLINK_DROP_MEMBERSHIP, &group, sizeof(group)),
                         0);
        steal_answer(fixture);
        tick(fixture, 500 * EYE_NS_PER_MS);
        tick(fixture, 400 * EYE_NS_PER_MS);
        assert_int_equal(fixture->monitor.state, EYE_MONITOR_ASKED);
        assert_true(fixture->monitor.provoked);
        tick(fixture, 200 * EYE_NS_PER_MS);
        assert_int_equal(fixture->monitor.state, EYE_MONITOR_CLOSED);
        assert_int_equal(eye_monitor_stats(&fixture->monitor).failures, i);
        tick(fixture, 60 * EYE_NS_PER_SECOND);
        assert_int_equal(fixture->monitor.state, EYE_MONITOR_ASKED);
    }
    assert_int_equal(eye_monitor_stats(&fixture->monitor).restarts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open__asks_who_is_wanted_and_works),
        cmocka_unit_test_setup_teardown(check__has_the_counts_of_the_tier, setup, teardown),
        cmocka_unit_test_setup_teardown(tick__goes_on_after_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(tick__takes_an_event_for_an_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(tick__fails_who_tells_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
