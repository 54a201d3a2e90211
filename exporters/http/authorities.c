/* SPDX-License-Identifier: Apache-2.0 */
/* Places of the distributions, in the order of how many hosts have them. */
#include "exporters/http/authorities.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "collector/base/text.h"

#define TRIED_MAX_BYTES ((size_t)512)

static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Red Hat, Fedora */
    "/etc/ssl/ca-bundle.pem",             /* SUSE */
    "/etc/ssl/cert.pem",                  /* Alpine without its package, BSD's habit */
};

/* 0 or why it cannot be used. An empty one authorises nobody. */
static int try_bundle(const char *path)
{
    struct stat status;
    if (access(path, R_OK) != 0 || stat(path, &status) != 0) {
        return errno;
    }
    return S_ISREG(status.st_mode) && status.st_size > 0 ? 0 : ENODATA;
}

int eye_authorities_find(const char **ret_path, struct eye_error *ret_error)
{
    const char *chosen = getenv(EYE_AUTHORITIES_VARIABLE);
    bool is_chosen = chosen != NULL && chosen[0] != '\0';
    const char *const *paths = is_chosen ? &chosen : bundles;
    size_t count = is_chosen ? 1 : EYE_ARRAY_LENGTH(bundles);
    EYE_CLEANUP(eye_text_done) struct eye_text tried;
    eye_text_init(&tried, TRIED_MAX_BYTES);
    for (size_t i = 0; i < count; i++) {
        int problem = try_bundle(paths[i]);
        if (problem == 0) {
            *ret_path = paths[i];
            return 0;
        }
        eye_text_appendf(&tried, "%s%s%s (%s)", i == 0 ? "" : ", ",
                         is_chosen ? EYE_AUTHORITIES_VARIABLE "=" : "", paths[i],
                         strerror(problem));
    }
    return eye_error_set(ret_error, -ENOENT,
                         "no authorities to check its certificate with; tried %s; install "
                         "ca-certificates, or set `tls.ca_file` or " EYE_AUTHORITIES_VARIABLE,
                         eye_text_string(&tried));
}
