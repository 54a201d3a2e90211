/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who tells what NAT does to connections: the tier's kernel programs, or conntrack itself, by one
 * of two ways. Stands between the source and the tracer: what a record does not say is filled in,
 * and stays with its connection. Opened by the main thread; from then on the collector thread's.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "collector/base/error.h"
#include "collector/nat/places.h"
#include "collector/nat/translations.h"
#include "collector/source/source.h"
#include "config/config.h"

/* X(identifier, reason): why the NAT of a connection is not known, or may not be. */
#define EYE_NAT_LOSSES(X)                                                                          \
    X(OVERFLOW, "overflow")                                                                        \
    X(TABLE, "table_full")                                                                         \
    X(TIMEOUT, "timeout")                                                                          \
    X(REFUSED, "refused")                                                                          \
    X(NAMESPACE, "no_namespace")                                                                   \
    X(MALFORMED, "malformed")

enum eye_nat_loss {
#define X(identifier, reason) EYE_NAT_LOSS_##identifier,
    EYE_NAT_LOSSES(X)
#undef X
        EYE_NAT_LOSS_COUNT,
};

/** "overflow". */
const char *eye_nat_loss_reason(enum eye_nat_loss loss);

/* Each is cumulative, but for entries. */
struct eye_conntracker_stats {
    uint64_t lookups; /* connections that were looked for */
    uint64_t dumps;   /* of a namespace's table, read whole */
    uint64_t entries; /* remembered */
    uint64_t losses[EYE_NAT_LOSS_COUNT];
};

struct eye_conntracker;

/* A way to know of translations. */
struct eye_conntracker_type {
    const char *name; /* as source.nat has it */

    /** Can it be had here? Leaves nothing. @told: the tier's programs tell. 0, or -errno with a
     * message: what is missing, what to do. */
    int (*check)(bool told, struct eye_error *ret_error);

    /* What is opened in each network namespace; NULL: nothing, and records stay as they are. */
    const struct eye_roster_type *places;

    /** Fills in nat and who is at the other end. @place: the end's; may be NULL. */
    void (*look)(struct eye_conntracker *tracker, struct eye_nat_place *place,
                 struct eye_translation *translation);

    /** Several times a second. May be NULL. */
    void (*tick)(struct eye_conntracker *tracker, uint64_t now_ns);
};

extern const struct eye_conntracker_type eye_conntracker_netlink;
extern const struct eye_conntracker_type eye_conntracker_mirror;

/* Plain data, zeroed. */
struct eye_conntracker {
    const struct eye_source *source;
    const char *proc;
    int wanted; /* enum eye_nat_way */
    const struct eye_conntracker_type *way;
    struct eye_error why;       /* no better one, until it is said */
    _Atomic(const char *) name; /* of it, for other threads */
    struct eye_roster roster;
    uint32_t *buffer;
    struct eye_translations told;     /* of live connections: as what they were counted */
    struct eye_translations mirrored; /* what conntrack told of by itself */
    uint32_t minute;                  /* stamp of `told` */
    uint64_t minute_ns;               /* monotonic: it ends */
    struct eye_conntracker_stats stats;
    uint64_t malformed_before; /* of namespaces that are gone */
    eye_record_handler *next;  /* takes records of connections, told of NAT */
    void *next_context;
};

/** As source.nat says; what cannot be had is said in the log, and the next way taken. Waits for
 * nothing for long. */
void eye_conntracker_open(struct eye_conntracker *tracker, const struct eye_config *config,
                          const struct eye_source *source);

/** Which way eye_conntracker_open() would take; *ret_why: why none before it, "": it is the first.
 * @told: as check() takes it. */
const char *eye_conntracker_probe(const struct eye_config *config, bool told,
                                  struct eye_error *ret_why);

/** An eye_record_handler of the ring of connections and of the live iterator. */
void eye_conntracker_take(void *context, const void *record, size_t bytes);

/** Several times a second. */
void eye_conntracker_tick(struct eye_conntracker *tracker, uint64_t now_ns);

struct eye_conntracker_stats eye_conntracker_stats(const struct eye_conntracker *tracker);

/** Takes a zeroed one. */
void eye_conntracker_close(struct eye_conntracker *tracker);
