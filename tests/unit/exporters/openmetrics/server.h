/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenMetrics exporter on a free port of loopback, with settings by the names of their keys. */
#pragma once

#include "tests/unit/exporters/sample.h"

extern const struct eye_exporter_type eye_exporter_openmetrics;

struct server {
    struct sample *sample;
    char *values; /* the exporter's settings */
    char listen[64];
    void *exporter; /* NULL: not open */
};

/** Ready to be opened on 127.0.0.1. */
void server_init(struct server *server);
void server_done(struct server *server);

void server_set_text(struct server *server, const char *key, char *value);
void server_set_duration(struct server *server, const char *key, uint64_t ns);

/** Another port on @host, such as "[::1]". */
void server_listen_on(struct server *server, const char *host);

/** Of the exporter's open(). */
int server_open(struct server *server, struct eye_error *ret_error);

/** Hands it the picture of the next interval. */
void server_deliver(struct server *server);
