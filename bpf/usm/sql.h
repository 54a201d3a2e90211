/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What statements of SQL do, as records of the databases that speak it say it. Operations are
 * numbers of this table, whoever made them up. */
#pragma once

#include "bpf/abi.h"

/*
 * The first word of a statement, of PostgreSQL also of the tag of its completion (CommandComplete,
 * src/include/tcop/cmdtaglist.h there): at most 16 letters. The most usual ones first: the table is
 * searched in this order. Those of MySQL alone stand last.
 */
#define EYE_SQL_OPERATIONS(X)                                                                      \
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
    X(ABORT)                                                                                       \
    X(REPLACE)                                                                                     \
    X(USE)                                                                                         \
    X(DESCRIBE)                                                                                    \
    X(DESC)                                                                                        \
    X(KILL)                                                                                        \
    X(FLUSH)                                                                                       \
    X(OPTIMIZE)                                                                                    \
    X(CHECK)                                                                                       \
    X(REPAIR)                                                                                      \
    X(RENAME)                                                                                      \
    X(UNLOCK)                                                                                      \
    X(XA)                                                                                          \
    X(HANDLER)                                                                                     \
    X(STOP)                                                                                        \
    X(CHANGE)                                                                                      \
    X(PURGE)                                                                                       \
    X(INSTALL)                                                                                     \
    X(UNINSTALL)                                                                                   \
    X(SIGNAL)                                                                                      \
    X(HELP)                                                                                        \
    X(BINLOG)

/* In the body of a record: the number of the statement (bpf/usm/statements.h). */
#define EYE_STATEMENT_AT 8

/* Of a statement: blanks before the first word, and the word. */
#define EYE_SQL_WORD_BYTES 48
/* Of its text: whom it is about stands within so many bytes, most times. */
#define EYE_SQL_TEXT_BYTES 192
/* Numbers in it; behind them it ends, because those differ from one of its kind to the next. */
#define EYE_SQL_NUMBERS 2

enum eye_sql_operation {
    EYE_SQL_UNKNOWN, /* of a statement that was not seen, and told nothing of itself */
    EYE_SQL_OTHER,
#define X(name) EYE_SQL_##name,
    EYE_SQL_OPERATIONS(X)
#undef X
        EYE_SQL_OPERATION_COUNT,
};

EYE_ABI_ASSERT(EYE_SQL_OPERATION_COUNT <= 128); /* MySQL has commands above */

/* The body of a message (EYE_REQUEST_MESSAGE): what a statement says. The text ends
 * before the first literal, and digits of numbers are zeros in it. */
struct eye_statement_text {
    __u64 statement;
    __u64 cut; /* 1: it goes on behind what is here */
    __u8 text[EYE_SQL_TEXT_BYTES];
};

EYE_ABI_ASSERT(EYE_SQL_TEXT_BYTES % 8 == 0);
