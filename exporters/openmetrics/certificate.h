/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate that the server shows, and its key. Const once open; any thread. */
#pragma once

#include "collector/base/error.h"

struct eye_certificate {
    char *certificate; /* PEM, the chain included; owned; NULL: the server speaks plain HTTP */
    char *key;         /* PEM; owned; wiped when freed */
};

/**
 * Reads both files; both NULL, or both set. 0, or -errno with a message: -EPERM when group or
 * others may read the key, -EINVAL when only one is set, one is not PEM, or they are no pair.
 */
int eye_certificate_open(const char *certificate_file, const char *key_file,
                         struct eye_certificate *ret_certificate, struct eye_error *ret_error);

/** Takes a zeroed one. */
void eye_certificate_done(struct eye_certificate *certificate);
