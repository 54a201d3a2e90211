/* SPDX-License-Identifier: Apache-2.0 */
/* What libcurl says of a transfer that failed, in our words. Used by one worker thread. */
#pragma once

#include "exporters/exporter.h"
#include "exporters/http/curl.h"

/**
 * Fills @failure for the transfer of @easy that ended with @code, not CURLE_OK, and returns -errno.
 * @url is what was asked for, @way by which proxy, as of struct eye_client_answer, @detail
 * libcurl's error buffer.
 */
int eye_client_outcome(CURL *easy, CURLcode code, const char *url, const char *way,
                       const char *detail, struct eye_export_failure *failure);
