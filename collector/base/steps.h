/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An undertaking that may take long, as its parts see it: before each step they ask whether to go
 * on. So whoever waits can be told how far it is, and it can end early.
 */
#pragma once

#include <stddef.h>

struct eye_steps {
    /** @step: what is done next, for a person. 0, or -ECANCELED: whoever wanted it does no more. */
    int (*next)(void *context, const char *step);
    void *context;
};

/** Asks. @steps: NULL where nobody waits. */
static inline int eye_steps_next(const struct eye_steps *steps, const char *step)
{
    return steps == NULL ? 0 : steps->next(steps->context, step);
}
