/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets, configuration, deliveries. */
#include "tests/unit/exporters/exporter_run.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#define READ_MAX_BYTES ((size_t)1 << 24)

struct exporter_run *exporter_run_new(const struct eye_exporter_type *type)
{
    struct exporter_run *run = calloc(1, sizeof(*run));
    assert(run != NULL);
    run->type = type;
    run->sample = sample_new(NULL);
    run->receiver = -1;
    run->accepted = -1;
    eye_text_init(&run->bytes, READ_MAX_BYTES);
    return run;
}

static void close_exporter(struct exporter_run *run)
{
    eye_exporter_close(run->type, EYE_TAKE(run->exporter));
    eye_config_unref(EYE_TAKE(run->config));
}

void exporter_run_free(struct exporter_run *run)
{
    close_exporter(run);
    exporter_run_hang_up(run);
    if (run->folder[0] != '\0') {
        unlink(run->path);
        rmdir(run->folder);
    }
    eye_text_done(&run->bytes);
    sample_free(run->sample);
    free(run);
}

/* ---- The exporter ---- */

static void write_assignment(const struct exporter_run *run, const char *yaml,
                             struct eye_text *text)
{
    eye_text_append(text, "exporters=[{");
    for (; *yaml != '\0'; yaml++) {
        if (*yaml != '%') {
            eye_text_append_char(text, *yaml);
        } else if (run->path[0] != '\0') {
            eye_text_append(text, run->path);
        } else {
            eye_text_append_u64(text, run->port);
        }
    }
    eye_text_append(text, "}]");
}

int exporter_run_open(struct exporter_run *run, const char *yaml)
{
    close_exporter(run);
    EYE_CLEANUP(eye_text_done) struct eye_text text = {.max_bytes = 4096};
    write_assignment(run, yaml, &text);
    const char *const assignments[] = {eye_text_string(&text)};
    const struct eye_config_section *const sections[] = {&run->type->section};
    const struct eye_config_source source = {
        .file = "/dev/null",
        .assignments = assignments,
        .assignment_count = 1,
        .sections = sections,
        .section_count = 1,
    };
    int result = eye_config_load(&source, &run->config, &run->error);
    if (result != 0) {
        return result;
    }
    run->sample->setup.config = run->config;
    run->sample->setup.own = &run->config->exporters[0];
    return eye_exporter_open(run->type, &run->sample->setup, &run->exporter, &run->error);
}

int exporter_run_deliver(struct exporter_run *run)
{
    const struct eye_snapshot *now = sample_take(run->sample);
    run->failure = (struct eye_export_failure){0};
    int result = run->type->deliver(run->exporter, now, run->before, &run->failure);
    run->before = result == 0 ? now : run->before;
    return result;
}

int exporter_run_finish(struct exporter_run *run)
{
    run->failure = (struct eye_export_failure){0};
    return run->type->finish(run->exporter, run->before, &run->failure);
}

void exporter_run_assert_accounts(const struct exporter_run *run)
{
    const struct eye_export_stats *stats = &run->sample->stats;
    uint64_t sum = atomic_load(&stats->points);
    for (size_t i = 0; i < EYE_EXPORT_REASON_COUNT; i++) {
        sum += atomic_load(&stats->dropped[i]);
    }
    assert_int_equal(sum, atomic_load(&stats->seen));
}

/* ---- The receiver ---- */

void exporter_run_listen(struct exporter_run *run, int type)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(run->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof(address);
    int one = 1;
    run->receiver = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(run->receiver >= 0);
    setsockopt(run->receiver, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    assert_int_equal(bind(run->receiver, (const struct sockaddr *)&address, length), 0);
    assert_true(type == SOCK_DGRAM || listen(run->receiver, 8) == 0);
    assert_int_equal(getsockname(run->receiver, (struct sockaddr *)&address, &length), 0);
    run->port = ntohs(address.sin_port);
}

void exporter_run_listen_unix(struct exporter_run *run)
{
    snprintf(run->folder, sizeof(run->folder), "/tmp/sockeye-run-XXXXXX");
    assert_non_null(mkdtemp(run->folder));
    snprintf(run->path, sizeof(run->path), "%s/socket", run->folder);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", run->path);
    run->receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = bind(run->receiver, (const struct sockaddr *)&address, sizeof(address));
    assert_int_equal(result, 0);
}

const char *exporter_run_read(struct exporter_run *run)
{
    static char piece[1 << 17];
    if (run->accepted < 0) {
        run->accepted = accept4(run->receiver, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
    int fd = run->accepted >= 0 ? run->accepted : run->receiver;
    eye_text_clear(&run->bytes);
    run->pieces = 0;
    run->largest = 0;
    for (ssize_t got; (got = recv(fd, piece, sizeof(piece), 0)) > 0;) {
        size_t length = (size_t)got;
        eye_text_append_bytes(&run->bytes, piece, length);
        run->pieces++;
        run->largest = length > run->largest ? length : run->largest;
    }
    return eye_text_string(&run->bytes);
}

void exporter_run_hang_up(struct exporter_run *run)
{
    eye_cleanup_close(&run->accepted);
    eye_cleanup_close(&run->receiver);
    run->accepted = -1;
    run->receiver = -1;
}
