/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The body of a record of the line protocol (struct eye_request_head in bpf/abi.h). */
#pragma once

#include "bpf/abi.h"

#define EYE_LINE_NAME_BYTES 32 /* the protocol's own limit */

/* The head's code is that of the answer. As long as its name. */
struct eye_line_body {
    __u8 name[EYE_LINE_NAME_BYTES];
};

EYE_ABI_ASSERT(sizeof(struct eye_line_body) <= EYE_REQUEST_BODY_MAX);
