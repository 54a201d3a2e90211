/* SPDX-License-Identifier: Apache-2.0 */
/* The server over real connections. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <zlib.h>

#include "collector/base/clock.h"
#include "exporters/server/listener.h"
#include "exporters/server/peers.h"
#include "tests/unit/exporters/openmetrics/server.h"

#define ANSWER_MAX_BYTES 65536

struct fixture {
    struct server server;
    int fd;
    char answer[ANSWER_MAX_BYTES];
    size_t length;
    char *body; /* in answer */
};

static int make_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL) {
        return -1;
    }
    *state = fixture;
    fixture->fd = -1;
    server_init(&fixture->server);
    server_set_duration(&fixture->server, "expiry", EYE_NS_PER_SECOND * 300);
    return server_open(&fixture->server, NULL);
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_cleanup_close(&fixture->fd);
    server_done(&fixture->server);
    free(fixture);
    return 0;
}

static void read_answer(struct fixture *fixture)
{
    ssize_t count = 1;
    fixture->length = 0;
    while (count > 0) {
        count = recv(fixture->fd, fixture->answer + fixture->length,
                     sizeof(fixture->answer) - fixture->length - 1, 0);
        fixture->length += count > 0 ? (size_t)count : 0;
    }
    fixture->answer[fixture->length] = '\0';
}

static int connect_to(const struct fixture *fixture)
{
    struct sockaddr_storage address;
    socklen_t length = 0;
    assert_int_equal(eye_listen_parse(fixture->server.listen, &address, &length), 0);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, length), 0);
    return fd;
}

/* One request on one connection; returns the status. */
static int ask(struct fixture *fixture, const char *request)
{
    char head[512];
    int status = 0;
    fixture->fd = connect_to(fixture);
    int size = snprintf(head, sizeof(head), "%sHost: x\r\nConnection: close\r\n\r\n", request);
    assert_int_equal(send(fixture->fd, head, (size_t)size, MSG_NOSIGNAL), size);
    read_answer(fixture);
    close(fixture->fd);
    fixture->fd = -1;
    assert_int_equal(sscanf(fixture->answer, "HTTP/1.1 %d ", &status), 1);
    fixture->body = strstr(fixture->answer, "\r\n\r\n");
    assert_non_null(fixture->body);
    fixture->body += 4;
    return status;
}

static void assert_header(const struct fixture *fixture, const char *line)
{
    const char *found = strstr(fixture->answer, line);
    if (found == NULL || found > fixture->body) {
        fail_msg("%s not in %s", line, fixture->answer);
    }
}

static const char text_page[] =
    "# TYPE sockeye_tcp_connections_opened_total counter\n"
    "# HELP sockeye_tcp_connections_opened_total TCP connections established\n"
    "sockeye_tcp_connections_opened_total{port=\"80\"} 5\n";

static void add_one(struct fixture *fixture)
{
    sample_add(fixture->server.sample, EYE_METRIC_TCP_OPENED, 5, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    server_deliver(&fixture->server);
}

static void scrape__gets_text_unless_it_asks_for_more(void **state)
{
    struct fixture *fixture = *state;
    add_one(fixture);
    assert_int_equal(ask(fixture, "GET /metrics HTTP/1.1\r\n"), 200);
    assert_header(fixture, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    assert_header(fixture, "\r\nVary: Accept, Accept-Encoding\r\n");
    assert_string_equal(fixture->body, text_page);
    assert_int_equal(fixture->server.sample->stats.points, 1);
    assert_int_equal(fixture->server.sample->stats.bytes, strlen(text_page));
}

static void scrape__gets_openmetrics(void **state)
{
    struct fixture *fixture = *state;
    add_one(fixture);
    assert_int_equal(ask(fixture, "GET /metrics?x=1 HTTP/1.1\r\n"
                                  "Accept: application/openmetrics-text;version=1.0.0\r\n"),
                     200);
    assert_header(
        fixture,
        "\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n");
    assert_non_null(strstr(fixture->body, "_total{port=\"80\"} 5\n# EOF\n"));
}

/* An empty page would be `up` and look like a host at rest. */
static void scrape__before_the_first_snapshot_is_unavailable(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask(fixture, "GET /metrics HTTP/1.1\r\n"), 503);
    assert_header(fixture, "\r\nRetry-After: 10\r\n");
    assert_header(fixture, "\r\nContent-Type: text/plain; charset=utf-8\r\n");
    assert_int_equal(fixture->server.sample->stats.failures[EYE_EXPORT_EXPIRED], 1);
    assert_int_equal(ask(fixture, "GET / HTTP/1.1\r\n"), 200);
    add_one(fixture);
    assert_int_equal(ask(fixture, "GET /metrics HTTP/1.1\r\n"), 200);
}

static void scrape__sees_the_newest_snapshot(void **state)
{
    struct fixture *fixture = *state;
    add_one(fixture);
    add_one(fixture);
    assert_int_equal(ask(fixture, "GET /metrics HTTP/1.1\r\n"), 200);
    assert_non_null(strstr(fixture->body, "_total{port=\"80\"} 10\n"));
}

static void scrape__counts_collisions(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->server.sample;
    sample_add(sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "\xFE"}));
    sample_add(sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "\xFF"}));
    server_deliver(&fixture->server);
    assert_int_equal(ask(fixture, "GET /metrics HTTP/1.1\r\n"), 200);
    assert_int_equal(sample->stats.points, 1);
    assert_int_equal(sample->stats.dropped[EYE_EXPORT_COLLISION], 1);
    assert_int_equal(sample->stats.seen, 2);
}

static void unzip(const struct fixture *fixture, char *out, size_t size)
{
    z_stream stream = {0};
    assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
    stream.next_in = (Bytef *)fixture->body;
    stream.avail_in = (uInt)(fixture->length - (size_t)(fixture->body - fixture->answer));
    stream.next_out = (Bytef *)out;
    stream.avail_out = (uInt)size - 1;
    int result = inflate(&stream, Z_FINISH);
    out[stream.total_out] = '\0';
    inflateEnd(&stream);
    assert_int_equal(result, Z_STREAM_END);
}

static void scrape__is_compressed_when_allowed(void **state)
{
    struct fixture *fixture = *state;
    char page[1024];
    add_one(fixture);
    assert_int_equal(ask(fixture, "GET /metrics HTTP/1.1\r\nAccept-Encoding: gzip\r\n"), 200);
    assert_header(fixture, "\r\nContent-Encoding: gzip\r\n");
    unzip(fixture, page, sizeof(page));
    assert_string_equal(page, text_page);
}

static void head__has_no_body_and_counts_nothing(void **state)
{
    struct fixture *fixture = *state;
    char header[64];
    add_one(fixture);
    assert_int_equal(ask(fixture, "HEAD /metrics HTTP/1.1\r\n"), 200);
    snprintf(header, sizeof(header), "\r\nContent-Length: %zu\r\n", strlen(text_page));
    assert_header(fixture, header);
    assert_string_equal(fixture->body, "");
    assert_int_equal(fixture->server.sample->stats.points, 0);
}

/* It knows no chunks. */
static void old_client__gets_a_page(void **state)
{
    struct fixture *fixture = *state;
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    add_one(fixture);
    fixture->fd = connect_to(fixture);
    assert_int_equal(send(fixture->fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    read_answer(fixture);
    assert_non_null(strstr(fixture->answer, " 200 OK\r\n"));
    assert_null(strstr(fixture->answer, "Transfer-Encoding"));
    assert_non_null(strstr(fixture->answer, "\r\nContent-Length: "));
    assert_string_equal(strstr(fixture->answer, "\r\n\r\n") + 4, text_page);
}

static void absolute_target__is_its_path(void **state)
{
    struct fixture *fixture = *state;
    add_one(fixture);
    assert_int_equal(ask(fixture, "GET http://x/metrics HTTP/1.1\r\n"), 200);
    assert_string_equal(fixture->body, text_page);
    assert_int_equal(ask(fixture, "GET HTTPS://[::1]:9464/metrics?x=/y HTTP/1.1\r\n"), 200);
    assert_int_equal(ask(fixture, "GET http://x HTTP/1.1\r\n"), 200);
    assert_non_null(strstr(fixture->body, "href=\"/metrics\""));
    assert_int_equal(ask(fixture, "GET http://metrics/ HTTP/1.1\r\n"), 200);
    assert_int_equal(ask(fixture, "GET ftp://x/metrics HTTP/1.1\r\n"), 404);
}

/* Nobody has a place for longer than one exchange. */
static void connection__has_one_answer(void **state)
{
    struct fixture *fixture = *state;
    static const char requests[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    add_one(fixture);
    fixture->fd = connect_to(fixture);
    assert_int_equal(send(fixture->fd, requests, strlen(requests), MSG_NOSIGNAL), strlen(requests));
    read_answer(fixture);
    assert_non_null(strstr(fixture->answer, "\r\nConnection: close\r\n"));
    assert_null(strstr(fixture->answer, text_page));
}

/* The second one finds the page of the first one, in either coding. */
static void scrapes__of_one_snapshot_are_the_same_page(void **state)
{
    struct fixture *fixture = *state;
    char page[1024];
    add_one(fixture);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ask(fixture, "GET /metrics HTTP/1.1\r\nAccept-Encoding: gzip\r\n"), 200);
        unzip(fixture, page, sizeof(page));
        assert_string_equal(page, text_page);
        assert_int_equal(ask(fixture, "GET /metrics HTTP/1.1\r\n"), 200);
        assert_string_equal(fixture->body, text_page);
    }
    assert_int_equal(fixture->server.sample->stats.points, 4);
    add_one(fixture);
    assert_int_equal(ask(fixture, "GET /metrics HTTP/1.1\r\n"), 200);
    assert_non_null(strstr(fixture->body, "_total{port=\"80\"} 10\n"));
}

static void other_paths_and_methods__are_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask(fixture, "GET / HTTP/1.1\r\n"), 200);
    assert_non_null(strstr(fixture->body, "href=\"/metrics\""));
    assert_int_equal(ask(fixture, "GET /metrics/x HTTP/1.1\r\n"), 404);
    assert_int_equal(ask(fixture, "GET /../etc/passwd HTTP/1.1\r\n"), 404);
    assert_int_equal(ask(fixture, "DELETE /metrics HTTP/1.1\r\n"), 405);
    assert_header(fixture, "\r\nAllow: GET, HEAD\r\n");
    assert_int_equal(ask(fixture, "POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n"), 405);
    assert_int_equal(fixture->server.sample->stats.failures[EYE_EXPORT_REJECTED], 4);
}

/* False when the machine took so long that values may have become too old meanwhile. */
static bool serves_what_is_new(struct fixture *fixture, uint64_t expiry_ns)
{
    uint64_t begin_ns = eye_clock_monotonic_ns();
    add_one(fixture);
    int status = ask(fixture, "GET /metrics HTTP/1.1\r\n");
    if (eye_clock_monotonic_ns() - begin_ns > expiry_ns) {
        return false;
    }
    assert_int_equal(status, 200);
    return true;
}

/* False when the machine was too slow for these intervals. */
static bool expires_after_two_intervals(struct fixture *fixture, uint64_t interval_ns)
{
    struct server *server = &fixture->server;
    eye_exporter_close(&eye_exporter_openmetrics, EYE_TAKE(server->exporter));
    server->sample->config.interval_ns = interval_ns;
    assert_int_equal(server_open(server, NULL), 0);
    bool in_time = serves_what_is_new(fixture, 2 * interval_ns);
    usleep((useconds_t)(2 * interval_ns / EYE_NS_PER_US) + 1);
    assert_int_equal(ask(fixture, "GET /metrics HTTP/1.1\r\n"), 503);
    return serves_what_is_new(fixture, 2 * interval_ns) && in_time;
}

static void scrape__gets_no_values_that_are_too_old(void **state)
{
    struct fixture *fixture = *state;
    uint64_t interval_ns = 100 * EYE_NS_PER_MS;
    server_set_duration(&fixture->server, "expiry", 0); /* two intervals, then */
    while (!expires_after_two_intervals(fixture, interval_ns)) {
        interval_ns *= 4;
    }
}

/* Half of them say nothing and are the kernel's, half of them never end their request: a scraper is
 * served at once, and the server holds no more connections than it may. */
static void scrape__is_served_beside_any_number_of_idle_connections(void **state)
{
    struct fixture *fixture = *state;
    int idle[2 * EYE_PEERS_MAX];
    add_one(fixture);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(idle); i++) {
        idle[i] = connect_to(fixture);
        if (i % 2 == 0) {
            send(idle[i], "GET /metrics HTTP/1.1\r\nA: ", 26, MSG_NOSIGNAL);
        }
    }
    assert_int_equal(ask(fixture, "GET /metrics HTTP/1.1\r\n"), 200);
    assert_string_equal(fixture->body, text_page);
    assert_true(fixture->server.sample->stats.failures[EYE_EXPORT_BUSY] >=
                EYE_ARRAY_LENGTH(idle) / 2 - EYE_PEERS_SHARE);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(idle); i++) {
        close(idle[i]);
    }
}

/* More than the kernel takes of an answer. */
static void add_many(struct fixture *fixture)
{
    char port[8];
    for (unsigned i = 0; i < 1500; i++) {
        snprintf(port, sizeof(port), "%u", i);
        sample_add(fixture->server.sample, EYE_METRIC_HTTP_SERVER_DURATION, 0.25,
                   SAMPLE_TAGS({EYE_TAG_PORT, port}));
    }
    server_deliver(&fixture->server);
}

static size_t read_until_end(int fd)
{
    char bytes[4096];
    size_t length = 0;
    ssize_t count = 1;
    while (count > 0) {
        count = recv(fd, bytes, sizeof(bytes), 0);
        length += count > 0 ? (size_t)count : 0;
    }
    return length;
}

/* They have places, and give way: what was not taken whole is no page delivered. */
static void scrape__is_served_beside_those_who_do_not_read(void **state)
{
    struct fixture *fixture = *state;
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    int stuck[2 * EYE_PEERS_SHARE];
    add_many(fixture);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(stuck); i++) {
        stuck[i] = connect_to(fixture);
        send(stuck[i], request, strlen(request), MSG_NOSIGNAL);
    }
    int fd = connect_to(fixture);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    size_t length = read_until_end(fd);
    const struct eye_export_stats *stats = &fixture->server.sample->stats;
    assert_int_equal(stats->points, 1500);
    assert_true(length > stats->bytes && length < stats->bytes + 1000);
    assert_true(length > (size_t)2 << 20);
    assert_int_equal(stats->failures[EYE_EXPORT_BUSY],
                     EYE_ARRAY_LENGTH(stuck) + 1 - EYE_PEERS_SHARE);
    close(fd);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(stuck); i++) {
        close(stuck[i]);
    }
}

static void bind__names_a_port_in_use(void **state)
{
    struct fixture *fixture = *state;
    struct server *server = &fixture->server;
    struct eye_error error = {""};
    void *second = NULL;
    assert_int_equal(
        eye_exporter_open(&eye_exporter_openmetrics, &server->sample->setup, &second, &error), 0);
    assert_int_equal(eye_exporter_openmetrics.bind(second, &error), -EADDRINUSE);
    eye_exporter_close(&eye_exporter_openmetrics, second);
    assert_non_null(strstr(error.text, server->listen));
    assert_non_null(strstr(error.text, strerror(EADDRINUSE)));
}

static void open__listens_on_ipv6(void **state)
{
    struct fixture *fixture = *state;
    eye_exporter_close(&eye_exporter_openmetrics, EYE_TAKE(fixture->server.exporter));
    server_listen_on(&fixture->server, "[::1]");
    assert_int_equal(server_open(&fixture->server, NULL), 0);
    assert_int_equal(ask(fixture, "GET / HTTP/1.1\r\n"), 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scrape__gets_text_unless_it_asks_for_more),
        TEST(scrape__gets_openmetrics),
        TEST(scrape__before_the_first_snapshot_is_unavailable),
        TEST(scrape__sees_the_newest_snapshot),
        TEST(scrape__counts_collisions),
        TEST(scrape__is_compressed_when_allowed),
        TEST(head__has_no_body_and_counts_nothing),
        TEST(old_client__gets_a_page),
        TEST(absolute_target__is_its_path),
        TEST(connection__has_one_answer),
        TEST(scrapes__of_one_snapshot_are_the_same_page),
        TEST(other_paths_and_methods__are_refused),
        TEST(scrape__gets_no_values_that_are_too_old),
        TEST(scrape__is_served_beside_any_number_of_idle_connections),
        TEST(scrape__is_served_beside_those_who_do_not_read),
        TEST(bind__names_a_port_in_use),
        TEST(open__listens_on_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
