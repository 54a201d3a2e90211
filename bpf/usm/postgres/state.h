/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* PostgreSQL: what its parser keeps in a direction (bpf/usm/conversation.h), and its limits. */
#pragma once

#include "bpf/usm/batches.h"
#include "bpf/usm/postgres/record.h"
#include "bpf/usm/statements.h"

/* Type and length. The length counts itself, and not the type. */
#define EYE_POSTGRES_HEAD_BYTES 5
/* Messages are shorter than 1 GiB, those of a client that carry no data 10 000 bytes at most. */
#define EYE_POSTGRES_LENGTH_MAX (1U << 30)
#define EYE_POSTGRES_SMALL_MAX 10000
/* Messages passed over in one step; the next step goes on. */
#define EYE_POSTGRES_MESSAGES_AT_ONCE 24
/* Names have 63 bytes at most (NAMEDATALEN). */
#define EYE_POSTGRES_NAME_BYTES 64
/* Severity, twice, and the SQLSTATE stand within so many bytes of an error. */
#define EYE_POSTGRES_ERROR_BYTES 64
/* Columns of a row, by the server's limit. */
#define EYE_POSTGRES_COLUMNS_MAX 1664

/* Codes in the place of a version, of messages without a type. */
#define EYE_POSTGRES_CANCEL 80877102U
#define EYE_POSTGRES_SSL 80877103U
#define EYE_POSTGRES_GSS 80877104U
#define EYE_POSTGRES_MAJOR 3U

/* eye_half.flags of the client's direction. */
enum eye_postgres_asking {
    EYE_POSTGRES_SYNCED = 0x100,    /* the last message was Sync */
    EYE_POSTGRES_ASKED_BIT = 0x200, /* turns over with each question for encryption */
    EYE_POSTGRES_PARSED = 0x400,    /* a Parse came since the last Execute or Sync */
};

/* eye_half.flags of the server's direction, beside EYE_BATCHES_IDLE. */
enum eye_postgres_answering {
    EYE_POSTGRES_EXTENDED = 1, /* this batch is no simple query */
    /* EYE_POSTGRES_ASKED_BIT: turns over with each answer about encryption */
};

/* Behind the first slot's body (eye_kept_of()). */
struct eye_postgres_kept {
    struct eye_sql_kept sql;
    __u64 parsed;  /* statement of the Parse since the last Execute or Sync; 0: there were more */
    __u64 unnamed; /* of the last Parse without a name */
    __u64 bound;   /* of the last Bind, */
    __u64 portal;  /* to what is called so */
    __u64 name;    /* of the Parse whose text was noted, */
    __u8 named;    /* if there is one, */
    __u8 alone;    /* and whether no other one came since the last Execute or Sync */
    __u8 padding[6];
};

EYE_ABI_ASSERT(sizeof(struct eye_postgres_kept) <= EYE_KEPT_BYTES);
EYE_ABI_ASSERT(sizeof(struct eye_postgres_body) <= EYE_KEPT_FROM);

static __always_inline struct eye_postgres_kept *eye_postgres_kept_of(
    struct eye_conversation *conversation)
{
    return eye_kept_of(conversation);
}

/* What a function says in the place of a position. */
#define EYE_POSTGRES_BROKEN (1U << 30) /* this is no PostgreSQL */
