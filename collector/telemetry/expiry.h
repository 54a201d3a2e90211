/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series that nobody would miss, and whom their places help. Private to collector/telemetry,
 * collector thread.
 */
#pragma once

#include "collector/telemetry/registry.h"

/** Whether nobody would miss it: every reader has delivered its last value. */
bool eye_series_may_go(const struct eye_registry *registry, const struct eye_series *series);

/** Removes it and counts that. */
void eye_series_expire(struct eye_registry *registry, struct eye_series *series);

/**
 * Somebody finds no place: what passed by makes room, half of all; what was used more often only
 * when nothing is left even for those that come again. @service: hash of who meets the limit,
 * EYE_ANYBODY for one of the whole metric; @newcomer: it was not asked for in an
 * earlier interval. True when it was worth it.
 */
bool eye_registry_make_room(struct eye_registry *registry, enum eye_metric_id metric,
                            uint64_t service, bool newcomer);
