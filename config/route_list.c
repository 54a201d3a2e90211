/* SPDX-License-Identifier: Apache-2.0 */
/* Reads routes: a list of rules, or what names paths without them. */
#include "config/route_list.h"

#include <string.h>

#include "config/scope.h"
#include "config/value.h"

/* A route becomes a tag value. */
#define ROUTE_BYTES_MAX 150

/* "**" may only be the last segment: it stands for any rest. */
static bool is_pattern(const char *text)
{
    const char *rest = strstr(text, "**");
    return text[0] == '/' && (rest == NULL || (rest[-1] == '/' && rest[2] == '\0'));
}

static bool is_route(const char *text)
{
    return text[0] != '\0' && strlen(text) <= ROUTE_BYTES_MAX && strpbrk(text, ",|") == NULL;
}

static const struct eye_config_key keys[] = {
    {
        .path = "pattern",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct eye_route_rule, pattern),
        .valid = is_pattern,
        .expects = "a path like /users/*/orders or /static/**",
    },
    {
        .path = "route",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct eye_route_rule, route),
        .valid = is_route,
        .expects = "at most 150 bytes without comma or pipe, like /users/{id}",
    },
};

static const char *const names[] = {
    [EYE_ROUTE_NAMES_GUESSED] = "guessed",
    [EYE_ROUTE_NAMES_LISTED] = "listed",
    [EYE_ROUTE_NAMES_LISTED + 1] = NULL,
};

static const struct eye_config_key names_key = {
    .path = "names",
    .type = EYE_CONFIG_CHOICE,
    .experimental = true,
    .offset = offsetof(struct eye_route_list, names),
    .default_value = "guessed",
    .choices = names,
};

const struct eye_rule_type eye_route_rules = {
    .keys = keys,
    .key_count = EYE_ARRAY_LENGTH(keys),
    .size = sizeof(struct eye_route_rule),
    .max = EYE_ROUTES_MAX,
    .noun = "routes",
    .expects = "\"pattern\" and \"route\"",
};

static void read_list(struct eye_document *document, const yaml_node_t *node, void *context)
{
    struct eye_route_list *list = context;
    eye_rule_list_read(document, node, "http.routes", &eye_route_rules, &list->rules);
}

void eye_route_list_read(struct eye_document *document, const yaml_node_t *node,
                         struct eye_route_list *list)
{
    const struct eye_scope scope = {
        .tables = {{&names_key, 1, list, NULL}},
        .specials = {{"rules", read_list, NULL}},
        .context = list,
    };
    if (eye_node_is_null(node)) {
        eye_route_list_done(list);
    } else if (node->type == YAML_MAPPING_NODE) {
        eye_scope_read(&scope, document, node);
    } else if (node->type == YAML_SCALAR_NODE) {
        struct eye_config_key key = names_key;
        key.path = "http.routes";
        eye_value_read(document, node, &key, list);
    } else {
        read_list(document, node, list);
    }
}

void eye_route_list_done(struct eye_route_list *list)
{
    eye_rule_list_done(&eye_route_rules, &list->rules);
    *list = (struct eye_route_list){0};
}
