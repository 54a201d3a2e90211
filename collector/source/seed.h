/* SPDX-License-Identifier: Apache-2.0 */
/* Visiting every network namespace once, to seed the sockets that are older than the daemon. */
#pragma once

#include "collector/source/namespaces.h"

struct bpf_link;

/** Runs the iterator `tcp_seed` in each of them. */
void eye_seed_namespaces(const struct bpf_link *tcp_seed, const char *proc,
                         struct eye_visited *ret_seed);
