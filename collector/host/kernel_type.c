/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/host/kernel_type.h"

#include <bpf/btf.h>
#include <string.h>

uint32_t eye_kernel_type_offset(const struct btf *btf, const struct btf_type *type,
                                const char *member)
{
    const struct btf_member *members = btf_members(type);
    for (uint32_t i = 0; i < btf_vlen(type); i++) {
        if (strcmp(btf__name_by_offset(btf, members[i].name_off), member) == 0) {
            return btf_member_bit_offset(type, i) / 8;
        }
    }
    return 0;
}
