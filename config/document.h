/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One YAML text as nodes, and where it comes from, for messages. A hostile text cannot make the
 * reader work long: its size, depth, nodes and anchors are bounded before nodes are built, and
 * so is the number of nodes visited, since aliases multiply them. Used by one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <yaml.h>

#include "collector/base/base.h"
#include "config/problems.h"

/* The longest text that is read. */
#define EYE_DOCUMENT_BYTES_MAX ((size_t)1 << 20)

/* Where a value comes from. */
struct eye_origin {
    const char *label; /* a file's path, "SOCKEYE_INTERVAL", "--set interval" */
    const char *path;  /* the key that the label names already; NULL: a file, has positions */
};

struct eye_document {
    const struct eye_origin *origin;
    struct eye_problems *problems;
    size_t visits_left;
    yaml_document_t yaml;
};

/**
 * Parses @length @bytes. 0, or -errno and a problem is added. @origin and @problems (the caller's)
 * must outlive the document.
 */
int eye_document_init(struct eye_document *document, const struct eye_origin *origin,
                      const char *bytes, size_t length, struct eye_problems *problems);

/** Only after a successful init. */
void eye_document_done(struct eye_document *document);

/** The outermost node; NULL when the text is empty or holds nothing but comments. */
yaml_node_t *eye_document_root(struct eye_document *document);

/**
 * The node of an index in a mapping or sequence. NULL when too many were visited (a problem is
 * added, once): then the caller stops.
 */
yaml_node_t *eye_document_node(struct eye_document *document, int index);

/**
 * Adds a problem at @mark (NULL: none known) about the key @path (NULL: about no key), which is
 * not repeated where the origin names it already.
 */
void eye_document_problem(struct eye_document *document, const yaml_mark_t *mark, const char *path,
                          const char *format, ...) EYE_PRINTF(4, 5);

/** "FILE:LINE:COL" of @mark, or the label where there are no positions; the caller's. NULL: out of
 * memory. */
char *eye_document_place(const struct eye_document *document, const yaml_mark_t *mark);

/** True, and a problem is added, when @key is "<<", the merge key of YAML 1.1 that 1.2 has not. */
bool eye_document_refuse_merge(struct eye_document *document, const yaml_node_t *key);

/** True for an empty value, ~ and null, all without quotes. */
bool eye_node_is_null(const yaml_node_t *node);

/** False, and a problem is added, unless @node is of the kind @type; @noun: what was expected. */
bool eye_document_expect(struct eye_document *document, const yaml_node_t *node,
                         yaml_node_type_t type, const char *path, const char *noun);

/**
 * The text of a scalar; NULL, and a problem is added, when @node is none or holds control
 * characters. @noun: what was expected. The text is the document's.
 */
const char *eye_document_scalar(struct eye_document *document, const yaml_node_t *node,
                                const char *path, const char *noun);
