/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/socket_storage/live.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/abi.h"
#include "collector/base/clock.h"
#include "collector/base/privileges.h"
#include "collector/source/accounts.h"
#include "collector/source/everywhere.h"

#include "bpf/socket_storage.skel.h"

/* Runs of the iterator in one look. Each meets most of what is left, so that two or three are
 * enough; of more than a million sockets the kernel shows no run whole. Counted as
 * EYE_LOSS_TCP_LOOK. */
#define RUNS_MAX 8

/* A walk over the tables of a namespace takes a millisecond or two, however few sockets are its: of
 * a processor's time so large a part, at most, goes into those of others, but for full passes. What
 * has moved there meanwhile is told by the next look. Not of all time: where processors are busy, a
 * look that waits for one would be followed by a minute without any. */
#define OTHERS_PART 100

struct look {
    const struct eye_live_request *request;
    const char *proc; /* NULL: it stays in the daemon's own namespace, or sees all of them there */
    uint64_t records; /* handed on */
    uint64_t others_ns; /* processor time spent in other namespaces */
};

/* One program, run until it is whole. */
struct run {
    struct look *look;
    const struct bpf_link *link;
    size_t record_bytes;
    bool whole; /* no namespace took more than one read */
    struct eye_visited visited;
};

static void hand_on(const struct run *run)
{
    const struct eye_live_request *request = run->look->request;
    struct socket_storage__bss *shared = request->programs->bss;
    run->look->records += shared->eye_gathered_count;
    for (size_t i = 0; i < shared->eye_gathered_count; i++) {
        request->handler(request->context, &shared->eye_gathered[i], run->record_bytes);
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

/* Again for what the runs before passed over. */
static int run_until_whole(struct run *run)
{
    struct socket_storage__bss *shared = run->look->request->programs->bss;
    int result = run_once(run);
    shared->eye_live_again = true;
    for (int runs = 1; runs < RUNS_MAX && result == 0 && !run->whole; runs++) {
        result = run_once(run);
    }
    shared->eye_live_again = false;
    return result;
}

/* Flows are in a map, whose walk is a program's own: it goes on where it ended for want of room. */
static int run_over_flows(struct run *run)
{
    LIBBPF_OPTS(bpf_test_run_opts, options);
    int result;
    do {
        result = bpf_prog_test_run_opts(run->look->request->flows, &options);
        hand_on(run);
    } while (result == 0 && options.retval != 0);
    return result;
}

/* Of what the last run passes over nothing is lost: the next look tells it. */
static int read_udp(struct look *look)
{
    const struct eye_live_request *request = look->request;
    if (request->udp == NULL) {
        return 0;
    }
    struct run run = {
        .look = look,
        .link = request->udp,
        .record_bytes = sizeof(struct eye_datagram_record),
    };
    int result = run_until_whole(&run);
    return result == 0 ? run_over_flows(&run) : result;
}

/* From now on who leaves and was not met is counted (EYE_COUNT_UNMET). */
static void begin(const struct eye_live_request *request)
{
    request->programs->bss->eye_live_began_ns = eye_clock_monotonic_ns();
    request->programs->bss->eye_live_met = 0;
    request->programs->data->eye_pass = request->pass;
    request->programs->data->eye_live_look++;
}

/* Fills in what @balance has of the look. A look that went into every namespace it could has met
 * everybody; in those of which nothing is known there may be others, who are missing then. */
static int read_tcp(struct look *look, struct eye_balance *balance)
{
    const struct eye_live_request *request = look->request;
    struct run run = {
        .look = look,
        .link = request->tcp,
        .record_bytes = sizeof(struct eye_connection_record),
    };
    uint64_t unmet = eye_counts_sum(request->counts, EYE_COUNT_UNMET);
    balance->left = eye_counts_sum(request->counts, EYE_COUNT_LEFT);
    int result = run_until_whole(&run);
    balance->left += eye_counts_sum(request->counts, EYE_COUNT_UNMET) - unmet;
    balance->alive = request->programs->bss->eye_live_met;
    balance->whole = run.whole && run.visited.failed == 0;
    if (request->full && run.visited.closed > 0 && eye_account_misses(balance) > 0) {
        balance->whole = false;
    }
    return result;
}

static void note_others(struct eye_live *live, const struct look *look)
{
    if (look->others_ns > 0) {
        live->others_due_ns = eye_clock_monotonic_ns() + OTHERS_PART * look->others_ns;
    }
}

int eye_live_read(struct eye_live *live, const struct eye_live_request *request,
                  uint64_t *ret_records)
{
    bool everywhere = request->full || eye_clock_monotonic_ns() >= live->others_due_ns;
    struct look look = {.request = request, .proc = everywhere ? request->proc : NULL};
    /* First, so that who leaves in between is counted twice rather than not at all. */
    struct eye_balance balance = {.entered = eye_counts_sum(request->counts, EYE_COUNT_ENTERED)};
    begin(request);
    int result = read_tcp(&look, &balance);
    if (result == 0) {
        live->unproved += !balance.whole;
        live->vanished =
            request->full ? eye_account_vanished(&balance, live->vanished) : live->vanished;
        result = read_udp(&look);
    }
    note_others(live, &look);
    *ret_records = look.records;
    return result;
}
