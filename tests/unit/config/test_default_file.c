/* SPDX-License-Identifier: Apache-2.0 */
/* The default file says what the defaults are, and is itself a configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "config/schema.h"
#include "tests/unit/config/config_fixture.h"

/* Writes the default file as main.yaml; its text is the caller's. */
static char *write_default(struct fixture *fixture)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    const struct eye_config_source source = {
        .sections = fixture_sections,
        .section_count = fixture_section_count,
        .tiers = fixture_tiers,
    };
    eye_config_write_default(out, &source);
    assert_int_equal(fclose(out), 0);
    fixture_write(fixture, "main.yaml", text);
    return text;
}

/* Removes the "# " before keys, in place. */
static void uncomment(char *text)
{
    char *target = text;
    bool line_starts = true;
    while (*text != '\0') {
        if (line_starts && text[0] == '#' && text[1] == ' ') {
            text += 2;
        }
        line_starts = *text == '\n';
        *target++ = *text++;
    }
    *target = '\0';
}

static void default_file__loads_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    free(write_default(fixture));
    int result = fixture_load(fixture, NULL);
    assert_string_equal(fixture->error.text, "");
    assert_int_equal(result, 0);
    assert_int_equal(fixture->config->exporter_count, 1);
}

static void default_file__loads_uncommented_with_the_same_values(void **state)
{
    struct fixture *fixture = *state;
    EYE_AUTOFREE char *text = write_default(fixture);
    uncomment(text);
    int result = fixture_load_text(fixture, text);
    assert_string_equal(fixture->error.text, "");
    assert_int_equal(result, 0);
    const struct eye_config *config = fixture->config;
    assert_int_equal(config->interval_ns, 10 * EYE_NS_PER_SECOND);
    assert_int_equal(config->limits.idle_ns, 300 * EYE_NS_PER_SECOND);
    assert_int_equal(config->connections.tags, 0xf);
    assert_int_equal(config->exporter_count, fixture_section_count);
    const struct sink_values *values = config->exporters[2].values;
    assert_string_equal(values->url, "udp://127.0.0.1:8125");
    assert_null(values->ca);
    assert_int_equal(values->headers.count, 2);
    assert_string_equal(config->exporters[1].name, "null");
}

static void default_file__has_every_key_with_its_help(void **state)
{
    struct fixture *fixture = *state;
    EYE_AUTOFREE char *text = write_default(fixture);
    for (size_t i = 0; i < eye_config_key_count; i++) {
        const char *dot = strrchr(eye_config_keys[i].path, '.');
        char line[64];
        snprintf(line, sizeof(line), "%s: ", dot == NULL ? eye_config_keys[i].path : dot + 1);
        assert_non_null(strstr(text, line));
        assert_non_null(strstr(text, eye_config_keys[i].help));
    }
}

static void default_file__states_limits_and_choices(void **state)
{
    static const char *const expected[] = {
        "\n## How often metrics are sent, aligned to the wall clock.\n## From 1s to 1h.\n"
        "# interval: 10s\n",
        "\n# log:\n"
        "##   The least important messages that are still written.\n"
        "##   One of error, warning, info, debug.\n"
        "#   level: info\n",
        "##   One of auto, socket-storage, other.\n##   Experimental: may change.\n"
        "#   tier: auto\n",
        "\n#   tls: false\n##   Libraries",
        "\n##   In place of true: tls: {exclude: []}\n",
        "\n# http:\n",
        "#   routes: []\n",
        "\n#   - type: \"null\"\n",
        "##     Buffer.\n##     From 1KiB to 1MiB.\n#     buffer: 64KiB\n",
        "##     Receiver.\n##     Expects SCHEME://ADDRESS.\n#     url: udp://127.0.0.1:8125\n",
        "#     tls:\n##       Certificates.\n#       ca: null\n",
    };
    struct fixture *fixture = *state;
    EYE_AUTOFREE char *text = write_default(fixture);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(expected); i++) {
        if (strstr(text, expected[i]) == NULL) {
            print_error("not found: %s\n", expected[i]);
            fail();
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(default_file__loads_as_it_is),
        TEST(default_file__loads_uncommented_with_the_same_values),
        TEST(default_file__has_every_key_with_its_help),
        TEST(default_file__states_limits_and_choices),
    };
    return cmocka_run_group_tests_name("default_file", tests, NULL, NULL);
}
