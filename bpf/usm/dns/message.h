/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DNS (RFC 1035, 4.1): the header of a message and its question. No other record of it is looked
 * at. Plain C over bytes that anybody may have sent.
 */
#pragma once

#include "bpf/usm/bytes.h"
#include "bpf/usm/dns/record.h"

#define EYE_DNS_PORT 53
#define EYE_DNS_HEADER_BYTES 12
#define EYE_DNS_LABEL_BYTES 63
#define EYE_DNS_NAME_BYTES 255 /* with the lengths of its labels, the last one 0 */
#define EYE_DNS_TAIL_BYTES 4   /* type and class, behind the name */

/* FNV-1a of 64 bits (RFC 9923). */
#define EYE_DNS_HASH_BASIS 0xcbf29ce484222325ULL
#define EYE_DNS_HASH_PRIME 0x100000001b3ULL

/* Of a name, and what stands behind it; zero behind the message. */
struct eye_dns_text {
    __u8 bytes[EYE_DNS_NAME_BYTES + 1];
};

struct eye_dns_header {
    __u8 bytes[EYE_DNS_HEADER_BYTES];
};

struct eye_dns_message {
    __u64 name; /* hash of the question's, in lower case */
    __u16 id;
    __u16 type;     /* of the question */
    __u8 answer;    /* 1: it is one */
    __u8 opcode;    /* enum eye_dns_opcode */
    __u8 code;      /* of an answer */
    __u8 truncated; /* likewise */
};

static __always_inline __u16 eye_dns_number(const __u8 *bytes)
{
    return (__u16)(bytes[0] << 8 | bytes[1]);
}

/* False: this is no message of one question. Answers of servers that could not read the question
 * may have none; nothing says then to which question they belong. */
static __always_inline bool eye_dns_read_header(const struct eye_dns_header *header,
                                                struct eye_dns_message *ret_message)
{
    const __u8 *bytes = header->bytes;
    ret_message->id = eye_dns_number(bytes);
    ret_message->answer = bytes[2] >> 7;
    ret_message->opcode = bytes[2] >> 3 & 15;
    ret_message->truncated = ret_message->answer && bytes[2] & 2;
    ret_message->code = ret_message->answer ? bytes[3] & 15 : 0;
    if (ret_message->opcode != EYE_DNS_QUERY && ret_message->opcode != EYE_DNS_NOTIFY &&
        ret_message->opcode != EYE_DNS_UPDATE) {
        return false;
    }
    bool told_before_asked =
        !ret_message->answer && ret_message->opcode == EYE_DNS_QUERY && eye_dns_number(bytes + 6);
    return eye_dns_number(bytes + 4) == 1 && !told_before_asked;
}

/*
 * The length of the name that @text begins with, its last length included, and its hash; 0: it has
 * no end within @filled bytes, or is none. Nothing is compressed in a question: there is nothing
 * before it that a pointer could mean.
 */
static __always_inline __u32 eye_dns_read_name(const struct eye_dns_text *text, __u32 filled,
                                               __u64 *ret_hash)
{
    __u64 hash = EYE_DNS_HASH_BASIS;
    __u32 left = 0; /* of a label */
    for (__u32 i = 0; i < EYE_DNS_NAME_BYTES; i++) {
        hash = eye_forget(hash);
        left = eye_forget(left);
        __u8 byte = text->bytes[i];
        if (i >= filled || (left == 0 && byte > EYE_DNS_LABEL_BYTES)) {
            return 0;
        }
        if (left == 0 && byte == 0) {
            *ret_hash = hash;
            return i + 1;
        }
        left = left == 0 ? byte : left - 1;
        /* Lengths are smaller than letters. */
        byte |= (__u8)(byte - 'A') < 26 ? 0x20 : 0;
        hash = (hash ^ byte) * EYE_DNS_HASH_PRIME;
    }
    return 0;
}
