/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP basic authentication of scrapers (RFC 7617). A password file that changes is read again at
 * the next request. Main thread at start, then the server's.
 */
#pragma once

#include "exporters/http/secret.h"

struct eye_auth {
    const char *user; /* of the configuration; NULL: everybody may scrape */
    struct eye_secret password;
};

/**
 * Both NULL, or both set; reads the password. 0, or -errno with a message. @user must outlive
 * @ret_auth.
 */
int eye_auth_open(const char *user, const char *password_file, struct eye_auth *ret_auth,
                  struct eye_error *ret_error);

/** Takes a zeroed one. */
void eye_auth_done(struct eye_auth *auth);

/**
 * True when these are the right ones; either may be NULL: not given. How long it takes does not
 * tell which part of them was wrong.
 */
bool eye_auth_allows(struct eye_auth *auth, const char *user, const char *password);
