/* SPDX-License-Identifier: Apache-2.0 */
/* Settings go where the exporter's own table of keys says. */
#include "tests/unit/exporters/openmetrics/server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* A port of loopback that was free a moment ago. */
static unsigned free_port(void)
{
    EYE_AUTOCLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        return 0;
    }
    return ntohs(address.sin_port);
}

static void *place_of(struct server *server, const char *path)
{
    const struct eye_config_section *section = &eye_exporter_openmetrics.section;
    size_t i = 0;
    while (i < section->key_count && strcmp(section->keys[i].path, path) != 0) {
        i++;
    }
    assert(i < section->key_count);
    return server->values + section->keys[i].offset;
}

void server_set_text(struct server *server, const char *key, char *value)
{
    memcpy(place_of(server, key), &value, sizeof(value));
}

void server_set_duration(struct server *server, const char *key, uint64_t ns)
{
    memcpy(place_of(server, key), &ns, sizeof(ns));
}

void server_listen_on(struct server *server, const char *host)
{
    snprintf(server->listen, sizeof(server->listen), "%s:%u", host, free_port());
}

void server_init(struct server *server)
{
    *server = (struct server){0};
    server->values = calloc(1, eye_exporter_openmetrics.section.values_size);
    assert(server->values != NULL);
    server->sample = sample_new(server->values);
    server->sample->config.interval_ns = SAMPLE_INTERVAL_NS;
    server_listen_on(server, "127.0.0.1");
    server_set_text(server, "listen", server->listen);
}

int server_open(struct server *server, struct eye_error *ret_error)
{
    const struct eye_exporter_type *type = &eye_exporter_openmetrics;
    int result = eye_exporter_open(type, &server->sample->setup, &server->exporter, ret_error);
    return result == 0 ? type->bind(server->exporter, ret_error) : result;
}

void server_done(struct server *server)
{
    eye_exporter_close(&eye_exporter_openmetrics, server->exporter);
    sample_free(server->sample);
    free(server->values);
}

void server_deliver(struct server *server)
{
    struct eye_export_failure failure = {0};
    int result = eye_exporter_openmetrics.deliver(server->exporter, sample_take(server->sample),
                                                  NULL, &failure);
    assert(result == 0);
}
