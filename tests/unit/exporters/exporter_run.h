/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole exporter as the daemon runs it: configured by a text, delivering snapshots to a real
 * socket on loopback or in a folder of its own.
 */
#pragma once

#include "collector/base/text.h"
#include "tests/unit/exporters/sample.h"

struct exporter_run {
    const struct eye_exporter_type *type;
    struct sample *sample;
    struct eye_config *config;
    struct eye_error error; /* of the configuration or open() */
    void *exporter;
    struct eye_export_failure failure; /* of the last delivery */
    const struct eye_snapshot *before; /* delivered last */

    int receiver; /* -1: none */
    int accepted; /* of a stream; -1: none */
    uint16_t port;
    char folder[32];
    char path[64];         /* of a Unix socket in it */
    struct eye_text bytes; /* everything read */
    size_t pieces;         /* reads, or datagrams */
    size_t largest;
};

struct exporter_run *exporter_run_new(const struct eye_exporter_type *type);
void exporter_run_free(struct exporter_run *run);

/** Opens the exporter with @yaml, in which a % is the receiver's port or path. 0 or what refused.
 */
int exporter_run_open(struct exporter_run *run, const char *yaml);

/** The next interval, delivered. */
int exporter_run_deliver(struct exporter_run *run);

/** The goodbye behind what was delivered. */
int exporter_run_finish(struct exporter_run *run);

/** SOCK_DGRAM or SOCK_STREAM on 127.0.0.1; the port stays the same. */
void exporter_run_listen(struct exporter_run *run, int type);

/** A Unix datagram socket. */
void exporter_run_listen_unix(struct exporter_run *run);

/** Reads what is there. */
const char *exporter_run_read(struct exporter_run *run);

/** Nobody listens any more; connections end. */
void exporter_run_hang_up(struct exporter_run *run);

/** seen = delivered + dropped */
void exporter_run_assert_accounts(const struct exporter_run *run);
