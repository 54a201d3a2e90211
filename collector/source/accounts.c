/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/accounts.h"

#include "collector/base/clock.h"

/* Every socket writes a record then; a gauge that went wrong without a trace is wrong as long. */
#define FULL_PASS_INTERVAL_NS (60 * EYE_NS_PER_SECOND)

uint64_t eye_account_unhandled(uint64_t skipped, uint64_t healed)
{
    return skipped > healed ? skipped - healed : 0;
}

uint64_t eye_account_misses(const struct eye_balance *balance)
{
    uint64_t known = balance->left + balance->alive;
    return balance->entered > known ? balance->entered - known : 0;
}

uint64_t eye_account_vanished(const struct eye_balance *balance, uint64_t vanished)
{
    uint64_t found = eye_account_misses(balance);
    return balance->whole && found > vanished ? found : vanished;
}

bool eye_passes_begin(struct eye_passes *passes, const uint64_t losses[EYE_LOSS_COUNT],
                      uint64_t doubts, uint64_t now_ns, bool last)
{
    uint64_t lost = losses[EYE_LOSS_TCP_RING] + losses[EYE_LOSS_TCP_RECURSION];
    bool due = passes->number == 0 || last || lost != passes->lost || doubts != passes->doubts ||
               now_ns - passes->full_ns >= FULL_PASS_INTERVAL_NS;
    if (due) {
        *passes = (struct eye_passes){passes->number + 1, now_ns, lost, doubts};
    }
    return due;
}
