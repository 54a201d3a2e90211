/* SPDX-License-Identifier: Apache-2.0 */
/* Opening libmicrohttpd and GnuTLS. */
#include "exporters/server/libraries.h"

#include <stddef.h>

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
