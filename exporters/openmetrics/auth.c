/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing in constant time. */
#include "exporters/openmetrics/auth.h"

#include <errno.h>
#include <string.h>

#include "exporters/server/libraries.h"

int eye_auth_open(const char *user, const char *password_file, struct eye_auth *ret_auth,
                  struct eye_error *ret_error)
{
    struct eye_auth auth = {.user = user};
    if (user == NULL && password_file == NULL) {
        *ret_auth = auth;
        return 0;
    }
    if (user == NULL || *user == '\0' || strchr(user, ':') != NULL || password_file == NULL) {
        return eye_error_set(ret_error, -EINVAL,
                             "basic authentication needs both `basic_auth.user` (without a colon) "
                             "and `basic_auth.password_file`");
    }
    int result = eye_secret_read(password_file, NULL, NULL, &auth.password, ret_error);
    if (result == 0) {
        *ret_auth = auth;
    }
    return result;
}

void eye_auth_done(struct eye_auth *auth)
{
    eye_secret_done(&auth->password);
}

/* Of texts of one length gnutls_memcmp() looks at every byte; another length is compared with
 * itself, so that it takes as long as a wrong text of its own. */
static bool same_text(const char *given, const char *right)
{
    size_t length = strlen(given);
    bool same_length = length == strlen(right);
    return (eye_gnutls.memcmp(given, same_length ? right : given, length) == 0) & same_length;
}

bool eye_auth_allows(struct eye_auth *auth, const char *user, const char *password)
{
    if (auth->user == NULL) {
        return true;
    }
    eye_secret_follow(&auth->password);
    bool right_user = same_text(user == NULL ? "" : user, auth->user);
    bool right_password = same_text(password == NULL ? "" : password, auth->password.value);
    return right_user & right_password;
}
