/* SPDX-License-Identifier: Apache-2.0 */
/* Running an iterator that sees one network namespace in all of them. */
#pragma once

#include "collector/source/iterator.h"
#include "collector/source/namespaces.h"

/**
 * eye_iterator_run() in every network namespace that may be entered, the caller's first. @proc:
 * "/proc". @sink is called by other threads than the caller's, one at a time, while that waits. 0,
 * or -errno: it cannot even run in the caller's own; what hindered others is in @ret_visited.
 */
int eye_iterator_run_everywhere(const struct bpf_link *link, const char *proc, size_t record_bytes,
                                eye_iterator_sink *sink, void *context,
                                struct eye_visited *ret_visited);
