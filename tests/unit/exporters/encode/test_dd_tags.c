/* SPDX-License-Identifier: Apache-2.0 */
/* DD_TAGS and DD_ENV: what becomes of each way to write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/encode/dd_tags.h"
#include "tests/support/log_file.h"
#include "tests/unit/exporters/sample.h"

static void set(const char *name, const char *value)
{
    if (value == NULL) {
        unsetenv(name);
    } else {
        setenv(name, value, 1);
    }
}

/* "key:value key:value" of all fixed tags. */
static void assert_fixed(const struct eye_selection *selection, const char *expected)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, 1000);
    for (size_t i = 0; i < selection->fixed_count; i++) {
        const struct eye_fixed_tag *tag = &selection->fixed[i];
        eye_text_appendf(&text, "%s%s%s%s", i == 0 ? "" : " ", tag->key,
                         tag->value[0] == '\0' ? "" : ":", tag->value);
    }
    assert_string_equal(eye_text_string(&text), expected);
}

static void dd_tags__are_read_as_datadog_reads_them(void **state)
{
    static const struct {
        const char *tags;
        const char *env;
        const char *service;
        bool client;
        size_t warnings;
        const char *expected;
    } rows[] = {
        {NULL, NULL, NULL, false, 0, "team:own"},
        {"", "", NULL, false, 0, "team:own"},
        {"a:1", NULL, NULL, false, 0, "team:own a:1"},
        {"a:1,b:2", NULL, NULL, false, 0, "team:own b:2 a:1"},
        {" a:1 , b:2 ,", NULL, NULL, false, 0, "team:own b:2 a:1"},
        {"a:1 b:2", NULL, NULL, false, 0, "team:own b:2 a:1"},
        {"a:x y,b:2", NULL, NULL, false, 0, "team:own b:2 a:x y"},
        {"url:http://h:1,bare", NULL, NULL, false, 0, "team:own bare url:http://h:1"},
        {"a:1,a:2", NULL, NULL, false, 0, "team:own a:2"},
        {"team:other,a:1", NULL, NULL, false, 0, "team:own a:1"},
        {":x,a|b,c:1", NULL, NULL, false, 2, "team:own c:1"},
        {NULL, "prod", NULL, false, 0, "team:own env:prod"},
        {"env:dev,a:1", "prod", NULL, false, 0, "team:own env:prod a:1"},
        {"env:dev", "prod", NULL, true, 0, "team:own"},
        {"env:dev", NULL, NULL, true, 0, "team:own env:dev"},
        {"service:x", NULL, "api", true, 0, "team:own"},
        {"service:x", NULL, "api", false, 0, "team:own service:x"},
    };
    static char team[] = "team:own";
    char *own[] = {team};
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        struct sample *sample = sample_new(NULL);
        struct eye_selection selection;
        struct log_file log;
        sample->own.common.tags = (struct eye_text_list){own, 1};
        set("DD_TAGS", rows[i].tags);
        set("DD_ENV", rows[i].env);
        set("DD_SERVICE", rows[i].service);
        assert_int_equal(eye_selection_init(&selection, &sample->setup), 0);
        log_file_begin(&log);
        assert_int_equal(eye_dd_tags_add(&selection, rows[i].client), 0);
        size_t warnings = log_file_count(&log, "in DD_TAGS is passed over");
        log_file_end(&log);
        assert_int_equal(warnings, rows[i].warnings);
        assert_fixed(&selection, rows[i].expected);
        eye_selection_done(&selection);
        sample_free(sample);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dd_tags__are_read_as_datadog_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
