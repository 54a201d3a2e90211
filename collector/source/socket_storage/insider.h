/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes inside TLS: finds libraries of TLS that processes have loaded, reads where probes may
 * stand in them, and attaches these. A thread of its own: files are read, and the verifier takes
 * its time. Nothing of a process is changed, and what is attached goes with the daemon.
 */
#pragma once

#include <stdint.h>

#include "collector/base/error.h"
#include "collector/source/tier.h"

struct socket_storage;
struct eye_insider;

/**
 * @programs: loaded; they outlive the insider, whose kernel programs have their maps. @config: it
 * outlives the insider, or eye_insider_exclude(). 0 or -errno with a message. Main thread, as the
 * three that follow.
 */
int eye_insider_open(const struct socket_storage *programs, const struct eye_config *config,
                     struct eye_insider **ret_insider, struct eye_error *ret_error);

/** From now on protocols.tls.exclude of another configuration holds, within seconds. @config: as
 * above. */
void eye_insider_exclude(struct eye_insider *insider, const struct eye_config *config);

/** From now on these protocols are followed inside TLS: 1 << enum eye_protocol. */
void eye_insider_follow(struct eye_insider *insider, uint32_t protocols);

/** As of some seconds ago. Any thread. */
void eye_insider_read(const struct eye_insider *insider, struct eye_tls_counts *ret_counts);

/** As eye_source_list_tls(). Any thread; whoever is handed files asks for no others. */
void eye_insider_list(struct eye_insider *insider, eye_tls_file_handler *handler, void *context);

/** Waits for what it is doing. Takes NULL. */
void eye_insider_close(struct eye_insider *insider);
