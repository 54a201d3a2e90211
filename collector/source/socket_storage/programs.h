/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel programs by name, what each is needed for, and how each is attached. Main thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/base/error.h"

struct bpf_link;
struct bpf_program;
struct socket_storage; /* the skeleton: bpf/socket_storage.skel.h */

/* X(identifier, name, what is lost without it) */
#define EYE_ABILITIES(X)                                                                           \
    X(CONNECTIONS, "connections", "cannot observe the kernel")                                     \
    X(OLDER_SOCKETS, "older sockets", "connections older than the daemon are not seen")            \
    X(PROTOCOLS, "protocols", "requests of protocols are not seen")

enum eye_ability {
#define X(identifier, ...) EYE_ABILITY_##identifier,
    EYE_ABILITIES(X)
#undef X
        EYE_ABILITY_COUNT,
};

/** "connections"; and what is lost without it, as the beginning of a message. */
const char *eye_ability_name(enum eye_ability ability);
const char *eye_ability_cost(enum eye_ability ability);

/* X(program, ability): an ability needs all of its programs. */
#define EYE_PROGRAMS(X)                                                                            \
    X(tcp_state, CONNECTIONS) /* first: tcp_state_again is called behind it */                     \
    X(tcp_state_again, CONNECTIONS)                                                                \
    X(tcp_live, CONNECTIONS)                                                                       \
    X(tcp_seed, OLDER_SOCKETS)                                                                     \
    X(owner_seed, OLDER_SOCKETS)                                                                   \
    X(payload_sent, PROTOCOLS)                                                                     \
    X(payload_received, PROTOCOLS)

enum eye_program {
#define X(program, ...) EYE_PROGRAM_##program,
    EYE_PROGRAMS(X)
#undef X
        EYE_PROGRAM_COUNT,
};

const char *eye_program_name(enum eye_program program);
enum eye_ability eye_program_ability(enum eye_program program);

struct eye_features;

/**
 * Opens the object, with the switches set for what this kernel lets programs do. The caller's; NULL
 * with errno.
 */
struct socket_storage *eye_programs_open(struct eye_features *features);

/** The program in an opened object. */
struct bpf_program *eye_program_of(const struct socket_storage *object, enum eye_program program);

/**
 * Attaches a loaded program: to its tracepoint, to a cgroup v2 directory, or as an iterator that
 * can be run. @cgroup: descriptor of the directory, or -errno of opening it. The link is the
 * caller's; NULL with errno.
 */
struct bpf_link *eye_program_attach(const struct socket_storage *object, enum eye_program program,
                                    int cgroup);

/** Whether it is an iterator. */
bool eye_program_is_iterator(enum eye_program program);

/**
 * The message of a program that this kernel refuses, "what is lost: program: reason: error; what
 * to do". @reason: the verifier's or libbpf's words; NULL: it loads, but cannot be attached.
 * Returns -@error.
 */
int eye_program_refused(enum eye_program program, int error, const char *reason,
                        struct eye_error *ret_error);
