/* SPDX-License-Identifier: Apache-2.0 */
/* Tags that are given twice: the series' own goes out, else the last one of the configuration; and
 * those that a format cannot say as they are. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/unit/exporters/exporter_run.h"
#include "tests/unit/exporters/http/http_server.h"

extern const struct eye_exporter_type eye_exporter_dogstatsd;
extern const struct eye_exporter_type eye_exporter_statsd;
extern const struct eye_exporter_type eye_exporter_graphite;
extern const struct eye_exporter_type eye_exporter_openmetrics;
extern const struct eye_exporter_type eye_exporter_file;
extern const struct eye_exporter_type eye_exporter_otlp;

/* ---- Ways to a receiver ---- */

/* Delivers, and returns what the receiver has then. */
typedef const char *exchange(struct exporter_run *run, const char *settings);

/* @settings, and @where it sends to. */
static void deliver(struct exporter_run *run, const char *settings, const char *where)
{
    char yaml[512];
    snprintf(yaml, sizeof(yaml), "%s, %s", settings, where);
    assert_int_equal(exporter_run_open(run, yaml), 0);
    if (run->type->bind != NULL) {
        assert_int_equal(run->type->bind(run->exporter, &run->error), 0);
    }
    sample_add(run->sample, EYE_METRIC_TCP_SENT_BYTES, 1, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(run->sample, EYE_METRIC_SELF_MEMORY, 5, SAMPLE_TAGS());
    sample_add(run->sample, EYE_METRIC_HTTP_SERVER_DURATION, 1, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    assert_int_equal(exporter_run_deliver(run), 0);
}

static void read_until_end(struct exporter_run *run, int fd)
{
    char piece[4096];
    for (ssize_t got; (got = read(fd, piece, sizeof(piece))) > 0;) {
        eye_text_append_bytes(&run->bytes, piece, (size_t)got);
    }
}

static const char *by_datagram(struct exporter_run *run, const char *settings)
{
    exporter_run_listen(run, SOCK_DGRAM);
    deliver(run, settings, "url: 'udp://127.0.0.1:%'");
    return exporter_run_read(run);
}

static const char *by_scrape(struct exporter_run *run, const char *settings)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    exporter_run_listen(run, SOCK_STREAM); /* the port is free */
    exporter_run_hang_up(run);
    deliver(run, settings, "listen: '127.0.0.1:%'");
    address.sin_port = htons(run->port);
    EYE_AUTOCLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
    read_until_end(run, fd);
    return eye_text_string(&run->bytes);
}

static const char *by_file(struct exporter_run *run, const char *settings)
{
    snprintf(run->folder, sizeof(run->folder), "/tmp/sockeye-run-XXXXXX");
    assert_non_null(mkdtemp(run->folder));
    snprintf(run->path, sizeof(run->path), "%s/lines", run->folder);
    deliver(run, settings, "path: '%'");
    EYE_AUTOCLOSE int fd = open(run->path, O_RDONLY | O_CLOEXEC);
    read_until_end(run, fd);
    return eye_text_string(&run->bytes);
}

static const char *by_request(struct exporter_run *run, const char *settings)
{
    static const struct http_script taken = {.answer = "HTTP/1.1 200 OK\r\n\r\n{}",
                                             .ending = HTTP_CLOSE};
    struct http_server *server = http_server_start(&taken, 1);
    size_t length;
    run->port = http_server_port(server);
    deliver(run, settings, "url: 'http://127.0.0.1:%/'");
    const char *body = http_server_body(server, 0, &length);
    eye_text_append_bytes(&run->bytes, body, length);
    http_server_stop(server);
    return eye_text_string(&run->bytes);
}

/* ---- Tests ---- */

#define TWICE "'env:a', 'port:1', 'env:b', 'env:c'"
#define ODD "novalue, 'empty:', '\u00e9:\u00e9 v'"

/* @line: with the series' own port; @other: of a metric without ports. */
static void assert_sends(const struct eye_exporter_type *type, const char *settings,
                         const char *tags, exchange *deliver_and_read, const char *line,
                         const char *other)
{
    char yaml[384];
    struct exporter_run *run = exporter_run_new(type);
    bool host = type == &eye_exporter_graphite || type == &eye_exporter_otlp;
    snprintf(yaml, sizeof(yaml), "%s, tags: [%s%s]", settings, host ? "'host:h', " : "", tags);
    const char *text = deliver_and_read(run, yaml);
    if (strstr(text, line) == NULL || strstr(text, other) == NULL) {
        fail_msg("%s sends\n%s", settings, text);
    }
    exporter_run_free(run);
}

static void tags__have_each_key_once(void **state)
{
    static const struct {
        const struct eye_exporter_type *type;
        const char *settings;
        const char *line;
        const char *other;
    } rows[] = {
        {&eye_exporter_dogstatsd, "type: dogstatsd, telemetry: false, origin_detection: false",
         "sockeye.tcp.sent.bytes:1|c|#env:c,port:80\n",
         "sockeye.memory.resident:5|g|#port:1,env:c\n"},
        {&eye_exporter_statsd, "type: statsd", "sockeye.tcp.sent.bytes.c.80:1|c\n",
         "sockeye.memory.resident.1.c:5|g\n"},
        {&eye_exporter_statsd, "type: statsd, template: '{metric}.{env}.{port}'",
         "sockeye.tcp.sent.bytes.c.80:1|c\n", "sockeye.memory.resident.c:5|g\n"},
        {&eye_exporter_statsd, "type: statsd, dialect: datadog",
         "sockeye.tcp.sent.bytes:1|c|#env:c,port:80\n",
         "sockeye.memory.resident:5|g|#port:1,env:c\n"},
        {&eye_exporter_statsd, "type: statsd, dialect: influxdb",
         "sockeye.tcp.sent.bytes,env=c,port=80:1|c\n",
         "sockeye.memory.resident,port=1,env=c:5|g\n"},
        {&eye_exporter_statsd, "type: statsd, dialect: graphite",
         "sockeye.tcp.sent.bytes;env=c;port=80:1|c\n",
         "sockeye.memory.resident;port=1;env=c:5|g\n"},
        {&eye_exporter_statsd, "type: statsd, dialect: signalfx",
         "sockeye.tcp.sent.bytes[env=c,port=80]:1|c\n",
         "sockeye.memory.resident[port=1,env=c]:5|g\n"},
        {&eye_exporter_statsd, "type: statsd, dialect: librato",
         "sockeye.tcp.sent.bytes#env=c,port=80:1|c\n",
         "sockeye.memory.resident#port=1,env=c:5|g\n"},
        {&eye_exporter_graphite, "type: graphite", "sockeye.tcp.sent.bytes;host=h;env=c;port=80 1 ",
         "sockeye.memory.resident;host=h;port=1;env=c 5 "},
        {&eye_exporter_graphite, "type: graphite, style: dotted",
         "h.sockeye.tcp.sent.bytes.c.80 1 ", "h.sockeye.memory.resident.1.c 5 "},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        assert_sends(rows[i].type, rows[i].settings, TWICE, by_datagram, rows[i].line,
                     rows[i].other);
    }
}

/* Labels of a family and attributes of a resource have their own code. */
static void tags__have_each_key_once_in_pages_and_json(void **state)
{
    static const struct {
        const struct eye_exporter_type *type;
        const char *settings;
        exchange *exchange;
        const char *line;
        const char *other;
    } rows[] = {
        {&eye_exporter_openmetrics, "type: openmetrics", by_scrape,
         "\nsockeye_tcp_sent_bytes_total{port=\"80\",env=\"c\"} 1\n",
         "\nsockeye_memory_resident_bytes{port=\"1\",env=\"c\"} 5\n"},
        {&eye_exporter_file, "type: file", by_file,
         "\"sockeye.tcp.sent.bytes\",\"kind\":\"counter\",\"unit\":\"bytes\","
         "\"tags\":{\"port\":\"80\",\"env\":\"c\"}",
         "\"sockeye.memory.resident\",\"kind\":\"gauge\",\"unit\":\"bytes\","
         "\"tags\":{\"port\":\"1\",\"env\":\"c\"}"},
        /* By the conventions the series' own is called server_port. */
        {&eye_exporter_openmetrics, "type: openmetrics", by_scrape,
         "\nhttp_server_request_duration_seconds_count{server_port=\"80\",port=\"1\","
         "env=\"c\"} 1\n",
         ""},
        /* The resource has the configuration's, the point its own. */
        {&eye_exporter_otlp, "type: otlp, encoding: json, compression: none", by_request,
         "{\"key\":\"host\",\"value\":{\"stringValue\":\"h\"}},"
         "{\"key\":\"port\",\"value\":{\"stringValue\":\"1\"}},"
         "{\"key\":\"env\",\"value\":{\"stringValue\":\"c\"}}]},\"scopeMetrics\"",
         "{\"attributes\":[{\"key\":\"server.port\",\"value\":{\"intValue\":\"80\"}}],"},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        assert_sends(rows[i].type, rows[i].settings, TWICE, rows[i].exchange, rows[i].line,
                     rows[i].other);
    }
}

/* No value, and what is not ASCII: as the table of README.md has it. */
static void tags__of_any_form_are_sent(void **state)
{
    static const struct {
        const struct eye_exporter_type *type;
        const char *settings;
        exchange *exchange;
        const char *line;
    } rows[] = {
        {&eye_exporter_dogstatsd, "type: dogstatsd, telemetry: false, origin_detection: false",
         by_datagram, "resident:5|g|#novalue,empty,\u00e9:\u00e9 v\n"},
        {&eye_exporter_statsd, "type: statsd", by_datagram, "resident.novalue.empty.___v:5|g\n"},
        {&eye_exporter_statsd, "type: statsd, dialect: datadog", by_datagram,
         "resident:5|g|#novalue:true,empty:true,__:___v\n"},
        {&eye_exporter_statsd, "type: statsd, dialect: influxdb", by_datagram,
         "resident,novalue=true,empty=true,__=___v:5|g\n"},
        {&eye_exporter_graphite, "type: graphite", by_datagram,
         "resident;host=h;novalue=true;empty=true;__=___v 5 "},
        {&eye_exporter_graphite, "type: graphite, style: dotted", by_datagram,
         "resident.novalue.empty.___v 5 "},
        {&eye_exporter_openmetrics, "type: openmetrics", by_scrape,
         "resident_bytes{tag=\"\u00e9 v\"} 5\n"},
        {&eye_exporter_file, "type: file", by_file,
         "\"tags\":{\"novalue\":\"\",\"empty\":\"\",\"\u00e9\":\"\u00e9 v\"},\"value\":5"},
        {&eye_exporter_otlp, "type: otlp, encoding: json, compression: none", by_request,
         "{\"key\":\"novalue\",\"value\":{\"stringValue\":\"\"}},"
         "{\"key\":\"empty\",\"value\":{\"stringValue\":\"\"}},"
         "{\"key\":\"\u00e9\",\"value\":{\"stringValue\":\"\u00e9 v\"}}]},\"scopeMetrics\""},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        assert_sends(rows[i].type, rows[i].settings, ODD, rows[i].exchange, rows[i].line, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags__have_each_key_once),
        cmocka_unit_test(tags__have_each_key_once_in_pages_and_json),
        cmocka_unit_test(tags__of_any_form_are_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
