/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns a socket: from the key of a program (bpf/abi.h) to service, executable and container.
 * The kernel side introduces a program when it first uses a socket; one without introduction (found
 * by the seed, or its record lost) is looked up in /proc, where its start must be the key's. Never
 * somebody else's name: what cannot be known is "unknown". Belongs to the collector thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/error.h"
#include "collector/process/container.h"

/* Programs remembered; beyond it the least recently used goes whose process is gone. */
#define EYE_PROCESS_MAX 16384

/*
 * Counting passes (about one a minute) after which a program that was not heard of is forgotten,
 * unless its process lives: it may have written over its environment, and its name would be another
 * one the next time. Each pass names the owner of every live socket, and a program that goes on
 * using sockets is introduced again every EYE_INTRODUCE_PASSES of the kernel side, which has to be
 * less.
 */
#define EYE_PROCESS_KEEP_PASSES 4

/* Passes after which it is forgotten when nobody can tell whether its process lives: without the
 * host's /proc, or when that hides it. About a day: what is silent at night has its name still. */
#define EYE_PROCESS_UNCERTAIN_PASSES 1440

/* How many that may live a pass asks for, at some 15 us each; the next pass asks for the others. */
#define EYE_PROCESS_ASK 1024

/* Programs introduced at their exec that no socket has named yet; beyond it the oldest goes. More
 * than the ring "owners" holds at once, so that whoever uses a socket soon is found here. */
#define EYE_PROCESS_EXECUTED_MAX 2048

/* How many a step of eye_processes_scan() asks for, at some 15 us each. */
#define EYE_PROCESS_SCAN_STEP 256

/* How many that live are spared when there is no room, before the longest unused goes anyway. */
#define EYE_PROCESS_SPARE 8

/* Strings are cut to fit and never empty. */
struct eye_process {
    uint64_t owner;      /* key */
    uint64_t id;         /* unique within the run; another one when the names change */
    char service[128];   /* DD_SERVICE, else OTEL_SERVICE_NAME, else service.name of
                            OTEL_RESOURCE_ATTRIBUTES of its environment, else systemd unit,
                            container's name or id, executable */
    char executable[64]; /* basename, never the name of a thread */
    struct eye_container_id container;
    const struct eye_container_names *names; /* of the container; NULL: outside of one, or not told
                                                by anybody. Good as long as the process is */
};

struct eye_processes;
struct eye_container_stats; /* collector/process/containers.h */

/**
 * @proc is the host's /proc (tests give another). NULL: there is none, and a number in any other
 * one would be a stranger's, so only programs that were introduced have a name. @root is the host's
 * root folder, where container runtimes have their files. Returns NULL when out of memory.
 */
struct eye_processes *eye_processes_new(const char *proc, const char *root);
void eye_processes_free(struct eye_processes *processes);

/** Takes introductions that wait: eye_processes_take() is called for each. */
typedef void eye_introductions(void *context);

/** @more is called when a key is not known, before /proc is asked. */
void eye_processes_on_unknown(struct eye_processes *processes, eye_introductions *more,
                              void *context);

/** Takes one record of the ring "owners". An eye_record_handler with the struct eye_processes as
 * context. */
void eye_processes_take(void *processes, const void *record, size_t bytes);

/**
 * Takes one record of the ring "processes", as above: the program has ended. It is held as one
 * that is silent, because its sockets are closed after that and may be told of later still.
 */
void eye_processes_take_end(void *processes, const void *record, size_t bytes);

/** The process @pid of the root namespace has ended at @boottime_ns (CLOCK_BOOTTIME): so have all
 * programs of that number that began before. */
void eye_processes_end(struct eye_processes *processes, uint32_t pid, uint64_t boottime_ns);

/** Ends were missed: from now on eye_processes_scan() asks for all that are not known to have
 * ended. */
void eye_processes_doubt(struct eye_processes *processes);

/** A step of that; nothing when there is no doubt. */
void eye_processes_scan(struct eye_processes *processes);

/** Scans that could not tell of every process: /proc is not the host's, or hides some. */
uint64_t eye_processes_scans_failed(const struct eye_processes *processes);

/** Records that were neither. */
uint64_t eye_processes_malformed(const struct eye_processes *processes);

/**
 * The program with the key @owner. EYE_OWNER_KERNEL is service "kernel"; what cannot be known is
 * "unknown". Never NULL. Good until the next call of eye_processes_find(), _take(), _sweep().
 */
const struct eye_process *eye_processes_find(struct eye_processes *processes, uint64_t owner);

/** False when it was forgotten, or never heard of: what was counted under its name may have been
 * counted under another one. */
bool eye_processes_knows(const struct eye_processes *processes, uint64_t owner);

/** When counting pass @pass begins: forgets those not heard of in the last EYE_PROCESS_KEEP_PASSES
 * whose process is gone. */
void eye_processes_sweep(struct eye_processes *processes, uint32_t pass);

/** When an interval ends: looks again at what containers are called, as far as it is time to. */
void eye_processes_refresh(struct eye_processes *processes, uint64_t now_ns);

/** What became of that. */
struct eye_container_stats eye_processes_containers(const struct eye_processes *processes);

/** How many were forgotten that may live: for want of room, or because nobody can tell. */
uint64_t eye_processes_given_up(const struct eye_processes *processes);

size_t eye_processes_count(const struct eye_processes *processes);

/** Grows whenever an entry was forgotten or got another name: cached ids are then void. */
uint64_t eye_processes_generation(const struct eye_processes *processes);

/** How often a name changed that was given already: what was counted under it and moves must be
 * counted afresh. */
uint64_t eye_processes_renamed(const struct eye_processes *processes);
