/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Redis: what its parser keeps in a direction (bpf/usm/conversation.h), and its limits. */
#pragma once

#include "bpf/usm/conversation.h"
#include "bpf/usm/redis/record.h"

/* Elements looked at in one step; the next step goes on. */
#define EYE_REDIS_ELEMENTS_AT_ONCE 16
/* "*1000000\r\n$20\r\n": the longest line of a length. Digits beyond ten are no length. */
#define EYE_REDIS_DIGITS_MAX 10
/* Elements still to come of one message, nested ones among them. */
#define EYE_REDIS_ELEMENTS_MAX (1U << 30)

/* eye_half.phase, beside enum eye_phase. eye_half.left: elements still to come. */
enum eye_redis_phase {
    EYE_REDIS_ELEMENTS = EYE_PHASE_OWN, /* before an element of a message */
    EYE_REDIS_LINE,                     /* within a line of no interest */
};

/* eye_half.flags: what holds for the rest of the connection. The first ones are of requests. */
enum eye_redis_flag {
    EYE_REDIS_REPLY_OFF = 1,  /* CLIENT REPLY OFF: nothing is answered until ON */
    EYE_REDIS_REPLY_SKIP = 2, /* CLIENT REPLY SKIP: the next command is not answered */
    EYE_REDIS_SUBSCRIBED = 4, /* messages may come unasked */
    EYE_REDIS_MONITORS = 8,   /* lines may come unasked */
    EYE_REDIS_PUSHES = 16,    /* of answers: RESP3 is spoken, where a type says what is unasked */
};

/* What a function says in the place of a position. */
#define EYE_REDIS_WAIT (1U << 31)   /* more has to come */
#define EYE_REDIS_BROKEN (1U << 30) /* this is no Redis */
