/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps a transfer from being tried, and what libcurl says of one that failed, in our words.
 * Used by one worker thread. */
#pragma once

#include "exporters/exporter.h"
#include "exporters/http/curl.h"

/**
 * Before each request or connection, because authorities of the host come and go:
 * eye_curl_set_authorities() for @url. 0, or -errno with @failure when it must not be tried.
 */
int eye_client_authorities(CURL *easy, const struct eye_tls_settings *tls, const char *url,
                           struct eye_export_failure *failure);

/**
 * Fills @failure for the transfer of @easy that ended with @code, not CURLE_OK, and returns -errno.
 * @url is what was asked for, @way by which proxy, as of struct eye_client_answer, @detail
 * libcurl's error buffer.
 */
int eye_client_outcome(CURL *easy, CURLcode code, const char *url, const char *way,
                       const char *detail, struct eye_export_failure *failure);
