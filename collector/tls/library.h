/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a library of TLS is probed at: which one it is, in which of several ways its plaintext is
 * read, and where its sessions keep what tells them apart. Everything is read out of the file;
 * nothing is known by version.
 */
#pragma once

#include "bpf/tls/abi.h"
#include "collector/tls/elf.h"
#include "collector/tls/sites.h"

#define EYE_TLS_FUNCTIONS_MAX 8

enum eye_tls_direction {
    EYE_TLS_READS,
    EYE_TLS_WRITES,
    EYE_TLS_ENDS,   /* a session: it has an entry and no exits */
    EYE_TLS_BEGINS, /* likewise: what was known of the session is not of this one */
};

struct eye_tls_function {
    const char *name; /* of the symbol, or of the table's member */
    enum eye_tls_direction direction;
    bool at_once; /* at its entry it is known what goes over: it has no exits */
    struct eye_asked asked;
    struct eye_sites sites;
};

/* A member of a session: `offset` from its start, or from where the pointer at `pointer` leads. */
struct eye_tls_member {
    uint16_t pointer; /* 0: none */
    uint16_t offset;  /* 0: not found */
    uint32_t mask;    /* of a value: those bits of the four bytes there are it */
};

struct eye_tls_plan {
    const char *library; /* "OpenSSL", "BoringSSL", "GnuTLS", "crypto/tls" */
    const char *way;     /* "method-table", "functions" */
    enum eye_tls_join join;
    struct eye_tls_function functions[EYE_TLS_FUNCTIONS_MAX];
    uint32_t function_count;
    struct eye_tls_member client_random; /* 32 bytes that the ClientHello has, too */
    struct eye_tls_member is_server;     /* OpenSSL, BoringSSL: not 0 at the server's end */
    struct eye_tls_member reads_from;    /* OpenSSL: a BIO */
};

/** Whether @elf has functions of a library that is known, by their names. */
bool eye_tls_is_known(struct eye_elf *elf);

/**
 * Finds out what @elf is. 0, or a negative errno with a message: -ENOENT, no library of TLS that is
 * known; -ENOTSUP, one that has no place for a probe, and where; what eye_sites_find() and
 * eye_decoder_open() say.
 */
int eye_tls_plan_make(struct eye_elf *elf, struct eye_tls_plan *ret_plan,
                      struct eye_error *ret_error);

/** Whether the socket of a session can be told. */
static inline bool eye_tls_plan_joins(const struct eye_tls_plan *plan)
{
    return plan->join == EYE_TLS_JOIN_GO || plan->client_random.offset != 0;
}
