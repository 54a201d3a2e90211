/* SPDX-License-Identifier: Apache-2.0 */
/* Bases, acknowledgement, and the connections with most changes. */
#include "collector/control/watchers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/hash.h"
#include "collector/base/text.h"

/* Looks without a connection after which its base goes; its end was lost on its way here. One look
 * may miss it (eye_source_read_rows()), and its end may wait in the log for some answers. */
#define KEEP_LOOKS 16

/* Bases of connections that are gone are looked for when there are more of them than of others. */
#define GONE_SLACK 1024

/* The base of a connection: what was told of it. */
struct known {
    uint64_t id;
    uint64_t sent;
    uint64_t received;
    uint32_t retransmits;
    uint32_t met; /* number of the look that met it last */
};

/* A connection of the answer that waits to be acknowledged. */
struct shown {
    uint64_t id;
    uint64_t sent;
    uint64_t received;
    uint32_t retransmits;
    bool ended;
};

/* How far a client has come with an answer. */
struct reached {
    uint64_t number;
    uint64_t moment_ns; /* monotonic */
    uint64_t ended;     /* rows of the log before it */
    uint64_t lost;
};

struct eye_watcher {
    const struct eye_watchers *watchers;
    char name[EYE_WATCHER_NAME_BYTES];
    uint64_t asked_ns;
    uint64_t began_ns;
    struct reached base;    /* by the last answer that was acknowledged */
    struct reached pending; /* by the one that waits for that */
    bool waits;             /* there is such a one */
    struct eye_table known;
    uint32_t look;
    size_t met; /* in this look */
    struct eye_watch_answer *answer;
    size_t shown_count;
    struct shown shown[EYE_WATCHED_MAX];
};

static bool known_matches(const void *item, const void *key)
{
    return ((const struct known *)item)->id == *(const uint64_t *)key;
}

static struct known *find_known(const struct eye_watcher *watcher, uint64_t id)
{
    return eye_table_find(&watcher->known, id, known_matches, &id);
}

static void forget_known(struct eye_watcher *watcher, struct known *known)
{
    eye_table_remove(&watcher->known, known->id, known);
    free(known);
}

static void forget_all(struct eye_watcher *watcher)
{
    struct known *known;
    eye_table_for_each (&watcher->known, known) {
        free(known);
    }
    eye_table_clear(&watcher->known);
}

static void free_watcher(struct eye_watcher *watcher)
{
    if (watcher != NULL) {
        forget_all(watcher);
        eye_table_done(&watcher->known);
        free(watcher);
    }
}

/* ---- All clients ---- */

void eye_watchers_take_ended(void *context, const void *record, size_t bytes)
{
    struct eye_watchers *watchers = context;
    if (bytes == sizeof(struct eye_row) && watchers->log != NULL) {
        memcpy(&watchers->log[watchers->logged % EYE_WATCH_LOG_MAX], record, bytes);
        watchers->logged++;
    }
}

size_t eye_watchers_expire(struct eye_watchers *watchers, uint64_t now_ns, uint64_t keep_ns)
{
    size_t left = 0;
    for (size_t i = 0; i < EYE_WATCHERS_MAX; i++) {
        struct eye_watcher *watcher = watchers->all[i];
        if (watcher != NULL && now_ns - watcher->asked_ns >= keep_ns) {
            free_watcher(EYE_TAKE(watchers->all[i]));
        }
        left += watchers->all[i] != NULL;
    }
    if (left == 0) {
        free(EYE_TAKE(watchers->log));
    }
    return left;
}

void eye_watchers_done(struct eye_watchers *watchers)
{
    for (size_t i = 0; i < EYE_WATCHERS_MAX; i++) {
        free_watcher(EYE_TAKE(watchers->all[i]));
    }
    free(EYE_TAKE(watchers->log));
}

/* Its place among all; a free one when it is not known; NULL: there is none. */
static struct eye_watcher **find_place(struct eye_watchers *watchers, const char *name)
{
    struct eye_watcher **place = NULL;
    for (size_t i = 0; i < EYE_WATCHERS_MAX; i++) {
        struct eye_watcher *watcher = watchers->all[i];
        if (watcher != NULL && strcmp(watcher->name, name) == 0) {
            return &watchers->all[i];
        }
        if (watcher == NULL && place == NULL) {
            place = &watchers->all[i];
        }
    }
    return place;
}

/* ---- Acknowledgement ---- */

/* What another CPU was at work on may have been read as less than before. */
static void raise_base(struct known *known, const struct shown *shown)
{
    known->sent = shown->sent > known->sent ? shown->sent : known->sent;
    known->received = shown->received > known->received ? shown->received : known->received;
    known->retransmits = shown->retransmits;
}

static void acknowledge(struct eye_watcher *watcher)
{
    for (size_t i = 0; i < watcher->shown_count; i++) {
        const struct shown *shown = &watcher->shown[i];
        struct known *known = find_known(watcher, shown->id);
        if (known != NULL && shown->ended) {
            forget_known(watcher, known);
        } else if (known != NULL) {
            raise_base(known, shown);
        }
    }
    watcher->base = watcher->pending;
}

static void begin_anew(struct eye_watcher *watcher, uint64_t now_ns, uint64_t lost)
{
    forget_all(watcher);
    watcher->began_ns = now_ns;
    watcher->base =
        (struct reached){.moment_ns = now_ns, .ended = watcher->watchers->logged, .lost = lost};
}

/* A removal may pass over a neighbour: the next time is its. */
static void forget_gone(struct eye_watcher *watcher)
{
    struct known *known;
    if (watcher->known.count < 2 * watcher->met + GONE_SLACK) {
        return;
    }
    eye_table_for_each (&watcher->known, known) {
        if (watcher->look - known->met > KEEP_LOOKS) {
            forget_known(watcher, known);
        }
    }
}

/* ---- What is told of a connection ---- */

static uint64_t increase(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

static void tell(struct eye_watched *watched, const struct eye_row *row, uint64_t id,
                 const struct known *base)
{
    watched->row = *row;
    watched->id = id;
    watched->sent_change = increase(row->sent_bytes, base->sent);
    watched->received_change = increase(row->received_bytes, base->received);
    watched->retransmits_change = (uint32_t)increase(row->retransmits, base->retransmits);
    watched->service[0] = '\0';
    watched->process[0] = '\0';
    watched->port[0] = '\0';
    watched->protocol[0] = '\0';
}

/* Of a connection that was never told of. */
static struct known first_base(const struct eye_watcher *watcher, const struct eye_row *row,
                               uint64_t id)
{
    struct known base = {.id = id};
    if (row->since_ns <= watcher->began_ns) {
        base.sent = row->sent_bytes;
        base.received = row->received_bytes;
        base.retransmits = row->retransmits;
    }
    return base;
}

/* Fields of struct eye_row that tell one from all others. */
static uint64_t id_of(const struct eye_row *row)
{
    const uint64_t key[] = {row->socket, row->since_ns};
    return eye_hash_bytes(key, sizeof(key));
}

/* ---- Those with most changes: a heap, the least of them first, of places in the answer ---- */

static bool is_less(const struct eye_watch_answer *answer, uint16_t a, uint16_t b)
{
    const struct eye_watched *one = &answer->rows[a];
    const struct eye_watched *other = &answer->rows[b];
    const uint64_t weights[][2] = {
        {one->sent_change + one->received_change, other->sent_change + other->received_change},
        {one->row.sent_bytes + one->row.received_bytes,
         other->row.sent_bytes + other->row.received_bytes},
        {one->id, other->id},
    };
    size_t i = 0;
    while (i < EYE_ARRAY_LENGTH(weights) - 1 && weights[i][0] == weights[i][1]) {
        i++;
    }
    return weights[i][0] < weights[i][1];
}

static void exchange(uint16_t *a, uint16_t *b)
{
    uint16_t held = *a;
    *a = *b;
    *b = held;
}

static void sink(const struct eye_watch_answer *answer, uint16_t *heap, size_t count, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++) {
            if (is_less(answer, heap[child], heap[least])) {
                least = child;
            }
        }
        if (least == at) {
            return;
        }
        exchange(&heap[at], &heap[least]);
        at = least;
    }
}

static void rise(const struct eye_watch_answer *answer, uint16_t *heap, size_t at)
{
    while (at > 0 && is_less(answer, heap[at], heap[(at - 1) / 2])) {
        exchange(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

/* What is in the spare place. */
static void offer(struct eye_watch_answer *answer)
{
    uint16_t *heap = &answer->order[answer->ended];
    size_t count = answer->count - answer->ended;
    if (answer->count < EYE_WATCHED_MAX) {
        heap[count] = answer->spare;
        answer->spare = (uint16_t)++answer->count;
        rise(answer, heap, count);
        return;
    }
    answer->truncated++;
    if (is_less(answer, heap[0], answer->spare)) {
        exchange(&heap[0], &answer->spare);
        sink(answer, heap, count, 0);
    }
}

/* Most changes first. */
static void sort(struct eye_watch_answer *answer)
{
    uint16_t *heap = &answer->order[answer->ended];
    for (size_t left = answer->count - answer->ended; left > 1; left--) {
        exchange(&heap[0], &heap[left - 1]);
        sink(answer, heap, left - 1, 0);
    }
}

/* ---- An answer ---- */

static void tell_ended(struct eye_watcher *watcher, const struct eye_row *row)
{
    struct eye_watch_answer *answer = watcher->answer;
    uint64_t id = id_of(row);
    const struct known *known = find_known(watcher, id);
    const struct known first = first_base(watcher, row, id);
    answer->order[answer->count] = (uint16_t)answer->count;
    tell(&answer->rows[answer->count++], row, id, known == NULL ? &first : known);
}

/* Those that ended since what is acknowledged, as far as they are known still and have room. */
static void tell_all_ended(struct eye_watcher *watcher, uint64_t lost)
{
    const struct eye_watchers *watchers = watcher->watchers;
    struct eye_watch_answer *answer = watcher->answer;
    uint64_t oldest =
        watchers->logged > EYE_WATCH_LOG_MAX ? watchers->logged - EYE_WATCH_LOG_MAX : 0;
    uint64_t gone = increase(oldest, watcher->base.ended);
    uint64_t next = watcher->base.ended + gone;
    while (next < watchers->logged && answer->count < EYE_WATCHED_ENDED_MAX) {
        tell_ended(watcher, &watchers->log[next++ % EYE_WATCH_LOG_MAX]);
    }
    answer->ended = answer->count;
    answer->spare = (uint16_t)answer->count;
    answer->truncated = watchers->logged - next;
    answer->lost = gone + increase(lost, watcher->base.lost);
    watcher->pending.ended = next;
    watcher->pending.lost = lost;
}

/* False when there is no memory. */
static bool make_room(struct eye_watchers *watchers, struct eye_watcher **place)
{
    if (watchers->log == NULL) {
        watchers->log = calloc(EYE_WATCH_LOG_MAX, sizeof(*watchers->log));
        watchers->logged = 0;
    }
    if (*place == NULL && watchers->log != NULL) {
        *place = calloc(1, sizeof(**place));
    }
    return watchers->log != NULL && *place != NULL;
}

static void take_request(struct eye_watcher *watcher, const struct eye_watch_request *request,
                         uint64_t now_ns, uint64_t lost)
{
    bool known = watcher->asked_ns != 0 && !request->begins;
    if (known && watcher->waits && request->after == watcher->pending.number) {
        acknowledge(watcher);
    } else if (!known || request->after != watcher->base.number) {
        begin_anew(watcher, now_ns, lost);
    }
    eye_copy_string(watcher->name, sizeof(watcher->name), request->client);
    watcher->asked_ns = now_ns;
    watcher->waits = false;
}

int eye_watcher_begin(struct eye_watchers *watchers, const struct eye_watch_request *request,
                      uint64_t now_ns, uint64_t lost, struct eye_watcher **ret_watcher,
                      struct eye_watch_answer **ret_answer)
{
    struct eye_watcher **place = find_place(watchers, request->client);
    if (place == NULL) {
        return -EBUSY;
    }
    struct eye_watch_answer *answer = malloc(sizeof(*answer));
    if (answer == NULL || !make_room(watchers, place)) {
        free(answer);
        return -ENOMEM;
    }
    struct eye_watcher *watcher = *place;
    watcher->watchers = watchers;
    take_request(watcher, request, now_ns, lost);
    eye_copy_string(answer->client, sizeof(answer->client), request->client);
    answer->number = watcher->base.number + 1;
    answer->monotonic_ns = now_ns;
    answer->elapsed_ns = now_ns - watcher->base.moment_ns;
    answer->count = 0;
    watcher->answer = answer;
    watcher->pending = (struct reached){.number = answer->number, .moment_ns = now_ns};
    watcher->look++;
    watcher->met = 0;
    tell_all_ended(watcher, lost);
    *ret_watcher = watcher;
    *ret_answer = answer;
    return 0;
}

/* NULL: there is no room for it. */
static struct known *know(struct eye_watcher *watcher, const struct eye_row *row, uint64_t id)
{
    if (watcher->known.count >= EYE_WATCH_KNOWN_MAX) {
        return NULL;
    }
    struct known *known = malloc(sizeof(*known));
    if (known == NULL || eye_table_insert(&watcher->known, id, known) != 0) {
        free(known);
        return NULL;
    }
    *known = first_base(watcher, row, id);
    known->met = watcher->look - 1;
    return known;
}

void eye_watcher_take_open(void *context, const void *record, size_t bytes)
{
    struct eye_watcher *watcher = context;
    const struct eye_row *row = record;
    if (bytes != sizeof(*row)) {
        return;
    }
    uint64_t id = id_of(row);
    struct known *known = find_known(watcher, id);
    if (known == NULL) {
        known = know(watcher, row, id);
    }
    if (known == NULL) {
        watcher->answer->truncated++;
    } else if (known->met != watcher->look) {
        struct eye_watch_answer *answer = watcher->answer;
        known->met = watcher->look;
        watcher->met++;
        tell(&answer->rows[answer->spare], row, id, known);
        offer(answer);
    }
}

void eye_watcher_end(struct eye_watcher *watcher)
{
    struct eye_watch_answer *answer = EYE_TAKE(watcher->answer);
    sort(answer);
    for (size_t i = 0; i < answer->count; i++) {
        const struct eye_watched *watched = &answer->rows[answer->order[i]];
        watcher->shown[i] = (struct shown){.id = watched->id,
                                           .sent = watched->row.sent_bytes,
                                           .received = watched->row.received_bytes,
                                           .retransmits = watched->row.retransmits,
                                           .ended = i < answer->ended};
    }
    watcher->shown_count = answer->count;
    watcher->waits = true;
    forget_gone(watcher);
}
