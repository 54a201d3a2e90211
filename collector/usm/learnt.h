/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ids mean, as messages have told: of topics, of statements. When it is full, the oldest one
 * gives way; who still uses it is told of again. Belongs to the collector thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct eye_learnt;

/** Room for @kept names of up to @name_bytes, which stand for ids of @id_bytes. NULL: out of
 * memory. */
struct eye_learnt *eye_learnt_new(size_t kept, size_t id_bytes, size_t name_bytes);

/** Takes NULL. */
void eye_learnt_free(struct eye_learnt *learnt);

/** Remembers that @id means the name of @length bytes, at most those there is room for. */
void eye_learnt_set(struct eye_learnt *learnt, const void *id, const void *name, size_t length);

/** The name, or NULL; good until the next one is learnt. */
const char *eye_learnt_find(const struct eye_learnt *learnt, const void *id);

/** How many gave way to newer ones. */
uint64_t eye_learnt_evicted(const struct eye_learnt *learnt);
