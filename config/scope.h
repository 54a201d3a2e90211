/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that may stand in one mapping: those of tables, and special ones whose values are no
 * single value. "source.tier" is the key `tier` in the mapping `source`. Used by one thread.
 */
#pragma once

#include "config/config.h"
#include "config/document.h"

struct eye_scope_table {
    const struct eye_config_key *keys;
    size_t count;
    void *values; /* what the offsets of the keys point into */
};

/* Reads the value of a special key. */
typedef void eye_scope_reader(struct eye_document *document, const yaml_node_t *node,
                              void *context);

struct eye_scope_special {
    const char *path;
    eye_scope_reader *read;
};

struct eye_scope {
    struct eye_scope_table tables[2];
    struct eye_scope_special specials[2];
    void *context; /* of the readers */
};

/** The path of the key number @index, of tables and specials; NULL behind the last. */
const char *eye_scope_path(const struct eye_scope *scope, size_t index);

/** Reads a mapping of keys, at most the null node. */
void eye_scope_read(const struct eye_scope *scope, struct eye_document *document,
                    const yaml_node_t *node);

/** Reads one value as that of @path, a key or a mapping of keys. @node: NULL for no text at all. */
void eye_scope_assign(const struct eye_scope *scope, struct eye_document *document,
                      const char *path, const yaml_node_t *node);

/** Sets every key of the tables to its default. */
void eye_scope_set_defaults(const struct eye_scope *scope, struct eye_problems *problems);

/** Frees what the values of the tables own. */
void eye_scope_done(const struct eye_scope *scope);
