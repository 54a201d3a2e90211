/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: tables of good and bad ones, gaps, hostile values. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/encode/template.h"
#include "tests/unit/exporters/sample.h"

struct fixture {
    struct sample *sample;
    struct eye_selection selection;
    struct eye_template template;
    struct eye_text name;
    struct eye_error error;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->sample = sample_new(NULL);
    fixture->selection.prefix = "sockeye.";
    eye_text_init(&fixture->name, 4096);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sample_free(fixture->sample);
    eye_text_done(&fixture->name);
    free(fixture);
    return 0;
}

static void parse(struct fixture *fixture, const char *text)
{
    int result = eye_template_parse(text, &fixture->selection, &fixture->template, &fixture->error);
    assert_int_equal(result, 0);
}

/* The name of the only series, which is made with the tags. */
static const char *name(struct fixture *fixture, enum eye_metric_id metric,
                        const struct eye_tag_value *tags)
{
    sample_add(fixture->sample, metric, 1, tags);
    const struct eye_snapshot *snapshot = sample_take(fixture->sample);
    eye_text_clear(&fixture->name);
    eye_template_write(&fixture->template, &snapshot->points[snapshot->count - 1], &fixture->name);
    return eye_text_string(&fixture->name);
}

static const char *sent(struct fixture *fixture, const char *service)
{
    return name(fixture, EYE_METRIC_TCP_SENT_BYTES,
                SAMPLE_TAGS({EYE_TAG_DIRECTION, "incoming"}, {EYE_TAG_SERVICE, service},
                            {EYE_TAG_PORT, "80"}));
}

static void template__placeholders(void **state)
{
    struct fixture *fixture = *state;
    static char env[] = "env", prod[] = "prod", canary[] = "canary", none[] = "", host[] = "host",
                web[] = "web1.example";
    static struct eye_fixed_tag fixed[] = {{env, prod}, {canary, none}, {host, web}};
    fixture->selection.fixed = fixed;
    fixture->selection.fixed_count = EYE_ARRAY_LENGTH(fixed);
    static const struct {
        const char *text;
        const char *name;
    } rows[] = {
        {"{metric}", "sockeye.tcp.sent.bytes"},
        {"{metric}.{service}.{port}", "sockeye.tcp.sent.bytes.api.80"},
        {"{host}.{service}.{metric}", "web1_example.api.sockeye.tcp.sent.bytes"},
        {"{env}.{metric}", "prod.sockeye.tcp.sent.bytes"},
        {"{metric}.{tags}", "sockeye.tcp.sent.bytes.prod.canary.web1_example.incoming.api.80"},
        {"{service}.{host}.{metric}.{tags}.x",
         "api.web1_example.sockeye.tcp.sent.bytes.prod.canary.incoming.80.x"},
        {"a-b_c.{metric}..{reason}.{port}", "a-b_c.sockeye.tcp.sent.bytes.80"},
        {"{metric}-{port}", "sockeye.tcp.sent.bytes-80"},
        {"{metric}.{container}.{port}", "sockeye.tcp.sent.bytes.none.80"},
    };
    sent(fixture, "api");
    const struct eye_snapshot *snapshot = fixture->sample->snapshots[0];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        parse(fixture, rows[i].text);
        eye_text_clear(&fixture->name);
        eye_template_write(&fixture->template, &snapshot->points[0], &fixture->name);
        assert_string_equal(eye_text_string(&fixture->name), rows[i].name);
    }
}

static void template__host_name_of_the_machine_is_one_component(void **state)
{
    struct fixture *fixture = *state;
    parse(fixture, "{host}.{metric}");
    const char *made = sent(fixture, "api");
    const char *dot = strchr(made, '.');
    assert_non_null(dot);
    assert_true(dot > made);
    assert_string_equal(dot, ".sockeye.tcp.sent.bytes");
}

static void template__series_without_tags_has_no_gaps(void **state)
{
    struct fixture *fixture = *state;
    parse(fixture, ".{tags}.{service}..{metric}.{tags}.");
    assert_string_equal(name(fixture, EYE_METRIC_SELF_CPU, SAMPLE_TAGS()), "sockeye.cpu.time");
}

static void template__values_are_one_component(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *value;
        const char *written;
    } rows[] = {
        {"a.b", "a_b"},
        {"../../etc", "______etc"},
        {"/users/*", "_users__"},
        {"10.0.0.1:443", "10_0_0_1_443"},
        {"x 1 2\ny;z=1|c", "x_1_2_y_z_1_c"},
        {"caf\xc3\xa9", "caf__"},
        {"\xff\x7f\x01", "___"},
        {"", "none"},
    };
    parse(fixture, "{metric}.{service}");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        char expected[64];
        snprintf(expected, sizeof(expected), "sockeye.tcp.sent.bytes.%s", rows[i].written);
        struct sample *used = fixture->sample;
        fixture->sample = sample_new(NULL);
        sample_free(used);
        assert_string_equal(sent(fixture, rows[i].value), expected);
    }
}

static void template__prefix_is_sanitised(void **state)
{
    struct fixture *fixture = *state;
    fixture->selection.prefix = "a b:c.";
    parse(fixture, "{metric}");
    assert_string_equal(sent(fixture, "api"), "a_b_c.tcp.sent.bytes");
}

static void template__too_long_fails(void **state)
{
    struct fixture *fixture = *state;
    eye_text_done(&fixture->name);
    eye_text_init(&fixture->name, 10);
    parse(fixture, "{metric}");
    sent(fixture, "api");
    assert_true(fixture->name.failed);
}

static void parse__refuses_and_leaves_output(void **state)
{
    struct fixture *fixture = *state;
    char many[EYE_TEMPLATE_MAX_PARTS * 7 + 16] = "";
    char long_text[EYE_TEMPLATE_MAX_BYTES + 2];
    memset(long_text, 'a', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    for (size_t i = 0; i <= EYE_TEMPLATE_MAX_PARTS; i++) {
        memcpy(many + i * 6, "{port}", 7);
    }
    const struct {
        const char *text;
        const char *says;
    } rows[] = {
        {"", "{metric}"},
        {"{service}", "{metric}"},
        {"{metric}.{servce}", "{servce}"},
        {"{metric}.{}", "{}"},
        {"{metric}.{service", "no } behind {service"},
        {"{metric} {port}", "' '"},
        {"{metric}/{port}", "'/'"},
        {"{metric}}", "'}'"},
        {"{metric}\n", "cannot stand in a name"},
        {many, "parts"},
        {long_text, "longer than"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        fixture->template.count = 77;
        int result = eye_template_parse(rows[i].text, &fixture->selection, &fixture->template,
                                        &fixture->error);
        assert_int_equal(result, -EINVAL);
        assert_int_equal(fixture->template.count, 77);
        assert_non_null(strstr(fixture->error.text, rows[i].says));
    }
}

static void parse__names_what_there_is(void **state)
{
    struct fixture *fixture = *state;
    eye_template_parse("{metric}.{x}", &fixture->selection, &fixture->template, &fixture->error);
    assert_non_null(strstr(fixture->error.text, " service "));
    assert_non_null(strstr(fixture->error.text, " host "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(template__placeholders),
        TEST(template__host_name_of_the_machine_is_one_component),
        TEST(template__series_without_tags_has_no_gaps),
        TEST(template__values_are_one_component),
        TEST(template__prefix_is_sanitised),
        TEST(template__too_long_fails),
        TEST(parse__refuses_and_leaves_output),
        TEST(parse__names_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
