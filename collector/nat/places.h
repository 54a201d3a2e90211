/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network namespaces whose conntrack is asked. The collector thread's, but for the roster's own
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/nat/link.h"
#include "collector/source/roster.h"

struct eye_nat_place {
    struct eye_place place; /* first */
    struct eye_conntrack_link link;
    uint64_t next_ns; /* monotonic: not asked before */
    /* The mirror's. */
    uint32_t generation; /* of the dump that is read or was read last */
    uint8_t dumping;     /* enum eye_nat: what is being dumped; NONE: nothing */
    bool whole;          /* all that there is was read, and no event was lost since */
    bool holes;          /* but for what found no room */
};

/* Places that hold sockets for questions; and those that are told by itself, too. */
extern const struct eye_roster_type eye_nat_places_asked;
extern const struct eye_roster_type eye_nat_places_told;

/** Takes in who has arrived. @buffer: as struct eye_conntrack_link has it. */
void eye_nat_places_welcome(struct eye_roster *roster, uint32_t *buffer);

/** NULL: none that we know. */
struct eye_nat_place *eye_nat_places_find(const struct eye_roster *roster, uint32_t netns);

#define eye_nat_places_for_each(roster, each)                                                      \
    for (struct eye_place *eye_each = TAILQ_FIRST(&(roster)->places);                              \
         ((each) = (struct eye_nat_place *)eye_each) != NULL;                                      \
         eye_each = TAILQ_NEXT(eye_each, link))
