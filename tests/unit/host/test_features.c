/* SPDX-License-Identifier: Apache-2.0 */
/* That each feature is asked by itself and once; what they find is tested live:
 * tests/integration/test_probe.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/host/features.h"

struct fixture {
    char folder[32];
    struct eye_config config;
    struct eye_features features;
};

static struct fixture fixture;

static int set_up(void **state)
{
    (void)state;
    snprintf(fixture.folder, sizeof(fixture.folder), "/tmp/eye-features-XXXXXX");
    if (mkdtemp(fixture.folder) == NULL || rmdir(fixture.folder) != 0) {
        return -1;
    }
    fixture.config = (struct eye_config){.source = {.proc = "/proc", .cgroup = fixture.folder}};
    eye_features_init(&fixture.features, &fixture.config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rmdir(fixture.folder);
    return 0;
}

static bool detail_has(const char *words)
{
    const struct eye_feature_state *state = eye_feature_ask(&fixture.features, EYE_FEATURE_CGROUP2);
    assert_int_equal(state->available, EYE_ANSWER_NO);
    return strstr(state->detail, words) != NULL;
}

static void feature_ask__remembers_until_it_is_forgotten(void **state)
{
    (void)state;
    assert_true(detail_has("No such file"));
    assert_int_equal(mkdir(fixture.folder, 0700), 0);
    assert_true(detail_has("No such file"));
    eye_feature_forget(&fixture.features, EYE_FEATURE_CGROUP2);
    assert_true(detail_has("not in a cgroup v2 tree"));
}

static void feature_ask__needs_no_other_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_FEATURE_COUNT; i++) {
        struct eye_features alone;
        eye_features_init(&alone, &fixture.config);
        const struct eye_feature_state *answer = eye_feature_ask(&alone, (enum eye_feature)i);
        const struct eye_feature_state *among_all =
            eye_feature_ask(&fixture.features, (enum eye_feature)i);
        assert_string_equal(answer->key, among_all->key);
        /* Processes of other users come and go. */
        if (i != EYE_FEATURE_ENVIRONMENT) {
            assert_int_equal(answer->available, among_all->available);
            assert_string_equal(answer->detail, among_all->detail);
            assert_string_equal(answer->remedy, among_all->remedy);
        }
        for (size_t other = 0; other < EYE_FEATURE_COUNT; other++) {
            assert_true(other == i || alone.states[other].key == NULL);
        }
    }
}

/* The processes are another file's from now on; the answers are not. */
static void features_proc__is_what_was_found(void **state)
{
    (void)state;
    const char *proc = eye_features_proc(&fixture.features);
    char nowhere[] = "/nonexistent";
    fixture.config.source.proc = nowhere;
    if (proc != NULL) {
        assert_ptr_equal(eye_features_proc(&fixture.features), nowhere);
    }
    struct eye_features anew;
    eye_features_init(&anew, &fixture.config);
    assert_null(eye_features_proc(&anew));
}

static void features_check__names_what_everything_needs(void **state)
{
    (void)state;
    struct eye_error error = {""};
    eye_features_ask_all(&fixture.features);
    struct eye_feature_state *cpus = &fixture.features.states[EYE_FEATURE_CPUS];
    for (size_t i = 0; i <= EYE_FEATURE_CPUS; i++) {
        fixture.features.states[i].available = EYE_ANSWER_YES;
    }
    assert_int_equal(eye_features_check(&fixture.features, &error), 0);
    cpus->available = EYE_ANSWER_NO;
    snprintf(cpus->detail, sizeof(cpus->detail), "none");
    assert_int_equal(eye_features_check(&fixture.features, &error), -ENOTSUP);
    assert_string_equal(error.text, "cannot observe the kernel: number of CPUs: none; mount sysfs "
                                    "(mount -t sysfs sysfs /sys)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(feature_ask__remembers_until_it_is_forgotten),
        TEST(feature_ask__needs_no_other_answer),
        TEST(features_proc__is_what_was_found),
        TEST(features_check__names_what_everything_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
