/* SPDX-License-Identifier: Apache-2.0 */
/* The list `exporters` of a configuration. Used by one thread. */
#pragma once

#include "config/config.h"
#include "config/document.h"

#define EYE_EXPORTERS_MAX 64

struct eye_exporter_list {
    struct eye_exporter_config *items; /* owned */
    size_t count;
};

/* The exporter types that exist. */
struct eye_section_list {
    const struct eye_config_section *const *items;
    size_t count;
};

/** Replaces @list by what @node holds; null: an empty list. Mistakes are problems of @document. */
void eye_exporter_list_read(struct eye_document *document, const yaml_node_t *node,
                            const struct eye_section_list *sections,
                            struct eye_exporter_list *list);

/** Makes an empty list one console exporter with its defaults, when that type exists. */
void eye_exporter_list_set_default(struct eye_exporter_list *list,
                                   const struct eye_section_list *sections,
                                   struct eye_problems *problems);

/** Names those without a name after their type. */
void eye_exporter_list_name(struct eye_exporter_list *list, struct eye_problems *problems);

/** Frees the exporters and leaves an empty list. */
void eye_exporter_list_done(struct eye_exporter_list *list);
