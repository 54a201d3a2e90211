/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/tls of a Go program, which is part of it. */
#pragma once

#include "collector/tls/library.h"

/**
 * Where a Go program (eye_go_is_program()) hands plaintext to crypto/tls and takes it from there.
 * 0, or a negative errno with a message: -ENOENT, it has no crypto/tls; what eye_go_find(),
 * eye_go_entry_find() and eye_go_call_find() say.
 */
int eye_go_plan_make(struct eye_elf *elf, struct eye_tls_plan *ret_plan,
                     struct eye_error *ret_error);
