/* SPDX-License-Identifier: Apache-2.0 */
/* Reads exporters: first the type, which says what other keys there are. */
#include "config/exporter_list.h"

#include <stdio.h>
#include <string.h>

#include "config/nearest.h"
#include "config/schema.h"
#include "config/scope.h"

#define NAME_BYTES_MAX 64

/* For a message; what is longer is cut. */
#define KNOWN_TYPES_BYTES 256

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* What the reader of `name` works on. */
struct name_context {
    struct eye_exporter_config *exporter;
    const struct eye_exporter_list *others; /* those before it */
};

static bool is_taken(const struct eye_exporter_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].name != NULL && strcmp(list->items[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_name(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= NAME_BYTES_MAX && strspn(text, NAME_CHARACTERS) == length;
}

static void set_name(struct eye_exporter_config *exporter, const char *name,
                     struct eye_problems *problems)
{
    exporter->name = strdup(name);
    if (exporter->name == NULL) {
        eye_problems_add_out_of_memory(problems);
    }
}

static void read_name(struct eye_document *document, const yaml_node_t *node, void *context)
{
    const struct name_context *names = context;
    if (eye_node_is_null(node)) {
        return;
    }
    const char *name = eye_document_scalar(document, node, "name", "a text");
    if (name == NULL) {
        return;
    }
    if (!is_name(name)) {
        eye_document_problem(document, &node->start_mark, "name",
                             "\"%s\" is not valid, expected at most %d letters, digits, \".\", "
                             "\"_\" or \"-\"",
                             eye_excerpt_of(name).text, NAME_BYTES_MAX);
    } else if (is_taken(names->others, name)) {
        eye_document_problem(document, &node->start_mark, "name",
                             "another exporter is called \"%s\"", name);
    } else {
        set_name(names->exporter, name, document->problems);
    }
}

/* The type was read before all other keys. */
static void skip_type(struct eye_document *document, const yaml_node_t *node, void *context)
{
    (void)document;
    (void)node;
    (void)context;
}

/* An eye_scope_elsewhere. */
static bool is_daemons(const struct eye_scope *scope, const char *path,
                       struct eye_scope_hint *ret_hint)
{
    (void)scope;
    for (size_t i = 0; i < eye_config_key_count; i++) {
        if (eye_scope_key_answers_to(&eye_config_keys[i], path)) {
            snprintf(ret_hint->text, sizeof(ret_hint->text),
                     "\"%s\" of the daemon, outside of \"exporters\"?", eye_config_keys[i].path);
            return true;
        }
    }
    return false;
}

static struct eye_scope scope_of(struct name_context *context)
{
    struct eye_exporter_config *exporter = context->exporter;
    const struct eye_config_section *section = exporter->section;
    return (struct eye_scope){
        .tables = {{section->keys, section->key_count, exporter->values, NULL},
                   {eye_exporter_common_keys, eye_exporter_common_key_count, &exporter->common,
                    NULL}},
        .specials = {{"type", skip_type, "kind driver"}, {"name", read_name, "id"}},
        .context = context,
        .elsewhere = is_daemons,
    };
}

static void exporter_done(struct eye_exporter_config *exporter)
{
    struct name_context context = {.exporter = exporter};
    struct eye_scope scope = scope_of(&context);
    if (exporter->values != NULL) {
        eye_scope_done(&scope);
    }
    free(exporter->values);
    free(exporter->origin);
    free(exporter->name);
}

/* Sets everything to its default. @origin: taken over; NULL: out of memory. */
static bool exporter_init(struct eye_exporter_config *exporter,
                          const struct eye_config_section *section, char *origin,
                          struct eye_problems *problems)
{
    size_t size = section->values_size > 0 ? section->values_size : 1;
    *exporter = (struct eye_exporter_config){
        .section = section,
        .origin = origin,
        .values = calloc(1, size),
    };
    if (origin == NULL || exporter->values == NULL) {
        eye_problems_add_out_of_memory(problems);
        exporter_done(exporter);
        return false;
    }
    struct name_context context = {.exporter = exporter};
    struct eye_scope scope = scope_of(&context);
    eye_scope_set_defaults(&scope, problems);
    return true;
}

static const struct eye_config_section *find_section(const struct eye_section_list *sections,
                                                     const char *type)
{
    for (size_t i = 0; i < sections->count; i++) {
        if (strcmp(sections->items[i]->type, type) == 0) {
            return sections->items[i];
        }
    }
    return NULL;
}

/* All types, or (@foreign) those that others call so, as "a, b". */
struct type_names {
    char text[KNOWN_TYPES_BYTES];
};

static struct type_names list_types(const struct eye_section_list *sections, const char *foreign,
                                    const char *between)
{
    struct type_names names = {""};
    size_t used = 0;
    for (size_t i = 0; i < sections->count && used < sizeof(names.text); i++) {
        const struct eye_config_section *one = sections->items[i];
        if (foreign == NULL || eye_nearest_lists(one->foreign, foreign)) {
            used += (size_t)snprintf(names.text + used, sizeof(names.text) - used, "%s%s",
                                     used > 0 ? between : "", one->type);
        }
    }
    return names;
}

static void unknown_type(struct eye_document *document, const yaml_mark_t *mark,
                         const struct eye_section_list *sections, const char *type)
{
    struct eye_excerpt excerpt = eye_excerpt_of(type);
    struct type_names meant = list_types(sections, type, "\" or \"");
    struct eye_nearest nearest;
    eye_nearest_init(&nearest, type);
    for (size_t i = 0; i < sections->count; i++) {
        const char *one = sections->items[i]->type;
        eye_nearest_offer(&nearest, one, strlen(one));
    }
    if (meant.text[0] != '\0' || nearest.best != NULL) {
        eye_document_problem(document, mark, NULL,
                             "unknown exporter type \"%s\", did you mean \"%s\"?", excerpt.text,
                             meant.text[0] != '\0' ? meant.text : nearest.best);
    } else {
        eye_document_problem(document, mark, NULL, "unknown exporter type \"%s\" (known: %s)",
                             excerpt.text, list_types(sections, NULL, ", ").text);
    }
}

/* The value of @name in a mapping; NULL without one. */
static const yaml_node_t *find_value(struct eye_document *document, const yaml_node_t *mapping,
                                     const char *name)
{
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    for (; pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = eye_document_node(document, pair->key);
        if (key == NULL) {
            break;
        }
        if (key->type == YAML_SCALAR_NODE &&
            strcmp((const char *)key->data.scalar.value, name) == 0) {
            return eye_document_node(document, pair->value);
        }
    }
    return NULL;
}

/* What is not there may be meant to come by a merge key. */
static void type_is_missing(struct eye_document *document, const yaml_node_t *node)
{
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = eye_document_node(document, pair->key);
        if (key == NULL || eye_document_refuse_merge(document, key)) {
            return;
        }
    }
    eye_document_problem(document, &node->start_mark, NULL, "exporter without \"type\"");
}

/* An unquoted null is the exporter of that name: there is no default type that it could mean. */
static const struct eye_config_section *section_of(struct eye_document *document,
                                                   const yaml_node_t *node,
                                                   const struct eye_section_list *sections)
{
    const yaml_node_t *value = find_value(document, node, "type");
    if (value == NULL) {
        type_is_missing(document, node);
        return NULL;
    }
    const char *type = eye_document_scalar(document, value, "type", "an exporter type");
    const struct eye_config_section *section = type == NULL ? NULL : find_section(sections, type);
    if (type != NULL && section == NULL) {
        unknown_type(document, &value->start_mark, sections, type);
    }
    return section;
}

static const char *text_of(const struct eye_exporter_config *exporter,
                           const struct eye_config_key *key)
{
    char *const *value =
        (char *const *)(const void *)((const char *)exporter->values + key->offset);
    return *value;
}

/* What to say when @exporter and @other would take something from each other by their values of
 * @key; NULL: nothing. */
static const char *conflict(const struct eye_exporter_config *exporter,
                            const struct eye_exporter_config *other,
                            const struct eye_config_key *key)
{
    if (other->section != exporter->section || !key->exclusive(text_of(other, key))) {
        return NULL;
    }
    if (strcmp(text_of(other, key), text_of(exporter, key)) == 0) {
        return " already";
    }
    return key->shared == NULL ? NULL : key->shared(exporter->values, other->values);
}

static void check_rivals(struct eye_document *document, const yaml_node_t *node,
                         const struct eye_exporter_list *list,
                         const struct eye_exporter_config *exporter,
                         const struct eye_config_key *key)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct eye_exporter_config *other = &list->items[i];
        const char *why = conflict(exporter, other, key);
        if (why != NULL) {
            const yaml_node_t *value = find_value(document, node, key->path);
            eye_document_problem(document, &(value == NULL ? node : value)->start_mark, key->path,
                                 "the %s exporter at %s has \"%s\"%s", other->section->type,
                                 other->origin, eye_excerpt_of(text_of(other, key)).text, why);
            return;
        }
    }
}

static void check_exclusive_keys(struct eye_document *document, const yaml_node_t *node,
                                 const struct eye_exporter_list *list,
                                 const struct eye_exporter_config *exporter)
{
    const struct eye_config_section *section = exporter->section;
    for (size_t i = 0; i < section->key_count; i++) {
        const struct eye_config_key *key = &section->keys[i];
        if (key->exclusive != NULL && key->exclusive(text_of(exporter, key))) {
            check_rivals(document, node, list, exporter, key);
        }
    }
}

/* Adds the exporter that @node describes to @list, which has room. */
static void read_exporter(struct eye_document *document, const yaml_node_t *node,
                          const struct eye_section_list *sections, struct eye_exporter_list *list)
{
    if (!eye_document_expect(document, node, YAML_MAPPING_NODE, "exporters",
                             "a mapping with \"type\"")) {
        return;
    }
    const struct eye_config_section *section = section_of(document, node, sections);
    struct eye_exporter_config *exporter = &list->items[list->count];
    if (section == NULL ||
        !exporter_init(exporter, section, eye_document_place(document, &node->start_mark),
                       document->problems)) {
        return;
    }
    struct name_context context = {.exporter = exporter, .others = list};
    struct eye_scope scope = scope_of(&context);
    eye_scope_read(&scope, document, node);
    check_exclusive_keys(document, node, list, exporter);
    list->count++;
}

static bool make_room(struct eye_exporter_list *list, size_t count, struct eye_problems *problems)
{
    eye_exporter_list_done(list);
    list->items = calloc(count, sizeof(*list->items));
    if (list->items == NULL) {
        eye_problems_add_out_of_memory(problems);
    }
    return list->items != NULL;
}

static void read_items(struct eye_document *document, const yaml_node_t *node,
                       const struct eye_section_list *sections, struct eye_exporter_list *list)
{
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (; item < node->data.sequence.items.top; item++) {
        const yaml_node_t *exporter = eye_document_node(document, *item);
        if (exporter == NULL || eye_problems_full(document->problems)) {
            break;
        }
        read_exporter(document, exporter, sections, list);
    }
}

void eye_exporter_list_read(struct eye_document *document, const yaml_node_t *node,
                            const struct eye_section_list *sections, struct eye_exporter_list *list)
{
    if (eye_node_is_null(node)) {
        eye_exporter_list_done(list);
        return;
    }
    if (!eye_document_expect(document, node, YAML_SEQUENCE_NODE, "exporters",
                             "a list like [{type: console}]")) {
        return;
    }
    size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count > EYE_EXPORTERS_MAX) {
        eye_document_problem(document, &node->start_mark, "exporters",
                             "%zu exporters, at most %d are allowed", count, EYE_EXPORTERS_MAX);
    } else if (count == 0) {
        eye_exporter_list_done(list);
    } else if (make_room(list, count, document->problems)) {
        read_items(document, node, sections, list);
    }
}

void eye_exporter_list_set_default(struct eye_exporter_list *list,
                                   const struct eye_section_list *sections,
                                   struct eye_problems *problems)
{
    const struct eye_config_section *section = find_section(sections, "console");
    if (list->count > 0 || section == NULL || !make_room(list, 1, problems)) {
        return;
    }
    if (exporter_init(&list->items[0], section, strdup(EYE_EXPORTER_IMPLIED), problems)) {
        list->count = 1;
    }
}

static void name_one(struct eye_exporter_list *list, struct eye_exporter_config *exporter,
                     struct eye_problems *problems)
{
    char name[2 * NAME_BYTES_MAX];
    eye_copy_string(name, sizeof(name), exporter->section->type);
    for (unsigned int number = 2; is_taken(list, name); number++) {
        snprintf(name, sizeof(name), "%s-%u", exporter->section->type, number);
    }
    set_name(exporter, name, problems);
}

void eye_exporter_list_name(struct eye_exporter_list *list, struct eye_problems *problems)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].name == NULL) {
            name_one(list, &list->items[i], problems);
        }
    }
}

void eye_exporter_list_done(struct eye_exporter_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        exporter_done(&list->items[i]);
    }
    free(list->items);
    *list = (struct eye_exporter_list){0};
}
