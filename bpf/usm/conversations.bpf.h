/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the conversations of TCP sockets are kept. */
#pragma once

#include "bpf/maps.bpf.h"
#include "bpf/usm/http2/streams.h"
#include "bpf/usm/kafka/walk.h"

/* What is kept by socket of one kind: written by programs, freed by the kernel with the socket.
 * What is kept by others is theirs to say (holder.bpf.h). */
#ifndef EYE_KEPT_BY
#define EYE_KEPT_BY(type_of_value)                                                                 \
    struct {                                                                                       \
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);                                                     \
        __uint(map_flags, BPF_F_NO_PREALLOC);                                                      \
        __type(key, int);                                                                          \
        __type(value, type_of_value);                                                              \
    }
#endif

/* Made when the first bytes look like a protocol. */
EYE_KEPT_BY(struct eye_conversation) conversations SEC(".maps");

/* Made when a second request is in flight. */
EYE_KEPT_BY(struct eye_pipeline) pipelines SEC(".maps");

/* Of HTTP/2: made with the first header block of a direction, the first request, and when more wait
 * than usual. */
EYE_KEPT_BY(struct eye_http2_half) http2_sent_halves SEC(".maps");
EYE_KEPT_BY(struct eye_http2_half) http2_received_halves SEC(".maps");
EYE_KEPT_BY(struct eye_http2_requests) http2_requests SEC(".maps");
EYE_KEPT_BY(struct eye_http2_more) http2_more SEC(".maps");
EYE_KEPT_BY(struct eye_http2_most) http2_most SEC(".maps");

/* Of Kafka: made with the first answer. */
EYE_KEPT_BY(struct eye_kafka_walk) kafka_walks SEC(".maps");

/* Whoever has no conversation has nothing of the rest. */
#ifndef EYE_INSIDE_TLS
#define eye_delete_conversation(sk)                                                                \
    do {                                                                                           \
        if (bpf_sk_storage_delete(&conversations, sk) == 0) {                                      \
            bpf_sk_storage_delete(&pipelines, sk);                                                 \
            bpf_sk_storage_delete(&http2_sent_halves, sk);                                         \
            bpf_sk_storage_delete(&http2_received_halves, sk);                                     \
            bpf_sk_storage_delete(&http2_requests, sk);                                            \
            bpf_sk_storage_delete(&http2_more, sk);                                                \
            bpf_sk_storage_delete(&http2_most, sk);                                                \
            bpf_sk_storage_delete(&kafka_walks, sk);                                               \
        }                                                                                          \
    } while (0)
#endif
