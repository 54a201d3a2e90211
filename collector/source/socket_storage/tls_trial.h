/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this kernel and these rights let plaintext inside TLS be read: by trying it. Main thread
 * only. */
#pragma once

#include "collector/base/error.h"
#include "collector/host/features.h"

/**
 * Opens what reads code, loads the kernel programs of TLS, attaches a probe to a place of this
 * program, and takes all of it away again. Takes about two seconds. 0, or -errno and what is
 * missing, in a line.
 */
int eye_tls_try(struct eye_features *features, struct eye_error *ret_error);
