/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `http.routes` of a configuration: a list of rules, or a word that says what names paths, or a
 * mapping of both. Used by one thread.
 */
#pragma once

#include "config/config.h"
#include "config/document.h"
#include "config/rule_list.h"

#define EYE_ROUTES_MAX 1000

extern const struct eye_rule_type eye_route_rules;

struct eye_route_list {
    struct eye_rule_list rules; /* of struct eye_route_rule */
    int names;                  /* enum eye_route_names */
};

/** Replaces the part of @list that @node holds; null: as by default. Mistakes are problems of
 * @document. */
void eye_route_list_read(struct eye_document *document, const yaml_node_t *node,
                         struct eye_route_list *list);

/** Frees the rules and leaves an empty list. */
void eye_route_list_done(struct eye_route_list *list);
