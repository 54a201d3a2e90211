/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the addresses of other ends are called: by the host's /etc/hosts, which has the last word,
 * and by the answers that programs of this host got when they asked DNS. Belongs to the collector
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/clock.h"
#include "collector/base/prefix.h"

/* Addresses with a name, some 150 bytes each; of those learned the oldest one makes room. */
#define EYE_REVERSE_HOSTS_MAX 8192
#define EYE_REVERSE_LEARNED_MAX 8192

/* A longer /etc/hosts is not read: one of ad servers has more, and some 10 ms for each MiB. */
#define EYE_REVERSE_FILE_BYTES ((size_t)1024 * 1024)

/* Longer names are cut: those of DNS have up to 253, and what tells them apart stands in front. */
#define EYE_REVERSE_NAME_BYTES 128

/* A name that was learned counts no longer without being told again, whatever its TTL says... */
#define EYE_REVERSE_TTL_MAX_NS (3600 * EYE_NS_PER_SECOND)

/* ...but stays while connections have it, which are heard of once a minute at least. */
#define EYE_REVERSE_KEEP_NS (150 * EYE_NS_PER_SECOND)

enum eye_reverse_source { EYE_REVERSE_HOSTS, EYE_REVERSE_LEARNED, EYE_REVERSE_SOURCE_COUNT };

/* X(identifier, name): what came of a name, or of reading the file. */
#define EYE_REVERSE_OUTCOMES(X)                                                                    \
    X(TAKEN, "taken")                                                                              \
    X(MALFORMED, "malformed") /* no address, or no name */                                         \
    X(LOCAL, "local")         /* learned for what is everybody's own: blockers of ads answer so */ \
    X(NO_ROOM, "no_room")     /* beyond the limit: the name, or an older one, is left out */       \
    X(TOO_LARGE, "too_large") /* the file: those of before are kept */                             \
    X(FAILED, "failed")       /* it cannot be read, or no memory: the same */

enum eye_reverse_outcome {
#define X(identifier, ...) EYE_REVERSE_##identifier,
    EYE_REVERSE_OUTCOMES(X)
#undef X
        EYE_REVERSE_OUTCOME_COUNT,
};

/* As values of tags. */
const char *eye_reverse_source_name(enum eye_reverse_source source);
const char *eye_reverse_outcome_name(enum eye_reverse_outcome outcome);

struct eye_reverse_name {
    uint64_t id; /* no other name ever has it */
    const char *text;
};

struct eye_reverse;

/** @root: the host's root folder. NULL when out of memory. Knows nothing yet. */
struct eye_reverse *eye_reverse_new(const char *root);

/** Takes NULL. */
void eye_reverse_free(struct eye_reverse *reverse);

/**
 * @address (16 bytes, IPv4 mapped) is called @name, of @length bytes that a stranger chose, for
 * @ttl_ns from @now_ns (monotonic) on. Of several names for one address the first one stays until
 * its time is over: a series must not flicker between those of a shared server.
 */
void eye_reverse_learn(struct eye_reverse *reverse,
                       const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES], const char *name,
                       size_t length, uint64_t ttl_ns, uint64_t now_ns);

/** When an interval ends, and before names are used first: reads /etc/hosts if it changed, and
 * forgets what is over. */
void eye_reverse_refresh(struct eye_reverse *reverse, uint64_t now_ns);

/** False where nobody told a name. @ret_name is good until the next refresh or learning. */
bool eye_reverse_find(struct eye_reverse *reverse,
                      const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES],
                      struct eye_reverse_name *ret_name);

/** Grows when an address that was asked for since the last pass began may be called otherwise than
 * before. (A host asks DNS all the time, mostly for what nobody is connected to.) */
uint64_t eye_reverse_changes(const struct eye_reverse *reverse);

/** Every connection is about to be asked for again. */
void eye_reverse_begin_pass(struct eye_reverse *reverse);

/** How often @outcome came of names of @source. */
uint64_t eye_reverse_count(const struct eye_reverse *reverse, enum eye_reverse_source source,
                           enum eye_reverse_outcome outcome);
