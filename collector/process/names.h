/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program is called, from the texts that tell it: its environment, its cgroup, its
 * executable. They come from the kernel (owner records) or from /proc, and mean the same. All of
 * it is the program's own word and hostile: see eye_copy_clean(). Pure functions.
 *
 * A struct eye_process is named step by step: zeroed; environment, cgroup, executable, each when it
 * is known; eye_names_finish() at the end.
 */
#pragma once

#include <stddef.h>

#include "collector/process/process.h"

/**
 * The service of an environment ("NAME=value", NUL, ...): DD_SERVICE, else OTEL_SERVICE_NAME, else
 * service.name of OTEL_RESOURCE_ATTRIBUTES ("key=value,...", percent-encoded: OpenTelemetry
 * resource SDK). Left "" when it names none.
 */
void eye_names_of_environment(struct eye_process *process, const char *bytes, size_t length);

/** How many bytes of an environment that was cut are whole strings: without the last part of one.
 */
size_t eye_names_whole(const char *bytes, size_t length);

/**
 * Container and, unless a service is known already, unit of the path of a cgroup. Of several paths
 * the first with a container tells it. @systemd: the hierarchy is the one of units.
 */
void eye_names_of_cgroup(struct eye_process *process, const char *path, size_t length,
                         bool systemd);

/** Copies a name that others chose into a tag's value: eye_copy_clean(), and never a word of ours,
 * see eye_names_finish(). */
void eye_names_copy(char *target, size_t size, const char *bytes, size_t length);

/** The executable: the basename of @path. Left "" when it has none. */
void eye_names_of_executable(struct eye_process *process, const char *path, size_t length);

/**
 * Without a service a program is called after its container, its executable, or "unknown". A
 * program that calls itself by a word of ours ("kernel", "unknown") gets a "_" behind it: nobody is
 * taken for the kernel that is not.
 */
void eye_names_finish(struct eye_process *process);
