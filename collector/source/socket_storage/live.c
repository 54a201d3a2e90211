/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/socket_storage/live.h"

#include <bpf/libbpf.h>

#include "bpf/abi.h"
#include "collector/base/clock.h"
#include "collector/base/privileges.h"
#include "collector/source/everywhere.h"

#include "bpf/socket_storage.skel.h"

/* Runs of the iterator in one look. Each meets most of what is left, so that two or three are
 * enough; of more than a million sockets the kernel shows no run whole. Counted as
 * EYE_LOSS_TCP_LOOK. */
#define RUNS_MAX 8

struct run {
    struct socket_storage *programs;
    const struct bpf_link *link;
    struct eye_live_look *look;
    size_t record_bytes;
    bool whole; /* no namespace took more than one read */
    struct eye_visited visited;
};

static void hand_on(const struct run *run)
{
    struct socket_storage__bss *shared = run->programs->bss;
    run->look->records += shared->eye_gathered_count;
    for (size_t i = 0; i < shared->eye_gathered_count; i++) {
        run->look->handler(run->look->context, &shared->eye_gathered[i], run->record_bytes);
    }
    shared->eye_gathered_count = 0;
}

/* A read has ended on its way. An eye_iterator_sink: nothing is in the kernel's own buffer. */
static void take_gathered(void *context, const void *data, size_t bytes)
{
    struct run *run = context;
    (void)data;
    (void)bytes;
    run->whole = false;
    hand_on(run);
}

static int run_everywhere(struct run *run)
{
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_NAMESPACES);
    int result = eye_iterator_run_everywhere(run->link, run->look->proc, 0, take_gathered, run,
                                             &run->visited);
    eye_privileges_lower(privileges);
    run->look->others_ns += run->visited.others_ns;
    return result;
}

static int run_once(struct run *run)
{
    run->whole = true;
    int result = run->look->proc != NULL ? run_everywhere(run)
                                         : eye_iterator_run(run->link, 0, take_gathered, run);
    hand_on(run);
    return result;
}

/* Of what a run passes over nothing is lost: it is told by the next one. */
int eye_live_read_datagrams(struct socket_storage *programs, const struct bpf_link *link,
                            struct eye_live_look *look)
{
    struct run run = {
        .programs = programs,
        .link = link,
        .look = look,
        .record_bytes = sizeof(struct eye_datagram_record),
    };
    int result = run_once(&run);
    for (int runs = 1; runs < RUNS_MAX && result == 0 && !run.whole; runs++) {
        result = run_once(&run);
    }
    return result;
}

void eye_live_begin(struct socket_storage *programs, uint32_t pass)
{
    programs->bss->eye_live_began_ns = eye_clock_monotonic_ns();
    programs->bss->eye_live_met = 0;
    programs->data->eye_pass = pass;
    programs->data->eye_live_look++;
}

/* All sockets, and those which the runs before passed over, until a run is whole. */
int eye_live_read(struct socket_storage *programs, const struct bpf_link *link,
                  struct eye_live_look *look)
{
    struct run run = {
        .programs = programs,
        .link = link,
        .look = look,
        .record_bytes = sizeof(struct eye_connection_record),
    };
    int result = run_once(&run);
    programs->bss->eye_live_again = true;
    for (int runs = 1; runs < RUNS_MAX && result == 0 && !run.whole; runs++) {
        result = run_once(&run);
    }
    programs->bss->eye_live_again = false;
    look->whole = run.whole && run.visited.failed == 0;
    look->closed = run.visited.closed > 0;
    look->met = programs->bss->eye_live_met;
    return result;
}
