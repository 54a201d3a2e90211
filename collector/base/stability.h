/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which names others may build upon: metrics, tags, configuration keys, options, exit codes and
 * fields of JSON. Each table that defines such names marks the experimental ones; what is stable
 * is renamed, removed or changed only as README's "Contract" says, and check/contract compares.
 */
#pragma once

#include <stdbool.h>

/* The words for the columns of tables; elsewhere a member `experimental` is false unless set. */
enum { EYE_STABLE = false, EYE_EXPERIMENTAL = true };

/** "stable" or "experimental". */
static inline const char *eye_stability_name(bool experimental)
{
    return experimental ? "experimental" : "stable";
}
