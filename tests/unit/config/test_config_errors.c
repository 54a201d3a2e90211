/* SPDX-License-Identifier: Apache-2.0 */
/* What a mistake is told as: the exact words and the place, for every kind of mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/text.h"
#include "tests/unit/config/config_fixture.h"

#define SEE_DEFAULT " (see \"sockeye check --default\")"

struct bad_text {
    const char *text;
    const char *error; /* without "main.yaml:" */
};

static void assert_error(struct fixture *fixture, const char *text, const char *expected)
{
    char whole[EYE_ERROR_TEXT_BYTES];
    snprintf(whole, sizeof(whole), "main.yaml:%s", expected);
    int result = fixture_load_text(fixture, text);
    assert_string_equal(fixture_error(fixture), whole);
    assert_int_equal(result, -EINVAL);
    assert_null(fixture->config);
}

static void assert_errors(void **state, const struct bad_text *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_error(*state, cases[i].text, cases[i].error);
    }
}

static void keys__unknown_ones_are_told_with_the_nearest(void **state)
{
    static const struct bad_text cases[] = {
        {"intervall: 10s", "1:1: unknown key \"intervall\", did you mean \"interval\"?"},
        {"tags: []\nsorce: {tier: auto}", "2:1: unknown key \"sorce\", did you mean \"source\"?"},
        {"source:\n  teir: auto",
         "2:3: unknown key \"source.teir\", did you mean \"source.tier\"?"},
        {"protocols: {grpc: true}",
         "1:13: unknown key \"protocols.grpc\", did you mean \"protocols.http2\"?"},
        {"protocols: {MariaDB: true}",
         "1:13: unknown key \"protocols.MariaDB\", did you mean \"protocols.mysql\"?"},
        {"protocols: {kafaka: true}",
         "1:13: unknown key \"protocols.kafaka\", did you mean \"protocols.kafka\"?"},
        {"protocols: {quic: true}", "1:13: unknown key \"protocols.quic\"" SEE_DEFAULT},
        {"exporter: []", "1:1: unknown key \"exporter\", did you mean \"exporters\"?"},
        {"level: debug", "1:1: unknown key \"level\", did you mean \"log.level\"?"},
        {"exporters: [{type: sink, allow: [a]}]",
         "1:26: unknown key \"allow\", did you mean \"metrics.allow\"?"},
        {"banana: 1", "1:1: unknown key \"banana\"" SEE_DEFAULT},
        {"'': 1", "1:1: unknown key \"\"" SEE_DEFAULT},
        {"<<: {interval: 5s}",
         "1:1: merge keys (\"<<\") are not read: write the keys themselves here; an alias (*name) "
         "may stand for a whole value"},
        {"'<<': {interval: 5s}", "1:1: unknown key \"<<\"" SEE_DEFAULT},
        {"a12345678901234567890123456789012345678901234567890123456789012345: 1",
         "1:1: unknown key "
         "\"a12345678901234567890123456789012345678901234567890123456789...\"" SEE_DEFAULT},
        {"exporters: [{type: sink, ulr: x}]", "1:26: unknown key \"ulr\", did you mean \"url\"?"},
        {"exporters: [{type: sink, tls: {cb: x}}]",
         "1:32: unknown key \"tls.cb\", did you mean \"tls.ca\"?"},
        {"protocols: {tls: {exlude: [/a]}}",
         "1:19: unknown key \"protocols.tls.exlude\", did you mean \"protocols.tls.exclude\"?"},
        {"protocols: {http: {exclude: [/a]}}",
         "1:19: protocols.http: expected a single value, not a mapping"},
        {"exporters: [{type: sink, endpoint: x}]",
         "1:26: unknown key \"endpoint\", did you mean \"url\"?"},
        {"exporters: [{type: sink, id: x}]", "1:26: unknown key \"id\", did you mean \"name\"?"},
        {"exporters: [{type: sink, interval: 5s}]",
         "1:26: unknown key \"interval\", did you mean \"interval\" of the daemon, outside of "
         "\"exporters\"?"},
        {"outputs: []", "1:1: unknown key \"outputs\", did you mean \"exporters\"?"},
        {"endpoint: x",
         "1:1: unknown key \"endpoint\", did you mean \"url\" in exporters: [{type: sink}]?"},
        {"spool: {path: /x}",
         "1:1: unknown key \"spool\", did you mean \"spool.path\" in exporters: [{type: ...}]?"},
        {"stdout: {}",
         "1:1: unknown key \"stdout\", did you mean exporters: [{type: console, ...}]?"},
        {"exporters: [{type: console, url: x}]", "1:29: unknown key \"url\"" SEE_DEFAULT},
        {"http: {routes: [{pattern: /a, route: /b, methd: GET}]}",
         "1:42: unknown key \"methd\"" SEE_DEFAULT},
    };
    assert_errors(state, cases, EYE_ARRAY_LENGTH(cases));
}

static void keys__stand_once_and_nested(void **state)
{
    static const struct bad_text cases[] = {
        {"interval: 1s\ntags: []\ninterval: 2s", "3:1: key \"interval\" is set twice"},
        {"log: {level: info}\nlog: {}", "2:1: key \"log\" is set twice"},
        {"exporters: [{type: sink, type: sink}]", "1:26: key \"type\" is set twice"},
        {"exporters: [{type: sink, name: a, name: b}]", "1:35: key \"name\" is set twice"},
        {"source.tier: auto", "1:1: key \"source.tier\" must be nested, like source: {tier: ...}"},
        {"[a]: 1", "1:1: expected the name of a key, not a list"},
        {"\"in\\0terval\": 1s", "1:1: control characters in a value"},
    };
    assert_errors(state, cases, EYE_ARRAY_LENGTH(cases));
}

static void values__numbers_have_units_and_ranges(void **state)
{
    static const struct bad_text cases[] = {
        {"interval: 10", "1:11: interval: \"10\" needs a unit, like 10s"},
        {"interval: \"10\"", "1:11: interval: \"10\" needs a unit, like 10s"},
        {"interval: 1.5", "1:11: interval: \"1.5\" needs a unit, like 1.5s"},
        {"interval: ten",
         "1:11: interval: \"ten\" is not a duration, like 10s (units ns us ms s m h d)"},
        {"interval: ''",
         "1:11: interval: \"\" is not a duration, like 10s (units ns us ms s m h d)"},
        {"interval: -1s",
         "1:11: interval: \"-1s\" is not a duration, like 10s (units ns us ms s m h d)"},
        {"interval: 999ms", "1:11: interval: \"999ms\" is out of range: 1s to 1h"},
        {"interval: 61m", "1:11: interval: \"61m\" is out of range: 1s to 1h"},
        {"interval: 99999999999999999999s",
         "1:11: interval: \"99999999999999999999s\" is out of range: 1s to 1h"},
        {"shutdown_timeout: 6m", "1:19: shutdown_timeout: \"6m\" is out of range: 0 to 5m"},
        {"limits: {series: 9}", "1:18: limits.series: \"9\" is out of range: 10 to 1000000"},
        {"limits: {series: 20s}",
         "1:18: limits.series: \"20s\" is not a whole number from 10 to 1000000"},
        {"limits: {idle: 2d}", "1:16: limits.idle: \"2d\" is out of range: 10s to 1d"},
        {"exporters: [{type: sink, queue: {size: 4}}]",
         "1:40: queue.size: \"4\" needs a unit, like 4MiB"},
        {"exporters: [{type: sink, queue: {size: 4G}}]",
         "1:40: queue.size: \"4G\" is not a size, like 32MiB (units B KiB MiB GiB TiB kB MB GB "
         "TB)"},
        {"exporters: [{type: sink, queue: {size: 1KiB}}]",
         "1:40: queue.size: \"1KiB\" is out of range: 64KiB to 4GiB"},
        {"exporters: [{type: sink, timeout: 99999999999999999999s}]",
         "1:35: timeout: \"99999999999999999999s\" is out of range"},
    };
    assert_errors(state, cases, EYE_ARRAY_LENGTH(cases));
}

static void values__texts_and_choices_are_checked(void **state)
{
    static const struct bad_text cases[] = {
        {"protocols: {http: yes}",
         "1:19: protocols.http: unknown \"yes\" (known: auto, true, false)"},
        {"log: {level: inof}", "1:14: log.level: unknown \"inof\", did you mean \"info\"? "
                               "(known: error, warning, info, debug)"},
        {"log: {level: 7}", "1:14: log.level: unknown \"7\" (known: error, warning, info, debug)"},
        {"connections:\n  tags:\n    - port\n    - servce\n",
         "4:7: connections.tags: unknown \"servce\", did you mean \"service\"? (known: direction, "
         "service, port, family, process, container, pod, namespace, netns, nat, protocol)"},
        {"tags: ['a,b']", "1:8: tags: \"a,b\" is not valid, expected \"key:value\" or \"key\" "
                          "without comma or pipe"},
        {"tags: [a, 'b|c']", "1:11: tags: \"b|c\" is not valid, expected \"key:value\" or "
                             "\"key\" without comma or pipe"},
        {"tags: [':v']", "1:8: tags: \":v\" is not valid, expected \"key:value\" or \"key\" "
                         "without comma or pipe"},
        {"tags:\n  -\n", "2:4: tags: \"\" is not valid, expected \"key:value\" or \"key\" "
                         "without comma or pipe"},
        {"tags: [\"a\\nb\"]", "1:8: tags: control characters in a value"},
        {"tags: [\"a\\0b\"]", "1:8: tags: control characters in a value"},
        {"tags: [\"a\\x7fb\"]", "1:8: tags: control characters in a value"},
        {"tags: [\"a\\u0085b\"]", "1:8: tags: control characters in a value"},
        {"exporters: [{type: sink, url: nowhere}]",
         "1:31: url: \"nowhere\" is not valid, expected SCHEME://ADDRESS"},
        {"exporters: [{type: sink, prefix: 'a b'}]",
         "1:34: prefix: \"a b\" is not valid, expected letters, digits, \".\", \"_\" or \"-\""},
        {"exporters: [{type: sink, metrics: {deny: ['tcp.[a]']}}]",
         "1:43: metrics.deny: \"tcp.[a]\" is not valid, expected a metric name, with * for any "
         "part, like tcp.*"},
    };
    assert_errors(state, cases, EYE_ARRAY_LENGTH(cases));
}

static void values__have_the_kind_of_their_key(void **state)
{
    static const struct bad_text cases[] = {
        {"[interval]", "1:1: expected a mapping of keys, not a list"},
        {"interval", "1:1: expected a mapping of keys, not a single value"},
        {"source: auto", "1:9: source: expected a mapping of keys, not a single value"},
        {"interval: [10s]", "1:11: interval: expected a duration, not a list"},
        {"protocols: {http: {}}", "1:19: protocols.http: expected a single value, not a mapping"},
        {"log: {level: [info]}", "1:14: log.level: expected a single value, not a list"},
        {"tags: env:prod", "1:7: tags: expected a list, not a single value"},
        {"tags: {env: prod}", "1:7: tags: expected a list, not a mapping"},
        {"tags: [env: prod]", "1:8: tags: expected a text, not a mapping"},
        {"connections: {tags: port}",
         "1:21: connections.tags: expected a list, not a single value"},
        {"exporters: console",
         "1:12: exporters: expected a list like [{type: console}], not a single value"},
        {"exporters: [console]",
         "1:13: exporters: expected a mapping with \"type\", not a single value"},
        {"exporters: [~]", "1:13: exporters: expected a mapping with \"type\", not nothing"},
        {"http: {routes: /a}", "1:16: http.routes: unknown \"/a\" (known: guessed, listed)"},
        {"http: {routes: {rules: /a}}", "1:24: http.routes: expected a list, not a single value"},
        {"http: {routes: {names: none}}", "1:24: names: unknown \"none\" (known: guessed, listed)"},
        {"http: {routes: {rule: []}}", "1:17: unknown key \"rule\", did you mean \"rules\"?"},
        {"http: {routes: [/a]}",
         "1:17: http.routes: expected a mapping with \"pattern\" and \"route\", not a single "
         "value"},
    };
    assert_errors(state, cases, EYE_ARRAY_LENGTH(cases));
}

static void exporters__have_a_known_type_and_their_own_name(void **state)
{
    static const struct bad_text cases[] = {
        {"exporters:\n  - type: consol\n",
         "2:11: unknown exporter type \"consol\", did you mean \"console\"?"},
        {"exporters: [{type: stdout}]",
         "1:20: unknown exporter type \"stdout\", did you mean \"console\"?"},
        {"exporters: [{type: Everything}]",
         "1:20: unknown exporter type \"Everything\", did you mean \"console\" or \"sink\"?"},
        {"exporters: [{type: influx}]",
         "1:20: unknown exporter type \"influx\" (known: console, null, sink)"},
        {"exporters: [{type: }]", "1:20: unknown exporter type \"\" (known: console, null, sink)"},
        {"exporters: [{type: [sink]}]", "1:20: type: expected an exporter type, not a list"},
        {"exporters:\n  - name: a\n", "2:5: exporter without \"type\""},
        {"exporters: [{type: sink, name: a}, {name: a, type: console}]",
         "1:43: name: another exporter is called \"a\""},
        {"exporters: [{type: sink, name: 'a b'}]",
         "1:32: name: \"a b\" is not valid, expected at most 64 letters, digits, \".\", \"_\" or "
         "\"-\""},
        {"exporters: [{type: sink, name: ''}]",
         "1:32: name: \"\" is not valid, expected at most 64 letters, digits, \".\", \"_\" or "
         "\"-\""},
    };
    assert_errors(state, cases, EYE_ARRAY_LENGTH(cases));
}

static void ports__are_well_formed(void **state)
{
    static const struct bad_text cases[] = {
        {"protocols: {ports: [6380]}",
         "1:21: protocols.ports: expected a mapping with \"port\" and \"protocol\", not a single "
         "value"},
        {"protocols: {ports: [{port: 6380}]}",
         "1:21: protocols.ports: needs both \"port\" and \"protocol\""},
        {"protocols: {ports: [{port: 0, protocol: redis}]}",
         "1:28: port: \"0\" is out of range: 1 to 65535"},
        {"protocols: {ports: [{port: 65536, protocol: redis}]}",
         "1:28: port: \"65536\" is out of range: 1 to 65535"},
        {"protocols: {ports: [{port: 1, protocol: http}, {port: 1, protocol: redis}]}",
         "1:48: protocols.ports: port 1 stands here twice"},
    };
    assert_errors(state, cases, EYE_ARRAY_LENGTH(cases));
    fixture_write(*state, "main.yaml", "protocols: {ports: [{port: 1, protocol: rediss}]}");
    assert_int_not_equal(fixture_load(*state, &(struct eye_config_source){0}), 0);
    const struct fixture *fixture = *state;
    assert_non_null(
        strstr(fixture->error.text,
               ":1:41: protocol: \"rediss\" is not valid, expected a protocol: redis "));
}

static void networks_and_filters__are_well_formed(void **state)
{
    static const struct bad_text cases[] = {
        {"connections: {networks: a}",
         "1:25: connections.networks: expected a list, not a single value"},
        {"connections: {networks: [10.0.0.0/8]}",
         "1:26: connections.networks: expected a mapping with \"prefix\" and \"name\", not a "
         "single value"},
        {"connections: {networks: [{prefix: , name: a}]}",
         "1:26: connections.networks: needs both \"prefix\" and \"name\""},
        {"connections: {networks: [{prefix: '::/0', name: 'a,b'}]}",
         "1:49: name: \"a,b\" is not valid, expected at most 150 bytes without comma or pipe"},
        {"connections: {networks: [{prefix: [], name: a}]}",
         "1:35: prefix: expected an address, not a list"},
        {"connections: {exclude: [{direction: both}]}",
         "1:25: connections.exclude: needs \"address\", \"port\", \"direction\", \"service\" or "
         "\"process\""},
        {"connections: {exclude: [{direction: in}]}",
         "1:37: direction: unknown \"in\", did you mean \"incoming\"? (known: both, incoming, "
         "outgoing)"},
        {"connections: {remote: network}", "1:23: connections.remote: unknown \"network\", did you "
                                           "mean \"cidr\"? (known: none, zone, "
                                           "cidr, ip, name)"},
        {"source: {processes: netlink}",
         "1:21: source.processes: unknown \"netlink\", did you mean \"connector\"? (known: auto, "
         "tracepoints, connector, none)"},
        {"connections: {exclude: [{port: http}]}",
         "1:32: port: \"http\" is not a whole number from 1 to 65535"},
        {"connections: {exclude: [{service: ''}]}",
         "1:35: service: \"\" is not valid, expected a name, with * for any part"},
        {"connections: {exclude: [{port: 1, port: 2}]}", "1:35: key \"port\" is set twice"},
    };
    assert_errors(state, cases, EYE_ARRAY_LENGTH(cases));
}

static void routes__are_complete_and_well_formed(void **state)
{
    static const struct bad_text cases[] = {
        {"http: {routes: [{pattern: /a}]}",
         "1:17: http.routes: needs both \"pattern\" and \"route\""},
        {"http: {routes: [{route: /a}]}",
         "1:17: http.routes: needs both \"pattern\" and \"route\""},
        {"http: {routes: [{pattern: a, route: b}]}",
         "1:27: pattern: \"a\" is not valid, expected a path like /users/*/orders or /static/**"},
        {"http: {routes: [{pattern: /**/a, route: b}]}",
         "1:27: pattern: \"/**/a\" is not valid, expected a path like /users/*/orders or "
         "/static/**"},
        {"http: {routes: [{pattern: /a**, route: b}]}",
         "1:27: pattern: \"/a**\" is not valid, expected a path like /users/*/orders or "
         "/static/**"},
        {"http: {routes: [{pattern: /a, route: 'b|c'}]}",
         "1:38: route: \"b|c\" is not valid, expected at most 150 bytes without comma or pipe, "
         "like /users/{id}"},
    };
    assert_errors(state, cases, EYE_ARRAY_LENGTH(cases));
}

static void yaml__broken_text_is_told_where(void **state)
{
    static const struct bad_text cases[] = {
        {"interval: [1s\n", "2:1: did not find expected ',' or ']'"},
        {"a: b: c", "1:5: mapping values are not allowed in this context"},
        {"tags: *nowhere", "1:7: found undefined alias"},
        {"interval: 1s\ntags: @b", "2:7: found character that cannot start any token"},
        {"log:\n\tlevel: info", "2:1: a tab, YAML indents with spaces only"},
        {"interval:\t1s\n\ttags: []", "2:1: a tab, YAML indents with spaces only"},
        {"interval: 1s\n# \x01\n", "2:3: control characters are not allowed"},
        {"# \xc3\xa9 \xff\n", "1:5: invalid leading UTF-8 octet"},
        {"interval: 1s\n---\ninterval: 2s\n", "2:1: a second YAML document, only one is read"},
        {"[[[[[[[[[[[[[[[[[[[[", "1:17: nested too deep"},
    };
    assert_errors(state, cases, EYE_ARRAY_LENGTH(cases));
}

/* Appends "@before @item @item ... @after". */
static void repeat(struct eye_text *text, const char *before, const char *item, size_t count,
                   const char *after)
{
    eye_text_append(text, before);
    for (size_t i = 0; i < count; i++) {
        eye_text_append(text, item);
    }
    eye_text_append(text, after);
    assert_false(text->failed);
}

struct growing {
    const char *before;
    const char *item;
    size_t count;
    const char *after;
    const char *error;
};

static void yaml__hostile_sizes_end_soon(void **state)
{
    static const struct growing cases[] = {
        {"", "[", 1000000, "", "1:17: nested too deep"},
        {"", "- ", 500000, "", "1:33: nested too deep"},
        {"", "{a: ", 200000, "", "1:65: nested too deep"},
        {"tags: [", "a,", 200000, "]", "1:200002: too many values"},
        {"tags: [&a a,", "*a,", 90000, "]\ninterval: 1",
         "2:11: interval: \"1\" needs a unit, like 1s"},
        {"tags: [", "&a a,", 1000, "]", "1:508: too many anchors"},
        {"x: &x\n  type: sink\nexporters: [", "*x,", 65, "]",
         "1:1: unknown key \"x\"" SEE_DEFAULT
         "\nmain.yaml:3:12: exporters: 65 exporters, at most 64 are allowed"},
        {"http: {routes: [", "{},", 1001, "]}",
         "1:16: http.routes: 1001 routes, at most 1000 are allowed"},
        {"connections: {networks: [", "{},", 10001, "]}",
         "1:25: connections.networks: 10001 networks, at most 10000 are allowed"},
        {"protocols: {ports: [", "{},", 257, "]}",
         "1:20: protocols.ports: 257 ports, at most 256 are allowed"},
        {"connections: {exclude: [", "{},", 1001, "]}",
         "1:24: connections.exclude: 1001 rules, at most 1000 are allowed"},
        {"#", "x", 1 << 20, "", " larger than 1MiB"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        EYE_CLEANUP(eye_text_done) struct eye_text text;
        eye_text_init(&text, 1 << 22);
        repeat(&text, cases[i].before, cases[i].item, cases[i].count, cases[i].after);
        assert_error(fixture, eye_text_string(&text), cases[i].error);
    }
}

static void yaml__aliases_cannot_multiply(void **state)
{
    struct fixture *fixture = *state;
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, 1 << 20);
    repeat(&text, "tags: &t [", "a,", 50000, "]\n");
    repeat(&text, "exporters: [&e {type: sink, tags: *t},", "*e,", 60, "]\n");
    uint64_t before = eye_clock_monotonic_ns();
    assert_error(fixture, eye_text_string(&text), " aliases repeat too many values");
    assert_true(eye_clock_monotonic_ns() - before < 5 * EYE_NS_PER_SECOND);
}

static void yaml__cycles_are_mistakes_like_others(void **state)
{
    static const struct bad_text cases[] = {
        {"tags: &t [*t]", "1:7: tags: expected a text, not a list"},
        {"exporters: &e [*e]", "1:12: exporters: expected a mapping with \"type\", not a list"},
        {"source: &s {tier: *s}", "1:9: source.tier: expected a single value, not a mapping"},
        {"&r source: &s {source: *s}", "1:16: unknown key \"source.source\"" SEE_DEFAULT},
    };
    assert_errors(state, cases, EYE_ARRAY_LENGTH(cases));
}

static void problems__of_all_layers_are_told_at_once(void **state)
{
    static const char *const assignments[] = {"log.level=loud", "lgo.level=info", "interval"};
    char *environment[] = {(char[]){"SOCKEYE_INTERVAL=10"}, (char[]){"SOCKEYE_TAGS=[a"}, NULL};
    struct fixture *fixture = *state;
    fixture_write(fixture, "main.yaml", "a: 1\ninterval: 0s\n");
    fixture_write(fixture, "conf.d/1.yaml", "interval: [");
    fixture_write(fixture, "conf.d/2.yaml", "tags: [{}]");
    const struct eye_config_source source = {
        .environment = environment,
        .assignments = assignments,
        .assignment_count = EYE_ARRAY_LENGTH(assignments),
    };
    assert_int_equal(fixture_load(fixture, &source), -EINVAL);
    assert_string_equal(fixture_error(fixture),
                        "main.yaml:1:1: unknown key \"a\"" SEE_DEFAULT "\n"
                        "main.yaml:2:11: interval: \"0s\" is out of range: 1s to 1h\n"
                        "conf.d/1.yaml:2:1: did not find expected node content\n"
                        "conf.d/2.yaml:1:8: tags: expected a text, not a mapping\n"
                        "SOCKEYE_INTERVAL: \"10\" needs a unit, like 10s\n"
                        "SOCKEYE_TAGS: did not find expected ',' or ']'\n"
                        "--set log.level: unknown \"loud\" (known: error, warning, info, debug)\n"
                        "--set lgo.level: unknown key \"lgo.level\", did you mean \"log.level\"?\n"
                        "--set interval: expected KEY=VALUE");
    assert_null(fixture->config);
}

static void problems__are_at_most_twenty(void **state)
{
    struct fixture *fixture = *state;
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, 1 << 16);
    for (int i = 0; i < 1000; i++) {
        eye_text_appendf(&text, "k%d: 1\n", i);
    }
    assert_int_equal(fixture_load_text(fixture, eye_text_string(&text)), -EINVAL);
    fixture_error(fixture);
    assert_non_null(
        strstr(fixture->error.text, "main.yaml:1:1: unknown key \"k0\"" SEE_DEFAULT "\n"));
    assert_null(strstr(fixture->error.text, "k20"));
}

static void files__that_cannot_be_read_are_told(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(fixture_load(fixture, NULL), -ENOENT);
    assert_string_equal(fixture_error(fixture),
                        "main.yaml: cannot be read: No such file or directory");
    fixture_write(fixture, "main.yaml", "");
    fixture_write(fixture, "conf.d/folder.yaml/x", "");
    assert_int_equal(fixture_load(fixture, NULL), -EISDIR);
    assert_string_equal(fixture_error(fixture),
                        "conf.d/folder.yaml: cannot be read: Is a directory");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys__unknown_ones_are_told_with_the_nearest),
        TEST(keys__stand_once_and_nested),
        TEST(values__numbers_have_units_and_ranges),
        TEST(values__texts_and_choices_are_checked),
        TEST(values__have_the_kind_of_their_key),
        TEST(exporters__have_a_known_type_and_their_own_name),
        TEST(ports__are_well_formed),
        TEST(networks_and_filters__are_well_formed),
        TEST(routes__are_complete_and_well_formed),
        TEST(yaml__broken_text_is_told_where),
        TEST(yaml__hostile_sizes_end_soon),
        TEST(yaml__aliases_cannot_multiply),
        TEST(yaml__cycles_are_mistakes_like_others),
        TEST(problems__of_all_layers_are_told_at_once),
        TEST(problems__are_at_most_twenty),
        TEST(files__that_cannot_be_read_are_told),
    };
    return cmocka_run_group_tests_name("config_errors", tests, NULL, NULL);
}
