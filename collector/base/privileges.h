/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread may do that its user may not: Linux capabilities, which each thread has for itself
 * (capabilities(7)). Every function is about the calling thread; no state beside the kernel's.
 */
#pragma once

#include <linux/capability.h>
#include <stdint.h>

#include "collector/base/error.h"

#define EYE_CAPABILITY(number) (UINT64_C(1) << (number))

/* To load kernel programs and to attach them. Where CAP_BPF or CAP_PERFMON is not there,
 * CAP_SYS_ADMIN is, and stands in. */
#define EYE_PRIVILEGES_LOADING                                                                     \
    (EYE_CAPABILITY(CAP_BPF) | EYE_CAPABILITY(CAP_PERFMON) | EYE_CAPABILITY(CAP_NET_ADMIN))

/* To attach probes to code of processes: CAP_SYS_ADMIN where that takes perf events. */
#define EYE_PRIVILEGES_PROBING (EYE_PRIVILEGES_LOADING | EYE_CAPABILITY(CAP_SYS_ADMIN))

/* To read /proc of other users' processes. */
#define EYE_PRIVILEGES_READING                                                                     \
    (EYE_CAPABILITY(CAP_SYS_PTRACE) | EYE_CAPABILITY(CAP_DAC_READ_SEARCH))

/* To enter the network namespaces of those. */
#define EYE_PRIVILEGES_NAMESPACES (EYE_CAPABILITY(CAP_SYS_ADMIN) | EYE_PRIVILEGES_READING)

#define EYE_PRIVILEGES_ALL UINT64_MAX

/* X(identifier, effective, permitted): what is left to a thread once everything runs. DELIVERY:
 * whoever speaks with the network. VISITOR: a collector that has to enter network namespaces at
 * each look. INSIDER_BY_EVENTS: an insider whose probes are perf events. NAMESPACES: whoever enters
 * those of others, again and again; CONNTRACK: and opens sockets there by which conntrack may be
 * asked. */
#define EYE_ROLES(X)                                                                               \
    X(MAIN, 0,                                                                                     \
      EYE_PRIVILEGES_LOADING | EYE_PRIVILEGES_READING | EYE_CAPABILITY(CAP_SYS_ADMIN) |            \
          EYE_CAPABILITY(CAP_NET_BIND_SERVICE))                                                    \
    X(COLLECTOR, EYE_PRIVILEGES_READING, EYE_PRIVILEGES_READING | EYE_PRIVILEGES_LOADING)          \
    X(VISITOR, EYE_PRIVILEGES_READING,                                                             \
      EYE_PRIVILEGES_READING | EYE_PRIVILEGES_LOADING | EYE_CAPABILITY(CAP_SYS_ADMIN))             \
    X(NAMESPACES, EYE_PRIVILEGES_NAMESPACES, EYE_PRIVILEGES_NAMESPACES)                            \
    X(CONNTRACK, EYE_PRIVILEGES_NAMESPACES | EYE_CAPABILITY(CAP_NET_ADMIN),                        \
      EYE_PRIVILEGES_NAMESPACES | EYE_CAPABILITY(CAP_NET_ADMIN))                                   \
    X(ATTACHER, 0, EYE_PRIVILEGES_LOADING)                                                         \
    X(INSIDER, 0, EYE_PRIVILEGES_LOADING | EYE_PRIVILEGES_READING)                                 \
    X(INSIDER_BY_EVENTS, 0, EYE_PRIVILEGES_PROBING | EYE_PRIVILEGES_READING)                       \
    X(DELIVERY, 0, 0)

enum eye_role {
#define X(identifier, ...) EYE_ROLE_##identifier,
    EYE_ROLES(X)
#undef X
        EYE_ROLE_COUNT,
};

/** What is effective now: bits by CAP_*. 0 also when the kernel does not say. */
uint64_t eye_privileges_effective(void);

/**
 * Takes away, for good, what a thread of this @role does not need; nothing is inheritable or
 * ambient any more. 0 or -errno: a filter refuses capset(2), and all is as it was.
 *
 * A daemon that is root itself is one for its files: receivers' sockets, keys and secrets may be
 * another user's, and are opened again as long as it runs. So of CAP_DAC_OVERRIDE the threads that
 * deliver keep the use, and the main thread, which also makes the control socket, the right to use
 * it.
 */
int eye_privileges_assume(enum eye_role role);

/** Adds to what is effective what is permitted of @wanted. Returns what was effective before, for
 * eye_privileges_lower(). */
uint64_t eye_privileges_raise(uint64_t wanted);

/** As before. */
void eye_privileges_lower(uint64_t before);

/**
 * No more than threads that deliver have, and ports below 1024: whoever opens in their place what
 * they open again later must not be able to do more than they. For eye_privileges_lower(), as
 * above.
 */
uint64_t eye_privileges_deliver(void);

/**
 * Makes the process the @user, with its groups, and with no more capabilities than a start needs. A
 * process that is that user already stays as it is. 0, or -errno with a message. Before there is
 * another thread.
 */
int eye_privileges_become(const char *user, struct eye_error *ret_error);
