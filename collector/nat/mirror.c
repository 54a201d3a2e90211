/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conntrack tells by itself: a dump of what it translates, then what comes and goes. Each of its
 * entries costs whoever connects some microseconds, translated or not, so this is the last resort.
 * What was lost is found by another dump, which also finds what went without a word (entries that
 * are older than the first listener are never told of at their end).
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/nat/conntracker.h"

/* Between dumps of a namespace in which nothing was lost. */
#define DUMP_PAUSE_NS (60 * EYE_NS_PER_SECOND)

/* A dump of a large table goes on later: passing over a million entries takes half a second. */
#define LOOK_NS (200 * EYE_NS_PER_MS)
#define TICK_NS (50 * EYE_NS_PER_MS)

/* Datagrams that are read in one go of one namespace, so that nothing else starves. */
#define DRAIN_MAX 16384

struct telling {
    struct eye_conntracker *tracker;
    struct eye_nat_place *place;
};

static void put(const struct telling *telling, struct eye_translation *translation, bool ended)
{
    struct eye_nat_place *place = telling->place;
    /* Records of a connection come behind its end: it stays until the next dump has not met it. */
    translation->stamp = ended ? place->generation - 1 : place->generation;
    if (!eye_translations_put(&telling->tracker->mirrored, translation)) {
        place->holes = true;
    }
}

static void take(void *context, const struct eye_conntrack_entry *entry)
{
    const struct telling *telling = context;
    uint32_t netns = telling->place->place.netns;
    struct eye_translation translation;
    if (entry->protocol != IPPROTO_TCP || entry->nat == EYE_NAT_NONE) {
        return;
    }
    eye_translation_of_client(entry, netns, &translation);
    put(telling, &translation, entry->ended);
    eye_translation_of_server(entry, netns, &translation);
    put(telling, &translation, entry->ended);
}

/* ---- Dumps ---- */

static int begin(struct eye_nat_place *place, enum eye_nat nat)
{
    place->dumping = EYE_NAT_NONE;
    int result = eye_conntrack_link_ask_all(&place->link, nat);
    if (result == 0) {
        place->dumping = (uint8_t)nat;
    }
    return result;
}

static int begin_first(struct eye_nat_place *place)
{
    place->generation++;
    place->holes = false;
    return begin(place, EYE_NAT_SOURCE);
}

/* What two dumps have not met is no more. */
static void finish(struct eye_conntracker *tracker, struct eye_nat_place *place, uint64_t now_ns)
{
    place->dumping = EYE_NAT_NONE;
    place->whole = true;
    place->next_ns = now_ns + DUMP_PAUSE_NS;
    tracker->stats.dumps++;
    eye_translations_sweep(&tracker->mirrored, place->place.netns, place->generation - 1);
}

static int read_part(struct eye_conntracker *tracker, struct eye_nat_place *place)
{
    struct telling telling = {tracker, place};
    int result = eye_conntrack_link_next(&place->link, take, &telling);
    return result == 0 && place->dumping == EYE_NAT_SOURCE
               ? begin(place, EYE_NAT_DESTINATION) < 0 ? -EIO : 1
               : result;
}

/* Begins a dump, or goes on with one, until then. What fails is tried again a while later. */
static void dump(struct eye_conntracker *tracker, struct eye_nat_place *place, uint64_t until_ns)
{
    int result = place->dumping == EYE_NAT_NONE ? begin_first(place) : 1;
    uint64_t now_ns = eye_clock_monotonic_ns();
    if (result == 0) {
        result = 1;
    }
    while (result > 0 && now_ns < until_ns) {
        result = read_part(tracker, place);
        now_ns = eye_clock_monotonic_ns();
    }
    if (result == 0) {
        finish(tracker, place, now_ns);
    } else if (result < 0) {
        tracker->stats.losses[result == -EAGAIN ? EYE_NAT_LOSS_TIMEOUT : EYE_NAT_LOSS_REFUSED]++;
        place->dumping = EYE_NAT_NONE;
        place->next_ns = now_ns + EYE_NS_PER_SECOND;
    }
}

/* ---- Events ---- */

static void read_events(struct eye_conntracker *tracker, struct eye_nat_place *place)
{
    struct telling telling = {tracker, place};
    int result = 1;
    for (int left = DRAIN_MAX; left > 0 && result > 0; left--) {
        result = eye_conntrack_link_event(&place->link, take, &telling);
        if (result == -ENOBUFS) {
            tracker->stats.losses[EYE_NAT_LOSS_OVERFLOW]++;
            place->whole = false;
            place->dumping = EYE_NAT_NONE; /* what is read now may be from before */
            place->next_ns = 0;
            result = 1;
        }
    }
}

static void look_after(struct eye_conntracker *tracker, struct eye_nat_place *place,
                       uint64_t now_ns, uint64_t until_ns)
{
    read_events(tracker, place);
    if (place->dumping != EYE_NAT_NONE || now_ns >= place->next_ns) {
        dump(tracker, place, until_ns);
    }
}

static void tick(struct eye_conntracker *tracker, uint64_t now_ns)
{
    struct eye_nat_place *place;
    eye_nat_places_for_each(&tracker->roster, place)
    {
        look_after(tracker, place, now_ns, now_ns + TICK_NS);
    }
}

static void look(struct eye_conntracker *tracker, struct eye_nat_place *place,
                 struct eye_translation *translation)
{
    if (place == NULL) {
        tracker->stats.losses[EYE_NAT_LOSS_NAMESPACE]++;
        return;
    }
    read_events(tracker, place);
    if (!place->whole) {
        uint64_t now_ns = eye_clock_monotonic_ns();
        look_after(tracker, place, now_ns, now_ns + LOOK_NS);
    }
    const struct eye_translation *known =
        eye_translations_find(&tracker->mirrored, &translation->end);
    if (known != NULL) {
        *translation = *known;
    } else if (!place->whole) {
        tracker->stats.losses[EYE_NAT_LOSS_TIMEOUT]++;
    } else if (!place->holes) {
        translation->nat = EYE_NAT_NONE;
    }
}

static int check(bool told, struct eye_error *ret_error)
{
    (void)told;
    return eye_conntrack_link_check(true, ret_error);
}

const struct eye_conntracker_type eye_conntracker_mirror = {
    .name = "mirror",
    .check = check,
    .places = &eye_nat_places_told,
    .look = look,
    .tick = tick,
};
