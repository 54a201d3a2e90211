/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a worker gives way to another one with other settings, or to nobody: it stands still first,
 * from where it can go on as if nothing had been, and only then hands over or ends. All functions
 * are the main thread's.
 */
#pragma once

#include "exporters/engine/worker.h"

/** Whether it is lane @lane, of @type, of the exporter called @exporter. */
bool eye_worker_is_lane(const struct eye_worker *worker, const struct eye_exporter_type *type,
                        const char *exporter, unsigned lane);

/** Whether it does already what @own, in @config, asks for. */
bool eye_worker_is_configured(const struct eye_worker *worker, const struct eye_config *config,
                              const struct eye_exporter_config *own);

/**
 * From @deadline_ns (monotonic) on, or when nothing is left to deliver, the thread stands still.
 * @yields: a successor will have the rest: what fails already is not tried until then. Otherwise
 * no more is queued, but series wait for it as before. One that was not started begins like this.
 */
void eye_worker_pause(struct eye_worker *worker, uint64_t deadline_ns, bool yields);

bool eye_worker_is_paused(struct eye_worker *worker);

/** Whether the thread has said its last word, so that eye_worker_free() does not wait. */
bool eye_worker_has_ended(struct eye_worker *worker);

/** Whether the deadline passed a while ago: what it was to do by then hangs in a call. */
bool eye_worker_is_overdue(const struct eye_worker *worker);

/** Its deadline is @deadline_ns (monotonic) if it was later. */
void eye_worker_hurry(struct eye_worker *worker, uint64_t deadline_ns);

/** It goes on. One that hangs does so when it no longer does. */
void eye_worker_resume(struct eye_worker *worker);

/** One that stands still gives back what bind() took but its spool, for others to take. */
void eye_worker_release(struct eye_worker *worker);

/** Takes it again, before it goes on. 0, or -errno with a message: it cannot go on. */
int eye_worker_retake(struct eye_worker *worker, struct eye_error *ret_error);

/**
 * As eye_worker_new(), for one that will go on for @old, an exporter of the same name. @old may be
 * NULL.
 */
int eye_worker_new_behind(struct eye_worker *old, const struct eye_exporter_type *type,
                          const struct eye_config *config, const struct eye_exporter_config *own,
                          unsigned lane, struct eye_worker **ret_worker,
                          struct eye_error *ret_error);

/** Whether both are lane and exporter of one name, and their spool is in the same folder. */
bool eye_worker_shares_spool(const struct eye_worker *worker, const struct eye_worker *other);

/**
 * @successor, bound and standing still, takes over from the one it follows, which stands still or
 * hangs: the place at the publisher, what waits, from where it counts. What that one has sent of a
 * snapshot that is not delivered is sent again; of one that hangs, what is in work goes again, as
 * nobody knows what became of it.
 */
void eye_worker_succeed(struct eye_worker *successor);

/** Its report is told from now on, behind that of the one before it. */
void eye_worker_report_to(struct eye_worker *worker, struct eye_reports *reports);

/** The last numbers have been read. */
void eye_worker_stop_reporting(struct eye_worker *worker);

/** Frees one that was never started, or stood still from its start on, without a word. */
void eye_worker_discard(struct eye_worker *worker);

/**
 * One that stands still and has no use any more leaves, and has until @deadline_ns (monotonic) for
 * what it still has, if it can deliver, and its goodbye. One that hangs has no time left.
 */
void eye_worker_dismiss(struct eye_worker *worker, uint64_t deadline_ns);

/** One that hangs has left the publisher and the reports; what its thread does counts nowhere. */
void eye_worker_abandon(struct eye_worker *worker);

/** Frees one that was left behind, if its thread has ended meanwhile. */
bool eye_worker_reap(struct eye_worker *worker);
