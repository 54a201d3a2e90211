/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon that runs, as the main thread knows it: what its answers are made of. */
#pragma once

#include <stdatomic.h>

#include "collector/base/text.h"
#include "collector/control/view.h"
#include "collector/source/source.h"
#include "exporters/engine/workers.h"

/* The last one since the start. */
struct eye_reloaded {
    uint64_t number;  /* of those asked for until it began; 0: there was none */
    uint64_t time_ns; /* wall clock */
    bool done;
    struct eye_text words; /* owned */
};

struct eye_running {
    const struct eye_config *config;
    const struct eye_workers *workers;
    const struct eye_sight *sight;
    const struct eye_source *source;  /* NULL: nobody asks for what only it knows */
    const char *const *tiers;         /* names, as struct eye_config_source has them */
    const char *tier;                 /* name of the one that was opened */
    const _Atomic(const char *) *nat; /* name of who tells what NAT does */
    struct eye_view *view;            /* what was counted */
    uint64_t started_ns;              /* wall clock */
    uint64_t monotonic_ns;            /* the same moment, monotonic */
    uint64_t interval_ns;             /* that snapshots come in now */
    uint64_t interval_before_ns;      /* as interval_ns was until the last reload */
    struct eye_reloaded reloaded;
};
