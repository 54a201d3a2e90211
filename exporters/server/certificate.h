/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate that the server shows, and its key. One thread at a time. */
#pragma once

#include "collector/base/error.h"
#include "collector/base/file.h"

struct eye_certificate {
    char *certificate; /* PEM, the chain included; owned; NULL: the server speaks plain HTTP */
    char *key;         /* PEM; owned; wiped when freed */
    const char *certificate_file;
    const char *key_file;
    struct eye_file_stamp certificate_stamp;
    struct eye_file_stamp key_stamp;
};

/**
 * Reads both files; both NULL, or both set. 0, or -errno with a message: -EPERM when group or
 * others may read the key, -EINVAL when only one is set, one is not PEM, or they are no pair.
 * The paths have to outlive the certificate.
 */
int eye_certificate_open(const char *certificate_file, const char *key_file,
                         struct eye_certificate *ret_certificate, struct eye_error *ret_error);

/**
 * Reads the files again if one has changed since they were looked at: true when there is another
 * pair. One that cannot be used is told in the log, once, and the old one stays.
 */
bool eye_certificate_follow(struct eye_certificate *certificate);

/** Takes a zeroed one. */
void eye_certificate_done(struct eye_certificate *certificate);
