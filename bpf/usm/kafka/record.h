/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The body of a Kafka request's record (struct eye_request_head in bpf/abi.h). */
#pragma once

#include "bpf/usm/kafka/keys.h"

/* Names of topics have up to 249 bytes; what is longer than this is cut. */
#define EYE_KAFKA_NAME_BYTES 160
#define EYE_KAFKA_ID_BYTES 16

enum eye_kafka_flag {
    EYE_KAFKA_HAS_NAME = 1,
    EYE_KAFKA_HAS_ID = 2,         /* the name is the id of a topic */
    EYE_KAFKA_EMPTY = 4,          /* a fetch whose answer has no records, and no error */
    EYE_KAFKA_UNACKNOWLEDGED = 8, /* who produced wants no answer: nothing was timed */
};

/* The head's code is the error's number as it stands on the wire, 0: none. */
struct eye_kafka_body {
    __u8 key; /* bpf/usm/kafka/keys.h */
    __u8 version;
    __u8 flags;                      /* enum eye_kafka_flag */
    __u8 length;                     /* of the name */
    __u8 name[EYE_KAFKA_NAME_BYTES]; /* of the first topic, or its id */
};

#define EYE_KAFKA_BODY_FIXED 4

/* Of a message (EYE_REQUEST_MESSAGE): a topic, as an answer to Metadata tells of it. */
struct eye_kafka_topic {
    __u8 id[EYE_KAFKA_ID_BYTES];
    __u8 name[EYE_KAFKA_NAME_BYTES]; /* 1 or more bytes are told */
};

EYE_ABI_ASSERT(__builtin_offsetof(struct eye_kafka_body, name) == EYE_KAFKA_BODY_FIXED);
EYE_ABI_ASSERT(sizeof(struct eye_kafka_body) <= EYE_REQUEST_BODY_MAX);
