/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which format and coding a scraper gets, from its request headers (RFC 9110 sections 12.4.2,
 * 12.5.1, 12.5.3). Headers come from outside: what is malformed is passed over. No state, any
 * thread.
 */
#pragma once

#include <stdbool.h>

enum eye_page_format {
    EYE_PAGE_TEXT,        /* Prometheus text 0.0.4 */
    EYE_PAGE_OPENMETRICS, /* OpenMetrics text 1.0.0 */
};

/** The value of Content-Type for a format. */
const char *eye_page_content_type(enum eye_page_format format);

/**
 * The format for this Accept header; NULL: none was sent. OpenMetrics only when it is named and
 * not less liked than text; text 0.0.4 for everything else, also when nothing suits.
 */
enum eye_page_format eye_negotiate_format(const char *accept);

/** True when this Accept-Encoding header (may be NULL) allows gzip. */
bool eye_negotiate_gzip(const char *accept_encoding);
