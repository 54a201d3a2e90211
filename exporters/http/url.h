/* SPDX-License-Identifier: Apache-2.0 */
/* Which URLs the configuration may have, what messages say of one, and where its path begins. Any
 * thread. */
#pragma once

#include "collector/base/text.h"

bool eye_url_valid(const char *text);          /* http(s)://HOST..., no user:password in it */
bool eye_url_endpoint_valid(const char *text); /* the same with a path, if only "/" */
bool eye_url_proxy_valid(const char *text);    /* http(s)://HOST:PORT and nothing else */

/* A host name of DNS (253), brackets or a port. */
#define EYE_URL_AUTHORITY_BYTES 320

/** What stands behind host and port of @url: the path, the query when there is none, or "". */
const char *eye_url_path(const char *url);

/**
 * Writes "HOST:PORT" of @url, without user, path and query, into @ret_authority; the port also
 * where the scheme implies it. "the receiver" when @url is none.
 */
void eye_url_authority(const char *url, char ret_authority[EYE_URL_AUTHORITY_BYTES]);

/** The same of a proxy, which may lack scheme and port, and then has none here either. "a proxy"
 * when @proxy is none. */
void eye_url_proxy_authority(const char *proxy, char ret_authority[EYE_URL_AUTHORITY_BYTES]);

/** Appends @url without user, password, query and fragment: what of a redirect can be shown. */
void eye_url_append_target(struct eye_text *text, const char *url);
