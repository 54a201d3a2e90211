/* SPDX-License-Identifier: Apache-2.0 */
/* Running BPF iterators (bpf_iter, kernel 5.8). No thread rule. */
#pragma once

#include <stddef.h>

#include "collector/base/error.h"

struct bpf_link;

/** Takes what one read gave: whole records as the program wrote them, @bytes together; 0 when the
 * read was ended on its way: by the program, or after a million objects without output. */
typedef void eye_iterator_sink(void *context, const void *data, size_t bytes);

/**
 * Runs the iterator once, to its end. @sink may be NULL when the program writes nothing.
 * 0 or -errno (-EMFILE: out of descriptors).
 */
int eye_iterator_run(const struct bpf_link *link, size_t record_bytes, eye_iterator_sink *sink,
                     void *context);
