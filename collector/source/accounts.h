/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows from the counters of the kernel side: which work was not done, and when what is
 * active must be counted afresh. Arithmetic on the caller's numbers. No thread rule.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi.h"

/**
 * State changes that were handled by neither program: of @skipped runs of the first one (read
 * before), @healed were made good by the second. Too small for now when some are healed in between
 * the two readings, never too large.
 */
uint64_t eye_account_unhandled(uint64_t skipped, uint64_t healed);

/** Sockets of the balance, since the start. */
struct eye_balance {
    uint64_t entered; /* became established before the full pass */
    uint64_t left;    /* and no longer were then, or left during the pass before it met them */
    uint64_t alive;   /* met by the full pass, each once, of those older than it */
    bool whole;       /* the pass has met every socket that lived through it */
};

/** Sockets that became established before the pass, and of which it knows nothing. */
uint64_t eye_account_misses(const struct eye_balance *balance);

/**
 * Every socket that became established before the pass has left by its end or was met by it, if
 * that is @whole; the others have vanished. Those that entered or left in the microseconds in which
 * the pass began make the difference too small, so the largest that a whole pass has ever found
 * (@vanished so far) is the truth or less. Returns the new one; a pass that is not whole proves
 * nothing.
 */
uint64_t eye_account_vanished(const struct eye_balance *balance, uint64_t vanished);

/** What decides about full passes; zero before the first. Owner: who runs the passes. */
struct eye_passes {
    uint32_t number;  /* of the last full pass; 0: none yet */
    uint64_t full_ns; /* monotonic: its time */
    uint64_t lost;    /* state changes and records of them that were lost until then */
    uint64_t doubts;  /* owners whose connections may be counted under another name, until then */
};

/**
 * Is a full pass due: the first one, one a minute, one after each loss (of @losses, as
 * eye_source_losses() gives them) or new doubt (of @doubts so far) and the @last one of a run?
 * Then its number is in @passes.
 */
bool eye_passes_begin(struct eye_passes *passes, const uint64_t losses[EYE_LOSS_COUNT],
                      uint64_t doubts, uint64_t now_ns, bool last);
