/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/socket_storage/live.h"

#include <bpf/libbpf.h>

#include "bpf/abi.h"
#include "collector/base/clock.h"
#include "collector/source/iterator.h"

#include "bpf/socket_storage.skel.h"

/* Runs of the iterator in one look. Each meets most of what is left, so that two or three are
 * enough; of more than a million sockets the kernel shows no run whole. Counted as
 * EYE_LOSS_TCP_LOOK. */
#define RUNS_MAX 8

struct run {
    struct socket_storage *programs;
    struct eye_live_look *look;
    size_t record_bytes;
    size_t reads;
    bool whole; /* its first read came to the end */
};

/* What one read has gathered. An eye_iterator_sink: nothing is in the kernel's own buffer. */
static void take_gathered(void *context, const void *data, size_t bytes)
{
    struct run *run = context;
    struct socket_storage__bss *shared = run->programs->bss;
    (void)data;
    (void)bytes;
    if (run->reads++ == 0) {
        run->whole = shared->eye_live_ended;
    }
    run->look->records += shared->eye_gathered_count;
    for (size_t i = 0; i < shared->eye_gathered_count; i++) {
        run->look->handler(run->look->context, &shared->eye_gathered[i], run->record_bytes);
    }
    shared->eye_gathered_count = 0;
}

static int run_once(struct run *run, const struct bpf_link *link)
{
    run->reads = 0;
    run->programs->bss->eye_live_ended = false;
    int result = eye_iterator_run(link, 0, take_gathered, run);
    take_gathered(run, NULL, 0); /* of the last read */
    return result;
}

/* Of what a run passes over nothing is lost: it is told by the next one. */
int eye_live_read_datagrams(struct socket_storage *programs, const struct bpf_link *link,
                            struct eye_live_look *look)
{
    struct run run = {
        .programs = programs,
        .look = look,
        .record_bytes = sizeof(struct eye_datagram_record),
    };
    int result = run_once(&run, link);
    for (int runs = 1; runs < RUNS_MAX && result == 0 && run.reads > 1; runs++) {
        result = run_once(&run, link);
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
        .look = look,
        .record_bytes = sizeof(struct eye_connection_record),
    };
    int result = run_once(&run, link);
    programs->bss->eye_live_again = true;
    for (int runs = 1; runs < RUNS_MAX && result == 0 && !run.whole; runs++) {
        result = run_once(&run, link);
    }
    programs->bss->eye_live_again = false;
    look->whole = run.whole;
    look->met = programs->bss->eye_live_met;
    return result;
}
