/* SPDX-License-Identifier: Apache-2.0 */
/* What every TLS client of ours can be told; the keys stand in the configuration as `tls.*`. */
#pragma once

#include <stdbool.h>

#include "collector/base/error.h"
#include "config/config.h"

struct eye_tls_settings {
    char *ca_file;   /* PEM bundle instead of the system's; NULL: the system's */
    char *cert_file; /* PEM certificate of the client (mTLS); NULL: none */
    char *key_file;  /* its key; refused when others may read it */
    bool verify;     /* tls.verify: false accepts any certificate, and is logged at start */
};

/* The keys, for an exporter's table: EYE_TLS_KEYS(struct values, tls). */
/* NOLINTBEGIN(bugprone-macro-parentheses): names, not expressions */
#define EYE_TLS_KEYS(values, member)                                                               \
    {                                                                                              \
        .path = "tls.ca_file",                                                                     \
        .foreign = "ca cacert ca_cert ca_bundle cafile",                                           \
        .type = EYE_CONFIG_TEXT,                                                                   \
        .offset = offsetof(values, member.ca_file),                                                \
        .help = "PEM bundle of the authorities to trust instead of the system's",                  \
    },                                                                                             \
        {                                                                                          \
            .path = "tls.cert_file",                                                               \
            .type = EYE_CONFIG_TEXT,                                                               \
            .offset = offsetof(values, member.cert_file),                                          \
            .help = "PEM certificate that we show (mTLS)",                                         \
        },                                                                                         \
        {                                                                                          \
            .path = "tls.key_file",                                                                \
            .type = EYE_CONFIG_TEXT,                                                               \
            .offset = offsetof(values, member.key_file),                                           \
            .help = "its private key; only its owner may be able to read it",                      \
        },                                                                                         \
    {                                                                                              \
        .path = "tls.verify", .foreign = "insecure insecure_skip_verify skip_verify ssl_verify",   \
        .type = EYE_CONFIG_BOOL, .offset = offsetof(values, member.verify),                        \
        .default_value = "true", .help = "false accepts any certificate: only for a test",         \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

/** Readable, complete (certificate with key), key not readable by others. 0 or -errno. */
int eye_tls_check(const struct eye_tls_settings *settings, struct eye_error *ret_error);
