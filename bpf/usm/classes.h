/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is known by its first bytes and has no parser: a few comparisons with constants, asked
 * before any parser is. Only what no other protocol begins with decides: a wrong name is worse than
 * none.
 */
#pragma once

#include "bpf/usm/parser.h"

/* X(class, bytes, what a payload begins with, 8 at most) */
#define EYE_CLASS_MAGICS(X)                                                                        \
    X(SSH, 8, EYE_WORD('S', 'S', 'H', '-', '2', '.', '0', '-')) /* RFC 4253 section 4.2 */         \
    X(SSH, 8, EYE_WORD('S', 'S', 'H', '-', '1', '.', '9', '9'))                                    \
    X(AMQP, 8, EYE_WORD('A', 'M', 'Q', 'P', 0, 0, 9, 1)) /* 0-9-1 section 4.2.2 */                 \
    X(AMQP, 8, EYE_WORD('A', 'M', 'Q', 'P', 0, 1, 0, 0)) /* 1.0 section 2.2: plain, TLS, SASL */   \
    X(AMQP, 8, EYE_WORD('A', 'M', 'Q', 'P', 2, 1, 0, 0))                                           \
    X(AMQP, 8, EYE_WORD('A', 'M', 'Q', 'P', 3, 1, 0, 0))                                           \
    X(NATS, 6, EYE_WORD('I', 'N', 'F', 'O', ' ', '{', 0, 0)) /* its server speaks first */

/* Fewer bytes decide nothing. */
#define EYE_CLASS_LEAST 8

static __always_inline __u32 eye_class_number(const __u8 *bytes)
{
    return (__u32)bytes[0] << 8 | bytes[1];
}

/*
 * TLS records (RFC 8446 section 5.1, RFC 5246 section 6.2.1): type, version, length.
 */
#define EYE_TLS_HEAD_BYTES 5
#define EYE_TLS_LENGTH_MAX (16384 + 256) /* with what encryption adds; TLS 1.2 allows 2048 */
#define EYE_TLS_HELLO_BYTES 11           /* up to the version in a hello */

enum eye_tls_record {
    EYE_TLS_CHANGE_CIPHER_SPEC = 20,
    EYE_TLS_ALERT,
    EYE_TLS_HANDSHAKE,
    EYE_TLS_DATA,
};

enum eye_tls_handshake { EYE_TLS_CLIENT_HELLO = 1, EYE_TLS_SERVER_HELLO };

static __always_inline bool eye_tls_is_head(const __u8 *bytes)
{
    __u32 length = eye_class_number(bytes + 3);
    return bytes[0] >= EYE_TLS_CHANGE_CIPHER_SPEC && bytes[0] <= EYE_TLS_DATA && bytes[1] == 3 &&
           bytes[2] <= 4 && length >= 1 && length <= EYE_TLS_LENGTH_MAX;
}

/* The record at the start holds a ClientHello or a ServerHello, or its beginning. */
static __always_inline bool eye_tls_is_hello(const __u8 *bytes)
{
    __u32 hello = eye_class_number(bytes + 7);
    return bytes[0] == EYE_TLS_HANDSHAKE &&
           (bytes[5] == EYE_TLS_CLIENT_HELLO || bytes[5] == EYE_TLS_SERVER_HELLO) &&
           bytes[6] == 0 && hello + 4 <= eye_class_number(bytes + 3) && bytes[9] == 3 &&
           bytes[10] <= 3;
}

static __always_inline bool eye_tls_is_client_hello(const __u8 *bytes)
{
    return eye_tls_is_hello(bytes) && bytes[5] == EYE_TLS_CLIENT_HELLO;
}

/* A hello; or, of a connection that is older, a record that ends with the payload, that another one
 * follows, or that is long and holds data. */
static __always_inline bool eye_tls_looks_like(const struct eye_glance *glance, __u32 bytes)
{
    if (!eye_tls_is_head(glance->bytes)) {
        return false;
    }
    if (bytes >= EYE_TLS_HELLO_BYTES && eye_tls_is_hello(glance->bytes)) {
        return true;
    }
    __u32 behind = EYE_TLS_HEAD_BYTES + eye_class_number(glance->bytes + 3);
    if (behind == bytes && bytes < EYE_LOOK_BYTES) {
        return true;
    }
    if (behind + EYE_TLS_HEAD_BYTES > bytes) {
        return bytes == EYE_LOOK_BYTES && glance->bytes[0] == EYE_TLS_DATA && glance->bytes[2] == 3;
    }
    eye_pin(behind);
    behind &= EYE_LOOK_BYTES - 1;
    eye_pin(behind);
    return eye_tls_is_head(glance->bytes + behind);
}

#define EYE_MQTT_CONNECT 0x10

/* CONNECT of MQTT 3.1.1 and 5 (section 3.1), with a length of one byte or two. */
static __always_inline bool eye_mqtt_looks_like(const struct eye_glance *glance)
{
    __u64 word = eye_load_word(glance->bytes);
    if ((__u8)word != EYE_MQTT_CONNECT) {
        return false;
    }
    return glance->bytes[1] & 0x80
               ? word >> 24 == EYE_WORD(0, 4, 'M', 'Q', 'T', 0, 0, 0) && glance->bytes[8] == 'T'
               : word >> 16 == EYE_WORD(0, 4, 'M', 'Q', 'T', 'T', 0, 0);
}

/* The wire protocol of MongoDB: length, number, number that it answers, operation; little endian.
 * OP_MSG, OP_QUERY and OP_COMPRESSED are what clients and servers of today begin with. */
#define EYE_MONGODB_LENGTH_MIN 21
#define EYE_MONGODB_LENGTH_MAX 48000000

static __always_inline bool eye_mongodb_looks_like(const struct eye_glance *glance, __u32 bytes)
{
    __u32 length = (__u32)eye_load_word(glance->bytes);
    __u32 operation = (__u32)(eye_load_word(glance->bytes + 8) >> 32);
    return (operation == 2013 || operation == 2004 || operation == 2012) &&
           length >= EYE_MONGODB_LENGTH_MIN && length <= EYE_MONGODB_LENGTH_MAX &&
           (length == bytes || (length > bytes && bytes == EYE_LOOK_BYTES));
}

/* First bytes of whatever is asked for below, but for MongoDB's, which may be any: of most payloads
 * one look at this is all. */
#define EYE_CLASS_BIT(byte) (1ULL << ((byte)&63))
#define EYE_CLASS_FIRST_LOW                                                                        \
    (EYE_CLASS_BIT(EYE_MQTT_CONNECT) | EYE_CLASS_BIT(EYE_TLS_CHANGE_CIPHER_SPEC) |                 \
     EYE_CLASS_BIT(EYE_TLS_ALERT) | EYE_CLASS_BIT(EYE_TLS_HANDSHAKE) |                             \
     EYE_CLASS_BIT(EYE_TLS_DATA))
#define EYE_CLASS_FIRST_HIGH (EYE_CLASS_BIT('S') | EYE_CLASS_BIT('A') | EYE_CLASS_BIT('I'))

static __always_inline bool eye_class_begins(__u8 byte)
{
    __u64 first = byte & 64 ? EYE_CLASS_FIRST_HIGH : EYE_CLASS_FIRST_LOW;
    return byte < 128 && (first >> (byte & 63) & 1);
}

/* An enum eye_class, or 0. The glance holds @bytes, the rest is zero. */
static __always_inline __u32 eye_classify(const struct eye_glance *glance, __u32 bytes)
{
    if (bytes < EYE_CLASS_LEAST) {
        return 0;
    }
    if (eye_mongodb_looks_like(glance, bytes)) {
        return EYE_CLASS_MONGODB;
    }
    __u64 word = eye_load_word(glance->bytes);
    if (!eye_class_begins((__u8)word)) {
        return 0;
    }
#define X(identifier, length, magic)                                                               \
    if (eye_first_bytes(word, length) == (magic)) {                                                \
        return EYE_CLASS_##identifier;                                                             \
    }
    EYE_CLASS_MAGICS(X)
#undef X
    return eye_tls_looks_like(glance, bytes) ? EYE_CLASS_TLS
           : eye_mqtt_looks_like(glance)     ? EYE_CLASS_MQTT
                                             : 0;
}
