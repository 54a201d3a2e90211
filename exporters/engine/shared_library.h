/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libraries that only some exporters, or one command, need: opened when the first of these is, so
 * that the others do not pay for them (libcurl with what it brings along is 5 MiB of resident
 * memory). Their functions
 * are called through a table. In the static build (EYE_STATIC), which opens nothing, they are
 * linked and the table gets their addresses; whoever calls them sees no difference. Main thread.
 */
#pragma once

#include <stddef.h>

#include "collector/base/error.h"

/* A function of the library and where its pointer goes in the table: EYE_SYMBOL(). */
struct eye_symbol {
    const char *name;
    size_t offset;
    const void *address; /* where it is linked; NULL outside of the static build */
};

/* NOLINTBEGIN(bugprone-macro-parentheses): names, not expressions */
#ifdef EYE_STATIC
#define EYE_SYMBOL(function, table, member)                                                        \
    {                                                                                              \
        .name = #function, .offset = offsetof(table, member),                                      \
        .address = (const void *)&(function),                                                      \
    }
#else
#define EYE_SYMBOL(function, table, member)                                                        \
    {                                                                                              \
        .name = #function, .offset = offsetof(table, member),                                      \
    }
#endif
/* NOLINTEND(bugprone-macro-parentheses) */

/**
 * Opens @file ("libcurl.so.4") and fills @table. The library stays open until the process ends.
 * 0, or -ELIBACC with a message that names @package, and the table is untouched. The static build
 * cannot fail.
 */
int eye_shared_library_open(const char *file, const char *package, const struct eye_symbol *symbols,
                            size_t count, void *table, struct eye_error *ret_error);
