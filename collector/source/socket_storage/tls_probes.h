/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel programs that read plaintext inside TLS, and where in libraries they are attached.
 * Nothing of a process is changed, and what is attached goes with the daemon. One thread's, with
 * EYE_PRIVILEGES_PROBING raised; no locks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/tls/abi.h"
#include "collector/base/error.h"
#include "collector/source/socket_storage/tls_links.h"
#include "collector/tls/library.h"

struct socket_storage;
struct eye_tls_probes;

/* A library that is probed. At first: {.library = -1}. */
struct eye_tls_probed {
    int library; /* its number; -1: it is not probed */
    struct eye_tls_linked linked;
};

/**
 * Loads the programs, which follow nothing yet. @tier: loaded; it outlives these, which have its
 * maps. @links: how they will be attached; it outlives these, too. One of a protocol that cannot be
 * loaded costs its own requests, and the log says so. 0 or -errno.
 */
int eye_tls_probes_open(const struct socket_storage *tier, struct eye_tls_links *links,
                        struct eye_tls_probes **ret_probes);

/** From now on these protocols are followed: 1 << enum eye_protocol. Any thread. */
void eye_tls_probes_follow(struct eye_tls_probes *probes, uint32_t protocols);

/**
 * Attaches to all functions of a plan, or to none. @fd, @elf: of the library's file. 0, -ENOSPC:
 * EYE_TLS_LIBRARIES_MAX are probed; -EMFILE: it does not fit (eye_tls_links_fit()); or -errno of
 * the kernel.
 */
int eye_tls_probes_attach(struct eye_tls_probes *probes, int fd, const struct eye_elf *elf,
                          const struct eye_tls_plan *plan, struct eye_tls_probed *probed);

/**
 * Loads the programs with maps of their own, those of protocols, too, if asked for, and takes them
 * away again. @memory: as eye_probes_memory of the tier's. 0, or -errno with a message.
 */
int eye_tls_probes_try(const struct eye_tls_links *links, bool memory, bool protocols,
                       struct eye_error *ret_error);

/** Of what is not attached: nothing. */
void eye_tls_probes_detach(struct eye_tls_probes *probes, struct eye_tls_probed *probed);

/** What its probes have seen since it was attached. */
struct eye_tls_tally eye_tls_probes_tally(const struct eye_tls_probes *probes,
                                          const struct eye_tls_probed *probed);

/** Sessions whose socket was known by @means, since the programs were loaded. */
uint64_t eye_tls_probes_joined(const struct eye_tls_probes *probes, enum eye_tls_means means);

/**
 * Forgets sessions of processes that are not in @proc any more; those of others end with a call.
 * Each session is a question of the kernel.
 */
void eye_tls_probes_forget_sessions(const struct eye_tls_probes *probes, const char *proc);

/** What is attached has to be detached before. Takes NULL. */
void eye_tls_probes_close(struct eye_tls_probes *probes);
