/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/seed.h"

#include "collector/source/iterator.h"

struct seed {
    const struct bpf_link *link;
};

static int look(void *context, uint32_t netns)
{
    const struct seed *seed = context;
    (void)netns;
    return eye_iterator_run(seed->link, 0, NULL, NULL);
}

void eye_seed_namespaces(const struct bpf_link *tcp_seed, const char *proc,
                         struct eye_visited *ret_seed)
{
    struct seed seed = {tcp_seed};
    const struct eye_visitor visitor = {"iterator", look, &seed};
    eye_namespaces_visit(proc, &visitor, ret_seed);
}
