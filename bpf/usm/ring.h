/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where records of requests go, and the clock: the kernel's ring "requests", on the host whoever
 * has set itself up for this thread. */
#pragma once

#include "bpf/usm/conversation.h"

#ifdef __bpf__

#include "bpf/maps.bpf.h"

/* A request wakes the collector within so many bytes behind each multiple of this fill. */
#define EYE_REQUESTS_WAKE_BYTES (1U << 18)
#define EYE_REQUESTS_WAKE_SPAN (1U << 15)

/* Of so many requests one asks how full the ring is (15 to 20 ns): 5 within a span of the longest,
 * 16 of usual ones. */
#define EYE_REQUESTS_ASK_SHIFT 5

/*
 * Which one asks is chosen by bits that differ within a connection, however coarse the clock is,
 * and within a pipeline, whose requests may all take equally long. No counter: CPUs would share it.
 */
static __always_inline bool eye_asks(const struct eye_request *request)
{
    __u32 mixed = ((__u32)request->head.duration_ns + request->sequence) * 2654435769U;
    return mixed >> (32 - EYE_REQUESTS_ASK_SHIFT) == 0;
}

static __always_inline __u64 eye_request_wake_flag(const struct eye_request *request)
{
    if (!eye_asks(request)) {
        return BPF_RB_NO_WAKEUP;
    }
    __u64 used = bpf_ringbuf_query(&requests, BPF_RB_AVAIL_DATA);
    return used >= EYE_REQUESTS_WAKE_BYTES &&
                   used % EYE_REQUESTS_WAKE_BYTES < EYE_REQUESTS_WAKE_SPAN
               ? BPF_RB_FORCE_WAKEUP
               : BPF_RB_NO_WAKEUP;
}

static __always_inline __u64 eye_usual_wake_flag(void)
{
    return eye_wake_flag(&requests, EYE_REQUESTS_WAKE_BYTES);
}

/* False: the ring has no room. */
static __always_inline bool eye_put(void *record, __u64 bytes, __u64 wake)
{
    return bpf_ringbuf_output(&requests, record, bytes, wake) == 0;
}

static __always_inline __u64 eye_now_ns(void)
{
    return bpf_ktime_get_ns();
}

#else

struct eye_host_ring {
    void (*take)(void *context, const void *record, size_t bytes);
    void *context;
    __u64 now_ns;
};

static __thread struct eye_host_ring eye_host_ring;

static inline __u64 eye_request_wake_flag(const struct eye_request *request)
{
    (void)request;
    return 0;
}

static inline __u64 eye_usual_wake_flag(void)
{
    return 0;
}

static inline bool eye_put(void *record, __u64 bytes, __u64 wake)
{
    (void)wake;
    eye_host_ring.take(eye_host_ring.context, record, bytes);
    return true;
}

static inline __u64 eye_now_ns(void)
{
    return eye_host_ring.now_ns;
}

#endif
