/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The body of the record of an operation of PostgreSQL (struct eye_request_head in bpf/abi.h). No
 * text is carried: operations are numbers of this table, whoever made them up. */
#pragma once

#include "bpf/abi.h"

/*
 * The first word of a statement, and of the tag of its completion (CommandComplete, src/include/
 * tcop/cmdtaglist.h of PostgreSQL): at most 16 letters. The most usual ones first: the table is
 * searched in this order.
 */
#define EYE_POSTGRES_OPERATIONS(X)                                                                 \
    X(SELECT)                                                                                      \
    X(INSERT)                                                                                      \
    X(UPDATE)                                                                                      \
    X(DELETE)                                                                                      \
    X(BEGIN)                                                                                       \
    X(COMMIT)                                                                                      \
    X(SET)                                                                                         \
    X(ROLLBACK)                                                                                    \
    X(START)                                                                                       \
    X(FETCH)                                                                                       \
    X(COPY)                                                                                        \
    X(SAVEPOINT)                                                                                   \
    X(RELEASE)                                                                                     \
    X(MERGE)                                                                                       \
    X(SHOW)                                                                                        \
    X(DECLARE)                                                                                     \
    X(CLOSE)                                                                                       \
    X(MOVE)                                                                                        \
    X(CALL)                                                                                        \
    X(DO)                                                                                          \
    X(LOCK)                                                                                        \
    X(CREATE)                                                                                      \
    X(ALTER)                                                                                       \
    X(DROP)                                                                                        \
    X(TRUNCATE)                                                                                    \
    X(EXECUTE)                                                                                     \
    X(PREPARE)                                                                                     \
    X(DEALLOCATE)                                                                                  \
    X(DISCARD)                                                                                     \
    X(EXPLAIN)                                                                                     \
    X(RESET)                                                                                       \
    X(VACUUM)                                                                                      \
    X(ANALYZE)                                                                                     \
    X(CLUSTER)                                                                                     \
    X(REINDEX)                                                                                     \
    X(CHECKPOINT)                                                                                  \
    X(LISTEN)                                                                                      \
    X(NOTIFY)                                                                                      \
    X(UNLISTEN)                                                                                    \
    X(GRANT)                                                                                       \
    X(REVOKE)                                                                                      \
    X(COMMENT)                                                                                     \
    X(REFRESH)                                                                                     \
    X(SECURITY)                                                                                    \
    X(IMPORT)                                                                                      \
    X(REASSIGN)                                                                                    \
    X(LOAD)                                                                                        \
    X(WITH)                                                                                        \
    X(VALUES)                                                                                      \
    X(TABLE)                                                                                       \
    X(END)                                                                                         \
    X(ABORT)

enum eye_postgres_operation {
    EYE_POSTGRES_UNKNOWN, /* of a statement that was not seen, and told nothing of itself */
    EYE_POSTGRES_OTHER,
#define X(name) EYE_POSTGRES_##name,
    EYE_POSTGRES_OPERATIONS(X)
#undef X
        EYE_POSTGRES_OPERATION_COUNT,
};

#define EYE_POSTGRES_STATE_BYTES 5

struct eye_postgres_body {
    __u8 operation;                       /* enum eye_postgres_operation */
    __u8 completed;                       /* by the tag of its completion */
    __u8 state[EYE_POSTGRES_STATE_BYTES]; /* SQLSTATE of its error, as it came; else zeros */
    __u8 padding;
};

EYE_ABI_ASSERT(sizeof(struct eye_postgres_body) == 8);
EYE_ABI_ASSERT(sizeof(struct eye_postgres_body) <= EYE_REQUEST_BODY_MAX);
