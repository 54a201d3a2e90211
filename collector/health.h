/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's own health, through the same groups as everything else: losses, rings, programs,
 * samples, series, reports of who comes and goes, CPU and memory. Belongs to the collector thread.
 */
#pragma once

#include "collector/aggregate/aggregate.h"
#include "collector/monitor.h"
#include "collector/nat/conntracker.h"
#include "collector/process/process.h"
#include "collector/publish/reports.h"
#include "collector/source/source.h"
#include "collector/telemetry/telemetry.h"
#include "collector/tracer/tracer.h"
#include "collector/usm/usm.h"

/* What is looked at; none is owned. */
struct eye_health {
    struct eye_registry *registry;
    struct eye_group *group;
    const struct eye_source *source;
    const struct eye_processes *processes;
    const struct eye_monitor *monitor;
    const struct eye_conntracker *conntracker;
    const struct eye_tracer *tracer;
    const struct eye_usm *usm;
    const struct eye_aggregate *aggregate;
    const struct eye_reverse *names;
    struct eye_reports *reports;
};

/** Brings every health series up to date. Called once per interval, before the snapshot. */
void eye_health_update(const struct eye_health *health);
