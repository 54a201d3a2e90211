/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns a socket: from a pid to service, executable and container. Read from /proc when a pid
 * is first seen; kept for two minutes after the process ended, so that its last records find it.
 * Belongs to the collector thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/base/error.h"

/* Processes remembered; beyond it the longest dead, then the least recently used goes. */
#define EYE_PROCESS_MAX 16384

/* How long an ended process is remembered. */
#define EYE_PROCESS_KEEP_NS (UINT64_C(120) * 1000000000)

/* Strings are cut to fit and never empty but container ("" outside of one). */
struct eye_process {
    uint32_t pid;         /* thread group id as the root pid namespace sees it */
    uint64_t start_ticks; /* field 22 of /proc/PID/stat; 0: it was gone before it could be read */
    uint64_t start_stack; /* field 28: another address after an exec; 0: not shown to us */
    uint64_t id;          /* unique within the run: a pid used again has another */
    char service[128]; /* DD_SERVICE, else OTEL_SERVICE_NAME of its environment, else systemd unit,
                          container, executable */
    char executable[64]; /* basename of /proc/PID/exe, else the command name */
    char container[13];  /* first 12 hex digits of the container id */
};

struct eye_processes;

/** @root is "/proc" (tests give another). NULL when out of memory. */
struct eye_processes *eye_processes_new(const char *root);
void eye_processes_free(struct eye_processes *processes);

/**
 * The process @pid. @comm is the command name that the kernel saw (NUL-terminated, may be ""): the
 * answer when /proc no longer has the pid. pid 0 is the kernel: service "kernel". Never NULL: what
 * cannot be known is service "unknown". Good until the next eye_processes_sweep().
 */
const struct eye_process *eye_processes_find(struct eye_processes *processes, uint32_t pid,
                                             const char *comm, uint64_t now_ns);

/**
 * Once per interval: notices ended processes and reused pids, forgets those ended for
 * EYE_PROCESS_KEEP_NS.
 */
void eye_processes_sweep(struct eye_processes *processes, uint64_t now_ns);

size_t eye_processes_count(const struct eye_processes *processes);

/** Grows whenever an entry was forgotten or replaced: cached pointers are then void. */
uint64_t eye_processes_generation(const struct eye_processes *processes);
