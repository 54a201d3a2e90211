/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/monitor.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/privileges.h"

/* In which the connector has to answer or to tell of a process. */
#define PROOF_NS EYE_NS_PER_SECOND

/* Without an answer until then it is given something to tell of: it answers nobody who is outside
 * of the root pid and user namespace, and may tell of events all the same. */
#define ANSWER_NS (200 * EYE_NS_PER_MS)

#define PAUSE_MAX_NS (60 * EYE_NS_PER_SECOND)

static uint64_t read_offset(void)
{
    struct timespec boottime;
    clock_gettime(CLOCK_BOOTTIME, &boottime);
    uint64_t boottime_ns =
        (uint64_t)boottime.tv_sec * EYE_NS_PER_SECOND + (uint64_t)boottime.tv_nsec;
    return boottime_ns - eye_clock_monotonic_ns();
}

/* ---- The connector ---- */

static void fail(struct eye_monitor *monitor, uint64_t now_ns, const char *why)
{
    eye_connector_close(&monitor->connector);
    monitor->state = EYE_MONITOR_CLOSED;
    monitor->next_ns = now_ns + eye_backoff_fail(&monitor->backoff, 0);
    if (!monitor->failing) {
        eye_log_warning("ends of processes are not told: %s; tried again for ever", why);
    }
    monitor->failing = true;
}

static void fail_to_open(struct eye_monitor *monitor, uint64_t now_ns, const char *why)
{
    monitor->stats.failures++;
    fail(monitor, now_ns, why);
}

static void ask(struct eye_monitor *monitor, uint64_t now_ns)
{
    struct eye_error why;
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    int result = eye_connector_open(eye_source_proc(monitor->source), &monitor->connector, &why);
    eye_privileges_lower(privileges);
    monitor->socket_lost = 0;
    monitor->answered = false;
    monitor->provoked = false;
    if (result != 0) {
        fail_to_open(monitor, now_ns, why.text);
        return;
    }
    monitor->state = EYE_MONITOR_ASKED;
    monitor->next_ns = now_ns + PROOF_NS;
}

/* It works. What ended before is found by a scan. */
static void succeed(struct eye_monitor *monitor)
{
    monitor->state = EYE_MONITOR_CONNECTED;
    monitor->stats.restarts += monitor->begun;
    eye_backoff_succeed(&monitor->backoff);
    eye_processes_doubt(monitor->processes);
    if (monitor->failing || !monitor->begun) {
        eye_log_info("ends of processes are told by the process events connector");
    }
    monitor->begun = true;
    monitor->failing = false;
}

static void take_end(struct eye_monitor *monitor, const struct eye_connector_event *event)
{
    monitor->stats.exits++;
    eye_processes_end(monitor->processes, event->pid, event->monotonic_ns + monitor->offset_ns);
}

/* An eye_connector_handler. An exec needs nothing: the kernel's keys know of it. */
static void take_event(void *context, const struct eye_connector_event *event)
{
    struct eye_monitor *monitor = context;
    if (event->what == EYE_CONNECTOR_ANSWER) {
        monitor->answered |= event->error == 0;
    } else {
        monitor->stats.events++;
    }
    monitor->stats.execs += event->what == EYE_CONNECTOR_EXEC;
    if (event->what == EYE_CONNECTOR_EXIT) {
        take_end(monitor, event);
    }
}

static void count_lost(struct eye_monitor *monitor)
{
    uint32_t lost = eye_connector_lost(&monitor->connector) - monitor->socket_lost;
    if (lost > 0) {
        monitor->stats.lost += lost;
        monitor->socket_lost += lost;
        eye_processes_doubt(monitor->processes);
    }
}

static void read_connector(struct eye_monitor *monitor, uint64_t now_ns)
{
    monitor->offset_ns = read_offset();
    int result = eye_connector_read(&monitor->connector, take_event, monitor);
    count_lost(monitor);
    if (result != 0) {
        fail(monitor, now_ns, strerror(-result));
    }
}

/* A process that ends at once. The collector thread waits for it: some 0.3 ms, once. */
static void provoke(struct eye_monitor *monitor)
{
    monitor->provoked = true;
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    if (child > 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        }
    }
}

static void await(struct eye_monitor *monitor, uint64_t now_ns)
{
    uint64_t before = monitor->stats.events;
    read_connector(monitor, now_ns);
    if (monitor->state != EYE_MONITOR_ASKED) {
        return;
    }
    if (monitor->answered) {
        eye_connector_narrow(&monitor->connector);
        succeed(monitor);
    } else if (monitor->provoked && monitor->stats.events > before) {
        succeed(monitor);
    } else if (now_ns >= monitor->next_ns) {
        fail_to_open(monitor, now_ns, "the process events connector is silent");
    } else if (!monitor->provoked && now_ns + PROOF_NS - ANSWER_NS >= monitor->next_ns) {
        provoke(monitor);
    }
}

static void look_after(struct eye_monitor *monitor, uint64_t now_ns)
{
    switch (monitor->state) {
    case EYE_MONITOR_OFF:
    case EYE_MONITOR_TRACED:
        return;
    case EYE_MONITOR_CLOSED:
        if (now_ns >= monitor->next_ns) {
            ask(monitor, now_ns);
        }
        return;
    case EYE_MONITOR_ASKED:
        await(monitor, now_ns);
        return;
    case EYE_MONITOR_CONNECTED:
        read_connector(monitor, now_ns);
        return;
    }
}

/* ---- All ways ---- */

void eye_monitor_open(struct eye_monitor *monitor, const struct eye_config *config,
                      const struct eye_source *source, struct eye_processes *processes)
{
    int wanted = config->source.processes;
    monitor->source = source;
    monitor->processes = processes;
    monitor->connector.fd = -1;
    monitor->backoff = (struct eye_backoff){.max_ns = PAUSE_MAX_NS};
    if (eye_source_follows_processes(source)) {
        monitor->state = EYE_MONITOR_TRACED;
    } else if (wanted == EYE_MONITORING_AUTO || wanted == EYE_MONITORING_CONNECTOR) {
        ask(monitor, eye_clock_monotonic_ns());
    }
}

void eye_monitor_tick(struct eye_monitor *monitor, uint64_t now_ns)
{
    look_after(monitor, now_ns);
    eye_processes_scan(monitor->processes);
}

void eye_monitor_check(struct eye_monitor *monitor)
{
    uint64_t losses[EYE_LOSS_COUNT];
    if (monitor->state != EYE_MONITOR_TRACED) {
        return;
    }
    const struct eye_process_counts counts = eye_source_process_counts(monitor->source);
    eye_source_losses(monitor->source, losses);
    if (losses[EYE_LOSS_PROCESS_RING] > monitor->stats.lost) {
        eye_processes_doubt(monitor->processes);
    }
    monitor->stats.lost = losses[EYE_LOSS_PROCESS_RING];
    monitor->stats.execs = counts.execs;
    monitor->stats.exits = counts.exits;
    monitor->stats.events = counts.execs + counts.exits;
}

const char *eye_monitor_way(const struct eye_monitor *monitor)
{
    return monitor->state == EYE_MONITOR_OFF      ? NULL
           : monitor->state == EYE_MONITOR_TRACED ? "tracepoints"
                                                  : "connector";
}

struct eye_monitor_stats eye_monitor_stats(const struct eye_monitor *monitor)
{
    struct eye_monitor_stats stats = monitor->stats;
    stats.scans_failed = eye_processes_scans_failed(monitor->processes);
    return stats;
}

void eye_monitor_close(struct eye_monitor *monitor)
{
    eye_connector_close(&monitor->connector);
}
