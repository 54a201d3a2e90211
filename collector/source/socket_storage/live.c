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
    struct eye_live_look *look;
    const volatile bool *ended; /* set by the program at the end of a run */
    size_t reads;               /* the last one not counted */
};

static void split(void *context, const void *data, size_t bytes)
{
    struct run *run = context;
    struct eye_live_look *look = run->look;
    const struct eye_connection_record *record = data;
    if (run->reads++ == 0) {
        look->whole = *run->ended;
    }
    look->records += bytes / sizeof(*record);
    for (size_t i = 0; i < bytes / sizeof(*record); i++) {
        look->handler(look->context, &record[i], sizeof(*record));
    }
}

static int run_once(struct socket_storage *programs, const struct bpf_link *link,
                    struct eye_live_look *look, bool again)
{
    struct run run = {.look = look, .ended = &programs->bss->eye_live_ended};
    programs->bss->eye_live_again = again;
    programs->bss->eye_live_ended = false;
    look->whole = true; /* no read gave anything: the last one saw all */
    return eye_iterator_run(link, sizeof(struct eye_connection_record), split, &run);
}

static void hand_on_datagrams(void *context, const void *data, size_t bytes)
{
    struct run *run = context;
    struct eye_live_look *look = run->look;
    const struct eye_datagram_record *record = data;
    run->reads++;
    look->records += bytes / sizeof(*record);
    for (size_t i = 0; i < bytes / sizeof(*record); i++) {
        look->handler(look->context, &record[i], sizeof(*record));
    }
}

/* Of what a run passes over nothing is lost: it is told by the next one. */
int eye_live_read_datagrams(const struct bpf_link *link, struct eye_live_look *look)
{
    int result = 0;
    struct run run = {.look = look, .reads = 2};
    for (int runs = 0; runs < RUNS_MAX && result == 0 && run.reads > 1; runs++) {
        run.reads = 0;
        result =
            eye_iterator_run(link, sizeof(struct eye_datagram_record), hand_on_datagrams, &run);
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
    int result = run_once(programs, link, look, false);
    for (int runs = 1; runs < RUNS_MAX && result == 0 && !look->whole; runs++) {
        result = run_once(programs, link, look, true);
    }
    programs->bss->eye_live_again = false;
    look->met = programs->bss->eye_live_met;
    return result;
}
