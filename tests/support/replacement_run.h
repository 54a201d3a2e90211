/* SPDX-License-Identifier: Apache-2.0 */
/* A replacement from its beginning to its end, for who has nothing else to do. */
#pragma once

#include <unistd.h>

#include "exporters/engine/replacement.h"

static inline int replacement_run(const struct eye_replacement_setup *setup,
                                  const struct eye_config *config,
                                  struct eye_workers_change *ret_change,
                                  struct eye_error *ret_error)
{
    struct eye_replacement *replacement;
    int result = eye_replacement_begin(setup, config, &replacement, ret_error);
    if (result != 0) {
        return result;
    }
    while (!eye_replacement_step(replacement)) {
        usleep(100);
    }
    return eye_replacement_end(replacement, ret_change, ret_error);
}
