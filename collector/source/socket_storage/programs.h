/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel programs by name, what each is needed for, and how each is attached. Main thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "collector/base/error.h"
#include "collector/payload/payload.h"
#include "collector/source/tier.h"

struct bpf_link;
struct bpf_object;
struct bpf_program;
struct socket_storage; /* the skeleton: bpf/socket_storage.skel.h */

/* How a program is attached. */
enum eye_program_way {
    EYE_WAY_TRACES, /* to the tracepoint that its section names */
    EYE_WAY_PLACED, /* to where packets come from */
    EYE_WAY_CALLED, /* not at all: another one calls it */
    EYE_WAY_RUN,    /* not at all: the collector runs it */
    EYE_WAY_ITERATES,
    EYE_WAY_ITERATES_TABLES,      /* of the sockets of a network namespace */
    EYE_WAY_ITERATES_SOCKETS,     /* over the map of that name */
    EYE_WAY_ITERATES_UDP_SOCKETS, /* likewise */
};

/* X(program, ability, way): those of the tier's own object; an ability needs all of its programs
 * that are used (eye_program_is_used()). */
#define EYE_OWN_PROGRAMS(X)                                                                        \
    X(tcp_state, CONNECTIONS, TRACES) /* first: tcp_state_again is called behind it */             \
    X(tcp_state_again, CONNECTIONS, TRACES)                                                        \
    X(tcp_live, CONNECTIONS, ITERATES_SOCKETS)                                                     \
    X(tcp_live_table, CONNECTIONS, ITERATES_TABLES)                                                \
    X(tcp_seed, OLDER_SOCKETS, ITERATES)                                                           \
    X(owner_seed, OLDER_SOCKETS, ITERATES)                                                         \
    X(payload_sent, PACKETS, PLACED)                                                               \
    X(payload_received, PACKETS, PLACED)                                                           \
    X(process_exec, PROCESSES, TRACES)                                                             \
    X(process_exit, PROCESSES, TRACES)                                                             \
    X(udp_live, UDP, ITERATES_UDP_SOCKETS)                                                         \
    X(udp_live_table, UDP, ITERATES_TABLES)                                                        \
    X(udp_flow_live, UDP, RUN)                                                                     \
    X(udp_refused, UDP, TRACES)                                                                    \
    X(udp_bind4, UDP, PLACED)                                                                      \
    X(udp_bind6, UDP, PLACED)                                                                      \
    X(udp_released, UDP, PLACED)                                                                   \
    X(tcp_connect4, UNSENT, PLACED)                                                                \
    X(tcp_connect6, UNSENT, PLACED)                                                                \
    X(tcp_released, UNSENT, PLACED)

/* Of single connections, in an object of their own with the tier's maps (rows.h). */
#define EYE_ROW_PROGRAMS(X)                                                                        \
    X(row_open, ROWS, ITERATES_SOCKETS)                                                            \
    X(row_open_table, ROWS, ITERATES_TABLES)                                                       \
    X(row_ended, ROWS, TRACES)

/* Behind the tier's own the two of each protocol, in an object of the protocol's: what is sent, and
 * what is received. The tier's payload programs call them. */
enum eye_program {
#define X(program, ...) EYE_PROGRAM_##program,
    EYE_OWN_PROGRAMS(X)
#undef X
        EYE_OWN_PROGRAM_COUNT,
    EYE_PROGRAM_BEFORE_PROTOCOLS = EYE_OWN_PROGRAM_COUNT - 1,
#define X(identifier, name) EYE_PROGRAM_##name##_sent, EYE_PROGRAM_##name##_received,
    EYE_PROTOCOLS(X)
#undef X
        EYE_PROGRAM_BEHIND_PROTOCOLS,
    EYE_PROGRAM_BEFORE_ROWS = EYE_PROGRAM_BEHIND_PROTOCOLS - 1,
#define X(program, ...) EYE_PROGRAM_##program,
    EYE_ROW_PROGRAMS(X)
#undef X
        EYE_PROGRAM_COUNT,
};

/* By enum eye_program. */
extern const struct eye_program_info eye_programs[EYE_PROGRAM_COUNT];

/* Where those that are placed are attached. */
extern const struct eye_payload_type *const eye_programs_payload;

/**
 * Opens the object, with the switches set for what this kernel lets programs do. The caller's; NULL
 * with errno.
 */
struct socket_storage *eye_programs_open(struct eye_features *features);

/** Whether programs of packets may read the kernel's memory. */
bool eye_programs_read_memory(struct eye_features *features);

/** What the configuration says of a protocol. Names of addresses want every answer of DNS, the
 * first one too. */
enum eye_wish eye_protocol_wish(const struct eye_config *config, enum eye_protocol protocol);

/** Whether the configuration wants what packets tell: UDP, or any protocol. */
bool eye_packets_wanted(const struct eye_config *config);

/** Writes what the configuration says of ports to @ports (enum eye_protocol by number of the port),
 * which programs read: each byte is exchanged at once. */
void eye_protocol_ports_write(const struct eye_config *config, uint8_t ports[static 65536]);

/** The protocols that the configuration wants: 1 << enum eye_protocol. */
uint32_t eye_protocols_wanted(const struct eye_config *config);

/** The program in the tier's opened object, to which it belongs. */
struct bpf_program *eye_program_of(const struct socket_storage *object, enum eye_program program);

/** The protocol whose object holds the program; EYE_PROTOCOL_UNKNOWN: it is none's. */
enum eye_protocol eye_program_protocol(enum eye_program program);

/** The first program of a protocol; the second one follows. */
enum eye_program eye_protocol_program(enum eye_protocol protocol);

/** Opens the object of EYE_ROW_PROGRAMS. As eye_protocol_open(). */
struct bpf_object *eye_rows_open(void);

/** Opens the object of a protocol. The caller's (bpf_object__close()); NULL with errno. */
struct bpf_object *eye_protocol_open(enum eye_protocol protocol);

/**
 * Attaches a loaded program of @object, which is the tier's or has its maps. @place: of what is
 * placed, as the open() of eye_programs_payload returned it. The link is the caller's; NULL with
 * errno.
 */
struct bpf_link *eye_program_attach(const struct bpf_object *object, enum eye_program program,
                                    int place);

/** How live sockets are looked at here: what source.look says, or what this kernel needs. */
enum eye_look_way eye_programs_look(struct eye_features *features);

/** Adds the line of what that way costs here, if anything. */
void eye_programs_note_look(struct eye_features *features, struct eye_sight *sight);

/** Whether it is needed for that way; of programs for the two ways one is. */
bool eye_program_is_used(enum eye_program program, enum eye_look_way look);

/** How it is attached. */
enum eye_program_way eye_program_way(enum eye_program program);

/**
 * The message of a program that this kernel refuses, "what is lost: program: reason: error; what
 * to do". @reason: the verifier's or libbpf's words; NULL: it loads, but cannot be attached.
 * Returns -@error.
 */
int eye_program_refused(enum eye_program program, int error, const char *reason,
                        struct eye_error *ret_error);
