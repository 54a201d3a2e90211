/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process monitor: who tells of execs and ends of processes, and what the table of programs
 * learns from it. That is the tier's kernel programs where they work, else the kernel's connector,
 * which may lose events, fail and come back. Opened by the main thread; from then on the collector
 * thread's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/process/process.h"
#include "collector/source/connector.h"
#include "collector/source/source.h"
#include "config/config.h"
#include "exporters/engine/backoff.h"

/* Each is cumulative. */
struct eye_monitor_stats {
    uint64_t events; /* told; of the connector also those that nobody asked for */
    uint64_t execs;
    uint64_t exits;
    uint64_t lost;         /* events */
    uint64_t restarts;     /* the connector goes on, with a new socket */
    uint64_t failures;     /* it could not be opened, or told nothing */
    uint64_t scans_failed; /* of /proc, after events were lost */
};

enum eye_monitor_state {
    EYE_MONITOR_OFF,
    EYE_MONITOR_TRACED,    /* by the tier */
    EYE_MONITOR_CLOSED,    /* the connector failed: it is tried again */
    EYE_MONITOR_ASKED,     /* it is to show that it works */
    EYE_MONITOR_CONNECTED, /* it does */
};

/* Plain data, zeroed but for connector.fd, which is -1. */
struct eye_monitor {
    const struct eye_source *source;
    struct eye_processes *processes;
    enum eye_monitor_state state;
    struct eye_connector connector;
    struct eye_backoff backoff;
    uint64_t next_ns;     /* monotonic: CLOSED: of the next attempt; ASKED: it has failed */
    uint64_t offset_ns;   /* CLOCK_BOOTTIME less CLOCK_MONOTONIC: time in suspend */
    uint32_t socket_lost; /* events that the present socket has lost, as counted */
    bool answered;        /* the kernel has said that it tells */
    bool provoked;        /* ASKED: a process was made for it to tell of */
    bool failing;         /* was said */
    bool begun;           /* it worked once */
    struct eye_monitor_stats stats;
};

/** As source.processes says. What cannot be had is said in the log; the connector is tried again
 * for ever. */
void eye_monitor_open(struct eye_monitor *monitor, const struct eye_config *config,
                      const struct eye_source *source, struct eye_processes *processes);

/** Several times a second: reads what the connector tells, looks after it, and goes on asking /proc
 * while there is doubt. */
void eye_monitor_tick(struct eye_monitor *monitor, uint64_t now_ns);

/** Once per interval: what the tier counts. */
void eye_monitor_check(struct eye_monitor *monitor);

/** Who tells: "tracepoints", "connector"; NULL: nobody. */
const char *eye_monitor_way(const struct eye_monitor *monitor);

struct eye_monitor_stats eye_monitor_stats(const struct eye_monitor *monitor);

void eye_monitor_close(struct eye_monitor *monitor);
