/* SPDX-License-Identifier: Apache-2.0 */
/* Tags that are given twice: the series' own goes out, else the last one of the configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/unit/exporters/exporter_run.h"

extern const struct eye_exporter_type eye_exporter_dogstatsd;
extern const struct eye_exporter_type eye_exporter_statsd;
extern const struct eye_exporter_type eye_exporter_graphite;

static void tags__have_each_key_once(void **state)
{
    static const struct {
        const struct eye_exporter_type *type;
        const char *settings;
        const char *line;  /* with the series' own port */
        const char *other; /* of a metric without ports */
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
        char yaml[256];
        bool graphite = rows[i].type == &eye_exporter_graphite;
        snprintf(yaml, sizeof(yaml), "%s, url: 'udp://127.0.0.1:%%', tags: [%s%s]",
                 rows[i].settings, graphite ? "'host:h', " : "",
                 "'env:a', 'port:1', 'env:b', 'env:c'");
        struct exporter_run *run = exporter_run_new(rows[i].type);
        exporter_run_listen(run, SOCK_DGRAM);
        assert_int_equal(exporter_run_open(run, yaml), 0);
        sample_add(run->sample, EYE_METRIC_TCP_SENT_BYTES, 1, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
        sample_add(run->sample, EYE_METRIC_SELF_MEMORY, 5, SAMPLE_TAGS());
        assert_int_equal(exporter_run_deliver(run), 0);
        const char *lines = exporter_run_read(run);
        if (strstr(lines, rows[i].line) == NULL || strstr(lines, rows[i].other) == NULL) {
            fail_msg("%s sends\n%s", yaml, lines);
        }
        exporter_run_free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags__have_each_key_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
