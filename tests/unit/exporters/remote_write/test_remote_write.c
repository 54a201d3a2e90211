/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter against a server that takes everything: which series get a marker, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/exporters/exporter_run.h"
#include "tests/unit/exporters/http/http_server.h"

extern const struct eye_exporter_type eye_exporter_remote_write;

#define SERIES 40

struct fixture {
    struct http_server *server;
    struct exporter_run *run;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    static const struct http_script taken = {
        .answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        .ending = HTTP_CLOSE,
    };
    fixture.server = http_server_start(&taken, 1);
    fixture.run = exporter_run_new(&eye_exporter_remote_write);
    fixture.run->port = http_server_port(fixture.server);
    *state = &fixture;
    return exporter_run_open(
        fixture.run, "type: remote_write, version: 1, url: 'http://127.0.0.1:%/api/v1/write'");
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    exporter_run_free(fixture->run);
    http_server_stop(fixture->server);
    return 0;
}

static void remove_first(struct sample *sample, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        eye_series_remove(sample->registry,
                          eye_registry_first(sample->registry, EYE_METRIC_TCP_OPENED));
    }
}

static size_t body_length(const struct fixture *fixture, size_t index)
{
    size_t length = 0;
    http_server_body(fixture->server, index, &length);
    return length;
}

/* The goodbye follows the same snapshot as the markers of what went with it: other series. */
static void finish__marks_all_series_also_after_some_have_gone(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < SERIES; i++) {
        char port[8];
        snprintf(port, sizeof(port), "%d", 1000 + i);
        sample_add(fixture->run->sample, EYE_METRIC_TCP_OPENED, 1,
                   SAMPLE_TAGS({EYE_TAG_PORT, port}));
    }
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    assert_int_equal(http_server_requests(fixture->server), 1);
    remove_first(fixture->run->sample, 3);
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    assert_int_equal(http_server_requests(fixture->server), 3);
    eye_exporter_remote_write.finish(fixture->run->exporter, fixture->run->before);
    assert_int_equal(http_server_requests(fixture->server), 4);
    size_t gone = body_length(fixture, 1);
    assert_in_range(gone, 1, body_length(fixture, 2) / 2);
    assert_in_range(body_length(fixture, 3), 2 * gone, SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finish__marks_all_series_also_after_some_have_gone, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("remote_write", tests, NULL, NULL);
}
