/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The body of the record of a command of MySQL (struct eye_request_head in bpf/abi.h, whose code is
 * that of an error, or 0). */
#pragma once

#include "bpf/usm/sql.h"

/* X(name, byte): commands that carry no statement (include/my_command.h of MySQL, COM_...). */
#define EYE_MYSQL_COMMANDS(X)                                                                      \
    X(INIT_DB, 0x02)                                                                               \
    X(FIELD_LIST, 0x04)                                                                            \
    X(CREATE_DB, 0x05)                                                                             \
    X(DROP_DB, 0x06)                                                                               \
    X(REFRESH, 0x07)                                                                               \
    X(SHUTDOWN, 0x08)                                                                              \
    X(STATISTICS, 0x09)                                                                            \
    X(PROCESS_INFO, 0x0a)                                                                          \
    X(PROCESS_KILL, 0x0c)                                                                          \
    X(DEBUG, 0x0d)                                                                                 \
    X(PING, 0x0e)                                                                                  \
    X(CHANGE_USER, 0x11)                                                                           \
    X(REGISTER_SLAVE, 0x15)                                                                        \
    X(STMT_PREPARE, 0x16)                                                                          \
    X(STMT_RESET, 0x1a)                                                                            \
    X(SET_OPTION, 0x1b)                                                                            \
    X(STMT_FETCH, 0x1c)                                                                            \
    X(RESET_CONNECTION, 0x1f)

/* eye_mysql_body.operation: an enum eye_sql_operation, or this and the byte of a command. */
#define EYE_MYSQL_COMMAND 0x80
#define EYE_MYSQL_COMMAND_COUNT 0x20

/* By the greeting of the server, when that was seen. */
enum eye_mysql_system { EYE_MYSQL_ANY, EYE_MYSQL_MARIADB, EYE_MYSQL_SYSTEM_COUNT };

struct eye_mysql_body {
    __u8 operation;
    __u8 system; /* enum eye_mysql_system */
    __u8 padding[6];
    __u64 statement; /* bpf/usm/statements.h; 0: unknown. Of a command that carries none: nothing */
};

EYE_ABI_ASSERT(sizeof(struct eye_mysql_body) == 16);
EYE_ABI_ASSERT(__builtin_offsetof(struct eye_mysql_body, statement) == EYE_STATEMENT_AT);
