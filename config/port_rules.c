/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the rules that tell a protocol by the port of its service. */
#include "config/port_rules.h"

#include <errno.h>
#include <string.h>

#include "collector/base/base.h"

static bool is_protocol(const char *text)
{
#define X(identifier, name) || strcmp(text, #name) == 0
    return false EYE_PROTOCOLS(X);
#undef X
}

#define X(identifier, name) " " #name
#define EXPECTS "a protocol:" EYE_PROTOCOLS(X)

static const struct eye_config_key keys[] = {
    {
        .path = "port",
        .type = EYE_CONFIG_COUNT,
        .experimental = true,
        .offset = offsetof(struct eye_port_rule, port),
        .min = 1,
        .max = UINT16_MAX,
    },
    {
        .path = "protocol",
        .foreign = "name type",
        .type = EYE_CONFIG_TEXT,
        .experimental = true,
        .offset = offsetof(struct eye_port_rule, protocol),
        .valid = is_protocol,
        .expects = EXPECTS,
    },
};
#undef X

/* Which of two rules of a port counts must not hang on their order. */
static void check(struct eye_document *document, const yaml_node_t *node, const char *path,
                  const struct eye_rule_list *list)
{
    const struct eye_port_rule *rules = list->items;
    bool seen[UINT16_MAX + 1] = {false};
    for (size_t i = 0; i < list->count; i++) {
        if (seen[rules[i].port]) {
            const yaml_node_t *place =
                eye_document_node(document, node->data.sequence.items.start[i]);
            eye_document_problem(document, place == NULL ? NULL : &place->start_mark, path,
                                 "port %u stands here twice", (unsigned)rules[i].port);
        }
        seen[rules[i].port] = true;
    }
}

const struct eye_rule_type eye_port_rules = {
    .keys = keys,
    .key_count = EYE_ARRAY_LENGTH(keys),
    .size = sizeof(struct eye_port_rule),
    .max = EYE_PORT_RULES_MAX,
    .noun = "ports",
    .expects = "\"port\" and \"protocol\"",
    .check = check,
};

static bool is_off(const struct eye_config *config, const char *protocol)
{
#define X(identifier, name)                                                                        \
    || (strcmp(protocol, #name) == 0 && config->protocols.name == EYE_WISH_NEVER)
    return false EYE_PROTOCOLS(X);
#undef X
}

void eye_port_rules_warn(const struct eye_config *config, struct eye_problems *warnings)
{
    const struct eye_port_rule *rules = config->protocols.ports.items;
    for (size_t i = 0; i < config->protocols.ports.count; i++) {
        if (is_off(config, rules[i].protocol)) {
            eye_problems_add(warnings, -EINVAL,
                             "%s: protocols.ports: nothing is measured at port %u, since "
                             "protocols.%s is false",
                             eye_config_origin(config, "protocols.ports"), (unsigned)rules[i].port,
                             rules[i].protocol);
        }
    }
}
