/* SPDX-License-Identifier: Apache-2.0 */
/* Loads of kernel programs, by what became of them. */
#include "collector/source/loads.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void load_note__counts_under_the_cause(void **state)
{
    static const struct {
        int result;
        enum eye_load_result counted;
    } cases[] = {
        {0, EYE_LOAD_SUCCESS},         {-ESRCH, EYE_LOAD_NO_BTF},     {-EPERM, EYE_LOAD_NO_RIGHTS},
        {-ENOMEM, EYE_LOAD_NO_MEMORY}, {-EMFILE, EYE_LOAD_NO_MEMORY}, {-EACCES, EYE_LOAD_REFUSED},
        {-E2BIG, EYE_LOAD_REFUSED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t before = eye_load_count(EYE_ASSET_ROWS, cases[i].counted);
        assert_int_equal(eye_load_note(EYE_ASSET_ROWS, cases[i].result), cases[i].result);
        assert_int_equal(eye_load_count(EYE_ASSET_ROWS, cases[i].counted), before + 1);
    }
    eye_load_note_not_tried(EYE_ASSET_TIER);
    assert_int_equal(eye_load_count(EYE_ASSET_TIER, EYE_LOAD_NOT_TRIED), 1);
    assert_int_equal(eye_load_count(EYE_ASSET_TIER, EYE_LOAD_SUCCESS), 0);
}

static void asset__has_the_name_of_its_protocol(void **state)
{
    (void)state;
    assert_string_equal(eye_asset_name(EYE_ASSET_TIER), "socket_storage");
    assert_string_equal(eye_asset_name(eye_asset_of(EYE_PROTOCOL_HTTP)), "http");
    assert_string_equal(eye_asset_name(eye_asset_of(EYE_PROTOCOL_DNS)), "dns");
    assert_string_equal(eye_load_result_name(EYE_LOAD_REFUSED), "refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_note__counts_under_the_cause),
        cmocka_unit_test(asset__has_the_name_of_its_protocol),
    };
    return cmocka_run_group_tests_name("loads", tests, NULL, NULL);
}
