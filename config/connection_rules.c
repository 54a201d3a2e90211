/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the rules about connections. */
#include "config/connection_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"

/* A name becomes a tag value. */
#define NAME_BYTES_MAX 150

static bool is_name(const char *text)
{
    return text[0] != '\0' && strlen(text) <= NAME_BYTES_MAX && strpbrk(text, ",|") == NULL;
}

static bool is_pattern(const char *text)
{
    return text[0] != '\0';
}

static const char *const directions[] = {
    [EYE_FILTER_BOTH] = "both",
    [EYE_FILTER_INCOMING] = "incoming",
    [EYE_FILTER_OUTGOING] = "outgoing",
    [EYE_FILTER_OUTGOING + 1] = NULL,
};

static const struct eye_foreign_choice foreign_directions[] = {
    {"both", "any all *"},
    {"incoming", "in inbound ingress server passive"},
    {"outgoing", "out outbound egress client active"},
    {NULL, NULL},
};

static const struct eye_config_key network_keys[] = {
    {
        .path = "prefix",
        .foreign = "address cidr subnet range network",
        .type = EYE_CONFIG_PREFIX,
        .experimental = true,
        .offset = offsetof(struct eye_network, prefix),
    },
    {
        .path = "name",
        .foreign = "label tag",
        .type = EYE_CONFIG_TEXT,
        .experimental = true,
        .offset = offsetof(struct eye_network, name),
        .valid = is_name,
        .expects = "at most 150 bytes without comma or pipe",
    },
};

static const struct eye_config_key filter_keys[] = {
    {
        .path = "address",
        .foreign = "prefix cidr ip remote host",
        .type = EYE_CONFIG_PREFIX,
        .experimental = true,
        .offset = offsetof(struct eye_filter_rule, address),
    },
    {
        .path = "port",
        .type = EYE_CONFIG_COUNT,
        .experimental = true,
        .offset = offsetof(struct eye_filter_rule, port),
        .min = 1,
        .max = UINT16_MAX,
    },
    {
        .path = "direction",
        .type = EYE_CONFIG_CHOICE,
        .experimental = true,
        .offset = offsetof(struct eye_filter_rule, direction),
        .default_value = "both",
        .choices = directions,
        .foreign_choices = foreign_directions,
    },
    {
        .path = "service",
        .type = EYE_CONFIG_TEXT,
        .experimental = true,
        .offset = offsetof(struct eye_filter_rule, service),
        .valid = is_pattern,
        .expects = "a name, with * for any part",
    },
    {
        .path = "process",
        .foreign = "executable comm exe",
        .type = EYE_CONFIG_TEXT,
        .experimental = true,
        .offset = offsetof(struct eye_filter_rule, process),
        .valid = is_pattern,
        .expects = "a name, with * for any part",
    },
};

/* Which of two names counts must not hang on their order. */
static void check_networks(struct eye_document *document, const yaml_node_t *node, const char *path,
                           const struct eye_rule_list *list)
{
    struct eye_prefix_table table;
    const struct eye_network *networks = list->items;
    uint32_t first;
    uint32_t second;
    if (eye_prefix_table_init(&table, &networks->prefix, sizeof(*networks), list->count) != 0) {
        eye_problems_add_out_of_memory(document->problems);
        return;
    }
    if (eye_prefix_table_repeats(&table, &first, &second)) {
        char range[EYE_PREFIX_TEXT_BYTES];
        const yaml_node_t *place =
            eye_document_node(document, node->data.sequence.items.start[second]);
        eye_prefix_format(&networks[second].prefix, range);
        eye_document_problem(document, place == NULL ? NULL : &place->start_mark, path,
                             "%s stands here twice, before as \"%s\"", range,
                             eye_excerpt_of(networks[first].name).text);
    }
    eye_prefix_table_done(&table);
}

const struct eye_rule_type eye_network_rules = {
    .keys = network_keys,
    .key_count = EYE_ARRAY_LENGTH(network_keys),
    .size = sizeof(struct eye_network),
    .max = EYE_NETWORKS_MAX,
    .noun = "networks",
    .expects = "\"prefix\" and \"name\"",
    .check = check_networks,
};

const struct eye_rule_type eye_filter_rules = {
    .keys = filter_keys,
    .key_count = EYE_ARRAY_LENGTH(filter_keys),
    .size = sizeof(struct eye_filter_rule),
    .max = EYE_FILTER_RULES_MAX,
    .noun = "rules",
    .expects = "\"address\", \"port\", \"direction\", \"service\" or \"process\"",
    .any = true,
};

static size_t copy_addresses(const struct eye_rule_list *list, struct eye_prefix *ret_addresses)
{
    const struct eye_filter_rule *rules = list->items;
    for (size_t i = 0; i < list->count; i++) {
        ret_addresses[i] = rules[i].address;
    }
    return list->count;
}

static int init_filter_table(struct eye_config *config)
{
    size_t count = config->connections.include.count + config->connections.exclude.count;
    struct eye_prefix *addresses = calloc(count + 1, sizeof(*addresses));
    if (addresses == NULL) {
        return -ENOMEM;
    }
    size_t included = copy_addresses(&config->connections.include, addresses);
    copy_addresses(&config->connections.exclude, addresses + included);
    int result = eye_prefix_table_init(&config->connections.filter_table, addresses,
                                       sizeof(*addresses), count);
    free(addresses);
    return result;
}

int eye_connection_tables_init(struct eye_config *config)
{
    const struct eye_network *networks = config->connections.networks.items;
    int result = init_filter_table(config);
    if (result == 0 && networks != NULL) {
        result = eye_prefix_table_init(&config->connections.network_table, &networks->prefix,
                                       sizeof(*networks), config->connections.networks.count);
    }
    return result;
}

void eye_connection_rules_warn(const struct eye_config *config, struct eye_problems *warnings)
{
    bool asked = config->connections.remote == EYE_REMOTE_CIDR;
    bool named = config->connections.networks.count > 0;
    if (asked && !named) {
        eye_problems_add(
            warnings, -EINVAL,
            "%s: connections.remote: cidr tells zones only, since no range has a name: "
            "set connections.networks",
            eye_config_origin(config, "connections.remote"));
    } else if (named && !asked) {
        eye_problems_add(warnings, -EINVAL,
                         "%s: connections.networks names nothing: set connections.remote: cidr",
                         eye_config_origin(config, "connections.networks"));
    }
}

void eye_connection_tables_done(struct eye_config *config)
{
    eye_prefix_table_done(&config->connections.network_table);
    eye_prefix_table_done(&config->connections.filter_table);
}
