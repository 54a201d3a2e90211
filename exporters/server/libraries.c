/* SPDX-License-Identifier: Apache-2.0 */
/* Opening libmicrohttpd and GnuTLS. */
#include "exporters/server/libraries.h"

#include <stddef.h>
#include <string.h>

#include "exporters/engine/shared_library.h"

struct eye_mhd eye_mhd;
struct eye_gnutls eye_gnutls;

static const struct eye_symbol mhd_symbols[] = {
#define X(name) EYE_SYMBOL(MHD_##name, struct eye_mhd, name),
    EYE_MHD_FUNCTIONS(X)
#undef X
};

static const struct eye_symbol gnutls_symbols[] = {
#define X(name) EYE_SYMBOL(gnutls_##name, struct eye_gnutls, name),
    EYE_GNUTLS_FUNCTIONS(X)
#undef X
};

int eye_http_server_load(struct eye_error *ret_error)
{
    if (eye_gnutls.memcmp != NULL) {
        return 0;
    }
    int result = eye_shared_library_open("libmicrohttpd.so.12", "libmicrohttpd12", mhd_symbols,
                                         EYE_ARRAY_LENGTH(mhd_symbols), &eye_mhd, ret_error);
    return result == 0
               ? eye_shared_library_open("libgnutls.so.30", "libgnutls30", gnutls_symbols,
                                         EYE_ARRAY_LENGTH(gnutls_symbols), &eye_gnutls, ret_error)
               : result;
}

/* Of texts of one length gnutls_memcmp() looks at every byte; another length is compared with
 * itself, so that it takes as long as a wrong text of its own. */
bool eye_same_secret(const char *given, const char *right)
{
    size_t length = strlen(given);
    bool same_length = length == strlen(right);
    return (eye_gnutls.memcmp(given, same_length ? right : given, length) == 0) & same_length;
}
