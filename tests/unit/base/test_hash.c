/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3 and its seed. The seed stays drawn, so its test comes last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/hash.h"

static const char text[] = "the quick brown fox jumps over the lazy dog and runs on and on and on";

/* The empty input of XXH3_64bits with seed 0, as in the test vectors of xxHash. */
static void unseeded_hash__is_xxh3(void **state)
{
    (void)state;
    assert_int_equal(eye_hash_bytes("", 0), UINT64_C(0x2d06800538d394c2));
}

static void hash__depends_on_every_byte_and_the_length(void **state)
{
    (void)state;
    uint64_t seen[sizeof(text) * 2];
    size_t count = 0;
    for (size_t i = 0; i < sizeof(text); i++) {
        char changed[sizeof(text)];
        memcpy(changed, text, sizeof(text));
        changed[i] ^= 1;
        seen[count++] = eye_hash_bytes(text, i);
        seen[count++] = eye_hash_bytes(changed, sizeof(text));
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(seen[i], seen[j]);
        }
    }
}

static void hash__does_not_depend_on_alignment(void **state)
{
    (void)state;
    char shifted[sizeof(text) + 8];
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(shifted + shift, text, sizeof(text));
        assert_int_equal(eye_hash_bytes(shifted + shift, sizeof(text)),
                         eye_hash_bytes(text, sizeof(text)));
    }
}

static void seed__changes_the_hash_once(void **state)
{
    (void)state;
    uint64_t unseeded = eye_hash_bytes(text, sizeof(text));
    eye_hash_seed();
    uint64_t seeded = eye_hash_bytes(text, sizeof(text));
    assert_int_not_equal(seeded, unseeded);
    assert_int_equal(eye_hash_bytes(text, sizeof(text)), seeded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unseeded_hash__is_xxh3),
        cmocka_unit_test(hash__depends_on_every_byte_and_the_length),
        cmocka_unit_test(hash__does_not_depend_on_alignment),
        cmocka_unit_test(seed__changes_the_hash_once),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
