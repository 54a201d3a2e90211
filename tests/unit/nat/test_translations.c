/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "collector/nat/translations.h"

#define MANY 1000

static const struct eye_conntrack_entry entry = {
    .original = {.source = {1}, .destination = {2}, .source_port = 40000, .destination_port = 80},
    .answer = {.source = {3}, .destination = {4}, .source_port = 8080, .destination_port = 40000},
    .nat = EYE_NAT_BOTH,
};

static struct eye_translation numbered(uint32_t number, uint32_t stamp)
{
    struct eye_translation translation = {.stamp = stamp};
    translation.end.netns = number % 2 + 1;
    memcpy(translation.end.tuple.source, &number, sizeof(number));
    return translation;
}

static void of_client__is_who_answers(void **state)
{
    struct eye_translation client;
    (void)state;
    eye_translation_of_client(&entry, 5, &client);
    assert_memory_equal(&client.end.tuple, &entry.original, sizeof(entry.original));
    assert_int_equal(client.end.netns, 5);
    assert_int_equal(client.nat, EYE_NAT_BOTH);
    assert_true(client.moved);
    assert_int_equal(client.port, 8080);
    assert_memory_equal(client.remote, entry.answer.source, sizeof(client.remote));
}

/* Its own end is the answer's; whom it talks to is whom it sees. */
static void of_server__moves_nobody(void **state)
{
    struct eye_translation server;
    (void)state;
    eye_translation_of_server(&entry, 5, &server);
    assert_memory_equal(&server.end.tuple, &entry.answer, sizeof(entry.answer));
    assert_int_equal(server.nat, EYE_NAT_BOTH);
    assert_false(server.moved);
}

static void put__exchanges_that_of_the_same_end(void **state)
{
    struct eye_translations translations = {.max = 1};
    struct eye_translation one = numbered(1, 1);
    struct eye_translation other = numbered(3, 1);
    (void)state;
    assert_true(eye_translations_put(&translations, &one));
    one.nat = EYE_NAT_SOURCE;
    assert_true(eye_translations_put(&translations, &one));
    assert_int_equal(eye_translations_find(&translations, &one.end)->nat, EYE_NAT_SOURCE);
    assert_int_equal(translations.refused, 0);
    assert_false(eye_translations_put(&translations, &other));
    assert_int_equal(translations.refused, 1);
    assert_null(eye_translations_find(&translations, &other.end));
    eye_translations_done(&translations);
}

static void sweep__drops_the_unmet_of_a_namespace(void **state)
{
    struct eye_translations translations = {.max = MANY};
    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        struct eye_translation translation = numbered(i, i % 4 < 2 ? 1 : 2);
        assert_true(eye_translations_put(&translations, &translation));
    }
    eye_translations_sweep(&translations, 1, 2);
    assert_int_equal(translations.table.count, MANY - MANY / 4);
    eye_translations_sweep(&translations, 0, 2);
    assert_int_equal(translations.table.count, MANY / 2);
    eye_translations_sweep(&translations, 0, UINT32_MAX);
    assert_int_equal(translations.table.count, 0);
    eye_translations_done(&translations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_client__is_who_answers),
        cmocka_unit_test(of_server__moves_nobody),
        cmocka_unit_test(put__exchanges_that_of_the_same_end),
        cmocka_unit_test(sweep__drops_the_unmet_of_a_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
