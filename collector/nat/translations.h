/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What NAT does to connections, by namespace and ends: a bounded table. The collector thread's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/table.h"
#include "collector/nat/message.h"

/* A connection from one of its ends: the source is that one. No padding: it is hashed. */
struct eye_end {
    struct eye_tuple tuple;
    uint32_t netns; /* inode number */
};

struct eye_translation {
    struct eye_end end;
    uint32_t stamp; /* that its user met it by last */
    uint32_t pass;  /* the counting pass that it was looked for in */
    uint8_t nat;    /* enum eye_nat */
    bool moved;     /* who is at the other end is another one: */
    uint16_t port;  /* host order */
    uint8_t remote[EYE_ADDRESS_BYTES];
};

struct eye_translations {
    struct eye_table table;
    size_t max;
    uint64_t refused; /* for want of room or memory */
};

/** What an entry of conntrack says to its two ends in @netns: to its client, to its server. */
void eye_translation_of_client(const struct eye_conntrack_entry *entry, uint32_t netns,
                               struct eye_translation *ret_translation);
void eye_translation_of_server(const struct eye_conntrack_entry *entry, uint32_t netns,
                               struct eye_translation *ret_translation);

/** NULL: it is not known. Good until the next change. */
struct eye_translation *eye_translations_find(const struct eye_translations *translations,
                                              const struct eye_end *end);

/** Adds a copy, or exchanges the one of the same end. False: refused, counted. */
bool eye_translations_put(struct eye_translations *translations,
                          const struct eye_translation *translation);

void eye_translations_drop(struct eye_translations *translations,
                           struct eye_translation *translation);

/** Drops those of @netns (0: of all) whose stamp is less than @stamp. */
void eye_translations_sweep(struct eye_translations *translations, uint32_t netns, uint32_t stamp);

/** Takes a zeroed one. */
void eye_translations_done(struct eye_translations *translations);
