/* SPDX-License-Identifier: Apache-2.0 */
/* Paths: tagged and dotted, hosts, hostile tags. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/graphite/paths.h"
#include "tests/support/random.h"
#include "tests/unit/exporters/sample.h"

struct fixture {
    struct sample *sample;
    struct eye_selection selection;
    struct eye_graphite_paths paths;
    struct eye_text path;
    uint32_t split;
    struct eye_error error;
};

static int set_up(void **state)
{
    static char host[] = "host", web[] = "web1.example";
    static struct eye_fixed_tag fixed[] = {{host, web}};
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->sample = sample_new(NULL);
    fixture->selection.prefix = "sockeye.";
    fixture->selection.fixed = fixed;
    fixture->selection.fixed_count = 1;
    eye_text_init(&fixture->path, 4096);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sample_free(fixture->sample);
    eye_text_done(&fixture->path);
    free(fixture);
    return 0;
}

static void use(struct fixture *fixture, enum eye_graphite_style style, const char *template)
{
    assert_int_equal(eye_graphite_paths_init(&fixture->paths, style, template, &fixture->selection,
                                             &fixture->error),
                     0);
}

/* The path of a series of tcp.sent.bytes in a registry of its own. */
static const char *path(struct fixture *fixture, const struct eye_tag_value *tags)
{
    struct sample *used = fixture->sample;
    fixture->sample = sample_new(NULL);
    sample_free(used);
    sample_add(fixture->sample, EYE_METRIC_TCP_SENT_BYTES, 1, tags);
    eye_text_clear(&fixture->path);
    eye_graphite_write_path(&fixture->paths, &sample_take(fixture->sample)->points[0],
                            &fixture->path, &fixture->split);
    return eye_text_string(&fixture->path);
}

static void path__tagged(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_GRAPHITE_TAGGED, NULL);
    assert_string_equal(path(fixture, SAMPLE_TAGS({EYE_TAG_SERVICE, "api"}, {EYE_TAG_PORT, "80"},
                                                  {EYE_TAG_FAMILY, ""})),
                        "sockeye.tcp.sent.bytes;host=web1.example;service=api;port=80");
    assert_int_equal(fixture->split, strlen("sockeye.tcp.sent.bytes"));
}

static void path__tagged_has_the_name_of_the_machine(void **state)
{
    struct fixture *fixture = *state;
    fixture->selection.fixed_count = 0;
    use(fixture, EYE_GRAPHITE_TAGGED, NULL);
    const char *written = path(fixture, SAMPLE_TAGS());
    const char *start = "sockeye.tcp.sent.bytes;host=";
    assert_memory_equal(written, start, strlen(start));
    assert_true(strlen(written) > strlen(start));
}

static void path__dotted(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_tag_value *tags =
        SAMPLE_TAGS({EYE_TAG_SERVICE, "my.api"}, {EYE_TAG_PORT, "80"});
    use(fixture, EYE_GRAPHITE_DOTTED, NULL);
    assert_string_equal(path(fixture, tags), "web1_example.sockeye.tcp.sent.bytes.my_api.80");
    assert_int_equal(fixture->split, fixture->path.length);
    use(fixture, EYE_GRAPHITE_DOTTED, "{host}.{service}.{metric}");
    assert_string_equal(path(fixture, tags), "web1_example.my_api.sockeye.tcp.sent.bytes");
}

static void path__values_that_carbon_would_read_otherwise(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *value;
        const char *written;
    } rows[] = {
        {"/users/*", "/users/*"},
        {"10.0.0.1:443", "10.0.0.1:443"},
        {"~x", "_x"},
        {"a;b=c d", "a_b_c_d"},
        {"x\"}", "x__"},
        {"{id}(1)[2],'", "_id__1__2___"},
        {"1 2\nevil 3 4", "1_2_evil_3_4"},
        {"caf\xc3\xa9", "caf__"},
        {"\xe2\x80\xa8", "___"}, /* a line separator for Python's splitlines() */
        {"\xff\x01\x7f", "___"},
    };
    use(fixture, EYE_GRAPHITE_TAGGED, NULL);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        const char *written = path(fixture, SAMPLE_TAGS({EYE_TAG_SERVICE, rows[i].value}));
        const char *start = "sockeye.tcp.sent.bytes;host=web1.example;service=";
        assert_memory_equal(written, start, strlen(start));
        assert_string_equal(written + strlen(start), rows[i].written);
    }
}

static void path__every_byte_keeps_one_tag(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_GRAPHITE_TAGGED, NULL);
    uint64_t random = 5;
    for (size_t round = 0; round < 1000; round++) {
        char value[20] = {0};
        for (size_t i = 0; i < sizeof(value) - 1; i++) {
            value[i] = (char)(round < 255 ? round + 1 : random_below(&random, 255) + 1);
        }
        const char *written = path(fixture, SAMPLE_TAGS({EYE_TAG_SERVICE, value}));
        const char *last = strrchr(written, ';');
        assert_memory_equal(last, ";service=", strlen(";service="));
        assert_ptr_equal(strchr(last, '='), strrchr(last, '='));
        for (const char *byte = written; *byte != '\0'; byte++) {
            assert_true(*byte > ' ' && *byte < '~');
        }
    }
}

static void init__refuses_a_template_for_tagged_paths(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(eye_graphite_paths_init(&fixture->paths, EYE_GRAPHITE_TAGGED, "{metric}",
                                             &fixture->selection, &fixture->error),
                     -EINVAL);
    assert_non_null(strstr(fixture->error.text, "style: dotted"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(path__tagged),
        TEST(path__tagged_has_the_name_of_the_machine),
        TEST(path__dotted),
        TEST(path__values_that_carbon_would_read_otherwise),
        TEST(path__every_byte_keeps_one_tag),
        TEST(init__refuses_a_template_for_tagged_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
