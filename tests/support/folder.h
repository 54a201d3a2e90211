/* SPDX-License-Identifier: Apache-2.0 */
/* Taking away a folder that a test made, with all that is in it. */
#pragma once

#include <ftw.h>
#include <stdio.h>

static inline int folder_remove_one(const char *path, const struct stat *status, int kind,
                                    struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

/* 0, or not 0 when something is left. Follows no links. */
static inline int folder_remove(const char *path)
{
    return nftw(path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
