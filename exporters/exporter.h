/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exporter type is: a const table of functions. Each configured exporter runs in a worker
 * thread of its own (exporters/engine/worker.h); its functions run there, except open() and bind(),
 * which run in the main thread before any worker starts so that a mistake is told at start.
 *
 * An exporter has one receiver. A type whose format has two endpoints that may fail each on its own
 * declares lanes: one worker, queue and backoff for each.
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
    X(REFUSED, "refused")           /* ECONNREFUSED, ENOENT: nobody listens */                     \
    X(UNREACHABLE, "unreachable")   /* no route, network or host down */                           \
    X(UNRESOLVED, "unresolved")     /* the name has no address now */                              \
    X(TIMEOUT, "timeout")           /* no connection or no answer in time */                       \
    X(RESET, "reset")               /* the connection broke, also in the middle of an answer */    \
    X(TLS, "tls")                   /* handshake, certificate or its name */                       \
    X(BUSY, "busy")                 /* buffers full for longer than we wait; a scraper gave way */ \
    X(THROTTLED, "throttled")       /* 429 */                                                      \
    X(SERVER_ERROR, "server_error") /* 408, 425, 5xx but 501 */                                    \
    X(UNAUTHORIZED, "unauthorized") /* 401, 403, 407 */                                            \
    X(REDIRECTED, "redirected")     /* 3xx: not followed, the request carries secrets */           \
    X(TOO_LARGE, "too_large")       /* 413, also for a small payload */                            \
    X(REJECTED, "rejected")         /* other 4xx and 501; points that the receiver took out */     \
    X(BAD_ANSWER, "bad_answer")     /* not the protocol, or longer than anybody should read */     \
    X(TOO_LONG, "too_long")         /* one point does not fit a payload */                         \
    X(INVALID, "invalid")           /* a value that the format cannot say */                       \
    X(COLLISION, "collision")       /* two series have one name and tag set in this format */      \
    X(EXPIRED, "expired")           /* older than spool.max_age */                                 \
    X(SPOOL, "spool")               /* the spool could not be read, or has no room left */         \
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

/*
 * Written by the worker, read by the collector. Of each snapshot delivered or refused holds
 *
 *   seen = points + dropped (all reasons)
 */
struct eye_export_stats {
    atomic_uint_fast64_t delivered; /* snapshots */
    atomic_uint_fast64_t refused;   /* snapshots of which the receiver took nothing, for good */
    atomic_uint_fast64_t skipped;   /* snapshots dropped from the queue; their changes went later */
    atomic_uint_fast64_t queued;   /* snapshots waiting or in work now, in memory or in the spool */
    atomic_uint_fast64_t replayed; /* snapshots of an earlier run found in the spool */
    atomic_uint_fast64_t spooled_bytes; /* of the spool's files now */
    atomic_uint_fast64_t failing;       /* attempts failed, or refused whole, in a row, now */
    atomic_uint_fast64_t
        failing_since_ns;              /* the first of these, wall clock; 0: it is not failing */
    atomic_uint_fast64_t succeeded_ns; /* the last attempt that delivered, wall clock; 0: none */
    atomic_uint_fast64_t attempt_began_ns; /* of the one under way, monotonic; 0: none is */
    atomic_uint_fast64_t attempt_ns;       /* how long the last attempt took */
    atomic_uint_fast64_t seen;             /* points there were to deliver */
    atomic_uint_fast64_t points;           /* delivered */
    atomic_uint_fast64_t refused_points;   /* of those dropped: by the receiver, for any reason */
    atomic_uint_fast64_t bytes;            /* written */
    atomic_uint_fast64_t failures[EYE_EXPORT_REASON_COUNT]; /* attempts */
    atomic_uint_fast64_t dropped[EYE_EXPORT_REASON_COUNT];  /* points */
};

/*
 * One hour: what the Datadog intake takes [docs.datadoghq.com/api/latest/metrics], and a Prometheus
 * without out_of_order_time_window (the half of its block's two hours behind the newest sample,
 * tsdb/head.go), by remote write or OTLP alike.
 */
#define EYE_DEFAULT_MAX_AGE_NS UINT64_C(3600000000000)

/* When everything has to end: set once by eye_worker_stop(), read between short waits. */
struct eye_deadline {
    atomic_uint_fast64_t at_ns;       /* monotonic; UINT64_MAX: not stopping */
    void (*meanwhile)(void *context); /* called between short waits; NULL: nothing */
    void *context;
};

/* No wait is longer than this, so that a stop is noticed. */
#define EYE_WAIT_SLICE_MS 100

/** The next slice, in ms, of a wait until @until_ns (monotonic) or the deadline; 0: time is up. */
int eye_deadline_slice_ms(const struct eye_deadline *deadline, uint64_t until_ns);

/* What open() gets. Lives longer than the exporter. */
struct eye_exporter_setup {
    const struct eye_config *config;
    const struct eye_exporter_config *own;
    unsigned lane;                  /* index into the type's lanes; 0 without any */
    bool successor;                 /* it goes on for one of its name that had other settings */
    struct eye_export_stats *stats; /* the exporter counts seen, points, bytes and drops */
    const struct eye_deadline *deadline;
};

/* Why deliver() did not succeed, or that the receiver refused a part for good. */
struct eye_export_failure {
    enum eye_export_reason reason;
    bool started; /* a part of @now is delivered: the same @now and @before come again */
    bool gone;    /* for ever, and the daemon ends with it: no attempt is worth a pause */
    uint64_t retry_after_ns; /* the pause that the receiver asks for; 0: it does not say */
    struct eye_error cause;  /* for the log, never with a secret; empty: nothing to tell */
};

/** Fills @failure and returns @code (-errno): one line for a function that fails. */
int eye_export_fail(struct eye_export_failure *failure, int code, enum eye_export_reason reason,
                    const char *format, ...) EYE_PRINTF(4, 5);

/* What other programs call `url` (eye_config_key.foreign). */
#define EYE_FOREIGN_URL "endpoint endpoints host hostname address addr server uri target"

struct eye_exporter_type {
    struct eye_config_section section; /* type name and keys */

    /*
     * The format carries the time of a point: snapshots that waited go out one by one, oldest
     * first. Otherwise the newest of those that wait carries the changes of all.
     */
    bool timestamped;

    /*
     * The age of the oldest point that receivers of this format take, unless queue.max_age says
     * otherwise. 0: EYE_DEFAULT_MAX_AGE_NS.
     */
    uint64_t max_age_ns;

    /* There is a receiver that may be away, so that a spool has a use. */
    bool remote;

    /* Receivers come and fetch, when they like: a job has ended before. */
    bool fetched;

    /*
     * What was sent stays at the receiver until the goodbye: also one that goes on with another
     * receiver, or under other names, says it. Without, only one that has no successor does.
     */
    bool lingers;

    /* Names of the lanes, NULL-terminated; NULL: one, without a name. */
    const char *const *lanes;

    /* The longest pause between two attempts. 0: EYE_RETRY_DEFAULT_MAX_NS. */
    uint64_t retry_max_ns;

    /* Bytes of what the functions below get as @state: zeroed before open(), freed after close().
     */
    size_t state_size;

    /**
     * Makes the exporter: the configuration and the variables of the environment understood,
     * secrets read. Nothing is bound, created or sent, so that `check` can do the same. 0, or
     * -errno with a message: it cannot be used as it is configured, and is closed.
     */
    int (*open)(void *state, const struct eye_exporter_setup *setup, struct eye_error *ret_error);

    /**
     * Takes what only one process may have: an address to listen on, a file. 0, or -errno with a
     * message. A receiver that is merely down is no error. NULL: it needs nothing.
     */
    int (*bind)(void *state, struct eye_error *ret_error);

    /**
     * Delivers what changed from @before (NULL: first delivery of this run) to @now. Both may come
     * from the spool: then they belong to an earlier run, told by another start_ns.
     * 0: delivered; @now becomes the next @before. @failure->cause tells what was refused for good.
     * -errno with @failure: not (or only partly) delivered; the worker counts the failure and calls
     * again later. Without failure->started a newer snapshot may come instead.
     */
    int (*deliver)(void *state, const struct eye_snapshot *now, const struct eye_snapshot *before,
                   struct eye_export_failure *failure);

    /**
     * Says goodbye to the receiver after the last delivery, when the daemon stops or goes on
     * without this exporter (`lingers`: when it leaves something behind); @last is what was
     * delivered last (may be NULL). Not called for a job (`run --once`): it ends when what it
     * delivered is to stay. NULL: the format knows no goodbye.
     * 0, or -errno with @failure: the receiver goes on showing some of it. Then it is called again,
     * until time is up. @failure->cause tells what was refused for good.
     */
    int (*finish)(void *state, const struct eye_snapshot *last, struct eye_export_failure *failure);

    /** Frees what @state holds. Takes one that is half made. */
    void (*close)(void *state);
};

/* The generated table of all exporter types, NULL-terminated; order of exporters/CMakeLists.txt. */
extern const struct eye_exporter_type *const eye_exporter_types[];

/** Makes an exporter. 0, or -errno with a message: then @ret_state is untouched. */
int eye_exporter_open(const struct eye_exporter_type *type, const struct eye_exporter_setup *setup,
                      void **ret_state, struct eye_error *ret_error);

/** Frees it. Takes NULL. */
void eye_exporter_close(const struct eye_exporter_type *type, void *state);

/** The type called @name, or NULL. */
const struct eye_exporter_type *eye_exporter_type_find(const char *name);
