/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where conntrack's entries of this kernel have their fields, out of its BTF (/sys/kernel/btf,
 * which everybody may read): of the kernel itself, or of the module nf_conntrack.
 */
#pragma once

#include <stdbool.h>

struct socket_storage;

/**
 * Tells the programs, once they have met an entry: most hosts track nothing. Takes some
 * milliseconds then, and some MiB that are given back. *is_strange: it could not be read, which is
 * logged once and not tried again. The collector thread's.
 */
void eye_conntrack_learn(struct socket_storage *programs, bool *is_strange);
