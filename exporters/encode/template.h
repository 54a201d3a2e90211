/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names made of a metric and its tags, for receivers that know names only: "{host}.{service}.
 * {metric}". Values of tags become one component each, of letters, digits, _ and -; anything else
 * in them is written as _. Made once, then immutable; used by one worker.
 *
 *   {metric}   prefix and name, with its dots
 *   {host}     the fixed tag of that name, else the machine's host name
 *   {service}  ... any tag of the catalogue or of the configuration; "none" when the series could
 *              have the tag but does not, so that components keep their places
 *   {tags}     the values of all tags that have no placeholder of their own: those of the
 *              configuration, then those of the series in the catalogue's order
 *
 * A component that has nothing to say vanishes with its dot.
 */
#pragma once

#include "collector/base/error.h"
#include "collector/snapshot/snapshot.h"
#include "exporters/encode/selection.h"

#define EYE_TEMPLATE_MAX_BYTES 512
#define EYE_TEMPLATE_MAX_PARTS 64

enum eye_template_kind {
    EYE_TEMPLATE_LITERAL,
    EYE_TEMPLATE_METRIC,
    EYE_TEMPLATE_HOST,
    EYE_TEMPLATE_TAG,
    EYE_TEMPLATE_FIXED,
    EYE_TEMPLATE_TAGS,
};

struct eye_template_part {
    enum eye_template_kind kind;
    enum eye_tag tag;                  /* of EYE_TEMPLATE_TAG */
    const struct eye_fixed_tag *fixed; /* of EYE_TEMPLATE_FIXED */
    uint16_t start;                    /* of EYE_TEMPLATE_LITERAL, in the template's text */
    uint16_t length;
};

struct eye_template {
    const struct eye_selection *selection;
    char text[EYE_TEMPLATE_MAX_BYTES + 1];
    char host[256]; /* the machine's host name */
    struct eye_template_part parts[EYE_TEMPLATE_MAX_PARTS];
    size_t count;
};

/**
 * Reads @text. @selection must outlive the template. 0, or -EINVAL with a message: an unknown or
 * unclosed placeholder, a character that no name may have, no {metric}, too long.
 */
int eye_template_parse(const char *text, const struct eye_selection *selection,
                       struct eye_template *ret_template, struct eye_error *ret_error);

/** Appends the name of @point. */
void eye_template_write(const struct eye_template *template, const struct eye_point *point,
                        struct eye_text *text);

/** Appends prefix and name of @metric with everything but letters, digits and _ - . written as _.
 */
void eye_template_append_metric(const struct eye_selection *selection,
                                const struct eye_metric *metric, struct eye_text *text);

/** True when @point has a value for the tag called @key: it then stands for one of the
 * configuration with the same key. */
bool eye_point_has_tag(const struct eye_point *point, const char *key);
