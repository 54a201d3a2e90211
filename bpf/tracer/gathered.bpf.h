/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the iterators of a look have gathered, for the collector to take between two reads. It is
 * not written into the kernel's own buffer, which ends a read after some 300 records: every read
 * walks its bucket from the first entry to where the last one ended, and of buckets there are few
 * (one for each possible CPU), so many short reads of very many sockets cost more than all the
 * rest.
 */
#pragma once

#include "bpf/maps.bpf.h"

/* Taken, and set back to 0, by the collector. */
union eye_gathered eye_gathered[EYE_GATHERED_MAX] = {};
__u32 eye_gathered_count = 0;

/* What the program of an iterator returns. */
enum eye_iteration {
    EYE_ITERATE_ON,
    EYE_ITERATE_AGAIN, /* ends the read (EAGAIN); the next one begins with the same object */
};

/* Where the next record goes; NULL: the collector has to take some first. */
static __always_inline union eye_gathered *eye_room_to_gather(void)
{
    __u64 place = eye_gathered_count;
    if (place >= EYE_GATHERED_MAX) {
        return NULL;
    }
    eye_pin(place);
    return &eye_gathered[place & (EYE_GATHERED_MAX - 1)];
}

/* The record there is written, and counts. */
static __always_inline void eye_keep_gathered(void)
{
    eye_gathered_count++;
}
