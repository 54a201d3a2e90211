/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, opened when the first exporter that needs it is (exporters/engine/shared_library.h). Its
 * functions are called as eye_curl.easy_init() and so on: curl_easy_init() of the manual. What
 * exporters over TLS tell it about certificates stands here too, once for all of them.
 */
#pragma once

#include <curl/curl.h>

#include "exporters/http/tls.h"

#define EYE_CURL_FUNCTIONS(X)                                                                      \
    X(easy_cleanup)                                                                                \
    X(easy_getinfo)                                                                                \
    X(easy_header)                                                                                 \
    X(easy_init)                                                                                   \
    X(easy_recv)                                                                                   \
    X(easy_send)                                                                                   \
    X(easy_setopt)                                                                                 \
    X(easy_strerror)                                                                               \
    X(easy_unescape)                                                                               \
    X(free)                                                                                        \
    X(global_init)                                                                                 \
    X(multi_add_handle)                                                                            \
    X(multi_cleanup)                                                                               \
    X(multi_info_read)                                                                             \
    X(multi_init)                                                                                  \
    X(multi_perform)                                                                               \
    X(multi_poll)                                                                                  \
    X(multi_remove_handle)                                                                         \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(url)                                                                                         \
    X(url_cleanup)                                                                                 \
    X(url_get)                                                                                     \
    X(url_set)                                                                                     \
    X(version_info)

/* How long authorities are kept that were read from their file, as long as a connection. libcurl's
 * default is a day; our own certificate it reads for each connection. */
#define EYE_CURL_CA_CACHE_SECONDS 300L

struct eye_curl {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares a name */
#define X(name) __typeof__(&curl_##name) name;
    EYE_CURL_FUNCTIONS(X)
#undef X
};

/* Filled by eye_curl_load(), constant afterwards. */
extern struct eye_curl eye_curl;

/** Opens libcurl and makes its global state, once; main thread. 0, or -errno with a message. */
int eye_curl_load(struct eye_error *ret_error);

/** TLS 1.2 or newer, authorities, our certificate, and whether to check theirs. 0 or -ENOMEM. */
int eye_curl_set_tls(CURL *easy, const struct eye_tls_settings *tls);

/**
 * Before a connection, where libcurl has no authorities built in: tells it this host's for what
 * @tls, which eye_curl_set_tls() has seen, leaves to the system: the receiver, unless it names a
 * file, and a proxy.
 * 0; -ENOENT with a message: it has none, and @tls wants the receiver's certificate checked with
 * them; -ENOMEM.
 */
int eye_curl_set_authorities(CURL *easy, const struct eye_tls_settings *tls,
                             struct eye_error *ret_error);
