/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that watch single connections, and what each of them has been told. Numbers are since the
 * client's own last answer, so no client takes from another one, nor from who exports.
 *
 * A client that asks with `after` = N says that it has answer N: what N told of is base from then
 * on. With the same `after` again it gets everything since N again, under the same number N + 1.
 * Without one, or with a number that it was not given (it was forgotten meanwhile), it begins anew,
 * with answer 1.
 *
 *  - What an open connection did is told since it was last in an answer that was acknowledged; of
 *    one that never was, since it began, or since it was first met, if it is older than the client.
 *    So a connection that was among those cut off loses nothing: it is told of later.
 *  - A connection that ended is in exactly one acknowledged answer, in the order of their ends, and
 *    in no later one.
 *
 * A base is kept of every connection that is open, also of those cut off: without it each that has
 * once sent much would be among those with most changes in every second answer.
 *
 * Belongs to the collector's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "collector/base/table.h"

/* Clients at once, and how long one is remembered that asks no more: a person's terminals, and what
 * they leave behind. */
#define EYE_WATCHERS_MAX 8
#define EYE_WATCHER_KEEP_NS (UINT64_C(60) * 1000000000)
#define EYE_WATCHER_NAME_BYTES 33

/* Connections in one answer, and how many of them may be ended ones: where very many come and go,
 * open ones are seen still. Counted as `truncated`. */
#define EYE_WATCHED_MAX 1000
#define EYE_WATCHED_ENDED_MAX 800

/* Ended connections that wait until every client has them: about 1 MB. Who does not come for so
 * many loses the oldest, counted as `lost`. */
#define EYE_WATCH_LOG_MAX 8192

/* Connections of which one client's base is kept, some 80 bytes each. Open ones beyond are cut
 * off. */
#define EYE_WATCH_KNOWN_MAX 65536

/* Why a client is not served (words for 503). */
#define EYE_WATCHERS_FULL "8 clients watch already; each is forgotten 60 s after it last asked"

struct eye_watch_request {
    char client[EYE_WATCHER_NAME_BYTES];
    bool begins; /* without `after` */
    uint64_t after;
};

/* One connection of an answer. */
struct eye_watched {
    struct eye_row row;
    uint64_t id; /* unique in this run, but for a hash of 64 bits */
    uint64_t sent_change;
    uint64_t received_change;
    uint32_t retransmits_change;
    char service[128]; /* the names are empty until the caller fills them in */
    char process[64];
    char port[16];
    char protocol[16]; /* empty when it is not known, too */
};

struct eye_watch_answer {
    char client[EYE_WATCHER_NAME_BYTES];
    uint64_t number;
    uint64_t time_ns;      /* wall clock; filled in by the caller, as the names */
    uint64_t monotonic_ns; /* the same moment */
    uint64_t elapsed_ns;   /* since the answer that was acknowledged last */
    uint64_t truncated;    /* connections that are not in it */
    uint64_t lost;         /* connections that ended, and nobody can tell of any more */
    size_t count;
    size_t ended;                    /* of them: the first ones */
    uint16_t order[EYE_WATCHED_MAX]; /* places in rows[]: ended ones, then open ones by change */
    uint16_t spare;                  /* a place that is in use for none */
    struct eye_watched rows[EYE_WATCHED_MAX + 1];
};

struct eye_watcher;

struct eye_watchers {
    struct eye_watcher *all[EYE_WATCHERS_MAX];
    struct eye_row *log; /* the last EYE_WATCH_LOG_MAX of `logged`; NULL: nobody watches */
    uint64_t logged;
};

/** An eye_record_handler with the struct eye_watchers as context: a struct eye_row of a connection
 * that ended. */
void eye_watchers_take_ended(void *watchers, const void *record, size_t bytes);

/** Forgets who has not asked for @keep_ns. Returns how many are left. */
size_t eye_watchers_expire(struct eye_watchers *watchers, uint64_t now_ns, uint64_t keep_ns);

/** Takes a zeroed one. */
void eye_watchers_done(struct eye_watchers *watchers);

/**
 * An answer begins: the client is found or made, and what it acknowledges is base. @now_ns:
 * monotonic. @lost: ended connections that were lost on their way here, since somebody watches. The
 * rows of all open ones follow, then eye_watcher_end(); or nothing, and the client may ask again.
 * 0, -EBUSY: EYE_WATCHERS_FULL, or -ENOMEM. @ret_answer is the caller's (free()).
 */
int eye_watcher_begin(struct eye_watchers *watchers, const struct eye_watch_request *request,
                      uint64_t now_ns, uint64_t lost, struct eye_watcher **ret_watcher,
                      struct eye_watch_answer **ret_answer);

/** An eye_record_handler with the struct eye_watcher as context: a struct eye_row of a connection
 * that is open. */
void eye_watcher_take_open(void *watcher, const void *record, size_t bytes);

/** The answer is whole. */
void eye_watcher_end(struct eye_watcher *watcher);
