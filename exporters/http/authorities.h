/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where hosts keep the certificates of the authorities that they trust, for a libcurl that has no
 * such place built in: that of the static build, which runs on any distribution. No state.
 */
#pragma once

#include "collector/base/error.h"

/* OpenSSL's: a bundle that its user chose, instead of any other. */
#define EYE_AUTHORITIES_VARIABLE "SSL_CERT_FILE"

/**
 * Finds the PEM bundle of this host: $SSL_CERT_FILE, which counts alone when it is set, else the
 * first one of those that distributions have. Cheap enough for every request.
 * 0 and a path that is not the caller's, as long as the environment stays; -ENOENT with a message
 * that says which were tried.
 */
int eye_authorities_find(const char **ret_path, struct eye_error *ret_error);
