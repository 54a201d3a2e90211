/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The counters of what is lost, one set per CPU; on the host one per thread. */
#pragma once

#include "bpf/abi.h"
#include "bpf/either.h"

#ifdef __bpf__

/* enum eye_loss, enum eye_count -> events on this CPU. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, EYE_COUNT_COUNT);
    __type(key, __u32);
    __type(value, __u64);
} losses SEC(".maps");

static __always_inline void eye_count(__u32 key, __u64 amount)
{
    __u64 *count = bpf_map_lookup_elem(&losses, &key);
    if (count) {
        /* Atomic: the handlers of one CPU interrupt each other. */
        __sync_fetch_and_add(count, amount);
    }
}

#else

static __thread __u64 eye_counts[EYE_COUNT_COUNT];

static inline void eye_count(__u32 key, __u64 amount)
{
    eye_counts[key] += amount;
}

#endif

static __always_inline void eye_lose(enum eye_loss loss, __u64 amount)
{
    eye_count(loss, amount);
}
