/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that may stand in one mapping: those of tables, and special ones whose values are no
 * single value. "source.tier" is the key `tier` in the mapping `source`. A truth may have keys of
 * its own, as "protocols.tls" has "protocols.tls.exclude": a mapping of these in place of true or
 * false is true. Used by one thread.
 */
#pragma once

#include "config/config.h"
#include "config/document.h"

struct eye_scope_table {
    const struct eye_config_key *keys;
    size_t count;
    void *values;   /* what the offsets of the keys point into */
    char **origins; /* for each key, owned: where it was set last; NULL: nobody asks */
};

/* Reads the value of a special key. */
typedef void eye_scope_reader(struct eye_document *document, const yaml_node_t *node,
                              void *context);

struct eye_scope_special {
    const char *path;
    eye_scope_reader *read;
    const char *foreign; /* as of a key */
};

struct eye_scope;

/* Where a key of another mapping belongs, as a question behind "did you mean ". */
struct eye_scope_hint {
    char text[192];
};

/* Whether @path, which is no key here, is one elsewhere. */
typedef bool eye_scope_elsewhere(const struct eye_scope *scope, const char *path,
                                 struct eye_scope_hint *ret_hint);

struct eye_scope {
    struct eye_scope_table tables[2];
    struct eye_scope_special specials[2];
    void *context;                  /* of the readers */
    eye_scope_elsewhere *elsewhere; /* NULL: nowhere */
};

/** The path of the key number @index, of tables and specials; NULL behind the last. */
const char *eye_scope_path(const struct eye_scope *scope, size_t index);

/** Whether @key is @path, is called so by others, or lies in the section @path. */
bool eye_scope_key_answers_to(const struct eye_config_key *key, const char *path);

/** Reads a mapping of keys, at most the null node. */
void eye_scope_read(const struct eye_scope *scope, struct eye_document *document,
                    const yaml_node_t *node);

/** Reads one value as that of @path, a key or a mapping of keys. @node: NULL for no text at all. */
void eye_scope_assign(const struct eye_scope *scope, struct eye_document *document,
                      const char *path, const yaml_node_t *node);

/** Sets every key of the tables to its default. */
void eye_scope_set_defaults(const struct eye_scope *scope, struct eye_problems *problems);

/** Frees what the values of the tables own, and their origins. */
void eye_scope_done(const struct eye_scope *scope);
