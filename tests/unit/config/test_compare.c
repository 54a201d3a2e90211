/* SPDX-License-Identifier: Apache-2.0 */
/* Which configurations mean the same to exporters, and how long one lives. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/config/config_fixture.h"

/* Every key of the exporter has a value. */
static const char whole[] = "fast: true, retries: 1, timeout: 2s, buffer: 2KiB, dialect: graphite, "
                            "parts: [head], url: 'tcp://h:1', tls: {ca: /a}, headers: [a, c], "
                            "prefix: p, tags: [a:b], metrics: {allow: [tcp.*], deny: [udp.*]}, "
                            "queue: {snapshots: 5, size: 1MiB, max_age: 1m}, "
                            "spool: {path: /s, max_size: 1MiB, max_age: 1h}";

static const struct change {
    const char *from;
    const char *to;
    bool series;
} changes[] = {
    {"fast: true", "fast: false", false},
    {"retries: 1", "retries: 2", false},
    {"timeout: 2s", "timeout: 3s", false},
    {"buffer: 2KiB", "buffer: 3KiB", false},
    {"dialect: graphite", "dialect: datadog", false},
    {"parts: [head]", "parts: [head, tail]", false},
    {"url: 'tcp://h:1'", "url: 'tcp://h:2'", true},
    {"tls: {ca: /a}", "tls: {ca: null}", false},
    {"headers: [a, c]", "headers: [c, a]", false},
    {"headers: [a, c]", "headers: [a]", false},
    {"prefix: p", "prefix: ''", true},
    {"tags: [a:b]", "tags: [a:c]", true},
    {"allow: [tcp.*]", "allow: []", true},
    {"deny: [udp.*]", "deny: [udp.*, http.*]", true},
    {"snapshots: 5", "snapshots: 6", false},
    {"size: 1MiB, max_age: 1m", "size: 2MiB, max_age: 1m", false},
    {"max_age: 1m", "max_age: null", false},
    {"path: /s", "path: null", false},
    {"max_size: 1MiB", "max_size: 2MiB", false},
    {"max_age: 1h", "max_age: 2h", false},
};

static struct eye_config *load(struct fixture *fixture, const char *daemon, const char *exporter)
{
    char text[2048];
    int length =
        snprintf(text, sizeof(text), "%s\nexporters:\n  - {type: sink, %s}\n", daemon, exporter);
    assert_in_range(length, 1, sizeof(text) - 1);
    fixture_write(fixture, "main.yaml", text);
    if (fixture_load(fixture, NULL) != 0) {
        fail_msg("%s", fixture->error.text);
    }
    return EYE_TAKE(fixture->config);
}

/* `whole` with one change. */
static void replace(const struct change *change, char *text, size_t size)
{
    const char *place = strstr(whole, change->from);
    assert_non_null(place);
    int length = snprintf(text, size, "%.*s%s%s", (int)(place - whole), whole, change->to,
                          place + strlen(change->from));
    assert_in_range(length, 1, size - 1);
}

static void exporters__are_equal_wherever_they_stand(void **state)
{
    struct eye_config *one = load(*state, "", whole);
    struct eye_config *other = load(*state, "# a line more\n\n", whole);
    assert_string_not_equal(one->exporters[0].origin, other->exporters[0].origin);
    assert_true(eye_exporter_config_equal(&one->exporters[0], &other->exporters[0]));
    assert_true(eye_exporter_config_same_series(&one->exporters[0], &other->exporters[0]));
    eye_config_unref(one);
    eye_config_unref(other);
}

static void exporters__differ_by_any_key(void **state)
{
    struct eye_config *one = load(*state, "", whole);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(changes); i++) {
        char text[1024];
        replace(&changes[i], text, sizeof(text));
        struct eye_config *other = load(*state, "", text);
        const struct eye_exporter_config *now = &other->exporters[0];
        if (eye_exporter_config_equal(&one->exporters[0], now) ||
            eye_exporter_config_equal(now, &one->exporters[0])) {
            fail_msg("the same with \"%s\"", changes[i].to);
        }
        if (eye_exporter_config_same_series(&one->exporters[0], now) == changes[i].series) {
            fail_msg("series with \"%s\"", changes[i].to);
        }
        eye_config_unref(other);
    }
    eye_config_unref(one);
}

static void exporters__of_two_types_differ(void **state)
{
    struct fixture *fixture = *state;
    fixture_write(fixture, "main.yaml", "exporters: [{type: console}, {type: \"null\"}]");
    assert_int_equal(fixture_load(fixture, NULL), 0);
    const struct eye_exporter_config *exporters = fixture->config->exporters;
    assert_false(eye_exporter_config_equal(&exporters[0], &exporters[1]));
    assert_false(eye_exporter_config_same_series(&exporters[0], &exporters[1]));
}

static void daemon_keys__count_as_far_as_exporters_read_them(void **state)
{
    static const struct {
        const char *text;
        bool same;
    } rows[] = {
        {"tags: [env:prod]", true},
        {"{tags: [env:prod], limits: {series: 100}, log: {level: debug}}", true},
        {"{tags: [env:prod], http: {routes: [{pattern: /a, route: b}]}}", true},
        {"{tags: [env:test]}", false},
        {"{tags: [env:prod], interval: 5s}", false},
    };
    struct eye_config *one = load(*state, "tags: [env:prod]", whole);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        struct fixture *fixture = *state;
        fixture_write(fixture, "main.yaml", rows[i].text);
        assert_int_equal(fixture_load(fixture, NULL), 0);
        assert_int_equal(eye_config_same_for_exporters(one, fixture->config), rows[i].same);
    }
    one->once = true;
    struct eye_config *other = load(*state, "tags: [env:prod]", whole);
    assert_false(eye_config_same_for_exporters(one, other));
    eye_config_unref(other);
    eye_config_unref(one);
}

static void needs_restart__names_each_key_with_its_place(void **state)
{
#define FIXED(name) name " cannot change while the daemon runs; restart it"
    static const struct {
        const char *text;
        const char *error;
    } rows[] = {
        {"{}", ""},
        {"{interval: 5s, protocols: {http: false}, limits: {series: 100}}", ""},
        {"source:\n  proc: /host/proc", "main.yaml:2:3: " FIXED("source.proc")},
        {"source: {cgroup: /a}\ntags: []", "main.yaml:1:10: " FIXED("source.cgroup")},
        {"source:\n  cgroup: /a\n  proc: /host/proc",
         "main.yaml:3:3: " FIXED("source.proc") "\nmain.yaml:2:3: " FIXED("source.cgroup")},
        {"{source: {proc: /proc, cgroup: null}}", ""},
    };
    struct eye_config *one = load(*state, "", whole);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        struct fixture *fixture = *state;
        struct eye_error error = {""};
        fixture_write(fixture, "main.yaml", rows[i].text);
        assert_int_equal(fixture_load(fixture, NULL), 0);
        int result = eye_config_needs_restart(one, fixture->config, &error);
        assert_int_equal(result, rows[i].error[0] == '\0' ? 0 : -EBUSY);
        fixture->error = error;
        assert_string_equal(fixture_error(fixture), rows[i].error);
    }
    struct eye_config *other = load(*state, "", whole);
    struct fixture *fixture = *state;
    fixture_write(fixture, "main.yaml", "source: {proc: /host/proc}");
    assert_int_equal(fixture_load(fixture, NULL), 0);
    assert_int_equal(eye_config_needs_restart(fixture->config, other, &fixture->error), -EBUSY);
    assert_string_equal(fixture_error(fixture),
                        "main.yaml:1:10: " FIXED("source.proc, which is not set there any more,"));
    other->source.tier = EYE_TIER_FIRST;
    assert_int_equal(eye_config_needs_restart(one, other, NULL), -EBUSY);
    eye_config_unref(other);
    eye_config_unref(one);
#undef FIXED
}

/* The leak checker of the asan preset says whether the last one frees it. */
static void config__lives_as_long_as_somebody_refers_to_it(void **state)
{
    struct eye_config *config = load(*state, "", whole);
    assert_int_equal(config->references, 1);
    const struct eye_config *second = eye_config_ref(config);
    assert_ptr_equal(second, config);
    eye_config_unref(config);
    assert_int_equal(second->references, 1);
    assert_string_equal(second->exporters[0].common.prefix, "p");
    eye_config_unref(second);
    eye_config_unref(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(exporters__are_equal_wherever_they_stand),
        TEST(exporters__differ_by_any_key),
        TEST(exporters__of_two_types_differ),
        TEST(daemon_keys__count_as_far_as_exporters_read_them),
        TEST(needs_restart__names_each_key_with_its_place),
        TEST(config__lives_as_long_as_somebody_refers_to_it),
    };
    return cmocka_run_group_tests_name("config_compare", tests, NULL, NULL);
}
