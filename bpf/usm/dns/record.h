/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The body of a DNS request's record (struct eye_request_head in bpf/abi.h). */
#pragma once

#include "bpf/abi.h"

enum eye_dns_opcode { EYE_DNS_QUERY = 0, EYE_DNS_NOTIFY = 4, EYE_DNS_UPDATE = 5 };

#define EYE_DNS_CODE_MAX 15

enum eye_dns_flag {
    EYE_DNS_TRUNCATED = 1, /* the answer is cut, and asked for again over TCP */
    EYE_DNS_OVER_TCP = 2,
};

/* The head's code is the answer's, 0 .. EYE_DNS_CODE_MAX. */
struct eye_dns_body {
    __u16 type;  /* of the question; host order */
    __u8 opcode; /* enum eye_dns_opcode */
    __u8 flags;  /* enum eye_dns_flag */
};

enum eye_dns_type { EYE_DNS_A = 1, EYE_DNS_CNAME = 5, EYE_DNS_AAAA = 28 };

/* A message in the ring takes as much room as one of these: what fits without EDNS, and more than
 * what resolvers ask for with it (1232, dnsflagday.net/2020). Both powers of two. */
#define EYE_DNS_MESSAGE_USUAL 512
#define EYE_DNS_MESSAGE_MAX 2048

EYE_ABI_ASSERT(sizeof(struct eye_dns_body) == EYE_WAITING_BODY_BYTES);
EYE_ABI_ASSERT(sizeof(struct eye_dns_body) <= EYE_REQUEST_BODY_MAX);
