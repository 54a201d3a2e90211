/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The breaker of one endpoint: how long to leave it alone after failures. Exponential with full
 * jitter: after the nth failure in a row the pause is random in 0 .. min(first * 2^n, max), so that
 * many daemons whose receiver comes back do not all knock at once, and never less than the receiver
 * asked for. A success takes back two failures, not all: an endpoint that fails every other time
 * stays slow (datadog-agent, forwarder circuit breaker).
 *
 * Plain data, no thread rule.
 */
#pragma once

#include <stdint.h>

struct eye_backoff {
    uint64_t max_ns;
    unsigned failures; /* not taken back yet */
};

/* The first pause is within twice of it. */
#define EYE_BACKOFF_FIRST_NS UINT64_C(100000000)

/** Notes a failure and returns the pause in ns. @asked_ns: of the receiver; 0: none. */
uint64_t eye_backoff_fail(struct eye_backoff *backoff, uint64_t asked_ns);

/** Notes a success. */
void eye_backoff_succeed(struct eye_backoff *backoff);
