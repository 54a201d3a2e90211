/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/nat/conntracker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/log.h"

/* Of some 120 bytes each, and memory is taken as they come. A mirror has two for a connection. */
#define TOLD_MAX 131072
#define MIRRORED_MAX 262144

/* A full pass tells of every live connection once a minute: what it has not told of for so many has
 * ended, and the end was lost. */
#define MINUTES_UNTOLD_MAX 5

#define MINUTE_NS (60 * EYE_NS_PER_SECOND)

const char *eye_nat_loss_reason(enum eye_nat_loss loss)
{
    static const char *const reasons[] = {
#define X(identifier, reason) reason,
        EYE_NAT_LOSSES(X)
#undef X
    };
    return reasons[loss];
}

/* ---- Ways ---- */

static int check_ebpf(bool told, struct eye_error *ret_error)
{
    return told ? 0
                : eye_error_set(ret_error, -ENOTSUP,
                                "no program of the tier reads it from packets here");
}

static int check_none(bool told, struct eye_error *ret_error)
{
    (void)told;
    (void)ret_error;
    return 0;
}

static const struct eye_conntracker_type eye_conntracker_ebpf = {
    .name = "ebpf",
    .check = check_ebpf,
};

static const struct eye_conntracker_type eye_conntracker_none = {
    .name = "none",
    .check = check_none,
};

/* Best first; by enum eye_nat_way less the first, which is auto. */
static const struct eye_conntracker_type *const ways[] = {
    [EYE_NAT_WAY_EBPF - 1] = &eye_conntracker_ebpf,
    [EYE_NAT_WAY_NETLINK - 1] = &eye_conntracker_netlink,
    [EYE_NAT_WAY_MIRROR - 1] = &eye_conntracker_mirror,
    [EYE_NAT_WAY_NONE - 1] = &eye_conntracker_none,
};

/* The first that works and is wanted; `none` always works. @ret_why: of the first that does not. */
static const struct eye_conntracker_type *choose(int wanted, bool told, struct eye_error *ret_why)
{
    ret_why->text[0] = '\0';
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ways) - 1; i++) {
        struct eye_error why = {""};
        if (wanted != EYE_NAT_WAY_AUTO && wanted != (int)i + 1) {
            continue;
        }
        if (ways[i]->check(told, &why) == 0) {
            return ways[i];
        }
        if (ret_why->text[0] == '\0') {
            eye_error_set(ret_why, 0, "%s: %s", ways[i]->name, why.text);
        }
    }
    return &eye_conntracker_none;
}

const char *eye_conntracker_probe(const struct eye_config *config, bool told,
                                  struct eye_error *ret_why)
{
    return choose(config->source.nat, told, ret_why)->name;
}

/* ---- Open and close ---- */

static void close_places(struct eye_conntracker *tracker)
{
    eye_roster_close(&tracker->roster);
    memset(&tracker->roster, 0, sizeof(tracker->roster));
    free(tracker->buffer);
    tracker->buffer = NULL;
}

static int open_places(struct eye_conntracker *tracker, const struct eye_roster_type *type,
                       struct eye_error *ret_error)
{
    struct eye_visited visited;
    tracker->buffer = malloc(EYE_CONNTRACK_DATAGRAM_BYTES);
    if (tracker->buffer == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    int result = eye_roster_open(&tracker->roster, type, tracker->proc, &visited);
    if (result != 0) {
        return eye_error_set(ret_error, result, "no network namespace can be looked at: %s",
                             strerror(-result));
    }
    if (visited.failed > 0) {
        eye_log_info("what NAT does is not known in %zu network namespaces: %s: %s", visited.failed,
                     visited.step, strerror(visited.error));
    }
    eye_nat_places_welcome(&tracker->roster, tracker->buffer);
    return eye_roster_run(&tracker->roster, ret_error);
}

static void take_way(struct eye_conntracker *tracker, const struct eye_conntracker_type *way)
{
    struct eye_error why;
    if (way->places != NULL && open_places(tracker, way->places, &why) != 0) {
        eye_log_warning("what NAT does is not told by %s: %s", way->name, why.text);
        close_places(tracker);
        way = &eye_conntracker_none;
    }
    tracker->way = way;
    atomic_store(&tracker->name, way->name);
    if (way->tick != NULL) {
        way->tick(tracker, eye_clock_monotonic_ns());
    }
}

static void choose_way(struct eye_conntracker *tracker, bool told)
{
    take_way(tracker, choose(tracker->wanted, told, &tracker->why));
}

/* Behind what the start says of the tier, which is why. */
static void say_why(struct eye_conntracker *tracker)
{
    if (tracker->why.text[0] != '\0') {
        eye_log_info("what NAT does is told by %s, because it is not by %s", tracker->way->name,
                     tracker->why.text);
        tracker->why.text[0] = '\0';
    }
}

void eye_conntracker_open(struct eye_conntracker *tracker, const struct eye_config *config,
                          const struct eye_source *source)
{
    tracker->source = source;
    tracker->proc = config->source.proc;
    tracker->wanted = config->source.nat;
    tracker->told.max = TOLD_MAX;
    tracker->mirrored.max = MIRRORED_MAX;
    tracker->minute = MINUTES_UNTOLD_MAX;
    choose_way(tracker, eye_source_tells_nat(source));
}

void eye_conntracker_close(struct eye_conntracker *tracker)
{
    close_places(tracker);
    eye_translations_done(&tracker->told);
    eye_translations_done(&tracker->mirrored);
}

/* ---- Records ---- */

static struct eye_end end_of(const struct eye_connection_record *record)
{
    struct eye_end end = {.netns = record->netns};
    memcpy(end.tuple.source, record->local, sizeof(end.tuple.source));
    memcpy(end.tuple.destination, record->remote, sizeof(end.tuple.destination));
    end.tuple.source_port = record->local_port;
    end.tuple.destination_port = record->remote_port;
    return end;
}

static void look(struct eye_conntracker *tracker, struct eye_translation *translation)
{
    uint32_t netns = translation->end.netns;
    struct eye_nat_place *place = eye_nat_places_find(&tracker->roster, netns);
    if (place == NULL) {
        eye_nat_places_welcome(&tracker->roster, tracker->buffer);
        place = eye_nat_places_find(&tracker->roster, netns);
    }
    tracker->stats.lookups++;
    tracker->way->look(tracker, place, translation);
}

/* One with the same ends that opens is another one; what is not known yet may be in another pass.
 */
static bool is_over(const struct eye_translation *known, const struct eye_connection_record *record)
{
    return (record->flags & EYE_CONNECTION_OPENED) ||
           (known->nat == EYE_NAT_UNKNOWN && known->pass != record->pass);
}

/* A connection stays what it was counted as. */
static void find(struct eye_conntracker *tracker, const struct eye_connection_record *record,
                 struct eye_translation *ret_translation)
{
    struct eye_end end = end_of(record);
    struct eye_translation *known = eye_translations_find(&tracker->told, &end);
    if (known != NULL && is_over(known, record)) {
        eye_translations_drop(&tracker->told, known);
        known = NULL;
    }
    *ret_translation = (struct eye_translation){.end = end, .nat = EYE_NAT_UNKNOWN};
    if (known != NULL) {
        known->stamp = tracker->minute;
        *ret_translation = *known;
    } else {
        look(tracker, ret_translation);
    }
    if (record->kind != EYE_CONNECTION_LIVE && known != NULL) {
        eye_translations_drop(&tracker->told, known);
    } else if (record->kind == EYE_CONNECTION_LIVE && known == NULL) {
        ret_translation->stamp = tracker->minute;
        ret_translation->pass = record->pass;
        eye_translations_put(&tracker->told, ret_translation);
    }
}

static void translate(struct eye_conntracker *tracker, struct eye_connection_record *record)
{
    struct eye_translation translation;
    find(tracker, record, &translation);
    record->nat = translation.nat;
    /* Conntrack forgets at once who was refused: that there is no entry says nothing. */
    if (record->kind == EYE_CONNECTION_FAILED && translation.nat == EYE_NAT_NONE) {
        record->nat = EYE_NAT_UNKNOWN;
    }
    if (record->direction == EYE_OUTGOING && translation.moved) {
        memcpy(record->remote, translation.remote, sizeof(record->remote));
        record->port = translation.port;
    }
}

static bool is_asked_for(const struct eye_conntracker *tracker, const void *record, size_t bytes)
{
    struct eye_connection_record connection;
    if (tracker->way->look == NULL || bytes != sizeof(connection)) {
        return false;
    }
    memcpy(&connection, record, sizeof(connection));
    return connection.nat == EYE_NAT_UNKNOWN && connection.local_port != 0 &&
           connection.kind != EYE_CONNECTION_LISTENS;
}

void eye_conntracker_take(void *context, const void *record, size_t bytes)
{
    struct eye_conntracker *tracker = context;
    struct eye_connection_record connection;
    if (is_asked_for(tracker, record, bytes)) {
        memcpy(&connection, record, sizeof(connection));
        translate(tracker, &connection);
        record = &connection;
    }
    tracker->next(tracker->next_context, record, bytes);
}

/* ---- From time to time ---- */

static void dismiss_gone(struct eye_conntracker *tracker)
{
    struct eye_nat_place *place;
    while ((place = (struct eye_nat_place *)eye_roster_dismiss(&tracker->roster)) != NULL) {
        tracker->malformed_before += place->link.malformed;
        eye_translations_sweep(&tracker->mirrored, place->place.netns, UINT32_MAX);
        eye_roster_free(&tracker->roster, &place->place);
    }
}

static void end_minute(struct eye_conntracker *tracker, uint64_t now_ns)
{
    if (now_ns >= tracker->minute_ns) {
        tracker->minute_ns = now_ns + MINUTE_NS;
        tracker->minute++;
        eye_translations_sweep(&tracker->told, 0, tracker->minute - MINUTES_UNTOLD_MAX);
    }
}

void eye_conntracker_tick(struct eye_conntracker *tracker, uint64_t now_ns)
{
    if (tracker->way == &eye_conntracker_ebpf && !eye_source_tells_nat(tracker->source)) {
        choose_way(tracker, false);
    }
    say_why(tracker);
    if (tracker->way->places == NULL) {
        return;
    }
    eye_nat_places_welcome(&tracker->roster, tracker->buffer);
    dismiss_gone(tracker);
    end_minute(tracker, now_ns);
    if (tracker->way->tick != NULL) {
        tracker->way->tick(tracker, now_ns);
    }
}

struct eye_conntracker_stats eye_conntracker_stats(const struct eye_conntracker *tracker)
{
    struct eye_conntracker_stats stats = tracker->stats;
    const struct eye_nat_place *place;
    stats.entries = tracker->told.table.count + tracker->mirrored.table.count;
    stats.losses[EYE_NAT_LOSS_TABLE] = tracker->told.refused + tracker->mirrored.refused;
    stats.losses[EYE_NAT_LOSS_MALFORMED] = tracker->malformed_before;
    if (tracker->way->places != NULL) {
        eye_nat_places_for_each(&tracker->roster, place)
        {
            stats.losses[EYE_NAT_LOSS_MALFORMED] += place->link.malformed;
        }
    }
    return stats;
}
