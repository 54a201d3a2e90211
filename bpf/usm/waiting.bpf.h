/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests in datagrams, until they are answered. */
#pragma once

#include "bpf/maps.bpf.h"

/* Written by the programs of protocols; what is answered is deleted by them, and what is not by the
 * collector. No LRU, which would forget without a word. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, EYE_WAITING_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct eye_waiting_key);
    __type(value, struct eye_waiting);
} waiting SEC(".maps");
