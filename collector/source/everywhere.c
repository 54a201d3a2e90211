/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/everywhere.h"

#include <stdbool.h>

struct run {
    const struct bpf_link *link;
    size_t record_bytes;
    eye_iterator_sink *sink;
    void *context;
    bool has_begun;
    int own_result; /* of the first namespace, the caller's */
};

static int run_here(void *context, uint32_t netns)
{
    struct run *run = context;
    (void)netns;
    int result = eye_iterator_run(run->link, run->record_bytes, run->sink, run->context);
    run->own_result = run->has_begun ? run->own_result : result;
    run->has_begun = true;
    return result;
}

int eye_iterator_run_everywhere(const struct bpf_link *link, const char *proc, size_t record_bytes,
                                eye_iterator_sink *sink, void *context,
                                struct eye_visited *ret_visited)
{
    struct run run = {.link = link, .record_bytes = record_bytes, .sink = sink, .context = context};
    const struct eye_visitor visitor = {"iterator", run_here, &run};
    eye_namespaces_visit(proc, &visitor, ret_visited);
    return run.own_result;
}
