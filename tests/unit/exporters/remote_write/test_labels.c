/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of a series: order, what the configuration adds, and bytes from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/remote_write/labels.h"
#include "tests/unit/exporters/sample.h"

struct fixture {
    struct sample *sample;
    struct eye_selection selection;
    struct eye_write_labels labels;
    char text[4096]; /* "name=value;" of each label */
};

static int make_fixture(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.sample = sample_new(NULL)};
    *state = &fixture;
    return 0;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_write_labels_done(&fixture->labels);
    eye_selection_done(&fixture->selection);
    sample_free(fixture->sample);
    return 0;
}

/* The labels of the one series with @tags, on a host called "box". */
static const char *labels_of(struct fixture *fixture, enum eye_metric_id metric,
                             const struct eye_tag_value *tags)
{
    sample_add(fixture->sample, metric, 1, tags);
    const struct eye_snapshot *snapshot = sample_take(fixture->sample);
    assert_int_equal(eye_selection_init(&fixture->selection, &fixture->sample->setup), 0);
    assert_int_equal(eye_write_labels_init(&fixture->labels, &fixture->selection), 0);
    eye_copy_string(fixture->labels.instance, sizeof(fixture->labels.instance), "box");
    assert_int_equal(eye_write_labels_fill(&fixture->labels, &snapshot->points[0]), 0);
    size_t at = 0;
    for (size_t i = 0; i < fixture->labels.count; i++) {
        at += (size_t)snprintf(fixture->text + at, sizeof(fixture->text) - at, "%s=%s;",
                               eye_write_label_name(&fixture->labels, i),
                               eye_write_label_value(&fixture->labels, i));
    }
    return fixture->text;
}

static void labels__are_sorted_and_get_job_and_instance(void **state)
{
    assert_string_equal(labels_of(*state, EYE_METRIC_TCP_OPENED,
                                  SAMPLE_TAGS({EYE_TAG_SERVICE, "shop"}, {EYE_TAG_PORT, "80"},
                                              {EYE_TAG_DIRECTION, "incoming"})),
                        "direction=incoming;instance=box;job=sockeye;port=80;service=shop;");
}

static void labels__are_attributes_on_semantic_conventions(void **state)
{
    assert_string_equal(labels_of(*state, EYE_METRIC_HTTP_SERVER_DURATION,
                                  SAMPLE_TAGS({EYE_TAG_METHOD, "GET"}, {EYE_TAG_PORT, "80"})),
                        "http_request_method=GET;instance=box;job=sockeye;server_port=80;");
}

/* A tag of the configuration is the series' own by the name that it has here. */
static void labels__never_twice_on_semantic_conventions(void **state)
{
    struct fixture *fixture = *state;
    static char here[] = "port:1";
    static char there[] = "server.port:2";
    static char *tags[] = {here, there};
    fixture->sample->own.common.tags = (struct eye_text_list){tags, EYE_ARRAY_LENGTH(tags)};
    assert_string_equal(
        labels_of(fixture, EYE_METRIC_HTTP_SERVER_DURATION, SAMPLE_TAGS({EYE_TAG_PORT, "80"})),
        "instance=box;job=sockeye;port=1;server_port=80;");
}

static void labels__leave_out_what_is_empty(void **state)
{
    assert_string_equal(labels_of(*state, EYE_METRIC_TCP_OPENED,
                                  SAMPLE_TAGS({EYE_TAG_SERVICE, ""}, {EYE_TAG_PORT, "80"})),
                        "instance=box;job=sockeye;port=80;");
}

static void labels__take_job_and_instance_from_tags(void **state)
{
    struct fixture *fixture = *state;
    static char job[] = "job:mine";
    static char instance[] = "instance:there:1";
    static char upper[] = "Env:prod";
    static char *tags[] = {job, instance, upper};
    fixture->sample->own.common.tags = (struct eye_text_list){tags, EYE_ARRAY_LENGTH(tags)};
    assert_string_equal(
        labels_of(fixture, EYE_METRIC_TCP_OPENED, SAMPLE_TAGS({EYE_TAG_PORT, "80"})),
        "Env=prod;instance=there:1;job=mine;port=80;");
}

static void labels__never_twice_and_never_reserved(void **state)
{
    struct fixture *fixture = *state;
    static char first[] = "env:one";
    static char second[] = "env:two";
    static char own[] = "port:1";
    static char reserved[] = "__name__:evil";
    static char boundary[] = "le:1";
    static char *tags[] = {first, second, own, reserved, boundary};
    fixture->sample->own.common.tags = (struct eye_text_list){tags, EYE_ARRAY_LENGTH(tags)};
    assert_string_equal(labels_of(fixture, EYE_METRIC_TCP_RTT, SAMPLE_TAGS({EYE_TAG_PORT, "80"})),
                        "env=two;instance=box;job=sockeye;name__=evil;port=80;");
}

static void labels__replace_bytes_that_are_no_text(void **state)
{
    static const struct {
        const char *value;
        const char *label;
    } cases[] = {
        {"caf\xC3\xA9", "caf\xC3\xA9"},
        {"\xFF", "\xEF\xBF\xBD"},
        {"a\x01z", "a\xEF\xBF\xBDz"},
        {"\xC3", "\xEF\xBF\xBD"},
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"two\nlines", "two\nlines"},
        {"\"},{evil=\"", "\"},{evil=\""},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct fixture *fixture = *state;
        char expected[256];
        snprintf(expected, sizeof(expected), "instance=box;job=sockeye;service=%s;",
                 cases[i].label);
        assert_string_equal(labels_of(fixture, EYE_METRIC_TCP_OPENED,
                                      SAMPLE_TAGS({EYE_TAG_SERVICE, cases[i].value})),
                            expected);
        free_fixture(state);
        make_fixture(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(labels__are_sorted_and_get_job_and_instance, make_fixture,
                                        free_fixture),
        cmocka_unit_test_setup_teardown(labels__are_attributes_on_semantic_conventions,
                                        make_fixture, free_fixture),
        cmocka_unit_test_setup_teardown(labels__never_twice_on_semantic_conventions, make_fixture,
                                        free_fixture),
        cmocka_unit_test_setup_teardown(labels__leave_out_what_is_empty, make_fixture,
                                        free_fixture),
        cmocka_unit_test_setup_teardown(labels__take_job_and_instance_from_tags, make_fixture,
                                        free_fixture),
        cmocka_unit_test_setup_teardown(labels__never_twice_and_never_reserved, make_fixture,
                                        free_fixture),
        cmocka_unit_test_setup_teardown(labels__replace_bytes_that_are_no_text, make_fixture,
                                        free_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
