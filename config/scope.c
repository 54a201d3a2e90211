/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the keys of nested mappings by their dotted paths. */
#include "config/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/nearest.h"
#include "config/value.h"

/* Longer paths are cut, and are still longer than every key. */
#define PATH_BYTES 128

/* The value of "--set key=": as null as an empty one in a file. */
static const yaml_node_t no_value = {
    .type = YAML_SCALAR_NODE,
    .data.scalar = {.value = (yaml_char_t[]){'\0'}, .style = YAML_PLAIN_SCALAR_STYLE},
};

static const struct eye_config_key *key_at(const struct eye_scope *scope, size_t index,
                                           void **ret_values)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(scope->tables); i++) {
        const struct eye_scope_table *table = &scope->tables[i];
        if (index < table->count) {
            *ret_values = table->values;
            return &table->keys[index];
        }
        index -= table->count;
    }
    return NULL;
}

const char *eye_scope_path(const struct eye_scope *scope, size_t index)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(scope->specials); i++) {
        if (scope->specials[i].path != NULL && index-- == 0) {
            return scope->specials[i].path;
        }
    }
    void *values;
    const struct eye_config_key *key = key_at(scope, index, &values);
    return key == NULL ? NULL : key->path;
}

static const struct eye_config_key *find_key(const struct eye_scope *scope, const char *path,
                                             void **ret_values)
{
    const struct eye_config_key *key;
    for (size_t i = 0; (key = key_at(scope, i, ret_values)) != NULL; i++) {
        if (strcmp(key->path, path) == 0) {
            return key;
        }
    }
    return NULL;
}

static const struct eye_scope_special *find_special(const struct eye_scope *scope, const char *path)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(scope->specials); i++) {
        const struct eye_scope_special *special = &scope->specials[i];
        if (special->path != NULL && strcmp(special->path, path) == 0) {
            return special;
        }
    }
    return NULL;
}

/* True for "source", as there is a key "source.tier". */
static bool is_section(const struct eye_scope *scope, const char *path)
{
    size_t length = strlen(path);
    const char *known;
    for (size_t i = 0; (known = eye_scope_path(scope, i)) != NULL; i++) {
        if (strncmp(known, path, length) == 0 && known[length] == '.') {
            return true;
        }
    }
    return false;
}

/* True for "source.teir". */
static bool is_in_section(const struct eye_scope *scope, const char *path)
{
    char section[PATH_BYTES];
    const char *dot = strrchr(path, '.');
    snprintf(section, sizeof(section), "%.*s", dot == NULL ? 0 : (int)(dot - path), path);
    return dot != NULL && is_section(scope, section);
}

/* Offers a key and the sections that it lies in. */
static void offer(struct eye_nearest *nearest, const char *path)
{
    for (const char *dot = strchr(path, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        eye_nearest_offer(nearest, path, (size_t)(dot - path));
    }
    eye_nearest_offer(nearest, path, strlen(path));
}

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot == NULL ? path : dot + 1;
}

bool eye_scope_key_answers_to(const struct eye_config_key *key, const char *path)
{
    size_t length = strlen(path);
    return strcmp(key->path, path) == 0 || eye_nearest_lists(key->foreign, path) ||
           (strncmp(key->path, path, length) == 0 && key->path[length] == '.');
}

/* The key that others call @path, or what it ends in; NULL: none. */
static const char *find_foreign(const struct eye_scope *scope, const char *path)
{
    void *values;
    const struct eye_config_key *key;
    for (size_t i = 0; (key = key_at(scope, i, &values)) != NULL; i++) {
        if (eye_nearest_lists(key->foreign, path) ||
            eye_nearest_lists(key->foreign, last_part(path))) {
            return key->path;
        }
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(scope->specials); i++) {
        if (eye_nearest_lists(scope->specials[i].foreign, path)) {
            return scope->specials[i].path;
        }
    }
    return NULL;
}

/* The key of the same name in another section; NULL: none. */
static const char *find_namesake(const struct eye_scope *scope, const char *path)
{
    const char *known;
    for (size_t i = 0; (known = eye_scope_path(scope, i)) != NULL; i++) {
        if (strcmp(last_part(known), last_part(path)) == 0) {
            return known;
        }
    }
    return NULL;
}

static void find_nearest(const struct eye_scope *scope, const char *path,
                         struct eye_nearest *ret_nearest)
{
    const char *known;
    struct eye_nearest last;
    eye_nearest_init(ret_nearest, path);
    if (is_in_section(scope, path)) {
        /* What is right already makes the rest no more alike. */
        eye_nearest_init(&last, last_part(path));
        ret_nearest->distance = last.distance;
    }
    for (size_t i = 0; (known = eye_scope_path(scope, i)) != NULL; i++) {
        offer(ret_nearest, known);
    }
}

/* What @path most likely means, the surest first; false: nobody knows. */
static bool find_meant(const struct eye_scope *scope, const char *path,
                       struct eye_scope_hint *ret_hint)
{
    struct eye_nearest nearest;
    const char *known = find_foreign(scope, path);
    known = known == NULL ? find_namesake(scope, path) : known;
    if (known == NULL && scope->elsewhere != NULL && scope->elsewhere(scope, path, ret_hint)) {
        return true;
    }
    find_nearest(scope, path, &nearest);
    if (known == NULL && nearest.best == NULL) {
        return false;
    }
    int length = known == NULL ? (int)nearest.best_length : (int)strlen(known);
    snprintf(ret_hint->text, sizeof(ret_hint->text), "\"%.*s\"?", length,
             known == NULL ? nearest.best : known);
    return true;
}

static void unknown_key(const struct eye_scope *scope, struct eye_document *document,
                        const yaml_mark_t *mark, const char *path)
{
    struct eye_scope_hint hint;
    struct eye_excerpt excerpt = eye_excerpt_of(path);
    if (find_meant(scope, path, &hint)) {
        eye_document_problem(document, mark, NULL, "unknown key \"%s\", did you mean %s",
                             excerpt.text, hint.text);
    } else {
        eye_document_problem(document, mark, NULL,
                             "unknown key \"%s\" (see \"sockeye check --default\")", excerpt.text);
    }
}

static void read_mapping(const struct eye_scope *scope, struct eye_document *document,
                         const yaml_node_t *node, const char *section);

/* For messages about what only several keys together, or another configuration, make wrong. */
static void note_origin(const struct eye_scope *scope, struct eye_document *document,
                        const yaml_mark_t *mark, const struct eye_config_key *key)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(scope->tables); i++) {
        const struct eye_scope_table *table = &scope->tables[i];
        if (table->origins == NULL || key < table->keys || key >= table->keys + table->count) {
            continue;
        }
        char **origin = &table->origins[key - table->keys];
        free(*origin);
        *origin = eye_document_place(document, mark);
        if (*origin == NULL) {
            eye_problems_add_out_of_memory(document->problems);
        }
    }
}

/* A mapping of keys that a truth has, in place of it. */
static bool is_truth_with_keys(const struct eye_scope *scope, const struct eye_config_key *key,
                               const yaml_node_t *node)
{
    return key->type == EYE_CONFIG_BOOL && node->type == YAML_MAPPING_NODE &&
           is_section(scope, key->path);
}

/* @mark: where the key stands. */
static void read_path(const struct eye_scope *scope, struct eye_document *document,
                      const yaml_mark_t *mark, const char *path, const yaml_node_t *node)
{
    void *values = NULL;
    const struct eye_config_key *key = find_key(scope, path, &values);
    const struct eye_scope_special *special = find_special(scope, path);
    if (key != NULL && is_truth_with_keys(scope, key, node)) {
        *(bool *)((char *)values + key->offset) = true;
        note_origin(scope, document, mark, key);
        read_mapping(scope, document, node, path);
    } else if (key != NULL) {
        eye_value_read(document, node, key, values);
        note_origin(scope, document, mark, key);
    } else if (special != NULL) {
        special->read(document, node, scope->context);
    } else if (is_section(scope, path)) {
        read_mapping(scope, document, node, path);
    } else {
        unknown_key(scope, document, mark, path);
    }
}

/* In a file, "source.tier: auto" would be a second way to write what has one already. */
static bool is_nested(struct eye_document *document, const yaml_mark_t *mark, const char *name)
{
    const char *dot = strchr(name, '.');
    if (dot == NULL) {
        return true;
    }
    int length = (int)(dot - name) < PATH_BYTES ? (int)(dot - name) : PATH_BYTES;
    eye_document_problem(document, mark, NULL, "key \"%s\" must be nested, like %.*s: {%s: ...}",
                         eye_excerpt_of(name).text, length, name, eye_excerpt_of(dot + 1).text);
    return false;
}

/*
 * True when @mapping has the key @name before @pair. Comparing each with all before stays cheap:
 * all that is not a key of ours is a problem, and reading ends after a few.
 */
static bool is_repeated(struct eye_document *document, const yaml_node_t *mapping,
                        const yaml_node_pair_t *pair, const char *name)
{
    for (const yaml_node_pair_t *i = mapping->data.mapping.pairs.start; i < pair; i++) {
        const yaml_node_t *other = yaml_document_get_node(&document->yaml, i->key);
        if (other->type == YAML_SCALAR_NODE &&
            strcmp((const char *)other->data.scalar.value, name) == 0) {
            return true;
        }
    }
    return false;
}

static void read_pair(const struct eye_scope *scope, struct eye_document *document,
                      const yaml_node_t *mapping, const yaml_node_pair_t *pair, const char *section)
{
    const yaml_node_t *key = eye_document_node(document, pair->key);
    const yaml_node_t *value = eye_document_node(document, pair->value);
    if (key == NULL || value == NULL) {
        return;
    }
    const yaml_mark_t *mark = &key->start_mark;
    const char *name = eye_document_scalar(document, key, NULL, "the name of a key");
    if (name == NULL || !is_nested(document, mark, name)) {
        return;
    }
    if (eye_document_refuse_merge(document, key)) {
        return;
    }
    if (is_repeated(document, mapping, pair, name)) {
        eye_document_problem(document, mark, NULL, "key \"%s\" is set twice",
                             eye_excerpt_of(name).text);
        return;
    }
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s%s%s", section, section[0] != '\0' ? "." : "", name);
    read_path(scope, document, mark, path, value);
}

static void read_mapping(const struct eye_scope *scope, struct eye_document *document,
                         const yaml_node_t *node, const char *section)
{
    const char *path = section[0] != '\0' ? section : NULL;
    if (eye_node_is_null(node) ||
        !eye_document_expect(document, node, YAML_MAPPING_NODE, path, "a mapping of keys")) {
        return;
    }
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        if (eye_problems_full(document->problems)) {
            break;
        }
        read_pair(scope, document, node, pair, section);
    }
}

void eye_scope_read(const struct eye_scope *scope, struct eye_document *document,
                    const yaml_node_t *node)
{
    read_mapping(scope, document, node, "");
}

void eye_scope_assign(const struct eye_scope *scope, struct eye_document *document,
                      const char *path, const yaml_node_t *node)
{
    read_path(scope, document, NULL, path, node == NULL ? &no_value : node);
}

void eye_scope_set_defaults(const struct eye_scope *scope, struct eye_problems *problems)
{
    void *values;
    const struct eye_config_key *key;
    for (size_t i = 0; (key = key_at(scope, i, &values)) != NULL; i++) {
        eye_value_set_default(key, values, problems);
    }
}

static void free_origins(const struct eye_scope_table *table)
{
    for (size_t i = 0; table->origins != NULL && i < table->count; i++) {
        free(table->origins[i]);
    }
    free(table->origins);
}

void eye_scope_done(const struct eye_scope *scope)
{
    void *values;
    const struct eye_config_key *key;
    for (size_t i = 0; (key = key_at(scope, i, &values)) != NULL; i++) {
        eye_value_done(key, values);
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(scope->tables); i++) {
        free_origins(&scope->tables[i]);
    }
}
