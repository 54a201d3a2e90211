/* SPDX-License-Identifier: Apache-2.0 */
/* Conntrack is asked for each new connection: some 6 us, in the collector's time. */
#include <errno.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/nat/conntracker.h"

/* A namespace that does not answer is left alone for so long. */
#define PAUSE_NS EYE_NS_PER_SECOND

static int check_netlink(bool told, struct eye_error *ret_error)
{
    (void)told;
    return eye_conntrack_link_check(false, ret_error);
}

static void take(void *context, const struct eye_conntrack_entry *entry)
{
    struct eye_translation *translation = context;
    uint32_t netns = translation->end.netns;
    struct eye_translation client;
    eye_translation_of_client(entry, netns, &client);
    if (memcmp(&client.end, &translation->end, sizeof(client.end)) == 0) {
        *translation = client;
    } else {
        translation->nat = entry->nat;
    }
}

static void look(struct eye_conntracker *tracker, struct eye_nat_place *place,
                 struct eye_translation *translation)
{
    uint64_t *losses = tracker->stats.losses;
    if (place == NULL) {
        losses[EYE_NAT_LOSS_NAMESPACE]++;
        return;
    }
    if (place->next_ns > 0 && eye_clock_monotonic_ns() < place->next_ns) {
        losses[EYE_NAT_LOSS_TIMEOUT]++;
        return;
    }
    int result = eye_conntrack_link_ask(&place->link, &translation->end.tuple, take, translation);
    if (result == -ENOENT) {
        translation->nat = EYE_NAT_NONE;
    } else if (result != 0) {
        losses[result == -EAGAIN ? EYE_NAT_LOSS_TIMEOUT : EYE_NAT_LOSS_REFUSED]++;
        place->next_ns = eye_clock_monotonic_ns() + PAUSE_NS;
    }
}

const struct eye_conntracker_type eye_conntracker_netlink = {
    .name = "netlink",
    .check = check_netlink,
    .places = &eye_nat_places_asked,
    .look = look,
};
