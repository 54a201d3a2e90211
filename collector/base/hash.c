/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3 behind one seed. */
#include "collector/base/hash.h"

#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t seed;

void eye_hash_seed(void)
{
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed)) {
        seed = (uint64_t)(uintptr_t)&seed;
    }
}

uint64_t eye_hash_bytes(const void *bytes, size_t length)
{
    return XXH3_64bits_withSeed(bytes, length, seed);
}
