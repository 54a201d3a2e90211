/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Payloads are what calls into a library of TLS brought, and their streams are kept by sessions
 * (holder.bpf.h). Maps have the names that they have of sockets, and are others. */
#pragma once

#define conversations tls_talks
#define pipelines tls_pipelines
#define http2_sent_halves tls_h2_sent
#define http2_received_halves tls_h2_received
#define http2_requests tls_h2_requests
#define http2_more tls_h2_more
#define http2_most tls_h2_most
#define kafka_walks tls_kafka_walks

#define EYE_SOURCE_FLAGS EYE_REQUEST_TLS

/* Beside a probe a call is cheap, and all frames that are under way have 512 bytes together, of
 * which older kernels (6.1) give each a multiple of 32: keys of sessions are in them, too. */
#define EYE_FIRST_STEP_INLINED false

#include "bpf/tls/session.bpf.h"

#define EYE_KEPT_BY(type_of_value)                                                                 \
    struct {                                                                                       \
        __uint(type, BPF_MAP_TYPE_HASH);                                                           \
        __uint(map_flags, BPF_F_NO_PREALLOC);                                                      \
        __uint(max_entries, EYE_TLS_SESSIONS_MAX);                                                 \
        __type(key, struct eye_tls_key);                                                           \
        __type(value, type_of_value);                                                              \
    }

#include "bpf/usm/conversations.bpf.h"
#include "bpf/usm/place.h"
#include "bpf/usm/reader.h"

#define eye_payload struct eye_tls_call
#define eye_holder struct eye_tls_key

/* What a session has at first of anything. */
static const __u8 eye_tls_nothing[sizeof(struct eye_http2_most) > sizeof(struct eye_pipeline)
                                      ? sizeof(struct eye_http2_most)
                                      : sizeof(struct eye_pipeline)] = {0};

#define eye_holder_of(payload) (&(payload)->key)

#define eye_get_state(map, holder)                                                                 \
    __extension__({                                                                                \
        struct eye_tls_key eye_key = *(holder);                                                    \
        bpf_map_lookup_elem(&(map), &eye_key);                                                     \
    })

#define eye_make_state(map, holder)                                                                \
    __extension__({                                                                                \
        struct eye_tls_key eye_key = *(holder);                                                    \
        void *eye_state = bpf_map_lookup_elem(&(map), &eye_key);                                   \
        if (!eye_state) {                                                                          \
            bpf_map_update_elem(&(map), &eye_key, eye_tls_nothing, BPF_NOEXIST);                   \
            eye_state = bpf_map_lookup_elem(&(map), &eye_key);                                     \
        }                                                                                          \
        eye_state;                                                                                 \
    })

/* Whoever has no conversation has nothing of the rest. */
#define eye_delete_conversation(holder)                                                            \
    do {                                                                                           \
        struct eye_tls_key eye_key = *(holder);                                                    \
        if (bpf_map_delete_elem(&conversations, &eye_key) == 0) {                                  \
            bpf_map_delete_elem(&pipelines, &eye_key);                                             \
            bpf_map_delete_elem(&http2_sent_halves, &eye_key);                                     \
            bpf_map_delete_elem(&http2_received_halves, &eye_key);                                 \
            bpf_map_delete_elem(&http2_requests, &eye_key);                                        \
            bpf_map_delete_elem(&http2_more, &eye_key);                                            \
            bpf_map_delete_elem(&http2_most, &eye_key);                                            \
            bpf_map_delete_elem(&kafka_walks, &eye_key);                                           \
        }                                                                                          \
    } while (0)

static __always_inline bool eye_is_early(const struct eye_tls_key *key)
{
    (void)key;
    return false;
}

static __always_inline struct eye_pipeline *eye_first_pipeline(void)
{
    return NULL;
}

static __always_inline struct eye_stream *eye_stream_of(const struct eye_tls_key *key)
{
    struct eye_tls_session *session = eye_get_state(tls_sessions, key);
    return session ? &session->stream : NULL;
}

static __always_inline bool eye_connected(const struct eye_tls_key *key)
{
    const struct eye_tls_session *session = eye_get_state(tls_sessions, key);
    return session && session->client;
}

static __always_inline struct eye_reader eye_reader_of(const struct eye_tls_call *call, __u32 side)
{
    struct eye_reader reader = {
        .from = (const void *)call->buffer,
        .source = EYE_SOURCE_USER,
    };
    (void)side;
    return reader;
}

/* Calls come in order, and what they brought was accepted. Nothing stands before the first one. */
static __always_inline struct eye_receiver eye_ask_holder(const struct eye_tls_key *key,
                                                          const struct eye_cursor *at,
                                                          __u32 sequence, __u32 prefix)
{
    struct eye_receiver receiver = {.first = sequence == 0 && at->acknowledged == 0};
    (void)key;
    (void)prefix;
    return receiver;
}

static __always_inline __u32 eye_prefix_of(const struct eye_tls_key *key)
{
    (void)key;
    return 0;
}

static __always_inline void eye_discount_fin(const struct eye_tls_key *key,
                                             const struct eye_conversation *conversation,
                                             struct eye_cursor *at)
{
    (void)key;
    (void)conversation;
    (void)at;
}

/* There is none: nothing comes before its session. */
struct eye_first_payload {
    struct eye_http2_half half;
    struct eye_http2_requests streams;
};

static __always_inline struct eye_first_payload *eye_first_streams(void)
{
    return NULL;
}
