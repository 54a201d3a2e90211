/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel's BTF says of its structures. No thread rule. */
#pragma once

#include <stdint.h>

struct btf;
struct btf_type;

/** Where @member stands in @type, a struct: bytes. 0 also when it has none of that name. */
uint32_t eye_kernel_type_offset(const struct btf *btf, const struct btf_type *type,
                                const char *member);
