/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector thread: reads the kernel, aggregates, and once per interval takes a snapshot and
 * publishes it. Intervals end on multiples of the interval since 1970 (:00, :10, ...).
 * The first one begins when the kernel side began to see, and takes a second or half an interval at
 * least.
 */
#pragma once

#include "collector/base/error.h"
#include "collector/base/notify.h"
#include "collector/control/watchers.h"
#include "collector/publish/publisher.h"
#include "collector/publish/reports.h"
#include "collector/source/source.h"
#include "config/config.h"

struct eye_collector;

/**
 * Takes over @source (closed by eye_collector_free), and a reference to @config. @publisher gets
 * the snapshots, @reports are told with the daemon's health; both borrowed, must outlive it. With
 * config->once the thread ends by itself after one whole interval, wherever the clock stands. 0 or
 * -errno.
 */
int eye_collector_new(const struct eye_config *config, struct eye_source *source,
                      struct eye_publisher *publisher, struct eye_reports *reports,
                      struct eye_collector **ret_collector, struct eye_error *ret_error);

/** From its start on the thread feeds the watchdog of @notify, which outlives it, if there is one:
 * a manager ends a daemon whose collector stands still, and no exporter that does has a say in it.
 * 0 or -errno. */
int eye_collector_feed(struct eye_collector *collector, struct eye_notify *notify);

/** Starts the thread. 0 or -errno. */
int eye_collector_start(struct eye_collector *collector);

/**
 * Another configuration, while the thread runs (and not @once): whole, or not at all. Called by the
 * main thread, which waits; what may fail or takes time is done here, before anything is changed,
 * and the collector thread stops for the rest between two events. It holds a reference to @config
 * then, and none to the one before. @config differs in no key of which eye_config_needs_restart()
 * says so. 0, or -errno with a message: what cannot be had, and why; nothing has changed then.
 *
 * Nothing that was counted is lost: the open interval ends where one of the new length ends; series
 * beyond a smaller limit, or under names that are not given any more, end as idle ones do.
 */
int eye_collector_reconfigure(struct eye_collector *collector, const struct eye_config *config,
                              struct eye_error *ret_error);

/**
 * What @request asks of single connections, while the thread runs (and not @once). Called by the
 * main thread, which waits. The kernel programs that tell of them are loaded here when nobody has
 * watched before, and given back by the collector thread when nobody does any more. 0 with an
 * answer, which is the caller's (free()); -EBUSY: there are too many clients; or another -errno;
 * both with a message.
 */
int eye_collector_watch(struct eye_collector *collector, const struct eye_watch_request *request,
                        struct eye_watch_answer **ret_answer, struct eye_error *ret_error);

/** Takes the last snapshot with the open interval, publishes it, ends the thread. Returns when it
 * has ended. */
void eye_collector_stop(struct eye_collector *collector);

/** Who tells what NAT does ("ebpf", ...): it may become another one. Outlives all but the
 * collector.
 */
const _Atomic(const char *) *eye_collector_nat(const struct eye_collector *collector);

/** Whether everything that the configuration asks for was observed at last. */
bool eye_collector_sees_all(const struct eye_collector *collector);

/** Takes NULL; the thread must not be running. */
void eye_collector_free(struct eye_collector *collector);
