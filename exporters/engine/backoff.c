/* SPDX-License-Identifier: Apache-2.0 */
/* Pauses that grow and are drawn at random. */
#include "exporters/engine/backoff.h"

#include <stdlib.h>

/* 100 ms doubled 20 times is 29 hours: beyond every maximum. */
#define DOUBLINGS_MAX 20

#define TAKEN_BACK_BY_SUCCESS 2

uint64_t eye_backoff_fail(struct eye_backoff *backoff, uint64_t asked_ns)
{
    if (backoff->failures < DOUBLINGS_MAX) {
        backoff->failures++;
    }
    uint64_t ceiling_ns = EYE_BACKOFF_FIRST_NS << backoff->failures;
    if (ceiling_ns > backoff->max_ns) {
        ceiling_ns = backoff->max_ns;
    }
    /* A random number of 2^20ths of it. */
    uint64_t pause_ns = (ceiling_ns >> 20) * arc4random_uniform(1U << 20);
    return pause_ns > asked_ns ? pause_ns : asked_ns;
}

void eye_backoff_succeed(struct eye_backoff *backoff)
{
    backoff->failures =
        backoff->failures < TAKEN_BACK_BY_SUCCESS ? 0 : backoff->failures - TAKEN_BACK_BY_SUCCESS;
}
