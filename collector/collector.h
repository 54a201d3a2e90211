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
#include "collector/publish/publisher.h"
#include "collector/publish/reports.h"
#include "collector/source/source.h"
#include "config/config.h"

struct eye_collector;

/**
 * Takes over @source (closed by eye_collector_free). @publisher gets the snapshots, @reports are
 * told with the daemon's health; both borrowed, must outlive it. With config->once the thread ends
 * by itself after one whole interval, wherever the clock stands. 0 or -errno.
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

/** Takes the last snapshot with the open interval, publishes it, ends the thread. Returns when it
 * has ended. */
void eye_collector_stop(struct eye_collector *collector);

/** Whether everything that the configuration asks for was observed at last. */
bool eye_collector_sees_all(const struct eye_collector *collector);

/** Takes NULL; the thread must not be running. */
void eye_collector_free(struct eye_collector *collector);
