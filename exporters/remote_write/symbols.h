/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strings of one request of remote write 2.0, each once, in the order of their numbers; number
 * 0 is the empty one. Strings are not copied: they live at least until the next begin. Used by one
 * worker thread.
 */
#pragma once

#include <stdint.h>

#include "collector/base/table.h"
#include "collector/base/text.h"

struct eye_symbol {
    const char *string; /* NUL-terminated */
    uint32_t length;
    uint32_t number;
};

struct eye_symbols {
    struct eye_symbol *all; /* owned */
    size_t count;
    size_t capacity;
    struct eye_table by_string;
    struct eye_text packed; /* Request.symbols; failed: a string could not be added */
};

/** @max_bytes: of `packed`. 0 or -ENOMEM. */
int eye_symbols_init(struct eye_symbols *symbols, size_t max_bytes);

/** Takes a zeroed one. */
void eye_symbols_done(struct eye_symbols *symbols);

/** Forgets all strings but the empty one. */
void eye_symbols_begin(struct eye_symbols *symbols);

/** The number of @string; @hash: the same for the same string. 0 also when packed.failed. */
uint32_t eye_symbols_number(struct eye_symbols *symbols, const char *string, size_t length,
                            uint64_t hash);
