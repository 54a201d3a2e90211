/* SPDX-License-Identifier: Apache-2.0 */
/* One reader per type of key. Nothing is stored before all of a value is known to be good. */
#include "config/value.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "collector/base/parse.h"
#include "config/nearest.h"
#include "config/quantity.h"

typedef void value_reader(struct eye_document *document, const yaml_node_t *node,
                          const struct eye_config_key *key, void *member);

static void read_bool(struct eye_document *document, const yaml_node_t *node,
                      const struct eye_config_key *key, void *member)
{
    const char *text = eye_document_scalar(document, node, key->path, "true or false");
    if (text != NULL && eye_parse_bool(text, member) != 0) {
        eye_document_problem(document, &node->start_mark, key->path, "\"%s\" is not true or false",
                             eye_excerpt_of(text).text);
    }
}

static bool lacks_unit(const struct eye_quantity *quantity, const char *text)
{
    return quantity->unit != NULL && text[0] != '\0' && text[strspn(text, "0123456789.")] == '\0';
}

static void malformed_quantity(struct eye_document *document, const yaml_node_t *node,
                               const struct eye_config_key *key, const char *text)
{
    const struct eye_quantity *quantity = eye_quantity_of(key->type);
    struct eye_excerpt excerpt = eye_excerpt_of(text);
    if (lacks_unit(quantity, text)) {
        eye_document_problem(document, &node->start_mark, key->path,
                             "\"%s\" needs a unit, like %s%s", excerpt.text, excerpt.text,
                             quantity->unit);
    } else {
        eye_document_problem(document, &node->start_mark, key->path, "\"%s\" is not %s, like %s",
                             excerpt.text, quantity->noun, quantity->example);
    }
}

static void read_quantity(struct eye_document *document, const yaml_node_t *node,
                          const struct eye_config_key *key, void *member)
{
    const char *text =
        eye_document_scalar(document, node, key->path, eye_quantity_of(key->type)->noun);
    if (text == NULL) {
        return;
    }
    int result = eye_quantity_parse(key, text, member);
    if (result == -ERANGE) {
        struct eye_range_text range = eye_quantity_range(key);
        eye_document_problem(document, &node->start_mark, key->path, "\"%s\" is out of range%s%s",
                             eye_excerpt_of(text).text, range.text[0] != '\0' ? ": " : "",
                             range.text);
    } else if (result != 0) {
        malformed_quantity(document, node, key, text);
    }
}

static void unknown_choice(struct eye_document *document, const yaml_node_t *node,
                           const struct eye_config_key *key, const char *text)
{
    char known[256] = "";
    size_t used = 0;
    struct eye_nearest nearest;
    eye_nearest_init(&nearest, text);
    for (size_t i = 0; key->choices[i] != NULL && used < sizeof(known); i++) {
        eye_nearest_offer(&nearest, key->choices[i], strlen(key->choices[i]));
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "",
                                 key->choices[i]);
    }
    struct eye_excerpt excerpt = eye_excerpt_of(text);
    if (nearest.best != NULL) {
        eye_document_problem(document, &node->start_mark, key->path,
                             "unknown \"%s\", did you mean \"%s\"? (known: %s)", excerpt.text,
                             nearest.best, known);
    } else {
        eye_document_problem(document, &node->start_mark, key->path, "unknown \"%s\" (known: %s)",
                             excerpt.text, known);
    }
}

/* The index of the choice that @node names; -1, and a problem, when it names none. */
static int choice_of(struct eye_document *document, const yaml_node_t *node,
                     const struct eye_config_key *key)
{
    const char *text = eye_document_scalar(document, node, key->path, "a single value");
    if (text == NULL) {
        return -1;
    }
    for (int i = 0; key->choices[i] != NULL; i++) {
        if (strcmp(key->choices[i], text) == 0) {
            return i;
        }
    }
    unknown_choice(document, node, key, text);
    return -1;
}

static void read_choice(struct eye_document *document, const yaml_node_t *node,
                        const struct eye_config_key *key, void *member)
{
    int choice = choice_of(document, node, key);
    if (choice >= 0) {
        *(int *)member = choice;
    }
}

/* Ends where the visits end, too. */
static const yaml_node_t *item_at(struct eye_document *document, const yaml_node_t *list,
                                  size_t index)
{
    const yaml_node_item_t *item = list->data.sequence.items.start + index;
    return item < list->data.sequence.items.top ? eye_document_node(document, *item) : NULL;
}

static void read_flags(struct eye_document *document, const yaml_node_t *node,
                       const struct eye_config_key *key, void *member)
{
    if (!eye_document_expect(document, node, YAML_SEQUENCE_NODE, key->path, "a list")) {
        return;
    }
    uint32_t flags = 0;
    bool good = true;
    const yaml_node_t *item;
    for (size_t i = 0; (item = item_at(document, node, i)) != NULL; i++) {
        int choice = choice_of(document, item, key);
        good = good && choice >= 0;
        flags |= choice >= 0 ? UINT32_C(1) << choice : 0;
    }
    if (good) {
        *(uint32_t *)member = flags;
    }
}

/* A copy of the text of @node; NULL, and a problem, when it is not one that @key accepts. */
static char *copy_text(struct eye_document *document, const yaml_node_t *node,
                       const struct eye_config_key *key)
{
    const char *text = eye_document_scalar(document, node, key->path, "a text");
    if (text == NULL) {
        return NULL;
    }
    if (key->valid != NULL && !key->valid(text)) {
        eye_document_problem(document, &node->start_mark, key->path,
                             "\"%s\" is not valid, expected %s", eye_excerpt_of(text).text,
                             key->expects);
        return NULL;
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        eye_problems_add_out_of_memory(document->problems);
    }
    return copy;
}

static void read_text(struct eye_document *document, const yaml_node_t *node,
                      const struct eye_config_key *key, void *member)
{
    char *text = copy_text(document, node, key);
    if (text != NULL) {
        free(*(char **)member);
        *(char **)member = text;
    }
}

void eye_text_list_done(struct eye_text_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct eye_text_list){0};
}

/* False when an item is not one that @key accepts; the others are there. */
static bool copy_items(struct eye_document *document, const yaml_node_t *node,
                       const struct eye_config_key *key, struct eye_text_list *list)
{
    bool good = true;
    const yaml_node_t *item;
    for (size_t i = 0; (item = item_at(document, node, i)) != NULL; i++) {
        char *text = copy_text(document, item, key);
        good = good && text != NULL;
        if (text != NULL) {
            list->items[list->count++] = text;
        }
    }
    return good;
}

static void read_list(struct eye_document *document, const yaml_node_t *node,
                      const struct eye_config_key *key, void *member)
{
    if (!eye_document_expect(document, node, YAML_SEQUENCE_NODE, key->path, "a list")) {
        return;
    }
    size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    struct eye_text_list list = {.items = calloc(count + 1, sizeof(char *))};
    if (list.items == NULL) {
        eye_problems_add_out_of_memory(document->problems);
        return;
    }
    if (copy_items(document, node, key, &list)) {
        struct eye_text_list *target = member;
        struct eye_text_list before = *target;
        *target = list;
        list = before;
    }
    eye_text_list_done(&list);
}

static value_reader *const readers[] = {
    [EYE_CONFIG_BOOL] = read_bool,         [EYE_CONFIG_COUNT] = read_quantity,
    [EYE_CONFIG_DURATION] = read_quantity, [EYE_CONFIG_SIZE] = read_quantity,
    [EYE_CONFIG_CHOICE] = read_choice,     [EYE_CONFIG_FLAGS] = read_flags,
    [EYE_CONFIG_TEXT] = read_text,         [EYE_CONFIG_LIST] = read_list,
};

static void *member_of(const struct eye_config_key *key, void *values)
{
    return (char *)values + key->offset;
}

void eye_value_read(struct eye_document *document, const yaml_node_t *node,
                    const struct eye_config_key *key, void *values)
{
    if (eye_node_is_null(node)) {
        eye_value_set_default(key, values, document->problems);
    } else {
        readers[key->type](document, node, key, member_of(key, values));
    }
}

void eye_value_set_default(const struct eye_config_key *key, void *values,
                           struct eye_problems *problems)
{
    if (key->default_value == NULL) {
        eye_value_done(key, values);
        return;
    }
    struct eye_origin origin = {.label = "default", .path = ""};
    struct eye_document document;
    const char *text = key->default_value;
    if (eye_document_init(&document, &origin, text, strlen(text), problems) == 0) {
        const yaml_node_t *root = eye_document_root(&document);
        assert(root != NULL && !eye_node_is_null(root));
        readers[key->type](&document, root, key, member_of(key, values));
        eye_document_done(&document);
    }
}

void eye_value_done(const struct eye_config_key *key, void *values)
{
    void *member = member_of(key, values);
    if (key->type == EYE_CONFIG_TEXT) {
        free(*(char **)member);
        *(char **)member = NULL;
    } else if (key->type == EYE_CONFIG_LIST) {
        eye_text_list_done(member);
    }
}
