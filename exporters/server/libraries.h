/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd and the GnuTLS behind it, opened when the first server is
 * (exporters/engine/shared_library.h): together 2 MiB that no other daemon needs. Their functions
 * are called as eye_mhd.start_daemon() and eye_gnutls.memcmp().
 */
#pragma once

#include <gnutls/x509.h>
#include <microhttpd.h>
#include <stdbool.h>

#include "collector/base/error.h"

#define EYE_MHD_FUNCTIONS(X)                                                                       \
    X(add_connection)                                                                              \
    X(add_response_header)                                                                         \
    X(basic_auth_get_username_password)                                                            \
    X(create_response_from_buffer)                                                                 \
    X(create_response_from_callback)                                                               \
    X(destroy_response)                                                                            \
    X(free)                                                                                        \
    X(get_connection_info)                                                                         \
    X(get_connection_values)                                                                       \
    X(get_daemon_info)                                                                             \
    X(get_timeout)                                                                                 \
    X(lookup_connection_value)                                                                     \
    X(queue_response)                                                                              \
    X(resume_connection)                                                                           \
    X(run)                                                                                         \
    X(start_daemon)                                                                                \
    X(stop_daemon)                                                                                 \
    X(suspend_connection)

#define EYE_GNUTLS_FUNCTIONS(X)                                                                    \
    X(free) /* a variable that holds a function */                                                 \
    X(memcmp)                                                                                      \
    X(strerror)                                                                                    \
    X(x509_crt_deinit)                                                                             \
    X(x509_crt_get_key_id)                                                                         \
    X(x509_crt_list_import2)                                                                       \
    X(x509_privkey_deinit)                                                                         \
    X(x509_privkey_get_key_id)                                                                     \
    X(x509_privkey_import2)                                                                        \
    X(x509_privkey_init)

struct eye_mhd {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares a name */
#define X(name) __typeof__(&MHD_##name) name;
    EYE_MHD_FUNCTIONS(X)
#undef X
};

struct eye_gnutls {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares a name */
#define X(name) __typeof__(&gnutls_##name) name;
    EYE_GNUTLS_FUNCTIONS(X)
#undef X
};

/* Filled by eye_http_server_load(), constant afterwards. */
extern struct eye_mhd eye_mhd;
extern struct eye_gnutls eye_gnutls;

/** Whether @given is @right; how long it takes does not tell where they differ. Once both are open.
 */
bool eye_same_secret(const char *given, const char *right);

/** Opens both, once; main thread. 0, or -ELIBACC with a message. */
int eye_http_server_load(struct eye_error *ret_error);
