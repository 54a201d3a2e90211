/* SPDX-License-Identifier: Apache-2.0 */
/* Reads struct nf_conn (include/net/netfilter/nf_conntrack.h) in BTF. */
#include "collector/source/socket_storage/conntrack.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi.h"
#include "collector/base/log.h"
#include "collector/host/kernel_type.h"

#include "bpf/socket_storage.skel.h"

#define MODULE_BTF "/sys/kernel/btf/nf_conntrack"

/* IP_CT_DIR_MAX tuples, each behind the two pointers of a list. */
#define TUPLE_COUNT 2
#define TUPLE_BYTES 56
#define LINK_BYTES 16

static int read_layout(const struct btf *btf, uint64_t *ret_layout)
{
    int entry = btf__find_by_name_kind(btf, "nf_conn", BTF_KIND_STRUCT);
    int tuple = btf__find_by_name_kind(btf, "nf_conntrack_tuple_hash", BTF_KIND_STRUCT);
    if (entry < 0 || tuple < 0) {
        return -ENOENT;
    }
    const struct btf_type *type = btf__type_by_id(btf, (uint32_t)entry);
    uint32_t tuples = eye_kernel_type_offset(btf, type, "tuplehash");
    uint32_t status = eye_kernel_type_offset(btf, type, "status");
    if (tuples == 0 || status == 0 || btf__resolve_size(btf, (uint32_t)tuple) != TUPLE_BYTES) {
        return -ENOTSUP;
    }
    *ret_layout =
        EYE_CONNTRACK_LAYOUT(status, tuples + (TUPLE_COUNT - 1) * TUPLE_BYTES + LINK_BYTES);
    return 0;
}

static int read_module(struct btf *kernel, uint64_t *ret_layout)
{
    struct btf *module = btf__parse_split(MODULE_BTF, kernel);
    int result = module == NULL ? -errno : read_layout(module, ret_layout);
    btf__free(module);
    return result;
}

/* EYE_CONNTRACK_LAYOUT(). -ENOENT: no such type; -ENOTSUP: another one than is known here. */
static int find_layout(uint64_t *ret_layout)
{
    struct btf *kernel = btf__load_vmlinux_btf();
    if (kernel == NULL) {
        return -errno;
    }
    int result = read_layout(kernel, ret_layout);
    if (result == -ENOENT && access(MODULE_BTF, R_OK) == 0) {
        result = read_module(kernel, ret_layout);
    }
    btf__free(kernel);
    malloc_trim(0);
    return result;
}

void eye_conntrack_learn(struct socket_storage *programs, bool *is_strange)
{
    uint64_t layout = 0;
    if (!programs->bss->eye_conntrack.met || programs->bss->eye_conntrack.layout != 0 ||
        *is_strange) {
        return;
    }
    int result = find_layout(&layout);
    if (result == 0) {
        programs->bss->eye_conntrack.layout = layout;
        return;
    }
    *is_strange = true;
    eye_log_warning("what NAT does to connections is not seen: cannot read how conntrack keeps its "
                    "entries in /sys/kernel/btf: %s",
                    strerror(-result));
}
