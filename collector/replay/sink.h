/* SPDX-License-Identifier: Apache-2.0 */
/* Where records of a replay go, and from where it looks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct eye_replay_sink {
    /** Takes a record as the ring "requests" has it (bpf/abi.h): an eye_record_handler. */
    void (*take)(void *context, const void *record, size_t bytes);
    void *context;
    uint32_t wanted; /* protocols, bits by enum eye_protocol */
    /** By port of a service, 65 536 of them: the enum eye_protocol that is spoken there whatever
     * the first bytes look like, 0: they decide. NULL: they do everywhere. */
    const uint8_t *ports;
    bool client_end; /* requests are told as the client's end sees them, not the server's */
};
