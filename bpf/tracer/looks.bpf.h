/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the counting of live sockets stands. Variables of one object: those of protocols, which
 * share its maps, must not know them. */
#pragma once

#include "bpf/vmlinux.h"

/*
 * Set by the collector before each run of the live iterator. A look is one reading of all sockets;
 * it takes several runs when the first one is not proved to have met every socket: a read
 * ends when enough is gathered, and the next one goes on behind as many entries of the bucket as
 * were seen (bpf_sk_storage_map_seq_find_next()). When some of these are gone, it passes over as
 * many others.
 */
__u32 eye_pass = 1;          /* number of the present counting pass */
__u32 eye_live_look = 1;     /* number of the present look */
bool eye_live_again = false; /* this run is for those that the look has not met */
__u64 eye_live_began_ns = 0; /* monotonic */
__u64 eye_live_met = 0; /* counted by the program: sockets older than the look that it has met */
