/* SPDX-License-Identifier: Apache-2.0 */
/* The programs by name: which object holds them, and what the configuration wants of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <bpf/libbpf.h>
#include <cmocka.h>

#include "collector/source/socket_storage/programs.h"

#include "bpf/socket_storage.skel.h"

static void protocols_wanted__are_those_not_switched_off(void **state)
{
    struct eye_config config = {0};
    (void)state;
    assert_int_equal(eye_protocols_wanted(&config), (1U << EYE_PROTOCOL_COUNT) - 2);
    config.protocols.http = EYE_WISH_ALWAYS;
    assert_int_equal(eye_protocols_wanted(&config), (1U << EYE_PROTOCOL_COUNT) - 2);
    config.protocols.http = EYE_WISH_NEVER;
    assert_int_equal(eye_protocols_wanted(&config),
                     ((1U << EYE_PROTOCOL_COUNT) - 2) & ~(1U << EYE_PROTOCOL_HTTP));
}

static void program_protocol__is_the_one_of_its_name(void **state)
{
    (void)state;
    assert_int_equal(eye_program_protocol(EYE_PROGRAM_payload_received), EYE_PROTOCOL_UNKNOWN);
    assert_int_equal(eye_program_protocol(EYE_PROGRAM_http_sent), EYE_PROTOCOL_HTTP);
    assert_int_equal(eye_program_protocol(EYE_PROGRAM_http_received), EYE_PROTOCOL_HTTP);
    assert_int_equal(eye_protocol_program(EYE_PROTOCOL_HTTP), EYE_PROGRAM_http_sent);
    assert_string_equal(eye_programs[EYE_PROGRAM_http_sent].name, "http_sent");
    assert_string_equal(eye_programs[EYE_PROGRAM_http_received].name, "http_received");
}

/* What a protocol's programs write the tier reads: it has each of their maps. */
static void protocol_open__shares_its_maps_with_the_tier(void **state)
{
    struct socket_storage *tier = socket_storage__open();
    (void)state;
    assert_non_null(tier);
    for (size_t i = EYE_PROTOCOL_UNKNOWN + 1; i < EYE_PROTOCOL_COUNT; i++) {
        enum eye_program first = eye_protocol_program((enum eye_protocol)i);
        struct bpf_object *object = eye_protocol_open((enum eye_protocol)i);
        const struct bpf_map *map;
        assert_non_null(object);
        assert_non_null(bpf_object__find_program_by_name(object, eye_programs[first].name));
        assert_non_null(bpf_object__find_program_by_name(object, eye_programs[first + 1].name));
        bpf_object__for_each_map(map, object)
        {
            const struct bpf_map *its = bpf_object__find_map_by_name(tier->obj, bpf_map__name(map));
            assert_true(bpf_map__is_internal(map) || its != NULL);
            if (its != NULL) {
                assert_int_equal(bpf_map__type(its), bpf_map__type(map));
                assert_int_equal(bpf_map__value_size(its), bpf_map__value_size(map));
            }
        }
        bpf_object__close(object);
    }
    socket_storage__destroy(tier);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(protocols_wanted__are_those_not_switched_off),
        cmocka_unit_test(program_protocol__is_the_one_of_its_name),
        cmocka_unit_test(protocol_open__shares_its_maps_with_the_tier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
