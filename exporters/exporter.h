/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exporter type is: a const table of functions. Each configured exporter runs in a worker
 * thread of its own (exporters/worker.h); its functions run there, except open(), which runs in the
 * main thread before any worker starts so that a mistake is told at start.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "collector/base/error.h"
#include "collector/snapshot/snapshot.h"
#include "config/config.h"

/* Why a delivery failed or points were given up. Shown as tag `reason`. */
#define EYE_EXPORT_REASONS(X)                                                                      \
    X(REFUSED, "refused")         /* ECONNREFUSED, ENOENT: nobody listens */                       \
    X(UNREACHABLE, "unreachable") /* no route, network or host down */                             \
    X(UNRESOLVED, "unresolved")   /* the name has no address now */                                \
    X(BUSY, "busy")               /* EAGAIN, ENOBUFS: buffers full for longer than we wait */      \
    X(TOO_LONG, "too_long")       /* one line does not fit a datagram */                           \
    X(INVALID, "invalid")         /* a value that the format cannot say */                         \
    X(COLLISION, "collision")     /* two series have one name and tag set in this format */        \
    X(OTHER, "other")

enum eye_export_reason {
#define X(identifier, name) EYE_EXPORT_##identifier,
    EYE_EXPORT_REASONS(X)
#undef X
        EYE_EXPORT_REASON_COUNT,
};

const char *eye_export_reason_name(enum eye_export_reason reason);

/** The reason that stands for -errno of a socket call. */
enum eye_export_reason eye_export_reason_of(int error);

/* Written by the worker, read by the collector. */
struct eye_export_stats {
    atomic_uint_fast64_t delivered; /* snapshots */
    atomic_uint_fast64_t skipped;   /* snapshots dropped from the queue; their changes went later */
    atomic_uint_fast64_t queued;    /* snapshots waiting or in work now */
    atomic_uint_fast64_t points;    /* delivered */
    atomic_uint_fast64_t bytes;     /* written */
    atomic_uint_fast64_t delivered_sequence;                /* newest snapshot delivered */
    atomic_uint_fast64_t failures[EYE_EXPORT_REASON_COUNT]; /* attempts */
    atomic_uint_fast64_t dropped[EYE_EXPORT_REASON_COUNT];  /* points */
};

/* What open() gets. Lives longer than the exporter. */
struct eye_exporter_setup {
    const struct eye_config *config;
    const struct eye_exporter_config *own;
    struct eye_export_stats *stats; /* the exporter counts points, bytes, failures and drops */
};

struct eye_exporter_type {
    struct eye_config_section section; /* type name and keys */

    /**
     * Makes the exporter: sockets bound, files opened. 0, or -errno with a message. A receiver that
     * is merely down is no error. @ret_state is handed to the functions below.
     */
    int (*open)(const struct eye_exporter_setup *setup, void **ret_state,
                struct eye_error *ret_error);

    /**
     * Delivers what changed from @before (NULL: first delivery) to @now.
     * 0: delivered; @now becomes the next @before.
     * -errno: not (or only partly) delivered, counted in stats->failures; the worker calls again
     * later. When the exporter remembers a part of @now as sent it sets *ret_started: then the
     * same @now and @before come again until 0. Otherwise a newer snapshot may come instead.
     * @message gets the cause for the log.
     */
    int (*deliver)(void *state, const struct eye_snapshot *now, const struct eye_snapshot *before,
                   bool *ret_started, struct eye_error *message);

    /** Frees the state. Takes NULL. */
    void (*close)(void *state);
};

/* The generated table of all exporter types, NULL-terminated; order of exporters/CMakeLists.txt. */
extern const struct eye_exporter_type *const eye_exporter_types[];

/** The type called @name, or NULL. */
const struct eye_exporter_type *eye_exporter_type_find(const char *name);
