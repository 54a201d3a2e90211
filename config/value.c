/* SPDX-License-Identifier: Apache-2.0 */
/* One reader per type of key. Nothing is stored before all of a value is known to be good. */
#include "config/value.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "collector/base/parse.h"
#include "collector/base/text.h"
#include "config/nearest.h"
#include "config/quantity.h"
#include "config/rule_list.h"

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
    return quantity->units != NULL && text[0] != '\0' && text[strspn(text, "0123456789.")] == '\0';
}

static void malformed_quantity(struct eye_document *document, const yaml_node_t *node,
                               const struct eye_config_key *key, const char *text)
{
    const struct eye_quantity *quantity = eye_quantity_of(key->type);
    struct eye_excerpt excerpt = eye_excerpt_of(text);
    struct eye_quantity_text example = eye_quantity_example(key);
    const char *unit = eye_quantity_likely_unit(key, text);
    if (lacks_unit(quantity, text) && unit != NULL) {
        eye_document_problem(document, &node->start_mark, key->path,
                             "\"%s\" needs a unit, like %s%s", excerpt.text, excerpt.text, unit);
    } else if (lacks_unit(quantity, text)) {
        eye_document_problem(document, &node->start_mark, key->path,
                             "\"%s\" needs a unit, like %s (%s%s)", excerpt.text, example.text,
                             eye_quantity_range(key).text, key->zero_too ? ", or 0" : "");
    } else if (quantity->units != NULL) {
        eye_document_problem(document, &node->start_mark, key->path,
                             "\"%s\" is not %s, like %s (units %s)", excerpt.text, quantity->noun,
                             example.text, quantity->units);
    } else if (eye_quantity_range(key).text[0] != '\0') {
        eye_document_problem(document, &node->start_mark, key->path, "\"%s\" is not %s from %s%s",
                             excerpt.text, quantity->noun, eye_quantity_range(key).text,
                             key->zero_too ? ", or 0" : "");
    } else {
        eye_document_problem(document, &node->start_mark, key->path, "\"%s\" is not %s, like %s",
                             excerpt.text, quantity->noun, example.text);
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
        eye_document_problem(document, &node->start_mark, key->path, "\"%s\" is out of range%s%s%s",
                             eye_excerpt_of(text).text, range.text[0] != '\0' ? ": " : "",
                             range.text, key->zero_too ? ", or 0" : "");
    } else if (result != 0) {
        malformed_quantity(document, node, key, text);
    }
}

/* The choice that others call @text; NULL: none. */
static const char *find_foreign(const struct eye_config_key *key, const char *text)
{
    const struct eye_foreign_choice *known = key->foreign_choices;
    while (known != NULL && known->choice != NULL && !eye_nearest_lists(known->foreign, text)) {
        known++;
    }
    return known == NULL ? NULL : known->choice;
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
    const char *meant = find_foreign(key, text);
    meant = meant == NULL ? nearest.best : meant;
    if (meant != NULL) {
        eye_document_problem(document, &node->start_mark, key->path,
                             "unknown \"%s\", did you mean \"%s\"? (known: %s)", excerpt.text,
                             meant, known);
    } else {
        eye_document_problem(document, &node->start_mark, key->path, "unknown \"%s\" (known: %s)",
                             excerpt.text, known);
    }
}

/* The index of the choice @text, which stands at @node; -1, and a problem, when there is none. */
static int find_choice(struct eye_document *document, const yaml_node_t *node,
                       const struct eye_config_key *key, const char *text)
{
    for (int i = 0; key->choices[i] != NULL; i++) {
        if (strcmp(key->choices[i], text) == 0) {
            return i;
        }
    }
    unknown_choice(document, node, key, text);
    return -1;
}

/* The same for what @node itself says. */
static int choice_of(struct eye_document *document, const yaml_node_t *node,
                     const struct eye_config_key *key)
{
    const char *text = eye_document_scalar(document, node, key->path, "a single value");
    return text == NULL ? -1 : find_choice(document, node, key, text);
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

/*
 * The items of a list: those of a sequence or, in the environment and in --set, where brackets and
 * quotes are a burden, the words between the commas of a text. In a file there is one way only.
 */
struct items {
    struct eye_document *document;
    const struct eye_config_key *key;
    const yaml_node_t *node; /* the list */
    size_t index;            /* of the next one, of a sequence */
    struct eye_text words;   /* of a text */
    char *rest;              /* what is left of it; NULL: nothing */
    const yaml_node_t *item; /* where the current one stands */
};

static void items_done(struct items *items)
{
    eye_text_done(&items->words);
}

static bool is_in_a_file(const struct eye_document *document)
{
    return document->origin->path == NULL;
}

/* False, and a problem, when @node is no list. */
static bool items_init(struct items *items, struct eye_document *document, const yaml_node_t *node,
                       const struct eye_config_key *key)
{
    *items = (struct items){.document = document, .key = key, .node = node};
    if (node->type != YAML_SCALAR_NODE || is_in_a_file(document)) {
        return eye_document_expect(document, node, YAML_SEQUENCE_NODE, key->path, "a list");
    }
    const char *text = eye_document_scalar(document, node, key->path, "a list");
    if (text == NULL) {
        return false;
    }
    eye_text_init(&items->words, EYE_DOCUMENT_BYTES_MAX);
    eye_text_append(&items->words, text);
    items->rest = items->words.data;
    if (items->words.failed) {
        eye_problems_add_out_of_memory(document->problems);
    }
    return !items->words.failed;
}

static bool is_text(const struct items *items)
{
    return items->words.data != NULL;
}

/* How many there are at most. */
static size_t items_count(const struct items *items)
{
    if (!is_text(items)) {
        return (size_t)(items->node->data.sequence.items.top -
                        items->node->data.sequence.items.start);
    }
    size_t count = 1;
    for (const char *comma = strchr(items->words.data, ','); comma != NULL;
         comma = strchr(comma + 1, ',')) {
        count++;
    }
    return count;
}

/* The next word, without the blanks around it. */
static const char *next_word(struct items *items)
{
    items->item = items->node;
    char *word = strsep(&items->rest, ",");
    return word == NULL ? NULL : eye_trim(word, " \t");
}

/* The next item, valid until the one after it; NULL behind the last. One that is no text is a
 * problem, counts in @bad and is passed over. */
static const char *items_next(struct items *items, size_t *bad)
{
    if (is_text(items)) {
        return next_word(items);
    }
    while ((items->item = item_at(items->document, items->node, items->index)) != NULL) {
        items->index++;
        const char *text =
            eye_document_scalar(items->document, items->item, items->key->path, "a text");
        if (text != NULL) {
            return text;
        }
        (*bad)++;
    }
    return NULL;
}

static void read_flags(struct eye_document *document, const yaml_node_t *node,
                       const struct eye_config_key *key, void *member)
{
    EYE_CLEANUP(items_done) struct items items;
    if (!items_init(&items, document, node, key)) {
        return;
    }
    uint32_t flags = 0;
    size_t bad = 0;
    const char *text;
    while ((text = items_next(&items, &bad)) != NULL) {
        int choice = find_choice(document, items.item, key, text);
        bad += choice < 0;
        flags |= choice >= 0 ? UINT32_C(1) << choice : 0;
    }
    if (bad == 0) {
        *(uint32_t *)member = flags;
    }
}

/* A copy of @text, which stands at @node; NULL, and a problem, when @key does not accept it. */
static char *copy_text(struct eye_document *document, const yaml_node_t *node,
                       const struct eye_config_key *key, const char *text)
{
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
    const char *written = eye_document_scalar(document, node, key->path, "a text");
    char *text = written == NULL ? NULL : copy_text(document, node, key, written);
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

/* False when an item is not one that the key accepts; the others are there. */
static bool copy_items(struct items *items, struct eye_text_list *list)
{
    size_t bad = 0;
    const char *item;
    while ((item = items_next(items, &bad)) != NULL) {
        char *text = copy_text(items->document, items->item, items->key, item);
        bad += text == NULL;
        if (text != NULL) {
            list->items[list->count++] = text;
        }
    }
    return bad == 0;
}

static void read_list(struct eye_document *document, const yaml_node_t *node,
                      const struct eye_config_key *key, void *member)
{
    EYE_CLEANUP(items_done) struct items items;
    if (!items_init(&items, document, node, key)) {
        return;
    }
    struct eye_text_list list = {.items = calloc(items_count(&items) + 1, sizeof(char *))};
    if (list.items == NULL) {
        eye_problems_add_out_of_memory(document->problems);
        return;
    }
    if (copy_items(&items, &list)) {
        struct eye_text_list *target = member;
        struct eye_text_list before = *target;
        *target = list;
        list = before;
    }
    eye_text_list_done(&list);
}

static void read_prefix(struct eye_document *document, const yaml_node_t *node,
                        const struct eye_config_key *key, void *member)
{
    struct eye_prefix prefix;
    char range[EYE_PREFIX_TEXT_BYTES];
    const char *text = eye_document_scalar(document, node, key->path, "an address");
    int result = text == NULL ? -EINVAL : eye_prefix_parse(text, &prefix);
    if (result == 0) {
        *(struct eye_prefix *)member = prefix;
    } else if (result == -EDOM) {
        eye_prefix_format(&prefix, range);
        eye_document_problem(document, &node->start_mark, key->path,
                             "\"%s\" has bits set behind its length, did you mean \"%s\"?",
                             eye_excerpt_of(text).text, range);
    } else if (result == -ERANGE) {
        eye_document_problem(document, &node->start_mark, key->path,
                             "\"%s\" needs a length from 0 to 32, of IPv6 to 128",
                             eye_excerpt_of(text).text);
    } else if (text != NULL) {
        eye_document_problem(document, &node->start_mark, key->path,
                             "\"%s\" is not an address, like 10.1.2.3, or a range, like "
                             "10.1.0.0/16 or 2001:db8::/32",
                             eye_excerpt_of(text).text);
    }
}

static void read_rules(struct eye_document *document, const yaml_node_t *node,
                       const struct eye_config_key *key, void *member)
{
    eye_rule_list_read(document, node, key->path, key->rules, member);
}

static value_reader *const readers[] = {
    [EYE_CONFIG_BOOL] = read_bool,         [EYE_CONFIG_COUNT] = read_quantity,
    [EYE_CONFIG_DURATION] = read_quantity, [EYE_CONFIG_SIZE] = read_quantity,
    [EYE_CONFIG_CHOICE] = read_choice,     [EYE_CONFIG_FLAGS] = read_flags,
    [EYE_CONFIG_TEXT] = read_text,         [EYE_CONFIG_LIST] = read_list,
    [EYE_CONFIG_PREFIX] = read_prefix,     [EYE_CONFIG_RULES] = read_rules,
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

/* ---- Comparing ---- */

typedef bool value_comparer(const struct eye_config_key *key, const void *member,
                            const void *other);

static bool same_bool(const struct eye_config_key *key, const void *member, const void *other)
{
    (void)key;
    return *(const bool *)member == *(const bool *)other;
}

static bool same_quantity(const struct eye_config_key *key, const void *member, const void *other)
{
    (void)key;
    return *(const uint64_t *)member == *(const uint64_t *)other;
}

static bool same_choice(const struct eye_config_key *key, const void *member, const void *other)
{
    (void)key;
    return *(const int *)member == *(const int *)other;
}

static bool same_flags(const struct eye_config_key *key, const void *member, const void *other)
{
    (void)key;
    return *(const uint32_t *)member == *(const uint32_t *)other;
}

static bool same_text(const struct eye_config_key *key, const void *member, const void *other)
{
    (void)key;
    const char *text = *(char *const *)member;
    const char *other_text = *(char *const *)other;
    return text == NULL || other_text == NULL ? text == other_text : strcmp(text, other_text) == 0;
}

bool eye_text_list_equal(const struct eye_text_list *list, const struct eye_text_list *other)
{
    bool same = list->count == other->count;
    for (size_t i = 0; same && i < list->count; i++) {
        same = strcmp(list->items[i], other->items[i]) == 0;
    }
    return same;
}

static bool same_list(const struct eye_config_key *key, const void *member, const void *other)
{
    (void)key;
    return eye_text_list_equal(member, other);
}

static bool same_prefix(const struct eye_config_key *key, const void *member, const void *other)
{
    (void)key;
    return eye_prefix_equal(member, other);
}

static bool same_rules(const struct eye_config_key *key, const void *member, const void *other)
{
    return eye_rule_list_equal(key->rules, member, other);
}

static value_comparer *const comparers[] = {
    [EYE_CONFIG_BOOL] = same_bool,         [EYE_CONFIG_COUNT] = same_quantity,
    [EYE_CONFIG_DURATION] = same_quantity, [EYE_CONFIG_SIZE] = same_quantity,
    [EYE_CONFIG_CHOICE] = same_choice,     [EYE_CONFIG_FLAGS] = same_flags,
    [EYE_CONFIG_TEXT] = same_text,         [EYE_CONFIG_LIST] = same_list,
    [EYE_CONFIG_PREFIX] = same_prefix,     [EYE_CONFIG_RULES] = same_rules,
};

bool eye_value_equal(const struct eye_config_key *key, const void *values, const void *other_values)
{
    return comparers[key->type](key, (const char *)values + key->offset,
                                (const char *)other_values + key->offset);
}

void eye_value_done(const struct eye_config_key *key, void *values)
{
    void *member = member_of(key, values);
    if (key->type == EYE_CONFIG_TEXT) {
        free(*(char **)member);
        *(char **)member = NULL;
    } else if (key->type == EYE_CONFIG_LIST) {
        eye_text_list_done(member);
    } else if (key->type == EYE_CONFIG_RULES) {
        eye_rule_list_done(key->rules, member);
    }
}
