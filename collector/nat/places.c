/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/nat/places.h"

static int open_asked(struct eye_place *place)
{
    return eye_conntrack_link_open(false, &((struct eye_nat_place *)place)->link);
}

static int open_told(struct eye_place *place)
{
    return eye_conntrack_link_open(true, &((struct eye_nat_place *)place)->link);
}

static void close_place(struct eye_place *place)
{
    eye_conntrack_link_close(&((struct eye_nat_place *)place)->link);
}

const struct eye_roster_type eye_nat_places_asked = {
    .step = "conntrack",
    .place_bytes = sizeof(struct eye_nat_place),
    .role = EYE_ROLE_CONNTRACK,
    .open = open_asked,
    .close = close_place,
};

const struct eye_roster_type eye_nat_places_told = {
    .step = "conntrack",
    .place_bytes = sizeof(struct eye_nat_place),
    .role = EYE_ROLE_CONNTRACK,
    .open = open_told,
    .close = close_place,
};

void eye_nat_places_welcome(struct eye_roster *roster, uint32_t *buffer)
{
    struct eye_nat_place *place;
    while ((place = (struct eye_nat_place *)eye_roster_welcome(roster)) != NULL) {
        place->link.buffer = buffer;
    }
}

struct eye_nat_place *eye_nat_places_find(const struct eye_roster *roster, uint32_t netns)
{
    struct eye_nat_place *place;
    eye_nat_places_for_each(roster, place)
    {
        if (place->place.netns == netns) {
            break;
        }
    }
    return place;
}
