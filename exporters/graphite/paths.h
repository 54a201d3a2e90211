/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a series is called in Graphite: "name;key=value;key=value" (carbon 1.1 and later), or dotted
 * by a template. In either form the name or path may get an ending (".p50") at the cut. Made once,
 * then immutable; used by one worker.
 *
 * Only ASCII goes out: carbon drops the connection on bytes that are no UTF-8 and splits lines at
 * blanks and line ends of all alphabets.
 *
 * Source: https://graphite.readthedocs.io/en/latest/tags.html and carbon's TaggedSeries.
 */
#pragma once

#include "exporters/encode/template.h"

/* Order of the choices of `style`. */
enum eye_graphite_style { EYE_GRAPHITE_TAGGED, EYE_GRAPHITE_DOTTED };

struct eye_graphite_paths {
    const struct eye_selection *selection;
    enum eye_graphite_style style;
    struct eye_template template; /* of EYE_GRAPHITE_DOTTED */
    char host[256];               /* of EYE_GRAPHITE_TAGGED, unless the configuration has one */
};

/**
 * @template: of the dotted style; NULL: host, metric, tags. @selection must outlive it. 0, or
 * -errno with a message.
 */
int eye_graphite_paths_init(struct eye_graphite_paths *paths, enum eye_graphite_style style,
                            const char *template, const struct eye_selection *selection,
                            struct eye_error *ret_error);

/** An eye_identity_write; @context is a struct eye_graphite_paths. */
void eye_graphite_write_path(void *context, const struct eye_point *point, struct eye_text *text,
                             uint32_t *ret_split);
