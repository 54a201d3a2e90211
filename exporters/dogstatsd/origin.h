/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which container this process runs in, as the Agent wants to hear it in the field "c:". Reads
 * /proc and the cgroup tree. Main thread at start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* "ci-", 64 digits, NUL. */
#define EYE_ORIGIN_BYTES 80

/**
 * "ci-<container id>", or "in-<inode of the cgroup>" where no id can be seen. False on a host: then
 * there is nothing to tell. @root stands before /proc and /sys; "" but in tests.
 */
bool eye_origin_find(const char *root, char ret_origin[EYE_ORIGIN_BYTES]);
