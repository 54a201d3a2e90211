/* SPDX-License-Identifier: Apache-2.0 */
/* What a replay found, for a person and for a program. Main thread. */
#pragma once

#include <stdio.h>

#include "collector/replay/replay.h"
#include "collector/snapshot/snapshot.h"

struct eye_replay_report {
    const char *file;
    const char *link; /* type, as libpcap has it */
    bool client_end;
    const struct eye_replay_summary *summary;
    const struct eye_snapshot *snapshot;
};

/** Every series, most requests first within a metric; and what could not be used. 0 or -ENOMEM. */
int eye_replay_print(const struct eye_replay_report *report, bool colour, FILE *out);

/** What could not be used alone, and how much there was. */
void eye_replay_print_summary(const struct eye_replay_report *report, FILE *out);

/** One document: tests/data/schemas/replay.json. 0 or -ENOMEM. */
int eye_replay_print_json(const struct eye_replay_report *report, FILE *out);
