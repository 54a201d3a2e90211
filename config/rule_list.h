/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that are a list of mappings, each with keys of a table as the configuration itself has
 * them. Used by one thread.
 */
#pragma once

#include "config/config.h"
#include "config/document.h"

/* The mappings of one list. Constant. */
struct eye_rule_type {
    const struct eye_config_key *keys; /* offsets into an item */
    size_t key_count;
    size_t size;         /* of an item */
    size_t max;          /* items */
    const char *noun;    /* "routes" */
    const char *expects; /* its keys, as words of a message */
    bool any;            /* one of them is enough; else all have to be set */
    /* Adds a problem where items do not go together. @node: the sequence that they were read from,
     * item by item. NULL: all do. */
    void (*check)(struct eye_document *document, const yaml_node_t *node, const char *path,
                  const struct eye_rule_list *list);
};

/**
 * Replaces @list by what @node holds, the value of the key @path; null: by nothing. Mistakes are
 * problems of @document.
 */
void eye_rule_list_read(struct eye_document *document, const yaml_node_t *node, const char *path,
                        const struct eye_rule_type *type, struct eye_rule_list *list);

/** Frees the items and leaves an empty list. */
void eye_rule_list_done(const struct eye_rule_type *type, struct eye_rule_list *list);

/** Whether both have the same items in the same order. */
bool eye_rule_list_equal(const struct eye_rule_type *type, const struct eye_rule_list *list,
                         const struct eye_rule_list *other);

/** The item number @index, less than list->count. */
const void *eye_rule_at(const struct eye_rule_type *type, const struct eye_rule_list *list,
                        size_t index);
