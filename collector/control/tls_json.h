/* SPDX-License-Identifier: Apache-2.0 */
/* Files that may hold a library of TLS, and what became of them. Main thread. */
#pragma once

#include <jansson.h>

#include "collector/source/source.h"

/** An eye_tls_file_handler: appends @file to the array @list; fields as those of `tls.files` in
 * tests/data/schemas/status.json. */
void eye_tls_file_append(void *list, const struct eye_tls_file *file);

/** {"tls": whether anybody looks inside TLS, "files": those that are probed, or those that are
 * not}. Owned by the caller. */
json_t *eye_tls_json(const struct eye_source *source, bool probed);
