/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where records of sockets come from: the tier that was chosen (tier.h), and what it sees. Shared
 * by tracer and usm because both live on what one tier loads. Opened by the main thread; from then
 * on the collector thread's.
 *
 * Nothing is pinned: on any exit, a crash included, the kernel detaches everything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "collector/base/error.h"
#include "collector/host/features.h"
#include "collector/source/rings.h"
#include "collector/source/tier.h"

struct eye_source;

/** Can one of the tiers that source.tier allows be had, as far as that is known before it is tried?
 * 0, or what the best one says. */
int eye_source_check(struct eye_features *features, struct eye_error *ret_error);

/**
 * The tier that `run` would choose: source.tier, else the best that sees connections (else the best
 * one), and what it would see.
 */
const struct eye_tier_type *eye_source_probe(struct eye_features *features,
                                             struct eye_tier_trial *ret_trial);

/** The best tier that source.tier allows. */
const struct eye_tier_type *eye_source_first(const struct eye_config *config);

/**
 * Opens source.tier, else the best one that this kernel allows; that it is not the best one is the
 * first line of what is not seen. @features: the source's own until it is closed. @steps: asked
 * before each, may be NULL. What this kernel or host refuses is done without, as long as
 * connections are seen: eye_source_sight(). 0; -ECANCELED when @steps do not go on; or -errno:
 * @ret_error then says what is missing for the best one and what to do, in one line.
 */
int eye_source_open(struct eye_features *features, const struct eye_steps *steps,
                    struct eye_source **ret_source, struct eye_error *ret_error);

/** Takes NULL. */
void eye_source_close(struct eye_source *source);

/** The name of the tier that was opened. */
const char *eye_source_tier(const struct eye_source *source);

/** What could not be seen at the start, and since eye_source_retry() behind that. */
const struct eye_sight *eye_source_sight(const struct eye_source *source);

/** Whether everything that the configuration asks for is attached now. With --once a protocol has
 * to have been from the start on. */
bool eye_source_is_whole(const struct eye_source *source);

/** What the thread that reads it must be allowed: a role of privileges.h. */
enum eye_role eye_source_role(const struct eye_source *source);

/** Whether the counters of the kernel side can be read with what the calling thread may do now. */
bool eye_source_is_readable(const struct eye_source *source);

/**
 * Another configuration while it runs, in three steps. Here, in the main thread, while the
 * collector goes on: whatever of it may fail or takes its time. Kernel programs are loaded and
 * attached, and see nothing yet. @config differs from the present one in no key of which
 * eye_config_needs_restart() says so, and outlives the source, or the next configuration. 0, or
 * -errno with a message; in any case eye_source_settle() follows.
 */
int eye_source_prepare(struct eye_source *source, const struct eye_config *config,
                       struct eye_error *ret_error);

/** What was prepared counts from now on; the collector thread's, between two records. */
void eye_source_apply(struct eye_source *source);

/** Takes away what the configuration that is in force does not want. Main thread. */
void eye_source_settle(struct eye_source *source);

/**
 * Attaches what could not be attached before, once: an exclusive program may have gone, a cgroup v2
 * tree may be mounted by now. True when protocols are seen from now on.
 */
bool eye_source_retry(struct eye_source *source);

/** Where a ring's records go; each is set before the first drain. */
void eye_source_on_record(struct eye_source *source, enum eye_ring ring,
                          eye_record_handler *handler, void *context);

/** Readable when there is something to drain. For epoll. */
int eye_source_descriptor(const struct eye_source *source);

/** Reads records; stops after a bounded number, so that nothing else starves. */
void eye_source_drain(struct eye_source *source);

/** The records of owners alone, also while another one is being handled. */
void eye_source_drain_owners(struct eye_source *source);

struct eye_ring_stats eye_source_ring(const struct eye_source *source, enum eye_ring ring);

/**
 * Looks at every socket of every namespace. @pass: see eye_connection_record; each established
 * socket that it has not counted is reported, moved or not. @full: @pass begins with this look. 0
 * or -errno; what was not reached is reported by the next look.
 */
int eye_source_read_live(struct eye_source *source, uint32_t pass, bool full,
                         eye_record_handler *handler, void *context);

/** Records of these looks so far. */
uint64_t eye_source_live_records(const struct eye_source *source);

/**
 * Rows of single connections, for somebody who watches: loads and attaches what tells of them. It
 * costs nothing before, and nothing once it is closed, which is due before the source is. Main
 * thread, whatever the collector does; the other four are the collector's. 0, or -errno with a
 * message.
 */
int eye_source_open_rows(const struct eye_source *source, void **ret_rows,
                         struct eye_error *ret_error);

/** Hands on a struct eye_row of each connection that is open. When many come and go meanwhile, some
 * may be met twice, or not this time. 0 or -errno. */
int eye_source_read_rows(const struct eye_source *source, const void *rows,
                         eye_record_handler *handler, void *context);

/** Hands on those of connections that have ended since. */
void eye_source_drain_rows(const struct eye_source *source, void *rows, eye_record_handler *handler,
                           void *context);

/** How many of these were lost since the rows were opened. */
uint64_t eye_source_lost_rows(const struct eye_source *source, const void *rows);

/** Takes NULL. */
void eye_source_close_rows(const struct eye_source *source, void *rows);

/** Cumulative losses, summed over the CPUs; EYE_LOSS_TCP_RECURSION from the kernel's own count,
 * EYE_LOSS_TCP_VANISHED as of the last full pass that is known to have met every socket. */
void eye_source_losses(const struct eye_source *source, uint64_t ret_losses[EYE_LOSS_COUNT]);

/** Program and reason of a loss, as tags. */
const char *eye_loss_program(enum eye_loss loss);
const char *eye_loss_reason(enum eye_loss loss);

/** The programs that the configuration wants; returns how many. */
size_t eye_source_programs(const struct eye_source *source,
                           struct eye_program_stats ret_stats[EYE_PROGRAMS_MAX]);

/** Whether the tier tells of execs and ends of processes: the ring "processes" has those of
 * programs that were introduced, and all are counted. */
bool eye_source_follows_processes(const struct eye_source *source);
struct eye_process_counts eye_source_process_counts(const struct eye_source *source);

/** What is seen inside TLS; false: nobody looks there. */
bool eye_source_read_tls(const struct eye_source *source, struct eye_tls_counts *ret_counts);

/** Hands on each file that may hold a library of TLS, in the order in which they were met; false:
 * nobody looks there. Main thread, whatever the others do; @handler keeps none of it. */
bool eye_source_list_tls(const struct eye_source *source, eye_tls_file_handler *handler,
                         void *context);

/** Whether the tier's records tell of NAT, or will once packets are looked at. */
bool eye_source_tells_nat(const struct eye_source *source);

/** What was found at the start; what is mounted or let go since then is found by
 * eye_source_retry(). */
const struct eye_feature_state *eye_source_feature(const struct eye_source *source,
                                                   enum eye_feature feature);

/** As eye_features_proc(); of a tier that numbers owners as /proc does, source.proc as it is. */
const char *eye_source_proc(const struct eye_source *source);
