/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A receiver for the bench that takes everything and keeps nothing, in a process of its own: HTTP
 * requests get the answer that means success, streams and datagrams are read and thrown away.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct bench_receiver {
    pid_t process;
    uint16_t stream_port;   /* TCP on 127.0.0.1: HTTP, or bytes without an answer */
    uint16_t datagram_port; /* UDP on 127.0.0.1 */
};

/* Aborts when it cannot be started; it ends with this process. */
struct bench_receiver bench_receiver_start(void);
void bench_receiver_stop(struct bench_receiver *receiver);
