/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An immutable, reference-counted set of tags, sorted by tag. Shared between threads; the
 * reference count is atomic, the content never changes.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/telemetry/catalogue.h"

/* The value that stands for every value that did not fit a budget. */
#define EYE_TAG_OTHER "__other__"

/* Longer values are cut here: the limit of Datadog for a whole tag. */
#define EYE_TAG_VALUE_MAX_BYTES 200

/* One tag as the caller gives it. Bytes may be anything but NUL; exporters sanitise for their
 * format. */
struct eye_tag_value {
    enum eye_tag tag;
    const char *value;
};

struct eye_tag_set {
    atomic_uint references;
    uint32_t count;
    struct eye_tag_value tags[]; /* strings lie behind the array */
};

/**
 * A set of @count tags, at most EYE_TAG_COUNT, each tag once, in any order; with one reference.
 * The values are copied. NULL when out of memory.
 */
struct eye_tag_set *eye_tag_set_new(const struct eye_tag_value *tags, size_t count);
struct eye_tag_set *eye_tag_set_ref(struct eye_tag_set *set);
void eye_tag_set_unref(struct eye_tag_set *set);

/** Whether its value is EYE_TAG_OTHER. */
bool eye_tag_is_other(const struct eye_tag_value *tag);

/** The value of @tag, or NULL. */
const char *eye_tag_set_value(const struct eye_tag_set *set, enum eye_tag tag);
