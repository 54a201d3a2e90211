/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue: every metric and every tag that sockeye can emit, in two static tables. Nothing
 * is counted under a name that is not here. Read-only, any thread.
 *
 * Names and attributes follow the OpenTelemetry semantic conventions where one exists
 * (https://opentelemetry.io/docs/specs/semconv/); the rest is ours.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum eye_metric_kind { EYE_COUNTER, EYE_GAUGE, EYE_DISTRIBUTION };

/*
 * X(identifier, Prometheus' word or "", UCUM, Datadog's word or "")
 * Prometheus ends names with its word. UCUM is OTLP's (https://ucum.org/ucum); what is counted is
 * an annotation in braces, because receivers take a gauge of unit 1 for a ratio.
 */
#define EYE_UNITS(X)                                                                               \
    X(SECONDS, "seconds", "s", "second")                                                           \
    X(BYTES, "bytes", "By", "byte")                                                                \
    X(RATIO, "ratio", "1", "fraction")                                                             \
    X(CONNECTIONS, "", "{connection}", "")                                                         \
    X(SEGMENTS, "", "{segment}", "")                                                               \
    X(EVENTS, "", "{event}", "")                                                                   \
    X(RECORDS, "", "{record}", "")                                                                 \
    X(PROGRAMS, "", "{program}", "")                                                               \
    X(RUNS, "", "{run}", "")                                                                       \
    X(FEATURES, "", "{feature}", "")                                                               \
    X(NAMESPACES, "", "{namespace}", "")                                                           \
    X(SAMPLES, "", "{sample}", "")                                                                 \
    X(SERIES, "", "{series}", "")                                                                  \
    X(LOOKUPS, "", "{lookup}", "")                                                                 \
    X(PROCESSES, "", "{process}", "")                                                              \
    X(LINES, "", "{line}", "")                                                                     \
    X(SNAPSHOTS, "", "{snapshot}", "")                                                             \
    X(POINTS, "", "{point}", "")                                                                   \
    X(ATTEMPTS, "", "{attempt}", "")

enum eye_unit {
#define X(identifier, ...) EYE_UNIT_##identifier,
    EYE_UNITS(X)
#undef X
        EYE_UNIT_COUNT,
};

/* What the receivers of different families call a unit. */
struct eye_unit_info {
    const char *word; /* Prometheus and OpenMetrics */
    const char *ucum; /* OTLP */
    const char *datadog;
};

const struct eye_unit_info *eye_unit_info(enum eye_unit unit);

/* X(identifier, name, OpenTelemetry attribute or "", help) */
#define EYE_TAGS(X)                                                                                \
    X(DIRECTION, "direction", "", "how the socket came about: incoming (accepted) or outgoing")    \
    X(SERVICE, "service", "service.name",                                                          \
      "DD_SERVICE, OTEL_SERVICE_NAME, unit, container or executable")                              \
    X(PORT, "port", "server.port",                                                                 \
      "port of the service: local when incoming, remote when outgoing; ephemeral when the kernel " \
      "chose it")                                                                                  \
    X(FAMILY, "family", "network.type", "ipv4 or ipv6; v4-mapped addresses are ipv4")              \
    X(PROCESS, "process", "process.executable.name", "name of the executable")                     \
    X(CONTAINER, "container", "container.id", "first 12 digits of the container id")               \
    X(REMOTE, "remote", "network.peer.address", "the other end: its zone or address, by setting")  \
    X(NETNS, "netns", "", "inode number of the network namespace")                                 \
    X(REASON, "reason", "", "why it failed or was dropped")                                        \
    X(METHOD, "method", "http.request.method", "HTTP method, _OTHER when unknown")                 \
    X(STATUS, "status", "http.response.status_code", "HTTP status code")                           \
    X(ERROR, "error_type", "error.type",                                                           \
      "what ended a request without an answer, in the place of the status: cancelled (the client " \
      "closed first), closed (the server did), reset, timeout, _OTHER; its duration is that to "   \
      "the connection's end")                                                                      \
    X(ROUTE, "route", "http.route", "path with variable segments as *, or the user's own route")   \
    X(PROGRAM, "program", "", "kernel program")                                                    \
    X(FEATURE, "feature", "", "what the host, the kernel or a right allows")                       \
    X(RING, "ring", "", "kernel ring buffer, or live for the iterator over live sockets")          \
    X(EXPORTER, "exporter", "", "name of the exporter")                                            \
    X(OUTCOME, "outcome", "", "what became of it")                                                 \
    X(METRIC, "metric", "", "name of the metric concerned")                                        \
    X(TAG, "tag", "", "name of the tag concerned")                                                 \
    X(SOURCE, "source", "", "stage that made the sample")

enum eye_tag {
#define X(identifier, name, attribute, help) EYE_TAG_##identifier,
    EYE_TAGS(X)
#undef X
        EYE_TAG_COUNT,
};

struct eye_tag_info {
    const char *name;      /* as StatsD-like exporters write it */
    const char *attribute; /* OpenTelemetry attribute; "" when the conventions have none */
    const char *help;
};

const struct eye_tag_info *eye_tag_info(enum eye_tag tag);

/* A mask of tags is a uint64_t of these. */
static inline uint64_t eye_tag_bit(enum eye_tag tag)
{
    return UINT64_C(1) << tag;
}

/* The same in a table: EYE_TAG_BIT(PORT). */
#define EYE_TAG_BIT(identifier) (UINT64_C(1) << EYE_TAG_##identifier)

#define EYE_TAGS_CONNECTION                                                                        \
    (EYE_TAG_BIT(DIRECTION) | EYE_TAG_BIT(SERVICE) | EYE_TAG_BIT(PORT) | EYE_TAG_BIT(FAMILY) |     \
     EYE_TAG_BIT(PROCESS) | EYE_TAG_BIT(CONTAINER) | EYE_TAG_BIT(REMOTE) | EYE_TAG_BIT(NETNS))
#define EYE_TAGS_HTTP                                                                              \
    (EYE_TAG_BIT(METHOD) | EYE_TAG_BIT(STATUS) | EYE_TAG_BIT(ERROR) | EYE_TAG_BIT(ROUTE) |         \
     EYE_TAG_BIT(SERVICE) | EYE_TAG_BIT(PORT))
#define EYE_TAGS_USM_LOST                                                                          \
    (EYE_TAG_BIT(DIRECTION) | EYE_TAG_BIT(SERVICE) | EYE_TAG_BIT(PORT) | EYE_TAG_BIT(REASON))

/*
 * X(identifier, name, kind, unit, scale, tags, semantic, help)
 * scale: a counter counts whole numbers of this many units (1e-9: nanoseconds of a metric in
 * seconds). semantic: the name is one of the semantic conventions, so Prometheus and OTLP get it
 * unprefixed.
 */
#define EYE_METRICS(X)                                                                             \
    X(TCP_OPENED, "tcp.connections.opened", COUNTER, CONNECTIONS, 1, EYE_TAGS_CONNECTION, false,   \
      "TCP connections established")                                                               \
    X(TCP_CLOSED, "tcp.connections.closed", COUNTER, CONNECTIONS, 1, EYE_TAGS_CONNECTION, false,   \
      "established TCP connections that ended")                                                    \
    X(TCP_FAILED, "tcp.connections.failed", COUNTER, CONNECTIONS, 1,                               \
      EYE_TAGS_CONNECTION | EYE_TAG_BIT(REASON), false,                                            \
      "TCP connections that were never established or were ended by an error")                     \
    X(TCP_ACTIVE, "tcp.connections.active", GAUGE, CONNECTIONS, 1, EYE_TAGS_CONNECTION, false,     \
      "established TCP connections now")                                                           \
    X(TCP_CONNECT, "tcp.connect.duration", DISTRIBUTION, SECONDS, 1, EYE_TAGS_CONNECTION, false,   \
      "time from the first SYN to established, outgoing connections")                              \
    X(TCP_LIFETIME, "tcp.connection.duration", DISTRIBUTION, SECONDS, 1, EYE_TAGS_CONNECTION,      \
      false, "time from established to closed")                                                    \
    X(TCP_SENT_BYTES, "tcp.sent.bytes", COUNTER, BYTES, 1, EYE_TAGS_CONNECTION, false,             \
      "payload sent, each byte once")                                                              \
    X(TCP_RECEIVED_BYTES, "tcp.received.bytes", COUNTER, BYTES, 1, EYE_TAGS_CONNECTION, false,     \
      "payload received in order, each byte once")                                                 \
    X(TCP_SENT_SEGMENTS, "tcp.sent.segments", COUNTER, SEGMENTS, 1, EYE_TAGS_CONNECTION, false,    \
      "segments sent, retransmits and pure acknowledgements included")                             \
    X(TCP_RECEIVED_SEGMENTS, "tcp.received.segments", COUNTER, SEGMENTS, 1, EYE_TAGS_CONNECTION,   \
      false, "segments received")                                                                  \
    X(TCP_RETRANSMITS, "tcp.retransmits", COUNTER, SEGMENTS, 1, EYE_TAGS_CONNECTION, false,        \
      "segments retransmitted")                                                                    \
    X(TCP_RTT, "tcp.rtt", DISTRIBUTION, SECONDS, 1, EYE_TAGS_CONNECTION, false,                    \
      "smoothed round-trip time of each connection that moved, once per interval and at close")    \
    X(USM_UNRECOGNISED, "usm.connections.unrecognised", COUNTER, CONNECTIONS, 1,                   \
      EYE_TAGS_CONNECTION, false,                                                                  \
      "connections closed whose payload was seen and told of no protocol that we know")            \
    X(USM_LOST, "usm.lost", COUNTER, EVENTS, 1, EYE_TAGS_USM_LOST, false,                          \
      "requests, responses and gaps that could not be followed or paired, by service; reasons "    \
      "and sums as in sockeye.kernel.lost")                                                        \
    X(HTTP_SERVER_DURATION, "http.server.request.duration", DISTRIBUTION, SECONDS, 1,              \
      EYE_TAGS_HTTP, true, "first byte of the request to first byte of the response, server end")  \
    X(HTTP_CLIENT_DURATION, "http.client.request.duration", DISTRIBUTION, SECONDS, 1,              \
      EYE_TAGS_HTTP, true, "first byte of the request to first byte of the response, client end")  \
    X(SELF_KERNEL_LOST, "sockeye.kernel.lost", COUNTER, EVENTS, 1,                                 \
      EYE_TAG_BIT(PROGRAM) | EYE_TAG_BIT(REASON), false,                                           \
      "what the kernel side saw and could not hand on, by program and reason")                     \
    X(SELF_KERNEL_RECORDS, "sockeye.kernel.records", COUNTER, RECORDS, 1, EYE_TAG_BIT(RING),       \
      false, "records read from the kernel")                                                       \
    X(SELF_RING_FILL, "sockeye.kernel.ring.fill", GAUGE, RATIO, 1, EYE_TAG_BIT(RING), false,       \
      "used part of a ring buffer when the interval ended")                                        \
    X(SELF_BPF_ATTACHED, "sockeye.bpf.attached", GAUGE, PROGRAMS, 1, EYE_TAG_BIT(PROGRAM), false,  \
      "1: a kernel program does its work; 0: this kernel or host refuses it, and the log and "     \
      "\"sockeye probe\" say why")                                                                 \
    X(SELF_BPF_RUNS, "sockeye.bpf.runs", COUNTER, RUNS, 1, EYE_TAG_BIT(PROGRAM), false,            \
      "runs of a kernel program; only while the kernel counts them (kernel.bpf_stats_enabled)")    \
    X(SELF_BPF_TIME, "sockeye.bpf.time", COUNTER, SECONDS, 1e-9, EYE_TAG_BIT(PROGRAM), false,      \
      "time spent in a kernel program; only while the kernel counts it")                           \
    X(SELF_FEATURE, "sockeye.feature.available", GAUGE, FEATURES, 1, EYE_TAG_BIT(FEATURE), false,  \
      "1: there; 0: missing, and the log and \"sockeye probe\" say what that costs and what to "   \
      "do")                                                                                        \
    X(SELF_UNSEEDED, "sockeye.namespaces.unseeded", GAUGE, NAMESPACES, 1, 0, false,                \
      "network namespaces that could not be entered: connections older than the daemon are not "   \
      "seen there")                                                                                \
    X(SELF_SAMPLES, "sockeye.samples", COUNTER, SAMPLES, 1,                                        \
      EYE_TAG_BIT(SOURCE) | EYE_TAG_BIT(OUTCOME), false,                                           \
      "samples by stage: aggregated, malformed, or values lost for want of memory")                \
    X(SELF_SERIES, "sockeye.series", GAUGE, SERIES, 1, EYE_TAG_BIT(METRIC), false,                 \
      "series alive, by metric")                                                                   \
    X(SELF_OVERFLOW, "sockeye.series.overflow", COUNTER, LOOKUPS, 1,                               \
      EYE_TAG_BIT(METRIC) | EYE_TAG_BIT(TAG), false,                                               \
      "look-ups whose tag value became __other__ because a budget was used up")                    \
    X(SELF_EXPIRED, "sockeye.series.expired", COUNTER, SERIES, 1, 0, false,                        \
      "series removed after being idle")                                                           \
    X(SELF_PROCESSES, "sockeye.processes", GAUGE, PROCESSES, 1, 0, false,                          \
      "processes whose service is remembered")                                                     \
    X(SELF_FORGOTTEN, "sockeye.processes.forgotten", COUNTER, PROCESSES, 1, 0, false,              \
      "processes forgotten that may still run, for want of room or of /proc: those that have "     \
      "written over their environment may be called otherwise from then on")                       \
    X(SELF_CPU, "sockeye.cpu.time", COUNTER, SECONDS, 1e-9, 0, false,                              \
      "CPU time of the daemon, user and system")                                                   \
    X(SELF_MEMORY, "sockeye.memory.resident", GAUGE, BYTES, 1, 0, false,                           \
      "resident memory of the daemon")                                                             \
    X(SELF_LOG_DROPPED, "sockeye.log.dropped", COUNTER, LINES, 1, 0, false,                        \
      "log lines that standard error did not take: nobody reads it, or a disk is full")            \
    X(SELF_SNAPSHOTS, "sockeye.exporter.snapshots", COUNTER, SNAPSHOTS, 1,                         \
      EYE_TAG_BIT(EXPORTER) | EYE_TAG_BIT(OUTCOME), false,                                         \
      "snapshots handed to an exporter: delivered, or skipped (their changes went with a later "   \
      "one)")                                                                                      \
    X(SELF_QUEUED, "sockeye.exporter.queued", GAUGE, SNAPSHOTS, 1, EYE_TAG_BIT(EXPORTER), false,   \
      "snapshots waiting in the exporter's queue")                                                 \
    X(SELF_POINTS, "sockeye.exporter.points", COUNTER, POINTS, 1, EYE_TAG_BIT(EXPORTER), false,    \
      "points delivered")                                                                          \
    X(SELF_POINTS_SEEN, "sockeye.exporter.points.seen", COUNTER, POINTS, 1, EYE_TAG_BIT(EXPORTER), \
      false, "points of the snapshots delivered: those delivered and those dropped")               \
    X(SELF_FAILING, "sockeye.exporter.failing", GAUGE, ATTEMPTS, 1, EYE_TAG_BIT(EXPORTER), false,  \
      "attempts that failed in a row, now; 0: the receiver is in reach")                           \
    X(SELF_REPLAYED, "sockeye.exporter.spool.replayed", COUNTER, SNAPSHOTS, 1,                     \
      EYE_TAG_BIT(EXPORTER), false, "snapshots of an earlier run found in the exporter's spool")   \
    X(SELF_SPOOL, "sockeye.exporter.spool.size", GAUGE, BYTES, 1, EYE_TAG_BIT(EXPORTER), false,    \
      "disk that the exporter's spool takes")                                                      \
    X(SELF_SENT_BYTES, "sockeye.exporter.sent.bytes", COUNTER, BYTES, 1, EYE_TAG_BIT(EXPORTER),    \
      false, "bytes written by the exporter")                                                      \
    X(SELF_FAILURES, "sockeye.exporter.failures", COUNTER, ATTEMPTS, 1,                            \
      EYE_TAG_BIT(EXPORTER) | EYE_TAG_BIT(REASON), false,                                          \
      "failed attempts to deliver; the data is kept and tried again")                              \
    X(SELF_DROPPED, "sockeye.exporter.dropped", COUNTER, POINTS, 1,                                \
      EYE_TAG_BIT(EXPORTER) | EYE_TAG_BIT(REASON), false, "points given up by an exporter")

enum eye_metric_id {
#define X(identifier, ...) EYE_METRIC_##identifier,
    EYE_METRICS(X)
#undef X
        EYE_METRIC_COUNT,
};

struct eye_metric {
    enum eye_metric_id id;
    const char *name;
    enum eye_metric_kind kind;
    enum eye_unit unit;
    double scale;
    uint64_t tags; /* EYE_TAG_BIT of every tag that it may carry */
    bool semantic;
    const char *help;
};

/** The entry of @id; never NULL. */
const struct eye_metric *eye_metric(enum eye_metric_id id);

static inline bool eye_metric_has_tag(const struct eye_metric *metric, enum eye_tag tag)
{
    return (metric->tags & eye_tag_bit(tag)) != 0;
}

/** "counter", "gauge" or "distribution". */
const char *eye_metric_kind_name(enum eye_metric_kind kind);
