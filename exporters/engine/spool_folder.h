/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of one exporter's spool. No state, any thread.
 */
#pragma once

#include "collector/base/error.h"

/**
 * Opens (makes, 0700) the folder @exporter in @path and locks it as long as *@ret_fd is open, which
 * the caller owns. 0, or -errno with a message: -EBUSY when another process has it, -EPERM when
 * others can put something in its place.
 */
int eye_spool_folder_open(const char *path, const char *exporter, int *ret_fd,
                          struct eye_error *ret_error);
