/* SPDX-License-Identifier: Apache-2.0 */
/* Where a session keeps something: read out of the function that hands it out. */
#pragma once

#include "collector/tls/library.h"

/**
 * The member of its first argument that the function at @function (0: there is none) returns, or,
 * with @address, copies or hands out the address of. Zeros: it cannot be told.
 */
struct eye_tls_member eye_tls_member_find(const struct eye_code *code, uint64_t function,
                                          bool address);
