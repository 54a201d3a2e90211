/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* MySQL: what its parser keeps of a direction (bpf/usm/conversation.h) and of a connection, and its
 * limits. Of the client's direction eye_half.left is the number of its last packet; of the server's
 * it is the definitions still to come, and eye_half.mark the number of the next packet. */
#pragma once

#include "bpf/usm/mysql/record.h"
#include "bpf/usm/parser.h"
#include "bpf/usm/statements.h"

/* Length of what follows, and a number that counts the packets of an exchange. */
#define EYE_MYSQL_HEAD_BYTES 4
/* Of a packet so long the next one is a part. */
#define EYE_MYSQL_PACKET_MAX 0xffffffU
/* Packets passed over in one step; the next step goes on. */
#define EYE_MYSQL_PACKETS_AT_ONCE 48
/* What says what became of a command stands within so many bytes: behind a byte and two numbers of
 * nine, the status. */
#define EYE_MYSQL_DECISIVE_BYTES 24
/* A statement behind a comment is looked for so far. */
#define EYE_MYSQL_TEXT_MAX 240
/* Of a comment: eight bytes each, or up to a byte that may be its last one. */
#define EYE_MYSQL_COMMENT_WORDS 40
/* Of a client's answer to the greeting: what it is able to do. */
#define EYE_MYSQL_ANSWER_BYTES 32

/* Its number behind one that has asked for TLS. */
#define EYE_MYSQL_ANSWER_INSIDE 2

enum eye_mysql_capability {
    EYE_MYSQL_CAN_MYSQL = 1, /* not said of a client of MariaDB to a server of MariaDB */
    EYE_MYSQL_CAN_COMPRESS = 0x20,
    EYE_MYSQL_CAN_SSL = 0x800,
    EYE_MYSQL_CAN_DEPRECATE_EOF = 0x1000000,
    EYE_MYSQL_CAN_OMIT_COLUMNS = 0x2000000, /* OPTIONAL_RESULTSET_METADATA */
    EYE_MYSQL_CAN_ZSTD = 0x4000000,
    EYE_MYSQL_CAN_ATTRIBUTES = 0x8000000,
};

enum eye_mysql_status {
    EYE_MYSQL_MORE_RESULTS = 0x08,
    EYE_MYSQL_CURSOR = 0x40, /* there are no rows: they are fetched */
};

/* First byte of a packet of the server's. */
enum eye_mysql_first {
    EYE_MYSQL_OK = 0x00,
    EYE_MYSQL_GREETING = 0x0a,
    EYE_MYSQL_UPLOAD = 0xfb, /* LOCAL INFILE: the client sends a file */
    EYE_MYSQL_END = 0xfe,
    EYE_MYSQL_ERROR = 0xff,
};
/* The code of a report of progress, in the form of an error. */
#define EYE_MYSQL_PROGRESS 0xffffU
#define EYE_MYSQL_EOF_BYTES 5
#define EYE_MYSQL_OK_BYTES 7
#define EYE_MYSQL_PREPARED_BYTES 12

/* Phases of an answer. */
enum eye_mysql_phase {
    EYE_MYSQL_AGAIN = EYE_PHASE_OWN, /* begun; another result, or what became of it, follows */
    EYE_MYSQL_COLUMNS,               /* definitions, and perhaps an EOF behind them */
    EYE_MYSQL_ROWS,
    EYE_MYSQL_TAIL, /* definitions behind the answer to a prepare */
};

/* What the answer to a request looks like: its mark. Of a STMT_PREPARE the lowest bit is set, and
 * the others are the operation of the statement. */
enum eye_mysql_kind {
    EYE_MYSQL_PLAIN = 0,
    EYE_MYSQL_PREPARE = 1,
    EYE_MYSQL_ROWS_ALONE = 2, /* no columns before them */
    EYE_MYSQL_TEXT = 4,
    EYE_MYSQL_LOGIN = 6,
};

/* eye_half.flags of both directions, beside the mark of the request that is being answered. */
enum eye_mysql_flag {
    EYE_MYSQL_KIND_BITS = 0xff,
    EYE_MYSQL_CONTINUES = 0x100, /* the next packet is a part of the last one */
    EYE_MYSQL_TAILED = 0x200,    /* an EOF may still follow the definitions */
    EYE_MYSQL_EOFS = 0x400,      /* there was one between definitions */
};

enum eye_mysql_ends {
    EYE_MYSQL_ENDS_UNKNOWN, /* joined late */
    EYE_MYSQL_ENDS_EOF,
    EYE_MYSQL_ENDS_OK, /* DEPRECATE_EOF */
};

enum eye_mysql_login {
    EYE_MYSQL_LOGGED_IN, /* or joined late */
    EYE_MYSQL_GREETED,
    EYE_MYSQL_ANSWERED, /* until OK, or an error */
    EYE_MYSQL_CHANGING, /* the user, by a command */
};

/* Behind the first slot's body (eye_kept_of()). */
struct eye_mysql_kept {
    struct eye_sql_kept sql;
    __u64 last;         /* statement prepared last */
    __u32 capabilities; /* of the server, then of both */
    __u8 system;        /* enum eye_mysql_system */
    __u8 login;         /* enum eye_mysql_login */
    __u8 ends;          /* enum eye_mysql_ends */
    __u8 uploads;       /* until an empty packet the client sends a file */
    __u32 given;        /* number of the statement prepared last, */
    __u8 gives_again;   /* and one of them was no higher than the one before */
    __u8 padding[3];
};

EYE_ABI_ASSERT(sizeof(struct eye_mysql_kept) <= EYE_KEPT_BYTES);
EYE_ABI_ASSERT(sizeof(struct eye_mysql_body) <= EYE_KEPT_FROM);
EYE_ABI_ASSERT(__builtin_offsetof(struct eye_request, body) % 8 == 0);

static __always_inline struct eye_mysql_kept *eye_mysql_kept_of(
    struct eye_conversation *conversation)
{
    return eye_kept_of(conversation);
}
