/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is known of statements of all connections (bpf/usm/statements.h), by keys of 64 bits. A
 * table of the kind that chess programs have: nothing in it is locked, and what is set makes room
 * for itself. A key stands there mixed with its value, so that two halves that different CPUs have
 * written are never taken for an entry. Each kernel object that includes this has its own.
 */
#pragma once

#include "bpf/usm/statements.h"

/* Sets of two: some thousands are found again nearly always. 256 KiB in the kernel. */
#define EYE_STATEMENT_WAYS 2
#ifdef __bpf__
#define EYE_STATEMENT_SETS 8192
#else
#define EYE_STATEMENT_SETS 1024
#endif

struct eye_statement_entry {
    __u64 mixed; /* key ^ value */
    __u64 value; /* 0: none */
};

struct eye_statement_set {
    struct eye_statement_entry ways[EYE_STATEMENT_WAYS];
};

#ifdef __bpf__

#include "bpf/maps.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, EYE_STATEMENT_SETS);
    __type(key, __u32);
    __type(value, struct eye_statement_set);
} statements SEC(".maps");

static __always_inline struct eye_statement_set *eye_statement_set_at(__u32 index)
{
    return bpf_map_lookup_elem(&statements, &index);
}

#else

static struct eye_statement_set eye_host_statements[EYE_STATEMENT_SETS];

static inline struct eye_statement_set *eye_statement_set_at(__u32 index)
{
    return &eye_host_statements[index];
}

#endif

static __always_inline struct eye_statement_set *eye_statement_set_of(__u64 key)
{
    return eye_statement_set_at((__u32)(key >> 32) & (EYE_STATEMENT_SETS - 1));
}

/* The value of @key; 0: there is none. */
EYE_PART __u64 eye_statement_find(__u64 key)
{
    struct eye_statement_set *set = eye_statement_set_of(key);
    if (!set) {
        return 0;
    }
    for (int i = 0; i < EYE_STATEMENT_WAYS; i++) {
        const struct eye_statement_entry entry = set->ways[i];
        if ((entry.mixed ^ entry.value) == key) {
            return entry.value;
        }
    }
    return 0;
}

EYE_PART int eye_statement_set(__u64 key, __u64 value)
{
    struct eye_statement_set *set = eye_statement_set_of(key);
    if (!set) {
        return 0;
    }
    const struct eye_statement_entry entry = {.mixed = key ^ value, .value = value};
    if ((set->ways[0].mixed ^ set->ways[0].value) != key) {
        set->ways[1] = set->ways[0]; /* the one that was set last is found first */
    }
    set->ways[0] = entry;
    return 0;
}
