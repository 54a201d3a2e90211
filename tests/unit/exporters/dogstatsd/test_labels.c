/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed tags and fields, and the messages that carry them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/dogstatsd/messages.h"
#include "tests/unit/exporters/dogstatsd/world.h"

struct fixture {
    struct eye_environment environment;
    struct eye_labels_source source;
    struct eye_labels labels;
    struct eye_text text;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->source.environment = &fixture->environment;
    eye_text_init(&fixture->text, 4096);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    eye_labels_done(&fixture->labels);
    eye_text_done(&fixture->text);
    free(fixture);
    return 0;
}

static char env[] = "env", prod[] = "prod", other[] = "a|b\n:c", canary[] = "can,ary", none[] = "";
static struct eye_fixed_tag fixed[] = {{env, prod}, {canary, none}};

static int make(struct fixture *fixture, size_t tags, size_t max_bytes)
{
    const struct eye_selection selection = world_selection(fixed, tags);
    return eye_labels_init(&fixture->labels, &selection, &fixture->source, max_bytes);
}

static void labels__configuration_goes_before_the_environment(void **state)
{
    struct fixture *fixture = *state;
    fixture->environment.tags[0] = (struct eye_environment_tag){NULL, "env", "dev"};
    fixture->environment.tags[1] = (struct eye_environment_tag){NULL, "service", other};
    assert_int_equal(make(fixture, 2, 1000), 0);
    assert_string_equal(eye_text_string(&fixture->labels.tags),
                        "|#env:prod,can_ary,service:a_b_:c");
    assert_string_equal(eye_text_string(&fixture->labels.fields), "\n");
}

static void labels__fields_are_asked_for(void **state)
{
    struct fixture *fixture = *state;
    char external[] = "it-true,cn-a";
    fixture->environment.external = external;
    fixture->source.cardinality = "orchestrator";
    assert_int_equal(make(fixture, 0, 1000), 0);
    assert_string_equal(eye_text_string(&fixture->labels.tags), "");
    assert_string_equal(eye_text_string(&fixture->labels.fields), "|card:orchestrator\n");
    eye_labels_done(&fixture->labels);
    fixture->source.origin_detection = true;
    assert_int_equal(make(fixture, 0, 1000), 0);
    const char *fields = eye_text_string(&fixture->labels.fields);
    assert_non_null(strstr(fields, "|e:it-true,cn-a|card:orchestrator\n"));
}

static void labels__longer_than_a_payload_are_refused(void **state)
{
    struct fixture *fixture = *state;
    size_t needed = strlen("|#env:prod") + strlen("\n");
    assert_int_equal(make(fixture, 1, needed - 1), -EMSGSIZE);
    assert_null(fixture->labels.tags.data);
    assert_int_equal(make(fixture, 1, needed), 0);
}

static void event__has_the_lengths_of_its_texts(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(make(fixture, 1, 1000), 0);
    eye_message_event(&fixture->text, &fixture->labels, "up|and", "a\nb",
                      UINT64_C(1785672010999999999));
    assert_string_equal(eye_text_string(&fixture->text),
                        "_e{6,4}:up_and|a\\nb|d:1785672010|t:info|#env:prod\n");
}

static void check__is_ok(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(make(fixture, 1, 1000), 0);
    eye_message_check(&fixture->text, &fixture->labels, "sockeye.up",
                      UINT64_C(1785672010000000000));
    assert_string_equal(eye_text_string(&fixture->text),
                        "_sc|sockeye.up|0|d:1785672010|#env:prod\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(labels__configuration_goes_before_the_environment),
        TEST(labels__fields_are_asked_for),
        TEST(labels__longer_than_a_payload_are_refused),
        TEST(event__has_the_lengths_of_its_texts),
        TEST(check__is_ok),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
