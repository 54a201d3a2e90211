/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the path of a cgroup tells of the program in it: systemd's unit, the container, the
 * Kubernetes pod. Every runtime has its own way to put an id into a path; place.c has the table.
 * All of it are parts of the path, as they stand there. Pure functions.
 */
#pragma once

#include <stdbool.h>

#include "collector/process/span.h"

struct eye_place {
    struct eye_span unit;      /* without ".service", with systemd's escapes; empty: none */
    struct eye_span container; /* its id; empty: in none */
    struct eye_span pod;       /* uid of the pod, perhaps with "_" for "-"; empty: in none */
    bool is_name;              /* the id is what people call it (LXC, nspawn), with escapes */
};

/**
 * Of nested ones the innermost. A unit that a container's runtime runs in is nobody's service: it
 * is left out where a container follows, and so is what watches a container from the same folder
 * (conmon, lxc.monitor, nspawn's supervisor).
 */
struct eye_place eye_place_of_path(struct eye_span path);
