/* SPDX-License-Identifier: Apache-2.0 */
/* What a good configuration becomes: defaults, values of every type, layers, lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/text.h"
#include "config/connection_rules.h"
#include "tests/unit/config/config_fixture.h"

static void load_good(struct fixture *fixture, const struct eye_config_source *source)
{
    int result = fixture_load(fixture, source);
    assert_string_equal(fixture->error.text, "");
    assert_int_equal(result, 0);
}

static void load_good_text(struct fixture *fixture, const char *text)
{
    fixture_write(fixture, "main.yaml", text);
    load_good(fixture, NULL);
}

static void assert_list(const struct eye_text_list *list, const char *expected)
{
    char joined[256] = "";
    for (size_t i = 0; i < list->count; i++) {
        size_t used = strlen(joined);
        snprintf(joined + used, sizeof(joined) - used, "%s%s", i > 0 ? " " : "", list->items[i]);
    }
    assert_string_equal(joined, expected);
}

static void load__empty_file_gives_defaults(void **state)
{
    struct fixture *fixture = *state;
    load_good_text(fixture, "# nothing but a comment\n");
    const struct eye_config *config = fixture->config;
    assert_int_equal(config->interval_ns, 10 * EYE_NS_PER_SECOND);
    assert_int_equal(config->shutdown_timeout_ns, 5 * EYE_NS_PER_SECOND);
    assert_int_equal(config->log_level, EYE_LOG_INFO);
    assert_int_equal(config->tags.count, 0);
    assert_int_equal(config->source.tier, EYE_TIER_AUTO);
    assert_string_equal(config->source.proc, "/proc");
    assert_null(config->source.cgroup);
    assert_int_equal(config->connections.tags,
                     1U << EYE_CONNECTION_TAG_DIRECTION | 1U << EYE_CONNECTION_TAG_SERVICE |
                         1U << EYE_CONNECTION_TAG_PORT | 1U << EYE_CONNECTION_TAG_FAMILY);
    assert_int_equal(config->connections.remote, EYE_REMOTE_NONE);
    assert_int_equal(config->protocols.http, EYE_WISH_AUTO);
    assert_int_equal(config->routes.count, 0);
    assert_int_equal(config->routes.names, EYE_ROUTE_NAMES_GUESSED);
    assert_int_equal(config->limits.series, 2000);
    assert_int_equal(config->limits.tag_values, 1000);
    assert_int_equal(config->limits.idle_ns, 300 * EYE_NS_PER_SECOND);
}

static void load__without_exporters_adds_a_console(void **state)
{
    static const char *const texts[] = {"", "exporters:\n", "exporters: []\n", "exporters: ~\n"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(texts); i++) {
        load_good_text(fixture, texts[i]);
        assert_int_equal(fixture->config->exporter_count, 1);
        const struct eye_exporter_config *exporter = &fixture->config->exporters[0];
        assert_string_equal(exporter->section->type, "console");
        assert_string_equal(exporter->name, "console");
        assert_string_equal(exporter->origin, "default");
        assert_string_equal(exporter->common.prefix, "sockeye.");
        assert_int_equal(exporter->common.queue_snapshots, 60);
        assert_int_equal(exporter->common.queue_bytes, 32 << 20);
    }
}

static void load__reads_every_key(void **state)
{
    struct fixture *fixture = *state;
    load_good_text(fixture,
                   "interval: 1m\n"
                   "shutdown_timeout: 0\n"
                   "tags: [env:prod, canary, 'team: a']\n"
                   "log: {level: debug}\n"
                   "source: {tier: socket-storage, proc: /host/proc, cgroup: /host/cgroup}\n"
                   "connections:\n"
                   "  tags: [port, netns]\n"
                   "  remote: zone\n"
                   "protocols: {http: false}\n"
                   "limits: {series: 10, tag_values: 1000000, idle: 24h}\n");
    const struct eye_config *config = fixture->config;
    assert_int_equal(config->interval_ns, 60 * EYE_NS_PER_SECOND);
    assert_int_equal(config->shutdown_timeout_ns, 0);
    assert_list(&config->tags, "env:prod canary team: a");
    assert_int_equal(config->log_level, EYE_LOG_DEBUG);
    assert_int_equal(config->source.tier, EYE_TIER_FIRST);
    assert_string_equal(config->source.proc, "/host/proc");
    assert_string_equal(config->source.cgroup, "/host/cgroup");
    assert_int_equal(config->connections.tags,
                     1U << EYE_CONNECTION_TAG_PORT | 1U << EYE_CONNECTION_TAG_NETNS);
    assert_int_equal(config->connections.remote, EYE_REMOTE_ZONE);
    assert_int_equal(config->protocols.http, EYE_WISH_NEVER);
    assert_int_equal(config->limits.series, 10);
    assert_int_equal(config->limits.tag_values, 1000000);
    assert_int_equal(config->limits.idle_ns, 86400 * EYE_NS_PER_SECOND);
}

/* A truth that has a key of its own, in every layer and in each of its forms. */
static void load__tls_is_a_truth_or_what_it_leaves_out(void **state)
{
    static const struct {
        const char *text;
        bool on;
        const char *excluded;
    } cases[] = {
        {"", false, ""},
        {"protocols: {tls: true}", true, ""},
        {"protocols: {tls: }", false, ""},
        {"protocols: {tls: {}}", true, ""},
        {"protocols: {tls: {exclude: }}", true, ""},
        {"protocols: {tls: {exclude: [/opt/a/*, '*/node']}}", true, "/opt/a/* */node"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        load_good_text(fixture, cases[i].text);
        assert_int_equal(fixture->config->protocols.tls, cases[i].on);
        assert_list(&fixture->config->protocols.tls_exclude, cases[i].excluded);
    }
    const char *const assignments[] = {"protocols.tls=false", "protocols.tls.exclude=/b, /c/?"};
    const struct eye_config_source source = {.assignments = assignments, .assignment_count = 2};
    load_good(fixture, &source);
    assert_false(fixture->config->protocols.tls);
    assert_list(&fixture->config->protocols.tls_exclude, "/b /c/?");
}

static void load__null_means_default(void **state)
{
    struct fixture *fixture = *state;
    fixture_write(fixture, "main.yaml", "interval: 1m\ntags: [a]\nsource:\nlog: {level: debug}\n");
    fixture_write(fixture, "conf.d/1.yaml", "interval:\ntags: null\nlog: {level: ~}\n");
    load_good(fixture, NULL);
    assert_int_equal(fixture->config->interval_ns, 10 * EYE_NS_PER_SECOND);
    assert_int_equal(fixture->config->tags.count, 0);
    assert_int_equal(fixture->config->log_level, EYE_LOG_INFO);
}

static void load__layers_override_in_order(void **state)
{
    static const char *const assignments[] = {"limits.idle=5h", "limits.idle=6h"};
    char *environment[] = {(char[]){"PATH=/bin"}, (char[]){"SOCKEYE_LIMITS_SERIES=400"},
                           (char[]){"SOCKEYE_LIMITS_IDLE=4h"},
                           (char[]){"SOCKEYE_INTERVAL="}, /* not set: "X: ${X}" of a container */
                           NULL};
    struct fixture *fixture = *state;
    fixture_write(
        fixture, "main.yaml",
        "interval: 2s\nshutdown_timeout: 2s\nlimits: {series: 100, tag_values: 100, idle: 1h}\n");
    fixture_write(fixture, "conf.d/20.yml", "limits: {tag_values: 300, series: 300, idle: 3h}\n");
    fixture_write(fixture, "conf.d/10.yaml",
                  "shutdown_timeout: 3s\nlimits: {tag_values: 200, series: 200, idle: 2h}\n");
    fixture_write(fixture, "conf.d/.hidden.yaml", "no: [yaml\n");
    fixture_write(fixture, "conf.d/other.yaml.dpkg-old", "no: [yaml\n");
    load_good(fixture, &(struct eye_config_source){
                           .environment = environment,
                           .assignments = assignments,
                           .assignment_count = EYE_ARRAY_LENGTH(assignments),
                       });
    assert_int_equal(fixture->config->interval_ns, 2 * EYE_NS_PER_SECOND);
    assert_int_equal(fixture->config->shutdown_timeout_ns, 3 * EYE_NS_PER_SECOND);
    assert_int_equal(fixture->config->limits.tag_values, 300);
    assert_int_equal(fixture->config->limits.series, 400);
    assert_int_equal(fixture->config->limits.idle_ns, 6 * 3600 * EYE_NS_PER_SECOND);
}

static void load__variables_and_assignments_are_yaml(void **state)
{
    static const char *const assignments[] = {
        "exporters=[{type: null, prefix: x.}]",
        "connections={remote: ip}",
        "tags=",
    };
    char *environment[] = {(char[]){"SOCKEYE_TAGS=[a, b]"},
                           (char[]){"SOCKEYE_SHUTDOWN_TIMEOUT=1s"},
                           (char[]){"SOCKEYE_CONNECTIONS_TAGS=[netns]"},
                           (char[]){"SOCKEYE_EXPORTERS=[{type: sink}]"},
                           (char[]){"SOCKEYE_HTTP_ROUTES=[{pattern: /a, route: /b}]"},
                           NULL};
    struct fixture *fixture = *state;
    fixture_write(fixture, "main.yaml", "");
    load_good(fixture, &(struct eye_config_source){
                           .environment = environment,
                           .assignments = assignments,
                           .assignment_count = EYE_ARRAY_LENGTH(assignments),
                       });
    assert_int_equal(fixture->config->exporter_count, 1);
    assert_string_equal(fixture->config->exporters[0].section->type, "null");
    assert_string_equal(fixture->config->exporters[0].common.prefix, "x.");
    assert_string_equal(fixture->config->exporters[0].origin, "--set exporters");
    assert_int_equal(fixture->config->connections.remote, EYE_REMOTE_IP);
    assert_int_equal(fixture->config->connections.tags, 1U << EYE_CONNECTION_TAG_NETNS);
    assert_int_equal(fixture->config->tags.count, 0);
    assert_int_equal(fixture->config->shutdown_timeout_ns, EYE_NS_PER_SECOND);
    assert_int_equal(fixture->config->routes.count, 1);
}

static void load__takes_commas_for_a_list_outside_of_files(void **state)
{
    char *environment[] = {(char[]){"SOCKEYE_TAGS=env:prod, url:http://x:1 ,c"},
                           (char[]){"SOCKEYE_CONNECTIONS_TAGS=netns,port"}, NULL};
    static const char *const assignments[] = {"connections.tags=family"};
    struct fixture *fixture = *state;
    fixture_write(fixture, "main.yaml", "");
    load_good(fixture, &(struct eye_config_source){.environment = environment});
    const struct eye_text_list *tags = &fixture->config->tags;
    assert_int_equal(tags->count, 3);
    assert_string_equal(tags->items[0], "env:prod");
    assert_string_equal(tags->items[1], "url:http://x:1");
    assert_string_equal(tags->items[2], "c");
    assert_int_equal(fixture->config->connections.tags,
                     1U << EYE_CONNECTION_TAG_NETNS | 1U << EYE_CONNECTION_TAG_PORT);
    eye_config_unref(EYE_TAKE(fixture->config));
    load_good(fixture, &(struct eye_config_source){
                           .environment = environment,
                           .assignments = assignments,
                           .assignment_count = EYE_ARRAY_LENGTH(assignments),
                       });
    assert_int_equal(fixture->config->connections.tags, 1U << EYE_CONNECTION_TAG_FAMILY);
}

static void load__reads_exporter_keys(void **state)
{
    struct fixture *fixture = *state;
    load_good_text(fixture, "exporters:\n"
                            "  - fast: true\n"
                            "    type: sink\n"
                            "    name: my_sink.1\n"
                            "    retries: 0\n"
                            "    timeout: 2m\n"
                            "    buffer: 2KiB\n"
                            "    dialect: graphite\n"
                            "    parts: []\n"
                            "    url: tcp://h:1\n"
                            "    tls: {ca: /etc/ca}\n"
                            "    headers: ['X: 1']\n"
                            "    prefix: ''\n"
                            "    tags: [a:b]\n"
                            "    metrics: {allow: [tcp.*, '*'], deny: [udp]}\n"
                            "    queue: {snapshots: 1, size: 4GiB}\n");
    const struct eye_exporter_config *exporter = &fixture->config->exporters[0];
    const struct sink_values *values = exporter->values;
    assert_string_equal(exporter->name, "my_sink.1");
    assert_true(values->fast);
    assert_int_equal(values->retries, 0);
    assert_int_equal(values->timeout_ns, 120 * EYE_NS_PER_SECOND);
    assert_int_equal(values->buffer_bytes, 2048);
    assert_int_equal(values->dialect, 2);
    assert_int_equal(values->parts, 0);
    assert_string_equal(values->url, "tcp://h:1");
    assert_string_equal(values->ca, "/etc/ca");
    assert_list(&values->headers, "X: 1");
    assert_string_equal(exporter->common.prefix, "");
    assert_list(&exporter->common.tags, "a:b");
    assert_list(&exporter->common.allow, "tcp.* *");
    assert_list(&exporter->common.deny, "udp");
    assert_int_equal(exporter->common.queue_snapshots, 1);
    assert_int_equal(exporter->common.queue_bytes, UINT64_C(4) << 30);
}

static void load__exporter_keys_have_defaults(void **state)
{
    struct fixture *fixture = *state;
    load_good_text(fixture, "exporters: [{type: sink, url: ~, headers: }]\n");
    const struct sink_values *values = fixture->config->exporters[0].values;
    assert_int_equal(values->timeout_ns, 1500 * EYE_NS_PER_MS);
    assert_int_equal(values->parts, 1U << 0 | 1U << 2);
    assert_string_equal(values->url, "udp://127.0.0.1:8125");
    assert_null(values->ca);
    assert_list(&values->headers, "a b");
}

static void load__a_later_list_replaces_the_whole(void **state)
{
    struct fixture *fixture = *state;
    fixture_write(fixture, "main.yaml",
                  "tags: [a, b]\n"
                  "exporters: [{type: console}, {type: sink}]\n"
                  "http: {routes: [{pattern: /a, route: /a}, {pattern: /b, route: /b}]}\n");
    fixture_write(fixture, "conf.d/a.yaml",
                  "tags: [c]\n\nexporters: [{type: sink, retries: 7}]\n"
                  "http: {routes: [{pattern: /x/**, route: /rest}]}\n");
    load_good(fixture, NULL);
    char origin[128];
    snprintf(origin, sizeof(origin), "%s/conf.d/a.yaml:3:13", fixture->folder);
    assert_list(&fixture->config->tags, "c");
    assert_int_equal(fixture->config->exporter_count, 1);
    assert_string_equal(fixture->config->exporters[0].origin, origin);
    assert_int_equal(((struct sink_values *)fixture->config->exporters[0].values)->retries, 7);
    assert_int_equal(fixture->config->routes.count, 1);
    assert_string_equal(fixture->config->routes.rules[0].pattern, "/x/**");
    assert_string_equal(fixture->config->routes.rules[0].route, "/rest");
}

static void load__takes_rules_and_names_of_routes_apart_or_together(void **state)
{
    static const struct {
        const char *text;
        size_t count;
        enum eye_route_names names;
    } cases[] = {
        {"http: {routes: listed}", 0, EYE_ROUTE_NAMES_LISTED},
        {"http: {routes: guessed}", 0, EYE_ROUTE_NAMES_GUESSED},
        {"http: {routes: [{pattern: /a, route: /b}]}", 1, EYE_ROUTE_NAMES_GUESSED},
        {"http: {routes: {rules: [{pattern: /a, route: /b}]}}", 1, EYE_ROUTE_NAMES_GUESSED},
        {"http: {routes: {rules: [{pattern: /a, route: /b}], names: listed}}", 1,
         EYE_ROUTE_NAMES_LISTED},
        {"http: {routes: {names: listed}}", 0, EYE_ROUTE_NAMES_LISTED},
        {"http: {routes: }", 0, EYE_ROUTE_NAMES_GUESSED},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        fixture_write(fixture, "main.yaml", cases[i].text);
        load_good(fixture, NULL);
        assert_int_equal(fixture->config->routes.count, cases[i].count);
        assert_int_equal(fixture->config->routes.names, cases[i].names);
    }
}

/* What the address is called; "": nothing. */
static const char *network_of(const struct eye_config *config, const char *address)
{
    struct eye_prefix prefix;
    assert_int_equal(eye_prefix_parse(address, &prefix), 0);
    uint32_t number = eye_prefix_table_find(&config->connections.network_table, prefix.address);
    const struct eye_network *networks = config->connections.networks.items;
    return number == EYE_PREFIX_NONE ? "" : networks[number].name;
}

static void load__takes_networks_and_filters(void **state)
{
    struct fixture *fixture = *state;
    load_good_text(fixture, "connections:\n"
                            "  remote: cidr\n"
                            "  networks: [{prefix: 10.0.0.0/8, name: a}, {prefix: 10.1.0.0/16, "
                            "name: b}]\n"
                            "  include: [{port: 443, direction: outgoing}]\n"
                            "  exclude: [{address: 10.0.0.1, service: s-*, process: p}]\n");
    const struct eye_config *config = fixture->config;
    assert_int_equal(config->connections.remote, EYE_REMOTE_CIDR);
    assert_string_equal(network_of(config, "10.1.2.3"), "b");
    assert_string_equal(network_of(config, "10.2.2.3"), "a");
    assert_string_equal(network_of(config, "11.0.0.0"), "");
    assert_int_equal(config->connections.include.count, 1);
    const struct eye_filter_rule *rule = config->connections.include.items;
    assert_int_equal(rule->port, 443);
    assert_int_equal(rule->direction, EYE_FILTER_OUTGOING);
    assert_int_equal(rule->address.family, 0);
    assert_null(rule->service);
    rule = config->connections.exclude.items;
    assert_int_equal(rule->address.bits, 128);
    assert_string_equal(rule->service, "s-*");
    assert_string_equal(rule->process, "p");
    assert_int_equal(config->connections.filter_table.count, 1);
}

/* A list is one value. */
static void load__lets_the_last_list_of_rules_win(void **state)
{
    struct fixture *fixture = *state;
    fixture_write(
        fixture, "main.yaml",
        "connections: {networks: [{prefix: 10.0.0.0/8, name: a}, {prefix: '::/0', name: b}], "
        "exclude: [{port: 1}]}\n");
    fixture_write(fixture, "conf.d/a.yaml",
                  "connections: {networks: [{prefix: 11.0.0.0/8, name: c}], exclude: }\n");
    load_good(fixture, NULL);
    assert_int_equal(fixture->config->connections.networks.count, 1);
    assert_string_equal(network_of(fixture->config, "10.0.0.0"), "");
    assert_string_equal(network_of(fixture->config, "11.0.0.0"), "c");
    assert_int_equal(fixture->config->connections.exclude.count, 0);
    assert_false(eye_config_wants_addresses(fixture->config));
}

static void load__takes_thousands_of_networks(void **state)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    struct fixture *fixture = *state;
    eye_text_init(&text, EYE_DOCUMENT_BYTES_MAX);
    eye_text_append(&text, "connections:\n  networks:\n");
    for (unsigned i = 0; i < EYE_NETWORKS_MAX; i++) {
        eye_text_appendf(&text, "  - {prefix: 10.%u.%u.0/24, name: n%u}\n", i / 256, i % 256, i);
    }
    load_good_text(fixture, eye_text_string(&text));
    assert_string_equal(network_of(fixture->config, "10.39.15.200"), "n9999");
    assert_string_equal(network_of(fixture->config, "10.39.16.0"), "");
}

/* A word of a later layer leaves the rules, a list leaves the word. */
static void load__lets_layers_say_a_part_of_routes(void **state)
{
    struct fixture *fixture = *state;
    fixture_write(fixture, "main.yaml", "http: {routes: [{pattern: /a, route: /b}]}\n");
    fixture_write(fixture, "conf.d/a.yaml", "http: {routes: listed}\n");
    load_good(fixture, NULL);
    assert_int_equal(fixture->config->routes.count, 1);
    assert_int_equal(fixture->config->routes.names, EYE_ROUTE_NAMES_LISTED);
    fixture_write(fixture, "conf.d/b.yaml", "http: {routes: []}\n");
    load_good(fixture, NULL);
    assert_int_equal(fixture->config->routes.count, 0);
    assert_int_equal(fixture->config->routes.names, EYE_ROUTE_NAMES_LISTED);
}

static void load__names_exporters_after_their_type(void **state)
{
    static const char *const expected[] = {"sink", "null", "sink-3", "sink-2", "sink-4"};
    struct fixture *fixture = *state;
    load_good_text(fixture, "exporters: [{type: sink}, {type: 'null'}, {type: sink},"
                            " {type: console, name: sink-2}, {type: sink}]\n");
    assert_int_equal(fixture->config->exporter_count, EYE_ARRAY_LENGTH(expected));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(expected); i++) {
        assert_string_equal(fixture->config->exporters[i].name, expected[i]);
    }
}

static void load__follows_anchors(void **state)
{
    struct fixture *fixture = *state;
    load_good_text(fixture, "tags: &t [a, b]\nexporters: [{type: null, tags: *t}]\n");
    assert_list(&fixture->config->tags, "a b");
    assert_list(&fixture->config->exporters[0].common.tags, "a b");
}

static void load__knows_the_tiers_that_were_registered(void **state)
{
    struct fixture *fixture = *state;
    load_good_text(fixture, "source: {tier: other}\n");
    assert_int_equal(fixture->config->source.tier, EYE_TIER_FIRST + 1);
    assert_int_equal(fixture_load_text(fixture, "source: {tier: third}\n"), -EINVAL);
    assert_string_equal(fixture_error(fixture), "main.yaml:1:16: source.tier: unknown \"third\" "
                                                "(known: auto, socket-storage, other)");
}

/* Who registers none has no other choice than auto. */
static void load__knows_no_tier_without_any(void **state)
{
    struct fixture *fixture = *state;
    static const char *const assignments[] = {"source.tier=socket-storage"};
    const struct eye_config_source source = {
        .file = "/dev/null",
        .assignments = assignments,
        .assignment_count = 1,
        .sections = fixture_sections,
        .section_count = fixture_section_count,
    };
    assert_int_equal(eye_config_load(&source, &fixture->config, &fixture->error), -EINVAL);
    assert_string_equal(fixture->error.text,
                        "--set source.tier: unknown \"socket-storage\" (known: auto)");
}

static void load__takes_no_file_for_the_default_one(void **state)
{
    struct fixture *fixture = *state;
    if (access("/etc/sockeye", F_OK) == 0) {
        print_message("skipped: this host has a configuration in /etc/sockeye\n");
        skip();
    }
    const struct eye_config_source source = {
        .sections = fixture_sections,
        .section_count = fixture_section_count,
    };
    assert_int_equal(eye_config_load(&source, &fixture->config, &fixture->error), 0);
    assert_int_equal(fixture->config->exporter_count, 1);
}

static void load__finds_the_folder_beside_a_bare_name(void **state)
{
    struct fixture *fixture = *state;
    fixture_write(fixture, "main.yaml", "interval: 2s\n");
    fixture_write(fixture, "conf.d/a.yaml", "interval: 3s\n");
    EYE_AUTOFREE char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(fixture->folder), 0);
    int result = fixture_load(fixture, &(struct eye_config_source){.file = "main.yaml"});
    assert_int_equal(chdir(before), 0);
    assert_int_equal(result, 0);
    assert_int_equal(fixture->config->interval_ns, 3 * EYE_NS_PER_SECOND);
}

static void load__remembers_what_was_read(void **state)
{
    static const char *const assignments[] = {"log.level=debug"};
    char *environment[] = {(char[]){"HOME=/"}, (char[]){"SOCKEYE_INTERVAL=5s"}, NULL};
    struct fixture *fixture = *state;
    const struct eye_config_source source = {
        .environment = environment,
        .assignments = assignments,
        .assignment_count = EYE_ARRAY_LENGTH(assignments),
    };
    assert_int_equal(fixture_load_text(fixture, ""), 0);
    assert_non_null(strstr(fixture->config->file, "/main.yaml"));
    assert_null(fixture->config->sources);
    fixture_write(fixture, "conf.d/part.yaml", "");
    assert_int_equal(fixture_load(fixture, &source), 0);
    assert_non_null(strstr(fixture->config->file, "/main.yaml"));
    assert_non_null(
        strstr(fixture->config->sources, "/conf.d/part.yaml, SOCKEYE_INTERVAL, --set log.level"));
}

/* Loads what @message is said of, for root as a refusal and for others as a warning; NULL: nothing
 * is said. */
static void assert_rights(struct fixture *fixture, bool refused, const char *message)
{
    refused = refused && geteuid() == 0;
    assert_int_equal(fixture_load(fixture, NULL), refused ? -EPERM : 0);
    if (message == NULL) {
        assert_null(fixture->config->warnings);
    } else {
        assert_non_null(strstr(refused ? fixture->error.text : fixture->config->warnings, message));
    }
}

/* What is said of a mode, behind the path; NULL: nothing. */
struct rights_row {
    mode_t mode;
    bool refused;
    const char *said;
};

static void assert_modes(struct fixture *fixture, const char *path, const struct rights_row *rows,
                         size_t count)
{
    char message[512];
    fixture_write(fixture, "main.yaml", "interval: 20s\n");
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(chmod(path, rows[i].mode), 0);
        snprintf(message, sizeof(message), "%s%s", path, rows[i].said == NULL ? "" : rows[i].said);
        assert_rights(fixture, rows[i].refused, rows[i].said == NULL ? NULL : message);
    }
}

/* Whoever may write one of the files decides what the daemon does. */
static void load__root_takes_no_file_that_everybody_may_write(void **state)
{
    static const struct rights_row rows[] = {
        {0600, false, NULL},
        {0644, false, NULL},
        {0664, false, ": others may write this file (mode 0664)"},
        {0602, true, ": others may write this file (mode 0602)"},
    };
    struct fixture *fixture = *state;
    char path[256];
    snprintf(path, sizeof(path), "%s/main.yaml", fixture->folder);
    assert_modes(fixture, path, rows, EYE_ARRAY_LENGTH(rows));
}

static void load__root_takes_no_part_that_others_may_write(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    char folder[256];
    fixture_write(fixture, "main.yaml", "interval: 20s\n");
    fixture_write(fixture, "conf.d/part.yaml", "");
    snprintf(path, sizeof(path), "%s/conf.d/part.yaml", fixture->folder);
    snprintf(folder, sizeof(folder), "%s/conf.d", fixture->folder);
    assert_int_equal(chmod(path, 0666), 0);
    assert_rights(fixture, true, "part.yaml: others may write this file (mode 0666)");
    assert_int_equal(chmod(path, 0600), 0);
    /* Nobody can replace what is in it, but everybody can add to it. */
    assert_int_equal(chmod(folder, 01777), 0);
    assert_rights(fixture, true, "conf.d: others may write this folder (mode 1777)");
    assert_int_equal(chmod(folder, 0700), 0);
    assert_rights(fixture, false, NULL);
    if (chown(path, 65534, 65534) == 0) {
        assert_rights(fixture, true, "part.yaml: user 65534 may write this file");
        assert_int_equal(chown(path, 0, 0), 0);
        assert_int_equal(chown(folder, 65534, 65534), 0);
        assert_rights(fixture, true, "conf.d: user 65534 may write this folder");
    }
}

/* Whoever may rename in these folders puts another file there, or a conf.d beside it. */
static void load__root_takes_nothing_from_a_folder_that_others_may_write(void **state)
{
    static const struct rights_row rows[] = {
        {0755, false, NULL},
        {01777, false, NULL},
        {0777, true, ": others may write this folder (mode 0777)"},
        {0775, false, ": others may write this folder (mode 0775)"},
    };
    struct fixture *fixture = *state;
    assert_modes(fixture, fixture->folder, rows, EYE_ARRAY_LENGTH(rows));
    assert_int_equal(chmod(fixture->folder, 0755), 0);
    if (chown(fixture->folder, 65534, 65534) == 0) {
        assert_rights(fixture, true, ": user 65534 may write this folder");
    }
}

/* "sudo sockeye -c mine.yaml": one other user is named by naming the file. */
static void load__root_takes_all_of_the_user_whose_the_file_is(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    fixture_write(fixture, "main.yaml", "interval: 20s\n");
    fixture_write(fixture, "conf.d/part.yaml", "");
    snprintf(path, sizeof(path), "%s/main.yaml", fixture->folder);
    if (chown(path, 65534, 65534) != 0) {
        print_message("skipped: giving files away needs root\n");
        skip();
    }
    assert_rights(fixture, false, "main.yaml: user 65534 may write this file");
    assert_int_equal(chown(fixture->folder, 65534, 65534), 0);
    snprintf(path, sizeof(path), "%s/conf.d", fixture->folder);
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_rights(fixture, false, "conf.d: user 65534 may write this folder");
    assert_int_equal(chmod(fixture->folder, 0777), 0);
    assert_rights(fixture, true, ": others may write this folder (mode 0777)");
    assert_int_equal(chmod(fixture->folder, 0755), 0);
    assert_int_equal(chown(path, 65533, 65533), 0);
    assert_rights(fixture, true, "conf.d: user 65533 may write this folder");
}

/* A link leads out of a folder that is in order. */
static void load__root_follows_no_way_of_others(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    char target[256];
    fixture_write(fixture, "main.yaml", "");
    fixture_write(fixture, "conf.d/part.yaml", "interval: 20s\n");
    snprintf(path, sizeof(path), "%s/main.yaml", fixture->folder);
    snprintf(target, sizeof(target), "%s/conf.d", fixture->folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("conf.d/part.yaml", path), 0);
    assert_rights(fixture, false, NULL);
    assert_int_equal(chmod(target, 0777), 0);
    assert_rights(fixture, true, "conf.d: others may write this folder (mode 0777)");
    assert_int_equal(chmod(target, 0755), 0);
    if (lchown(path, 65534, 65534) == 0) {
        assert_rights(fixture, true, "main.yaml: user 65534 may write this link");
    }
}

/* As Kubernetes mounts its ConfigMaps, whose modes are for everybody. */
static void load__modes_say_nothing_where_nobody_can_write(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    char folder[256];
    fixture_write(fixture, "main.yaml", "interval: 20s\n");
    fixture_write(fixture, "conf.d/part.yaml", "");
    snprintf(path, sizeof(path), "%s/conf.d/part.yaml", fixture->folder);
    snprintf(folder, sizeof(folder), "%s/conf.d", fixture->folder);
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(chmod(folder, 0777), 0);
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        print_message("skipped: mounting needs CAP_SYS_ADMIN\n");
        skip();
    }
    assert_int_equal(mount(folder, folder, NULL, MS_BIND, NULL), 0);
    int result = mount(NULL, folder, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
    result = result == 0 ? fixture_load(fixture, NULL) : -errno;
    assert_int_equal(umount2(folder, MNT_DETACH), 0);
    assert_int_equal(result, 0);
    assert_null(fixture->config->warnings);
    assert_rights(fixture, true, "conf.d: others may write this folder (mode 0777)");
}

static void load__does_not_wait_for_a_pipe(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    fixture_write(fixture, "main.yaml", "");
    fixture_write(fixture, "conf.d/b.yaml", "");
    snprintf(path, sizeof(path), "%s/conf.d/a.yaml", fixture->folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(fixture_load(fixture, NULL), -EINVAL);
    assert_string_equal(fixture_error(fixture),
                        "conf.d/a.yaml: cannot be read: it is not a regular file");
}

/* "-c <(command)": the writer takes its time. */
static void load__reads_what_a_command_writes(void **state)
{
    struct fixture *fixture = *state;
    int ends[2];
    char path[32];
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
    if (fork() == 0) {
        usleep(50000);
        _exit(write(ends[1], "interval: 7s\n", 13) == 13 ? 0 : 1);
    }
    close(ends[1]);
    load_good(fixture, &(struct eye_config_source){.file = path});
    close(ends[0]);
    assert_int_equal(fixture->config->interval_ns, 7 * EYE_NS_PER_SECOND);
}

/* Who may add a file chooses its name. */
static void load__shows_names_of_files_as_text(void **state)
{
    struct fixture *fixture = *state;
    fixture_write(fixture, "main.yaml", "");
    fixture_write(fixture, "conf.d/\x1b[2J\xff\n\xe2\x80\xae.yaml", "exporters: [{type: sink}]\n");
    load_good(fixture, NULL);
    assert_non_null(strstr(fixture->config->sources, "/conf.d/?[2J\xef\xbf\xbd ?.yaml"));
    assert_non_null(strstr(fixture->config->exporters[0].origin, "?[2J\xef\xbf\xbd ?.yaml:1:13"));
}

/* Kubernetes writes such variables for each Service of the namespace; one is called sockeye. */
static void load__warns_of_variables_that_set_no_key(void **state)
{
    struct fixture *fixture = *state;
    char *environment[] = {(char[]){"SOCKEYE_PORT_9464_TCP_PROTO=tcp"},
                           (char[]){"SOCKEYE_SERVICE_HOST=10.0.0.1"},
                           (char[]){"SOCKEYE_PORT=tcp://10.0.0.1:9464"},
                           (char[]){"SOCKEYE_INTERVALL=1s"},
                           (char[]){"SOCKEYE_INTERVAL=7s"},
                           (char[]){"SOCK=1"},
                           NULL};
    const struct eye_config_source source = {.environment = environment};
    fixture_write(fixture, "main.yaml", "");
    assert_int_equal(fixture_load(fixture, &source), 0);
    assert_int_equal(fixture->config->interval_ns, 7 * EYE_NS_PER_SECOND);
    assert_string_equal(fixture->config->warnings,
                        "SOCKEYE_PORT_9464_TCP_PROTO sets no key and is passed over\n"
                        "SOCKEYE_SERVICE_HOST sets no key and is passed over\n"
                        "SOCKEYE_PORT sets no key and is passed over\n"
                        "SOCKEYE_INTERVALL sets no key and is passed over, did you mean "
                        "\"SOCKEYE_INTERVAL\"?\n");
}

static void load__warns_of_what_does_nothing_alone(void **state)
{
    static const struct {
        const char *text;
        const char *warning; /* behind the file's name; NULL: none */
    } cases[] = {
        {"connections: {remote: cidr}",
         ":1:15: connections.remote: cidr tells zones only, since no range has a name: set "
         "connections.networks\n"},
        {"connections: {remote: zone, networks: [{prefix: 10.0.0.0/8, name: a}]}",
         ":1:29: connections.networks names nothing: set connections.remote: cidr\n"},
        {"connections: {remote: cidr, networks: [{prefix: 10.0.0.0/8, name: a}]}", NULL},
        {"protocols: {http: false, ports: [{port: 81, protocol: http}]}",
         ":1:26: protocols.ports: nothing is measured at port 81, since protocols.http is false\n"},
        {"protocols: {http: false, ports: [{port: 81, protocol: redis}]}", NULL},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        load_good_text(fixture, cases[i].text);
        const char *warnings = fixture->config->warnings;
        const char *told = warnings == NULL ? NULL : strstr(warnings, "main.yaml");
        assert_true((cases[i].warning == NULL) == (told == NULL));
        if (told != NULL) {
            assert_string_equal(told + strlen("main.yaml"), cases[i].warning);
        }
    }
}

static void load__leaves_output_on_failure(void **state)
{
    struct fixture *fixture = *state;
    load_good_text(fixture, "interval: 2s\n");
    struct eye_config *before = fixture->config;
    const struct eye_config_source source = {.file = "/nonexistent/main.yaml"};
    assert_int_equal(eye_config_load(&source, &fixture->config, &fixture->error), -ENOENT);
    assert_ptr_equal(fixture->config, before);
    assert_int_equal(eye_config_load(&source, &fixture->config, NULL), -ENOENT);
}

static void load__leaves_error_on_success(void **state)
{
    struct fixture *fixture = *state;
    fixture_write(fixture, "main.yaml", "");
    load_good(fixture, NULL);
    assert_string_equal(fixture->error.text, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(load__empty_file_gives_defaults),
        TEST(load__without_exporters_adds_a_console),
        TEST(load__reads_every_key),
        TEST(load__tls_is_a_truth_or_what_it_leaves_out),
        TEST(load__null_means_default),
        TEST(load__layers_override_in_order),
        TEST(load__variables_and_assignments_are_yaml),
        TEST(load__takes_commas_for_a_list_outside_of_files),
        TEST(load__reads_exporter_keys),
        TEST(load__exporter_keys_have_defaults),
        TEST(load__a_later_list_replaces_the_whole),
        TEST(load__takes_rules_and_names_of_routes_apart_or_together),
        TEST(load__takes_networks_and_filters),
        TEST(load__lets_the_last_list_of_rules_win),
        TEST(load__takes_thousands_of_networks),
        TEST(load__lets_layers_say_a_part_of_routes),
        TEST(load__names_exporters_after_their_type),
        TEST(load__follows_anchors),
        TEST(load__knows_the_tiers_that_were_registered),
        TEST(load__knows_no_tier_without_any),
        TEST(load__takes_no_file_for_the_default_one),
        TEST(load__finds_the_folder_beside_a_bare_name),
        TEST(load__remembers_what_was_read),
        TEST(load__root_takes_no_file_that_everybody_may_write),
        TEST(load__root_takes_no_part_that_others_may_write),
        TEST(load__root_takes_nothing_from_a_folder_that_others_may_write),
        TEST(load__root_takes_all_of_the_user_whose_the_file_is),
        TEST(load__root_follows_no_way_of_others),
        TEST(load__modes_say_nothing_where_nobody_can_write),
        TEST(load__does_not_wait_for_a_pipe),
        TEST(load__reads_what_a_command_writes),
        TEST(load__shows_names_of_files_as_text),
        TEST(load__warns_of_variables_that_set_no_key),
        TEST(load__warns_of_what_does_nothing_alone),
        TEST(load__leaves_output_on_failure),
        TEST(load__leaves_error_on_success),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
