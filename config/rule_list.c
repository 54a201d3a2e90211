/* SPDX-License-Identifier: Apache-2.0 */
/* Reads lists of mappings: each is a scope of its own. */
#include "config/rule_list.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/scope.h"
#include "config/value.h"

/* Larger items of no type. */
#define ITEM_BYTES_MAX 64

static void *item_at(const struct eye_rule_type *type, const struct eye_rule_list *list,
                     size_t index)
{
    return (char *)list->items + index * type->size;
}

const void *eye_rule_at(const struct eye_rule_type *type, const struct eye_rule_list *list,
                        size_t index)
{
    return item_at(type, list, index);
}

static void item_done(const struct eye_rule_type *type, void *item)
{
    for (size_t i = 0; i < type->key_count; i++) {
        eye_value_done(&type->keys[i], item);
    }
}

/* Whether enough of its keys have another value than an item without any. */
static bool is_complete(const struct eye_rule_type *type, const void *item)
{
    _Alignas(max_align_t) const char blank[ITEM_BYTES_MAX] = {0};
    assert(type->size <= sizeof(blank));
    size_t set = 0;
    for (size_t i = 0; i < type->key_count; i++) {
        set += !eye_value_equal(&type->keys[i], item, blank);
    }
    return type->any ? set > 0 : set == type->key_count;
}

static bool read_item(struct eye_document *document, const yaml_node_t *node, const char *path,
                      const struct eye_rule_type *type, void *item)
{
    char noun[128];
    struct eye_scope scope = {.tables = {{type->keys, type->key_count, item, NULL}}};
    size_t problems = document->problems->count;
    snprintf(noun, sizeof(noun), "a mapping with %s", type->expects);
    if (!eye_document_expect(document, node, YAML_MAPPING_NODE, path, noun)) {
        return false;
    }
    eye_scope_read(&scope, document, node);
    bool complete = is_complete(type, item);
    if (!complete && document->problems->count == problems) {
        eye_document_problem(document, &node->start_mark, path, "needs %s%s",
                             type->any ? "" : "both ", type->expects);
    }
    return complete;
}

static void read_items(struct eye_document *document, const yaml_node_t *sequence, const char *path,
                       const struct eye_rule_type *type, struct eye_rule_list *list)
{
    const yaml_node_item_t *index = sequence->data.sequence.items.start;
    for (; index < sequence->data.sequence.items.top; index++) {
        const yaml_node_t *node = eye_document_node(document, *index);
        if (node == NULL || eye_problems_full(document->problems)) {
            break;
        }
        void *item = item_at(type, list, list->count);
        if (read_item(document, node, path, type, item)) {
            list->count++;
        } else {
            item_done(type, item);
            memset(item, 0, type->size);
        }
    }
}

void eye_rule_list_read(struct eye_document *document, const yaml_node_t *node, const char *path,
                        const struct eye_rule_type *type, struct eye_rule_list *list)
{
    if (eye_node_is_null(node)) {
        eye_rule_list_done(type, list);
        return;
    }
    if (!eye_document_expect(document, node, YAML_SEQUENCE_NODE, path, "a list")) {
        return;
    }
    size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count > type->max) {
        eye_document_problem(document, &node->start_mark, path, "%zu %s, at most %zu are allowed",
                             count, type->noun, type->max);
        return;
    }
    eye_rule_list_done(type, list);
    list->items = calloc(count + 1, type->size);
    if (list->items == NULL) {
        eye_problems_add_out_of_memory(document->problems);
        return;
    }
    read_items(document, node, path, type, list);
    if (type->check != NULL && list->count == count) {
        type->check(document, node, path, list);
    }
}

void eye_rule_list_done(const struct eye_rule_type *type, struct eye_rule_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        item_done(type, item_at(type, list, i));
    }
    free(list->items);
    *list = (struct eye_rule_list){0};
}

static bool same_items(const struct eye_rule_type *type, const void *item, const void *other)
{
    bool same = true;
    for (size_t i = 0; same && i < type->key_count; i++) {
        same = eye_value_equal(&type->keys[i], item, other);
    }
    return same;
}

bool eye_rule_list_equal(const struct eye_rule_type *type, const struct eye_rule_list *list,
                         const struct eye_rule_list *other)
{
    bool same = list->count == other->count;
    for (size_t i = 0; same && i < list->count; i++) {
        same = same_items(type, item_at(type, list, i), item_at(type, other, i));
    }
    return same;
}
