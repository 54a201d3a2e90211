/* SPDX-License-Identifier: Apache-2.0 */
/* One key's value: from a node to the typed member of a struct. Used by one thread. */
#pragma once

#include "config/config.h"
#include "config/document.h"

/**
 * Reads @node into the member of @values (the struct that the offset of @key points into); null
 * means the default. What does not fit the key is a problem of @document and changes nothing.
 */
void eye_value_read(struct eye_document *document, const yaml_node_t *node,
                    const struct eye_config_key *key, void *values);

/** Sets the default. @values: zeroed or set before. Out of memory is added to @problems. */
void eye_value_set_default(const struct eye_config_key *key, void *values,
                           struct eye_problems *problems);

/** Frees what the member owns and leaves NULL. */
void eye_value_done(const struct eye_config_key *key, void *values);

/** Whether the members of both are the same value. */
bool eye_value_equal(const struct eye_config_key *key, const void *values,
                     const void *other_values);

/** Frees the items and leaves an empty list. */
void eye_text_list_done(struct eye_text_list *list);

/** Whether both have the same texts in the same order. */
bool eye_text_list_equal(const struct eye_text_list *list, const struct eye_text_list *other);
