/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of groups: what a path can say, what it cannot, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/pushgateway/group.h"

static int make_text(void **state)
{
    static struct eye_text text;
    eye_text_init(&text, 4096);
    *state = &text;
    return 0;
}

static int free_text(void **state)
{
    eye_text_done(*state);
    return 0;
}

static void group_url__says_values_or_their_base64(void **state)
{
    static const struct {
        const char *base;
        const char *job;
        const char *instance;
        const char *url;
    } cases[] = {
        {"http://g:9091", "sockeye", "box", "http://g:9091/metrics/job/sockeye/instance/box"},
        {"http://g/sub/", "a.b-c_d~", "1", "http://g/sub/metrics/job/a.b-c_d~/instance/1"},
        {"http://g", "a/b", "", "http://g/metrics/job@base64/YS9i/instance@base64/="},
        {"http://g", "j", "10.0.0.1:80", "http://g/metrics/job/j/instance@base64/MTAuMC4wLjE6ODA"},
        {"http://g", "..", ".", "http://g/metrics/job@base64/Li4/instance@base64/Lg"},
        {"http://g", "\xFF\xFE\xFD", "?#%",
         "http://g/metrics/job@base64/__79/instance@base64/PyMl"},
        {"http://g", ">>>", "a b", "http://g/metrics/job@base64/Pj4-/instance@base64/YSBi"},
    };
    struct eye_text *text = *state;
    const struct eye_text_list none = {NULL, 0};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        eye_text_clear(text);
        assert_int_equal(
            eye_group_append_url(text, cases[i].base, cases[i].job, cases[i].instance, &none, NULL),
            0);
        assert_string_equal(eye_text_string(text), cases[i].url);
    }
}

static void group_url__appends_labels(void **state)
{
    static char zone[] = "zone:eu/1";
    static char team[] = "team:a:b";
    static char none[] = "none:";
    static char *items[] = {zone, team, none};
    const struct eye_text_list labels = {items, EYE_ARRAY_LENGTH(items)};
    struct eye_text *text = *state;
    assert_int_equal(eye_group_append_url(text, "http://g", "j", "i", &labels, NULL), 0);
    assert_string_equal(eye_text_string(text), "http://g/metrics/job/j/instance/i/zone@base64/"
                                               "ZXUvMQ/team@base64/YTpi/none@base64/=");
}

static void group_url__refuses_what_is_no_group(void **state)
{
    static char one[] = "zone:1";
    static char two[] = "zone:2";
    static char *items[] = {one, two};
    const struct eye_text_list twice = {items, EYE_ARRAY_LENGTH(items)};
    const struct eye_text_list none = {NULL, 0};
    struct eye_error error;
    struct eye_text *text = *state;
    assert_int_equal(eye_group_append_url(text, "http://g", "j", "i", &twice, &error), -EINVAL);
    assert_string_equal(error.text, "`labels` has zone twice");
    assert_int_equal(eye_group_append_url(text, "http://g", "", "i", &none, &error), -EINVAL);
    assert_string_equal(error.text, "`job` is empty: a group must have one");
}

static void group_base_valid__knows_what_is_added(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"http://g:9091", true},
        {"http://g:9091/", true},
        {"https://metrics/sub", true},
        {"http://g/metrics-gateway", true},
        {"http://g:9091/metrics/job/x", false},
        {"http://g:9091/sub/metrics/job@base64/eA", false},
        {"http://g:9091/metrics", false},
        {"http://g:9091/metrics//", false},
        {"http://g:9091?a=b", false},
        {"http://me:secret@g", false},
        {"g:9091", false},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        if (eye_group_base_valid(cases[i].text) != cases[i].valid) {
            fail_msg("%s", cases[i].text);
        }
    }
}

/* A gateway writes a group's labels over those that the series have. */
static void group_check_labels__knows_the_metrics_own(void **state)
{
    static const struct {
        const char *label;
        const char *said; /* NULL: it is taken */
    } cases[] = {
        {"zone:x", NULL},
        {"ports:x", NULL},
        {"port:x", "`labels` has port, which is a label of tcp."},
        {"service:", "`labels` has service, which is a label of tcp."},
        {"http_route:x", "`labels` has http_route, which is a label of http."},
        {"le:x", "`labels` has le, which is a label of "},
        {"exporter:x", "`labels` has exporter, which is a label of sockeye.exporter."},
        {"job:x", "`labels` has job, which has a key of its own: `job`"},
        {"instance:x", "`labels` has instance, which has a key of its own: `instance`"},
    };
    struct eye_selection all = {0};
    const struct eye_selection none = {0};
    (void)state;
    memset(all.wanted, true, sizeof(all.wanted));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        EYE_AUTOFREE char *label = strdup(cases[i].label);
        const struct eye_text_list labels = {&label, 1};
        struct eye_error error = {0};
        int result = eye_group_check_labels(&labels, &all, &error);
        assert_int_equal(result, cases[i].said == NULL ? 0 : -EINVAL);
        if (cases[i].said != NULL && strstr(error.text, cases[i].said) != error.text) {
            fail_msg("%s", error.text);
        }
    }
    static char port[] = "port:x";
    char *items[] = {port};
    const struct eye_text_list labels = {items, 1};
    assert_int_equal(eye_group_check_labels(&labels, &none, NULL), 0);
}

static void group_label_valid__takes_names_of_labels(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"zone:eu", true},     {"zone:", true},  {"_a9:x:y", true},        {"jobs:x", true},
        {"zone", false},       {":x", false},    {"9a:x", false},          {"a-b:x", false},
        {"__name__:x", false}, {"jobs:x", true}, {"caf\xC3\xA9:x", false}, {"a b:x", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        assert_int_equal(eye_group_label_valid(cases[i].text), cases[i].valid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(group_url__says_values_or_their_base64, make_text,
                                        free_text),
        cmocka_unit_test_setup_teardown(group_url__appends_labels, make_text, free_text),
        cmocka_unit_test_setup_teardown(group_url__refuses_what_is_no_group, make_text, free_text),
        cmocka_unit_test(group_base_valid__knows_what_is_added),
        cmocka_unit_test(group_check_labels__knows_the_metrics_own),
        cmocka_unit_test(group_label_valid__takes_names_of_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
