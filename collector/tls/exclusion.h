/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are left alone although they may hold a library of TLS: those that the configuration
 * names, and those of which it is known that probes in them do harm. No state; any thread.
 */
#pragma once

#include <stddef.h>

#include "collector/tls/mapping.h"

/** The first of @count patterns (fnmatch(3), in which * is any part of a path) that the path of a
 * mapping matches; NULL: none. That the file is deleted changes nothing. */
const char *eye_tls_exclusion_find(char *const *patterns, size_t count, const char *path);

/** Why a file is left alone whatever the configuration says; NULL: it is not. Reads what /proc has
 * of the process: what cannot be read is no reason. */
const char *eye_tls_exclusion_known(const char *proc, const struct eye_tls_mapping *mapping);

/** The same, as far as a path tells it. */
const char *eye_tls_exclusion_of_path(const char *path);
