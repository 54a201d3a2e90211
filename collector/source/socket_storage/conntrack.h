/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where conntrack's entries of this kernel have their fields, out of its BTF (/sys/kernel/btf,
 * which everybody may read): of the kernel itself, or of the module nf_conntrack.
 */
#pragma once

#include <stdint.h>

/**
 * EYE_CONNTRACK_LAYOUT(). 0; -ENOENT: no such type, the module is not loaded; -ENOTSUP: the type is
 * another one than is known here; or -errno. Some milliseconds, and some MiB that are given back.
 */
int eye_conntrack_find_layout(uint64_t *ret_layout);
