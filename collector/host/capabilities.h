/* SPDX-License-Identifier: Apache-2.0 */
/* The effective capabilities of this thread. From the kernel, not from /proc, which may be missing.
 */
#pragma once

#include <stdbool.h>

/** @capability: CAP_* of linux/capability.h; cap_bpf and cap_perfmon come with cap_sys_admin, too.
 */
bool eye_capability_has(unsigned int capability);
