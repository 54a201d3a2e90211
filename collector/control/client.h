/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the running daemon over its control socket, for the commands. */
#pragma once

#include <stddef.h>

#include "collector/base/error.h"
#include "collector/base/text.h"

/* An answer is not read beyond this: a page of metrics has 4 MiB at most with default limits. */
#define EYE_CLIENT_ANSWER_MAX ((size_t)64 << 20)

/**
 * Sends "@method @target" to the socket at @path and waits for the answer until @timeout_s without
 * a byte. @body: initialised, gets the answer's. The HTTP status; -ECONNREFUSED or -ENOENT: nobody
 * listens there; or another -errno; each with a message.
 */
int eye_client_ask(const char *path, const char *method, const char *target, unsigned timeout_s,
                   struct eye_text *body, struct eye_error *ret_error);
