/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the bytes of a payload come from. A reader is data, and its source is a constant where it
 * is made: a program has the one helper that its type allows.
 */
#pragma once

#include "bpf/either.h"

enum eye_source {
    EYE_SOURCE_SKB,    /* from: struct __sk_buff */
    EYE_SOURCE_USER,   /* from: an address in the memory of the current process */
    EYE_SOURCE_MEMORY, /* from: bytes of the host, in tests */
};

struct eye_reader {
    const void *from;
    __u64 time_ns; /* monotonic, of the payload; 0: the clock is asked when it is needed */
    __u32 bytes;   /* MEMORY: of the whole payload */
    enum eye_source source;
};

/* Copies @bytes, 1 or more, from @offset on; not 0: they cannot be read. */
static __always_inline long eye_read(const struct eye_reader *reader, __u32 offset, void *target,
                                     __u32 bytes)
{
#ifdef __bpf__
    if (reader->source == EYE_SOURCE_SKB) {
        return bpf_skb_load_bytes(reader->from, offset, target, bytes);
    }
    return bpf_probe_read_user(target, bytes, reader->from + offset);
#else
    if ((__u64)offset + bytes > reader->bytes) {
        return -1;
    }
    __builtin_memcpy(target, (const __u8 *)reader->from + offset, bytes);
    return 0;
#endif
}

static __always_inline __u64 eye_read_time(const struct eye_reader *reader)
{
#ifdef __bpf__
    return reader->time_ns ? reader->time_ns : bpf_ktime_get_ns();
#else
    return reader->time_ns;
#endif
}
