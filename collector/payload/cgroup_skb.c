/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of the type cgroup_skb, attached to a directory of the cgroup v2 tree. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "collector/host/host.h"
#include "collector/payload/payload.h"

static int open_tree(struct eye_features *features, struct eye_error *ret_error)
{
    const struct eye_config *config = features->config;
    struct eye_cgroup cgroup;
    int result = eye_cgroup_open(config->source.cgroup, config->source.proc, &cgroup);
    if (result == 0) {
        return cgroup.fd;
    }
    const struct eye_feature_state *tree = eye_feature_ask(features, EYE_FEATURE_CGROUP2);
    if (eye_feature_check(tree, ret_error) == 0) {
        /* It was there when it was asked. */
        eye_error_set(ret_error, result, "%s: %s: %s: %s; %s", tree->cost, tree->name, cgroup.path,
                      strerror(-result), tree->remedy);
    }
    return result;
}

static struct bpf_link *attach(const struct bpf_program *program, int cgroup)
{
    if (cgroup < 0) {
        errno = -cgroup;
        return NULL;
    }
    return bpf_program__attach_cgroup(program, cgroup);
}

static const char *remedy(int error)
{
    switch (error) {
    case E2BIG:
        return "a cgroup takes 64 programs (bpftool cgroup tree)";
    case EPERM:
        return "does another program there let none be beside it (bpftool cgroup tree)?";
    default:
        return NULL;
    }
}

const struct eye_payload_type eye_payload_cgroup_skb = {
    .feature = EYE_FEATURE_CGROUP2,
    .open = open_tree,
    .attach = attach,
    .remedy = remedy,
};
