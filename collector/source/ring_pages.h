/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a BPF ring buffer was written and read: two pages that the kernel shows
 * (kernel/bpf/ringbuf.c), mapped for reading. Whoever owns them may read them in any thread.
 */
#pragma once

struct eye_ring_pages {
    const volatile unsigned long *consumer; /* bytes read ... */
    const volatile unsigned long *producer; /* ... and written */
};

/** Maps both. 0, or -errno of mmap(2) with neither of them mapped and @ret_pages untouched.
 * @fd: of the ring's map. */
int eye_ring_pages_map(int fd, struct eye_ring_pages *ret_pages);

/** Takes a zeroed one. */
void eye_ring_pages_unmap(struct eye_ring_pages *pages);
