/* SPDX-License-Identifier: Apache-2.0 */
/* Visiting every network namespace once, to seed the sockets that are older than the daemon. */
#pragma once

#include <stddef.h>

struct bpf_link;

/**
 * Runs the iterator `tcp_seed` in the network namespace of every process, each namespace once,
 * and comes back to the own one. The calling thread must be the only one (setns is per thread).
 * Returns the namespaces that could not be entered.
 */
size_t eye_seed_namespaces(const struct bpf_link *tcp_seed);
