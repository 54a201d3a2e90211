/* SPDX-License-Identifier: Apache-2.0 */
/* Reads routes: rules are mappings of two texts, which are keys like all others. */
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

static void rule_done(struct eye_route_rule *rule)
{
    free(rule->pattern);
    free(rule->route);
}

static bool read_rule(struct eye_document *document, const yaml_node_t *node,
                      struct eye_route_rule *rule)
{
    struct eye_scope scope = {.tables = {{keys, EYE_ARRAY_LENGTH(keys), rule, NULL}}};
    size_t problems = document->problems->count;
    if (!eye_document_expect(document, node, YAML_MAPPING_NODE, "http.routes",
                             "a mapping with \"pattern\" and \"route\"")) {
        return false;
    }
    eye_scope_read(&scope, document, node);
    bool complete = rule->pattern != NULL && rule->route != NULL;
    if (!complete && document->problems->count == problems) {
        eye_document_problem(document, &node->start_mark, "http.routes",
                             "needs both \"pattern\" and \"route\"");
    }
    return complete;
}

static void read_rules(struct eye_document *document, const yaml_node_t *node,
                       struct eye_route_list *list)
{
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (; item < node->data.sequence.items.top; item++) {
        const yaml_node_t *rule = eye_document_node(document, *item);
        if (rule == NULL || eye_problems_full(document->problems)) {
            break;
        }
        if (read_rule(document, rule, &list->rules[list->count])) {
            list->count++;
        } else {
            rule_done(&list->rules[list->count]);
            list->rules[list->count] = (struct eye_route_rule){0};
        }
    }
}

static void clear_rules(struct eye_route_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        rule_done(&list->rules[i]);
    }
    free(list->rules);
    list->rules = NULL;
    list->count = 0;
}

static void read_list(struct eye_document *document, const yaml_node_t *node, void *context)
{
    struct eye_route_list *list = context;
    if (eye_node_is_null(node)) {
        clear_rules(list);
        return;
    }
    if (!eye_document_expect(document, node, YAML_SEQUENCE_NODE, "http.routes", "a list")) {
        return;
    }
    size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count > EYE_ROUTES_MAX) {
        eye_document_problem(document, &node->start_mark, "http.routes",
                             "%zu routes, at most %d are allowed", count, EYE_ROUTES_MAX);
        return;
    }
    clear_rules(list);
    list->rules = calloc(count + 1, sizeof(*list->rules));
    if (list->rules == NULL) {
        eye_problems_add_out_of_memory(document->problems);
        return;
    }
    read_rules(document, node, list);
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
    clear_rules(list);
    *list = (struct eye_route_list){0};
}
