/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this kernel and these rights let plaintext inside TLS be read: by trying it. Main thread
 * only. */
#pragma once

#include "collector/base/error.h"
#include "collector/host/features.h"

/**
 * Opens what reads code, attaches a probe to a file that nobody runs, loads the kernel programs of
 * TLS (with protocols.tls those of each protocol, too, which takes about two seconds), and takes
 * all of it away again. 0, or -errno and what is missing, in a line.
 */
int eye_tls_try(struct eye_features *features, struct eye_error *ret_error);
