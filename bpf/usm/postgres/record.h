/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The body of the record of an operation of PostgreSQL (struct eye_request_head in bpf/abi.h). */
#pragma once

#include "bpf/usm/sql.h"

#define EYE_POSTGRES_STATE_BYTES 5

struct eye_postgres_body {
    __u8 operation;                       /* enum eye_sql_operation */
    __u8 completed;                       /* by the tag of its completion */
    __u8 state[EYE_POSTGRES_STATE_BYTES]; /* SQLSTATE of its error, as it came; else zeros */
    __u8 padding;
    __u64 statement; /* bpf/usm/statements.h; 0: unknown */
};

EYE_ABI_ASSERT(sizeof(struct eye_postgres_body) == 16);
EYE_ABI_ASSERT(__builtin_offsetof(struct eye_postgres_body, statement) == EYE_STATEMENT_AT);
EYE_ABI_ASSERT(sizeof(struct eye_postgres_body) <= EYE_REQUEST_BODY_MAX);
