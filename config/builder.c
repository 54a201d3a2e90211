/* SPDX-License-Identifier: Apache-2.0 */
/* Layers from memory. */
#include "config/builder.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "collector/base/trust.h"
#include "config/connection_rules.h"
#include "config/nearest.h"
#include "config/port_rules.h"
#include "config/scope.h"

#define VARIABLE_PREFIX "SOCKEYE_"

/* Longer labels are cut; they only stand in messages. */
#define LABEL_BYTES 128

/* Sources are for people to read: what is beyond is left out. */
#define SOURCES_BYTES_MAX 4096

static void read_exporters(struct eye_document *document, const yaml_node_t *node, void *context)
{
    struct eye_builder *builder = context;
    eye_exporter_list_read(document, node, &builder->sections, &builder->exporters);
}

static void read_routes(struct eye_document *document, const yaml_node_t *node, void *context)
{
    struct eye_builder *builder = context;
    eye_route_list_read(document, node, &builder->routes);
}

/* "datadog:", as others have it. */
static bool is_type(const struct eye_config_section *section, const char *path,
                    struct eye_scope_hint *ret_hint)
{
    if (strcmp(section->type, path) != 0 && !eye_nearest_lists(section->foreign, path)) {
        return false;
    }
    snprintf(ret_hint->text, sizeof(ret_hint->text), "exporters: [{type: %s, ...}]?",
             section->type);
    return true;
}

static bool is_among(const struct eye_config_key *keys, size_t count, const char *type,
                     const char *path, struct eye_scope_hint *ret_hint)
{
    size_t i = 0;
    while (i < count && !eye_scope_key_answers_to(&keys[i], path)) {
        i++;
    }
    if (i < count) {
        snprintf(ret_hint->text, sizeof(ret_hint->text), "\"%s\" in exporters: [{type: %s}]?",
                 keys[i].path, type);
    }
    return i < count;
}

/* An eye_scope_elsewhere. */
static bool is_exporters(const struct eye_scope *scope, const char *path,
                         struct eye_scope_hint *ret_hint)
{
    const struct eye_builder *builder = scope->context;
    for (size_t i = 0; i < builder->sections.count; i++) {
        const struct eye_config_section *section = builder->sections.items[i];
        if (is_type(section, path, ret_hint) ||
            is_among(section->keys, section->key_count, section->type, path, ret_hint)) {
            return true;
        }
    }
    return is_among(eye_exporter_common_keys, eye_exporter_common_key_count, "...", path, ret_hint);
}

static struct eye_scope scope_of(struct eye_builder *builder)
{
    return (struct eye_scope){
        .tables = {{builder->keys.items, eye_config_key_count, &builder->config,
                    builder->config.origins}},
        .specials = {{"exporters", read_exporters, "outputs sinks receivers destinations backends"},
                     {"http.routes", read_routes, NULL}},
        .context = builder,
        .elsewhere = is_exporters,
    };
}

void eye_builder_init(struct eye_builder *builder, const struct eye_config_source *source)
{
    *builder = (struct eye_builder){.sections = {source->sections, source->section_count},
                                    .user = EYE_NOBODY_ELSE};
    eye_daemon_keys_init(&builder->keys, source->tiers);
    eye_problems_init(&builder->problems);
    eye_problems_init(&builder->warnings);
    eye_text_init(&builder->sources, SOURCES_BYTES_MAX);
    builder->config.origins = calloc(eye_config_key_count, sizeof(char *));
    if (builder->config.origins == NULL) {
        eye_problems_add_out_of_memory(&builder->problems);
    }
    struct eye_scope scope = scope_of(builder);
    eye_scope_set_defaults(&scope, &builder->problems);
}

void eye_builder_done(struct eye_builder *builder)
{
    struct eye_scope scope = scope_of(builder);
    eye_scope_done(&scope);
    eye_connection_tables_done(&builder->config);
    eye_exporter_list_done(&builder->exporters);
    eye_route_list_done(&builder->routes);
    eye_problems_done(&builder->problems);
    eye_problems_done(&builder->warnings);
    eye_text_done(&builder->sources);
    free(builder->file);
}

static void add_source(struct eye_builder *builder, const char *label)
{
    eye_text_append(&builder->sources, builder->sources.length == 0 ? "" : ", ");
    eye_text_append(&builder->sources, label);
}

static void add_file_source(struct eye_builder *builder, const char *label)
{
    if (builder->file != NULL) {
        add_source(builder, label);
        return;
    }
    builder->file = strdup(label);
    if (builder->file == NULL) {
        eye_problems_add_out_of_memory(&builder->problems);
    }
}

void eye_builder_add_file(struct eye_builder *builder, const char *label, const char *bytes,
                          size_t length)
{
    struct eye_origin origin = {.label = label};
    struct eye_document document;
    add_file_source(builder, label);
    if (eye_document_init(&document, &origin, bytes, length, &builder->problems) != 0) {
        return;
    }
    const yaml_node_t *root = eye_document_root(&document);
    if (root != NULL) {
        struct eye_scope scope = scope_of(builder);
        eye_scope_read(&scope, &document, root);
    }
    eye_document_done(&document);
}

/* @text: the value of the key @path, in YAML. */
static void assign(struct eye_builder *builder, const char *label, const char *path,
                   const char *text)
{
    struct eye_origin origin = {.label = label, .path = path};
    struct eye_document document;
    add_source(builder, label);
    if (eye_document_init(&document, &origin, text, strlen(text), &builder->problems) != 0) {
        return;
    }
    struct eye_scope scope = scope_of(builder);
    eye_scope_assign(&scope, &document, path, eye_document_root(&document));
    eye_document_done(&document);
}

/* Copies the part of @text before "=" (all of it without one); the part behind, or NULL. */
static const char *split(const char *text, char ret_name[static LABEL_BYTES])
{
    const char *equals = strchrnul(text, '=');
    size_t length = (size_t)(equals - text) + 1;
    eye_copy_string(ret_name, length < LABEL_BYTES ? length : LABEL_BYTES, text);
    return *equals == '\0' ? NULL : equals + 1;
}

struct variable_name {
    char text[LABEL_BYTES];
};

static struct variable_name variable_of(const char *path)
{
    struct variable_name name = {.text = VARIABLE_PREFIX};
    char *target = name.text + strlen(VARIABLE_PREFIX);
    const char *end = name.text + sizeof(name.text) - 1;
    for (; *path != '\0' && target < end; path++) {
        *target++ = *path == '.' ? '_' : (char)toupper((unsigned char)*path);
    }
    return name;
}

/* The key that the variable @name sets; NULL, and a warning, when there is none: Kubernetes makes
 * variables with this prefix for a Service of our name, and an environment has many authors. */
static const char *path_of(struct eye_builder *builder, const char *name)
{
    struct eye_scope scope = scope_of(builder);
    struct eye_nearest nearest; /* without the prefix, in which all are alike */
    eye_nearest_init(&nearest, name + strlen(VARIABLE_PREFIX));
    const char *path;
    const char *best = NULL;
    for (size_t i = 0; (path = eye_scope_path(&scope, i)) != NULL; i++) {
        struct variable_name known = variable_of(path);
        if (strcmp(known.text, name) == 0) {
            return path;
        }
        const char *own = known.text + strlen(VARIABLE_PREFIX);
        best = eye_nearest_offer(&nearest, own, strlen(own)) ? path : best;
    }
    eye_problems_add(&builder->warnings, -EINVAL, "%s sets no key and is passed over%s%s%s", name,
                     best == NULL ? "" : ", did you mean \"",
                     best == NULL ? "" : variable_of(best).text, best == NULL ? "" : "\"?");
    return NULL;
}

void eye_builder_add_variable(struct eye_builder *builder, const char *variable)
{
    char name[LABEL_BYTES];
    const char *value = split(variable, name);
    if (value == NULL || strncmp(name, VARIABLE_PREFIX, strlen(VARIABLE_PREFIX)) != 0) {
        return;
    }
    const char *path = path_of(builder, name);
    /* An empty one is one that is not set: "X: ${X}" of a container makes it, not a wish. */
    if (path != NULL && value[0] != '\0') {
        assign(builder, name, path, value);
    }
}

void eye_builder_add_assignment(struct eye_builder *builder, const char *assignment)
{
    char path[LABEL_BYTES];
    char label[LABEL_BYTES + sizeof("--set ")];
    const char *value = split(assignment, path);
    snprintf(label, sizeof(label), "--set %s", path);
    if (value == NULL) {
        eye_problems_add(&builder->problems, -EINVAL, "%s: expected KEY=VALUE", label);
    } else {
        assign(builder, label, path, value);
    }
}

static void hand_out(struct eye_builder *builder, struct eye_config *config)
{
    *config = builder->config;
    config->references = 1;
    config->warnings = EYE_TAKE(builder->warnings.lines.data);
    config->file = EYE_TAKE(builder->file);
    config->sources = EYE_TAKE(builder->sources.data);
    config->exporters = builder->exporters.items;
    config->exporter_count = builder->exporters.count;
    config->routes.rules = builder->routes.rules.items;
    config->routes.count = builder->routes.rules.count;
    config->routes.names = builder->routes.names;
    builder->config = (struct eye_config){0};
    builder->exporters = (struct eye_exporter_list){0};
    builder->routes = (struct eye_route_list){0};
}

int eye_builder_finish(struct eye_builder *builder, struct eye_config **ret_config,
                       struct eye_error *ret_error)
{
    eye_exporter_list_set_default(&builder->exporters, &builder->sections, &builder->problems);
    eye_exporter_list_name(&builder->exporters, &builder->problems);
    if (eye_connection_tables_init(&builder->config) != 0) {
        eye_problems_add_out_of_memory(&builder->problems);
    }
    int result = eye_problems_result(&builder->problems, ret_error);
    if (result != 0) {
        return result;
    }
    eye_connection_rules_warn(&builder->config, &builder->warnings);
    eye_port_rules_warn(&builder->config, &builder->warnings);
    struct eye_config *config = calloc(1, sizeof(*config));
    if (config == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    hand_out(builder, config);
    *ret_config = config;
    return 0;
}
