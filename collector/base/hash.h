/* SPDX-License-Identifier: Apache-2.0 */
/* 64-bit hash of bytes (XXH3, seeded per process so that no peer can aim at a bucket). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/** Draws the process' seed. Call once, before the first hash; without it the seed is zero. */
void eye_hash_seed(void);

uint64_t eye_hash_bytes(const void *bytes, size_t length);
