/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's word on files that processes begin to run code of: PERF_RECORD_MMAP2 of an event of
 * each processor that counts nothing (perf_event_open(2)). It costs whoever maps code some tenths
 * of a microsecond. One thread's, no locks.
 */
#pragma once

#include <stdbool.h>

#include "collector/tls/mapping.h"

struct eye_tls_watch;

/**
 * @found: for each mapping that may be of a library of TLS, from eye_tls_watch_read(); the pid is
 * one of this process's namespace. Needs CAP_PERFMON, and CAP_SYS_ADMIN where
 * kernel.perf_event_paranoid is above 2 (Debian); later calls do not. 0 or -errno.
 */
int eye_tls_watch_open(void (*found)(void *context, const struct eye_tls_mapping *mapping),
                       void *context, struct eye_tls_watch **ret_watch);

/** Readable when much waits to be read, so whoever waits for it looks from time to time; -1 of
 * NULL. */
int eye_tls_watch_fd(const struct eye_tls_watch *watch);

/** Tells of all that there is. False: some were lost, and only a look at all processes finds them.
 * Takes NULL. */
bool eye_tls_watch_read(struct eye_tls_watch *watch);

void eye_tls_watch_close(struct eye_tls_watch *watch);
