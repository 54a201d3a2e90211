/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The body of the record of a Redis command (struct eye_request_head in bpf/abi.h), and the errors
 * that have names. */
#pragma once

#include "bpf/abi.h"

/*
 * The word that an error begins with, as servers and their modules document them: at most 15
 * letters. A script may invent others, so only these are told.
 */
#define EYE_REDIS_ERRORS(X)                                                                        \
    X(ERR)                                                                                         \
    X(WRONGTYPE)                                                                                   \
    X(MOVED)                                                                                       \
    X(ASK)                                                                                         \
    X(NOSCRIPT)                                                                                    \
    X(LOADING)                                                                                     \
    X(BUSY)                                                                                        \
    X(READONLY)                                                                                    \
    X(OOM)                                                                                         \
    X(NOAUTH)                                                                                      \
    X(WRONGPASS)                                                                                   \
    X(NOPERM)                                                                                      \
    X(DENIED)                                                                                      \
    X(CLUSTERDOWN)                                                                                 \
    X(TRYAGAIN)                                                                                    \
    X(CROSSSLOT)                                                                                   \
    X(REDIRECT)                                                                                    \
    X(EXECABORT)                                                                                   \
    X(MASTERDOWN)                                                                                  \
    X(NOMASTERLINK)                                                                                \
    X(NOREPLICAS)                                                                                  \
    X(NOGOODSLAVE)                                                                                 \
    X(NOQUORUM)                                                                                    \
    X(INPROG)                                                                                      \
    X(MISCONF)                                                                                     \
    X(BUSYGROUP)                                                                                   \
    X(NOGROUP)                                                                                     \
    X(BUSYKEY)                                                                                     \
    X(IOERR)                                                                                       \
    X(NOTBUSY)                                                                                     \
    X(UNKILLABLE)                                                                                  \
    X(UNBLOCKED)                                                                                   \
    X(NOPROTO)                                                                                     \
    X(SYNTAX)

/* The head's code. */
enum eye_redis_error {
    EYE_REDIS_SUCCESS,
    EYE_REDIS_ERROR_OTHER,
#define X(name) EYE_REDIS_ERROR_##name,
    EYE_REDIS_ERRORS(X)
#undef X
        EYE_REDIS_ERROR_COUNT,
};

/* Longer than every command's and subcommand's name; what is longer is called nothing. */
#define EYE_REDIS_NAME_BYTES 24

/* In capital letters, zeros behind. Nothing else of a command is ever carried: its second word only
 * where that is no key. */
struct eye_redis_body {
    __u8 command[EYE_REDIS_NAME_BYTES];
    __u8 subcommand[EYE_REDIS_NAME_BYTES]; /* of CLIENT, CONFIG ... alone; else it is not there */
};

EYE_ABI_ASSERT(sizeof(struct eye_redis_body) == 2 * EYE_REDIS_NAME_BYTES);
EYE_ABI_ASSERT(sizeof(struct eye_redis_body) <= EYE_REQUEST_BODY_MAX);
