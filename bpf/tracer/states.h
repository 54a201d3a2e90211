/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a change of a socket's TCP state means: the same C for kernel programs and for the host.
 */
#pragma once

#include "bpf/either.h"
#ifndef __bpf__
#include <netinet/tcp.h>
#endif

/* The states of a connection that has left its handshake behind. */
#define EYE_OPEN_STATES                                                                            \
    (1 << TCP_ESTABLISHED | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_TIME_WAIT |         \
     1 << TCP_CLOSE_WAIT | 1 << TCP_LAST_ACK | 1 << TCP_CLOSING)

static __always_inline bool eye_is_open(int state)
{
    return EYE_OPEN_STATES >> (state & 31) & 1;
}

/* A socket gets its entry when it begins something; what is older than we are gets it by seed. */
static __always_inline bool eye_begins(int old_state, int new_state)
{
    return !eye_is_open(old_state) && new_state != TCP_CLOSE;
}

/* Did tcp_state, which notes each change that it has handled, not run for this one? @handled: what
 * it noted last of this socket; NULL: the socket has no entry. */
static __always_inline bool eye_was_skipped(const __u8 *handled, int old_state, int new_state)
{
    return handled ? *handled != new_state : eye_begins(old_state, new_state);
}
