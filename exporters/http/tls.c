/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes in the settings of TLS are told at start, not at the first connection. */
#include "exporters/http/tls.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "exporters/http/secret.h"

/* libcurl opens the file later, and would wait for the other end of a pipe. */
static int check_readable(const char *key, const char *path, struct eye_error *ret_error)
{
    struct stat status;
    if (path == NULL) {
        return 0;
    }
    if (access(path, R_OK) != 0 || stat(path, &status) != 0) {
        return eye_error_set(ret_error, -errno, "%s: cannot read %s: %s", key, path,
                             strerror(errno));
    }
    return S_ISREG(status.st_mode)
               ? 0
               : eye_error_set(ret_error, -EINVAL, "%s: %s is not a regular file", key, path);
}

int eye_tls_check(const struct eye_tls_settings *settings, struct eye_error *ret_error)
{
    if ((settings->cert_file == NULL) != (settings->key_file == NULL)) {
        return eye_error_set(ret_error, -EINVAL, "tls.cert_file and tls.key_file need each other");
    }
    int result = check_readable("tls.ca_file", settings->ca_file, ret_error);
    if (result == 0) {
        result = check_readable("tls.cert_file", settings->cert_file, ret_error);
    }
    if (result == 0 && settings->key_file != NULL) {
        result = eye_secret_check_file(settings->key_file, ret_error);
    }
    return result;
}
