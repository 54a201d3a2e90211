/* SPDX-License-Identifier: Apache-2.0 */
/* A link and the receiver that it leads to: real sockets on loopback or in a folder of their own.
 */
#pragma once

#include "exporters/link/transport.h"

struct fixture {
    struct eye_export_stats stats;
    struct eye_deadline deadline;
    struct eye_exporter_setup setup;
    struct eye_export_failure failure;
    struct eye_link *link;
    int receiver; /* bound or listening; -1: none */
    int accepted; /* of a stream; -1: none */
    uint16_t port;
    char folder[32];
    char path[64]; /* of a Unix socket in it */
};

int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* Makes the link; "%" in @url stands for the receiver's port or path. */
void fixture_link(struct fixture *fixture, const char *url);

/* SOCK_DGRAM or SOCK_STREAM on 127.0.0.1; @port 0: any. Nothing blocks. */
void fixture_bind_inet(struct fixture *fixture, int type, uint16_t port);

/* At `path`, in the place of what is there. */
void fixture_bind_unix(struct fixture *fixture, int type);

/* Takes the connection that is waiting. */
void fixture_accept(struct fixture *fixture);

void fixture_close_receiver(struct fixture *fixture);
void fixture_close_accepted(struct fixture *fixture);

/* The same with RST. */
void fixture_reset_accepted(struct fixture *fixture);

/* The deadline is over in so many ms. */
void fixture_stop_in_ms(struct fixture *fixture, unsigned milliseconds);

/* open, then send @text. */
int fixture_send(struct fixture *fixture, const char *text);

/* The next datagram or piece must be @text. */
void fixture_expect(int fd, const char *text);

/* Reads everything until the end: its length. @ret_reset: it ended with an error. */
size_t fixture_read_to_end(int fd, bool *ret_reset);
