/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The problems found while a configuration is read, one line each, so that the user sees all of
 * them at once. Used by one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/base/error.h"
#include "collector/base/text.h"

#define EYE_PROBLEMS_MAX 20

struct eye_problems {
    struct eye_text lines; /* each with its line break */
    size_t count;
    int code; /* of the first problem: -errno */
};

void eye_problems_init(struct eye_problems *problems);
void eye_problems_done(struct eye_problems *problems);

/** True when more would not be kept: reading on is of no use. */
bool eye_problems_full(const struct eye_problems *problems);

/**
 * Adds a line "WHERE: message". @code: -errno. A hostile file name or value is shown as
 * eye_copy_shown() has it.
 */
void eye_problems_add(struct eye_problems *problems, int code, const char *format, ...)
    EYE_PRINTF(3, 4);

/** Adds "out of memory". */
void eye_problems_add_out_of_memory(struct eye_problems *problems);

/**
 * 0 when there are none; else the code of the first, and @ret_error (may be NULL) gets the lines.
 * Where they do not all fit, a last line says how many are left out.
 */
int eye_problems_result(const struct eye_problems *problems, struct eye_error *ret_error);

/* The start of a text as it may stand in a message. */
struct eye_excerpt {
    char text[64];
};

/** Cuts behind a whole UTF-8 character and says so by "...". User and password of a URL are "***".
 */
struct eye_excerpt eye_excerpt_of(const char *text);
