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

#include "collector/base/stability.h"

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
    X(DATAGRAMS, "", "{datagram}", "")                                                             \
    X(EVENTS, "", "{event}", "")                                                                   \
    X(RECORDS, "", "{record}", "")                                                                 \
    X(FILES, "", "{file}", "")                                                                     \
    X(PROGRAMS, "", "{program}", "")                                                               \
    X(RUNS, "", "{run}", "")                                                                       \
    X(FEATURES, "", "{feature}", "")                                                               \
    X(NAMESPACES, "", "{namespace}", "")                                                           \
    X(SAMPLES, "", "{sample}", "")                                                                 \
    X(SERIES, "", "{series}", "")                                                                  \
    X(LOOKUPS, "", "{lookup}", "")                                                                 \
    X(PROCESSES, "", "{process}", "")                                                              \
    X(CONTAINERS, "", "{container}", "")                                                           \
    X(LINES, "", "{line}", "")                                                                     \
    X(SNAPSHOTS, "", "{snapshot}", "")                                                             \
    X(POINTS, "", "{point}", "")                                                                   \
    X(REQUESTS, "", "{request}", "")                                                               \
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

/* What the semantic conventions say that an attribute's values are. */
enum eye_attribute_type { EYE_ATTRIBUTE_STRING, EYE_ATTRIBUTE_INTEGER };

/* What OpenTelemetry calls a tag. */
struct eye_attribute {
    const char *name; /* "" when the conventions have none */
    enum eye_attribute_type type;
};

/*
 * X(identifier, name, OpenTelemetry attribute or "", its type, stability, help)
 * The attribute is that of every metric whose family has no other one for the tag. The stability of
 * a tag is that of its name and of what its values are made of.
 */
#define EYE_TAGS(X)                                                                                \
    X(DIRECTION, "direction", "", STRING, STABLE,                                                  \
      "how the socket came about: incoming (accepted) or outgoing")                                \
    X(SERVICE, "service", "service.name", STRING, STABLE,                                          \
      "DD_SERVICE, OTEL_SERVICE_NAME, unit, name or id of the container, or executable")           \
    X(PORT, "port", "server.port", INTEGER, STABLE,                                                \
      "port of the service: local when incoming, remote when outgoing; ephemeral when the kernel " \
      "chose it")                                                                                  \
    X(FAMILY, "family", "network.type", STRING, STABLE,                                            \
      "ipv4 or ipv6; v4-mapped addresses are ipv4")                                                \
    X(PROCESS, "process", "process.executable.name", STRING, STABLE, "name of the executable")     \
    X(CONTAINER, "container", "container.id", STRING, STABLE,                                      \
      "first 12 digits of the container id, or the name of one that has no id (LXC, nspawn)")      \
    X(POD, "pod", "k8s.pod.name", STRING, EXPERIMENTAL, "name of the Kubernetes pod")              \
    X(NAMESPACE, "namespace", "k8s.namespace.name", STRING, EXPERIMENTAL,                          \
      "Kubernetes namespace of the pod")                                                           \
    X(REMOTE, "remote", "network.peer.address", STRING, STABLE,                                    \
      "the other end: its zone, network, address or name, by setting")                             \
    X(CAST, "cast", "", STRING, EXPERIMENTAL,                                                      \
      "multicast or broadcast, of datagrams to such addresses; all others do not have it")         \
    X(PROTOCOL, "protocol", "network.protocol.name", STRING, EXPERIMENTAL,                         \
      "what is spoken, if it was recognised; of UDP quic alone")                                   \
    X(NETNS, "netns", "", STRING, EXPERIMENTAL, "inode number of the network namespace")           \
    X(NAT, "nat", "", STRING, EXPERIMENTAL,                                                        \
      "what the host's own NAT does to a connection: none, source, destination or both")           \
    X(REASON, "reason", "", STRING, STABLE, "why it failed or was dropped")                        \
    X(METHOD, "method", "", STRING, STABLE,                                                        \
      "HTTP method, _OTHER when it is none of the standard's; of gRPC package.Service/Method; "    \
      "unknown when it was told before the daemon came")                                           \
    X(STATUS, "status", "", STRING, STABLE,                                                        \
      "HTTP status code; of gRPC the name of its own; of Redis what an error begins with (ERR, "   \
      "WRONGTYPE, MOVED ... , _OTHER), of PostgreSQL the SQLSTATE, of MySQL the number of an "     \
      "error, and nothing on success")                                                             \
    X(ERROR, "error_type", "error.type", STRING, STABLE,                                           \
      "what ended a request without an answer, in the place of the status: cancelled (the client " \
      "closed first), closed (the server did), reset, timeout, _OTHER; its duration is that to "   \
      "the connection's end; of DNS timeout, and truncated (the answer is cut); of Kafka also "    \
      "the name of the error that was answered (UNKNOWN_TOPIC_OR_PARTITION ...)")                  \
    X(TYPE, "type", "dns.question.type", STRING, EXPERIMENTAL,                                     \
      "what a DNS question asks for: A, AAAA ... , TYPE and a number when unknown, NOTIFY or "     \
      "UPDATE")                                                                                    \
    X(RCODE, "rcode", "dns.response_code", STRING, EXPERIMENTAL,                                   \
      "of a DNS answer: NOERROR, NXDOMAIN ... , RCODE and a number when unknown")                  \
    X(TRANSPORT, "transport", "network.transport", STRING, EXPERIMENTAL, "of DNS: udp or tcp")     \
    X(ROUTE, "route", "", STRING, EXPERIMENTAL,                                                    \
      "path with variable segments as *, or the user's own route")                                 \
    X(VERSION, "version", "network.protocol.version", STRING, EXPERIMENTAL,                        \
      "of HTTP: 2; HTTP/1 does not have it")                                                       \
    X(TLS, "tls", "tls", STRING, EXPERIMENTAL,                                                     \
      "true: read inside TLS (protocols.tls); what is spoken in the clear does not have it")       \
    X(DB_SYSTEM, "db_system", "db.system.name", STRING, EXPERIMENTAL,                              \
      "which database is spoken to: redis, postgresql, mysql (and what speaks like them), or "     \
      "mariadb, when its greeting was seen")                                                       \
    X(OPERATION, "operation", "", STRING, EXPERIMENTAL,                                            \
      "what a database was asked to do: of Redis the command, with the subcommand of those that "  \
      "have one, of PostgreSQL and MySQL the first word, or MySQL's name of a command; of Kafka "  \
      "send, poll, commit, or the name of what was asked (api_versions, join_group ...); _OTHER "  \
      "when it is none that we know, unknown of what was prepared before")                         \
    X(SUMMARY, "summary", "db.query.summary", STRING, EXPERIMENTAL,                                \
      "of PostgreSQL and MySQL: what a statement does, and with which tables, in the order of "    \
      "its text (SELECT orders customers); left out when the text was not seen")                   \
    X(MESSAGING_SYSTEM, "messaging_system", "messaging.system", STRING, EXPERIMENTAL,              \
      "which messaging system is spoken to: kafka (and what speaks like it)")                      \
    X(DESTINATION, "destination", "messaging.destination.name", STRING, EXPERIMENTAL,              \
      "topic of what is sent or polled, the first one of several; unknown when it was told by an " \
      "id of which nobody has heard yet, _OTHER when that is no name; other operations do not "    \
      "have it")                                                                                   \
    X(PROGRAM, "program", "", STRING, EXPERIMENTAL, "kernel program")                              \
    X(ASSET, "asset", "", STRING, EXPERIMENTAL, "object of kernel programs")                       \
    X(RESULT, "result", "", STRING, EXPERIMENTAL, "what became of a load")                         \
    X(FEATURE, "feature", "", STRING, EXPERIMENTAL, "what the host, the kernel or a right allows") \
    X(RING, "ring", "", STRING, EXPERIMENTAL,                                                      \
      "kernel ring buffer, or live for the iterator over live sockets")                            \
    X(EXPORTER, "exporter", "", STRING, STABLE, "name of the exporter")                            \
    X(OUTCOME, "outcome", "", STRING, STABLE, "what became of it")                                 \
    X(METRIC, "metric", "", STRING, STABLE, "name of the metric concerned")                        \
    X(TAG, "tag", "", STRING, STABLE, "name of the tag concerned")                                 \
    X(SOURCE, "source", "", STRING, EXPERIMENTAL,                                                  \
      "stage that made the sample, where a name comes from, or who tells of processes")            \
    X(LIMIT, "limit", "", STRING, EXPERIMENTAL, "key of the configuration to raise")

enum eye_tag {
#define X(identifier, ...) EYE_TAG_##identifier,
    EYE_TAGS(X)
#undef X
        EYE_TAG_COUNT,
};

struct eye_tag_info {
    const char *name;               /* as StatsD-like exporters write it */
    struct eye_attribute attribute; /* unless the metric's family has another one */
    bool experimental;
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

#define EYE_TAGS_SOCKET                                                                            \
    (EYE_TAG_BIT(DIRECTION) | EYE_TAG_BIT(SERVICE) | EYE_TAG_BIT(PORT) | EYE_TAG_BIT(FAMILY) |     \
     EYE_TAG_BIT(PROCESS) | EYE_TAG_BIT(CONTAINER) | EYE_TAG_BIT(POD) | EYE_TAG_BIT(NAMESPACE) |   \
     EYE_TAG_BIT(REMOTE) | EYE_TAG_BIT(NETNS))
#define EYE_TAGS_CONNECTION (EYE_TAGS_SOCKET | EYE_TAG_BIT(NAT) | EYE_TAG_BIT(PROTOCOL))
#define EYE_TAGS_UDP (EYE_TAGS_SOCKET | EYE_TAG_BIT(CAST) | EYE_TAG_BIT(PROTOCOL))
#define EYE_TAGS_HTTP                                                                              \
    (EYE_TAG_BIT(TLS) | EYE_TAG_BIT(METHOD) | EYE_TAG_BIT(STATUS) | EYE_TAG_BIT(ERROR) |           \
     EYE_TAG_BIT(ROUTE) | EYE_TAG_BIT(VERSION) | EYE_TAG_BIT(SERVICE) | EYE_TAG_BIT(PORT))
#define EYE_TAGS_DB                                                                                \
    (EYE_TAG_BIT(TLS) | EYE_TAG_BIT(DB_SYSTEM) | EYE_TAG_BIT(OPERATION) | EYE_TAG_BIT(SUMMARY) |   \
     EYE_TAG_BIT(STATUS) | EYE_TAG_BIT(ERROR) | EYE_TAG_BIT(SERVICE) | EYE_TAG_BIT(PORT))
#define EYE_TAGS_MESSAGING                                                                         \
    (EYE_TAG_BIT(TLS) | EYE_TAG_BIT(MESSAGING_SYSTEM) | EYE_TAG_BIT(OPERATION) |                   \
     EYE_TAG_BIT(DESTINATION) | EYE_TAG_BIT(ERROR) | EYE_TAG_BIT(SERVICE) | EYE_TAG_BIT(PORT))
#define EYE_TAGS_RPC                                                                               \
    (EYE_TAG_BIT(TLS) | EYE_TAG_BIT(METHOD) | EYE_TAG_BIT(STATUS) | EYE_TAG_BIT(ERROR) |           \
     EYE_TAG_BIT(SERVICE) | EYE_TAG_BIT(PORT))
#define EYE_TAGS_DNS                                                                               \
    (EYE_TAG_BIT(TLS) | EYE_TAG_BIT(TYPE) | EYE_TAG_BIT(RCODE) | EYE_TAG_BIT(ERROR) |              \
     EYE_TAG_BIT(TRANSPORT) | EYE_TAG_BIT(SERVICE) | EYE_TAG_BIT(PORT))
#define EYE_TAGS_USM_LOST                                                                          \
    (EYE_TAG_BIT(DIRECTION) | EYE_TAG_BIT(SERVICE) | EYE_TAG_BIT(PORT) | EYE_TAG_BIT(REASON))

/*
 * What one protocol counts, or the daemon about itself. Names of the semantic conventions get to
 * Prometheus and OTLP unprefixed, and Prometheus labels that are the attributes.
 */
struct eye_metric_family {
    bool semantic; /* its names are those of the conventions */
    /* By tag, what it is called in this family ("": nothing); name NULL: as everywhere. NULL when
     * that is so for all tags. */
    const struct eye_attribute *attributes;
};

enum eye_metric_family_id {
    EYE_FAMILY_TCP,
    EYE_FAMILY_UDP,
    EYE_FAMILY_USM,
    EYE_FAMILY_HTTP,
    EYE_FAMILY_RPC,
    EYE_FAMILY_DB,
    EYE_FAMILY_MESSAGING,
    EYE_FAMILY_KAFKA,
    EYE_FAMILY_DNS,
    EYE_FAMILY_EBPF,
    EYE_FAMILY_SELF,
};

/* What bounds the series of a metric. */
enum eye_series_bound {
    EYE_SERIES_BUDGETED, /* a budget (collector/telemetry/budget.h) */
    EYE_SERIES_FEW,      /* its tags: however small the budgets are, the daemon's health is seen */
};

/*
 * X(identifier, name, family, kind, unit, scale, tags, bound, stability, help)
 * scale: a counter counts whole numbers of this many units (1e-9: nanoseconds of a metric in
 * seconds).
 */
#define EYE_METRICS(X)                                                                             \
    X(TCP_OPENED, "tcp.connections.opened", TCP, COUNTER, CONNECTIONS, 1, EYE_TAGS_CONNECTION,     \
      BUDGETED, STABLE, "TCP connections established")                                             \
    X(TCP_CLOSED, "tcp.connections.closed", TCP, COUNTER, CONNECTIONS, 1, EYE_TAGS_CONNECTION,     \
      BUDGETED, STABLE, "established TCP connections that ended")                                  \
    X(TCP_FAILED, "tcp.connections.failed", TCP, COUNTER, CONNECTIONS, 1,                          \
      EYE_TAGS_CONNECTION | EYE_TAG_BIT(REASON), BUDGETED, STABLE,                                 \
      "TCP connections that were never established or were ended by an error")                     \
    X(TCP_ACTIVE, "tcp.connections.active", TCP, GAUGE, CONNECTIONS, 1, EYE_TAGS_CONNECTION,       \
      BUDGETED, STABLE, "established TCP connections now")                                         \
    X(TCP_CONNECT, "tcp.connect.duration", TCP, DISTRIBUTION, SECONDS, 1, EYE_TAGS_CONNECTION,     \
      BUDGETED, STABLE, "time from the first SYN to established, outgoing connections")            \
    X(TCP_LIFETIME, "tcp.connection.duration", TCP, DISTRIBUTION, SECONDS, 1, EYE_TAGS_CONNECTION, \
      BUDGETED, STABLE, "time from established to closed")                                         \
    X(TCP_SENT_BYTES, "tcp.sent.bytes", TCP, COUNTER, BYTES, 1, EYE_TAGS_CONNECTION, BUDGETED,     \
      STABLE, "payload sent, each byte once")                                                      \
    X(TCP_RECEIVED_BYTES, "tcp.received.bytes", TCP, COUNTER, BYTES, 1, EYE_TAGS_CONNECTION,       \
      BUDGETED, STABLE, "payload received in order, each byte once")                               \
    X(TCP_SENT_SEGMENTS, "tcp.sent.segments", TCP, COUNTER, SEGMENTS, 1, EYE_TAGS_CONNECTION,      \
      BUDGETED, STABLE, "segments sent, retransmits and pure acknowledgements included")           \
    X(TCP_RECEIVED_SEGMENTS, "tcp.received.segments", TCP, COUNTER, SEGMENTS, 1,                   \
      EYE_TAGS_CONNECTION, BUDGETED, STABLE, "segments received")                                  \
    X(TCP_RETRANSMITS, "tcp.retransmits", TCP, COUNTER, SEGMENTS, 1, EYE_TAGS_CONNECTION,          \
      BUDGETED, STABLE, "segments retransmitted")                                                  \
    X(TCP_RTT, "tcp.rtt", TCP, DISTRIBUTION, SECONDS, 1, EYE_TAGS_CONNECTION, BUDGETED, STABLE,    \
      "smoothed round-trip time of each connection that moved, once per interval and at close")    \
    X(TCP_LISTEN_WAITING, "tcp.listen.queue", TCP, GAUGE, CONNECTIONS, 1, EYE_TAGS_SOCKET,         \
      BUDGETED, EXPERIMENTAL, "connections that wait to be accepted when the interval ends")       \
    X(TCP_LISTEN_ROOM, "tcp.listen.queue.limit", TCP, GAUGE, CONNECTIONS, 1, EYE_TAGS_SOCKET,      \
      BUDGETED, EXPERIMENTAL, "how many have room in the queues of listeners")                     \
    X(TCP_LISTEN_DROPPED, "tcp.listen.drops", TCP, COUNTER, SEGMENTS, 1, EYE_TAGS_SOCKET,          \
      BUDGETED, EXPERIMENTAL,                                                                      \
      "SYNs and last acknowledgements of a handshake that a listener dropped, mostly since its "   \
      "queue was full; the client comes again")                                                    \
    X(TCP_LISTEN_OVERFLOWED, "tcp.listen.overflows", TCP, COUNTER, SEGMENTS, 1, EYE_TAGS_SOCKET,   \
      BUDGETED, EXPERIMENTAL,                                                                      \
      "of tcp.listen.drops those that came while its queue was full: the program accepts too "     \
      "slowly")                                                                                    \
    X(UDP_SENT_BYTES, "udp.sent.bytes", UDP, COUNTER, BYTES, 1, EYE_TAGS_UDP, BUDGETED,            \
      EXPERIMENTAL, "payload of the datagrams sent")                                               \
    X(UDP_RECEIVED_BYTES, "udp.received.bytes", UDP, COUNTER, BYTES, 1, EYE_TAGS_UDP, BUDGETED,    \
      EXPERIMENTAL, "payload of the datagrams received")                                           \
    X(UDP_SENT, "udp.sent.datagrams", UDP, COUNTER, DATAGRAMS, 1, EYE_TAGS_UDP, BUDGETED,          \
      EXPERIMENTAL, "datagrams sent, before they are fragmented; of a segmented buffer each")      \
    X(UDP_RECEIVED, "udp.received.datagrams", UDP, COUNTER, DATAGRAMS, 1, EYE_TAGS_UDP, BUDGETED,  \
      EXPERIMENTAL, "datagrams queued for their program")                                          \
    X(UDP_DROPPED, "udp.dropped", UDP, COUNTER, DATAGRAMS, 1, EYE_TAGS_UDP | EYE_TAG_BIT(REASON),  \
      BUDGETED, EXPERIMENTAL,                                                                      \
      "datagrams that came and that their program never got: buffer (its receive buffer was "      \
      "full), memory (UDP's was), other (a wrong checksum or a filter of its own; these are "      \
      "counted as received, too)")                                                                 \
    X(USM_UNRECOGNISED, "usm.connections.unrecognised", USM, COUNTER, CONNECTIONS, 1,              \
      EYE_TAGS_CONNECTION, BUDGETED, EXPERIMENTAL,                                                 \
      "connections closed whose payload was seen and told of no protocol that we know")            \
    X(USM_LOST, "usm.lost", USM, COUNTER, EVENTS, 1, EYE_TAGS_USM_LOST, BUDGETED, EXPERIMENTAL,    \
      "requests, responses and gaps that could not be followed or paired, by service; reasons "    \
      "and sums as in sockeye.kernel.lost: not_loaded counts payloads, of which a request may "    \
      "have many")                                                                                 \
    X(MONITOR_EVENTS, "usm.process_monitor.events", USM, COUNTER, EVENTS, 1, EYE_TAG_BIT(SOURCE),  \
      FEW, EXPERIMENTAL,                                                                           \
      "what the process monitor was told, by the way it is told (tracepoints, connector)")         \
    X(MONITOR_EXEC, "usm.process_monitor.exec", USM, COUNTER, EVENTS, 1, EYE_TAG_BIT(SOURCE), FEW, \
      EXPERIMENTAL, "programs executed on the host")                                               \
    X(MONITOR_EXIT, "usm.process_monitor.exit", USM, COUNTER, PROCESSES, 1, EYE_TAG_BIT(SOURCE),   \
      FEW, EXPERIMENTAL, "processes of the host that ended")                                       \
    X(MONITOR_LOST, "usm.process_monitor.lost", USM, COUNTER, EVENTS, 1, EYE_TAG_BIT(SOURCE), FEW, \
      EXPERIMENTAL,                                                                                \
      "events that were not told for want of room; /proc is asked for what they may have said")    \
    X(MONITOR_RESTART, "usm.process_monitor.restart", USM, COUNTER, ATTEMPTS, 1,                   \
      EYE_TAG_BIT(SOURCE), FEW, EXPERIMENTAL,                                                      \
      "times that the connector went on with a new socket after an error")                         \
    X(MONITOR_REINIT_FAILED, "usm.process_monitor.reinit_failed", USM, COUNTER, ATTEMPTS, 1,       \
      EYE_TAG_BIT(SOURCE), FEW, EXPERIMENTAL,                                                      \
      "times that no socket of the connector could be had, or told nothing: it is tried again")    \
    X(MONITOR_SCAN_FAILED, "usm.process_monitor.process_scan_failed", USM, COUNTER, ATTEMPTS, 1,   \
      EYE_TAG_BIT(SOURCE), FEW, EXPERIMENTAL,                                                      \
      "times that /proc did not tell of all processes after events were lost")                     \
    X(TLS_LIBRARIES, "usm.tls.libraries", USM, GAUGE, FILES, 1, EYE_TAG_BIT(OUTCOME), FEW,         \
      EXPERIMENTAL,                                                                                \
      "libraries of TLS that processes have loaded: probed, refused (no place for a probe is "     \
      "known, or the kernel refuses it), doubted (let go: its probes saw what cannot be) or "      \
      "excluded (by protocols.tls.exclude, or known to suffer); `sockeye status` says why. "       \
      "beyond: times that the last look met one that there is no room to know")                    \
    X(TLS_CONNECTIONS, "usm.tls.connections", USM, COUNTER, CONNECTIONS, 1, 0, FEW, EXPERIMENTAL,  \
      "ends of connections that were seen to begin TLS. Those beyond usm.tls.sessions are read "   \
      "by nobody: their TLS is of another kind (Java, rustls), or their program is not probed, "   \
      "or was not yet. (Sessions that are older, or within others, are in usm.tls.sessions "       \
      "alone)")                                                                                    \
    X(TLS_SESSIONS, "usm.tls.sessions", USM, COUNTER, CONNECTIONS, 1, EYE_TAG_BIT(SOURCE), FEW,    \
      EXPERIMENTAL,                                                                                \
      "sessions of TLS whose connection is known, by what told it: hello (seen on the wire) or "   \
      "descriptor (Go, and sessions that are older); the others are in sockeye.kernel.lost (tls, " \
      "unjoined)")                                                                                 \
    X(SELF_NAT_LOOKUPS, "sockeye.nat.lookups", SELF, COUNTER, CONNECTIONS, 1, EYE_TAG_BIT(SOURCE), \
      FEW, EXPERIMENTAL, "connections whose translation was looked for (source.nat)")              \
    X(SELF_NAT_DUMPS, "sockeye.nat.dumps", SELF, COUNTER, EVENTS, 1, EYE_TAG_BIT(SOURCE), FEW,     \
      EXPERIMENTAL, "times that what conntrack translates in a namespace was read as a whole")     \
    X(SELF_NAT_ENTRIES, "sockeye.nat.entries", SELF, GAUGE, RECORDS, 1, EYE_TAG_BIT(SOURCE), FEW,  \
      EXPERIMENTAL, "translations that are remembered")                                            \
    X(SELF_NAT_LOST, "sockeye.nat.lost", SELF, COUNTER, EVENTS, 1, EYE_TAG_BIT(REASON), FEW,       \
      EXPERIMENTAL, "why what NAT does to a connection is not known, or had to be read again")     \
    X(HTTP_SERVER_DURATION, "http.server.request.duration", HTTP, DISTRIBUTION, SECONDS, 1,        \
      EYE_TAGS_HTTP, BUDGETED, STABLE,                                                             \
      "first byte of the request to first byte of the response, server end")                       \
    X(HTTP_CLIENT_DURATION, "http.client.request.duration", HTTP, DISTRIBUTION, SECONDS, 1,        \
      EYE_TAGS_HTTP, BUDGETED, STABLE,                                                             \
      "first byte of the request to first byte of the response, client end")                       \
    X(RPC_SERVER_DURATION, "rpc.server.call.duration", RPC, DISTRIBUTION, SECONDS, 1,              \
      EYE_TAGS_RPC, BUDGETED, EXPERIMENTAL,                                                        \
      "first byte of a call of gRPC to the end of its answer, server end")                         \
    X(RPC_CLIENT_DURATION, "rpc.client.call.duration", RPC, DISTRIBUTION, SECONDS, 1,              \
      EYE_TAGS_RPC, BUDGETED, EXPERIMENTAL,                                                        \
      "first byte of a call of gRPC to the end of its answer, client end")                         \
    X(DB_SERVER_DURATION, "db.server.operation.duration", DB, DISTRIBUTION, SECONDS, 1,            \
      EYE_TAGS_DB, BUDGETED, EXPERIMENTAL,                                                         \
      "first byte of what a database is asked to first byte of its answer, of PostgreSQL and "     \
      "MySQL to its end; server end")                                                              \
    X(DB_CLIENT_DURATION, "db.client.operation.duration", DB, DISTRIBUTION, SECONDS, 1,            \
      EYE_TAGS_DB, BUDGETED, EXPERIMENTAL,                                                         \
      "first byte of what a database is asked to first byte of its answer, of PostgreSQL and "     \
      "MySQL to its end; client end; commands "                                                    \
      "that wait on purpose (BLPOP, XREAD BLOCK, WAIT) take as long as they wait")                 \
    X(MESSAGING_SERVER_DURATION, "messaging.server.operation.duration", MESSAGING, DISTRIBUTION,   \
      SECONDS, 1, EYE_TAGS_MESSAGING, BUDGETED, EXPERIMENTAL,                                      \
      "first byte of what a broker is asked to first byte of its answer, server end; polls that "  \
      "got records, or an error")                                                                  \
    X(MESSAGING_CLIENT_DURATION, "messaging.client.operation.duration", MESSAGING, DISTRIBUTION,   \
      SECONDS, 1, EYE_TAGS_MESSAGING, BUDGETED, EXPERIMENTAL,                                      \
      "first byte of what a broker is asked to first byte of its answer, client end; polls that "  \
      "got records, or an error; join_group, sync_group and their like wait on purpose")           \
    X(KAFKA_POLLS_EMPTY, "kafka.polls.empty", KAFKA, COUNTER, REQUESTS, 1,                         \
      EYE_TAGS_MESSAGING | EYE_TAG_BIT(DIRECTION), BUDGETED, EXPERIMENTAL,                         \
      "polls that waited for records and got none, or (error_type) whose connection ended first: " \
      "they have no duration")                                                                     \
    X(KAFKA_UNACKNOWLEDGED, "kafka.sends.unacknowledged", KAFKA, COUNTER, REQUESTS, 1,             \
      EYE_TAGS_MESSAGING | EYE_TAG_BIT(DIRECTION), BUDGETED, EXPERIMENTAL,                         \
      "requests to send for which nobody wants an answer (acks=0): they have no duration")         \
    X(DNS_LOOKUP, "dns.lookup.duration", DNS, DISTRIBUTION, SECONDS, 1, EYE_TAGS_DNS, BUDGETED,    \
      EXPERIMENTAL, "DNS question to its answer, client end; asked again, since the first time")   \
    X(DNS_SERVER_LOOKUP, "dns.server.lookup.duration", DNS, DISTRIBUTION, SECONDS, 1,              \
      EYE_TAGS_DNS, BUDGETED, EXPERIMENTAL, "DNS question to its answer, server end")              \
    X(SELF_KERNEL_LOST, "sockeye.kernel.lost", SELF, COUNTER, EVENTS, 1,                           \
      EYE_TAG_BIT(PROGRAM) | EYE_TAG_BIT(REASON), FEW, STABLE,                                     \
      "what the kernel side saw and could not hand on, by program and reason")                     \
    X(SELF_KERNEL_RECORDS, "sockeye.kernel.records", SELF, COUNTER, RECORDS, 1, EYE_TAG_BIT(RING), \
      FEW, EXPERIMENTAL, "records read from the kernel")                                           \
    X(SELF_RING_FILL, "sockeye.kernel.ring.fill", SELF, GAUGE, RATIO, 1, EYE_TAG_BIT(RING), FEW,   \
      EXPERIMENTAL, "used part of a ring buffer when the interval ended")                          \
    X(SELF_BPF_ATTACHED, "sockeye.bpf.attached", SELF, GAUGE, PROGRAMS, 1, EYE_TAG_BIT(PROGRAM),   \
      FEW, EXPERIMENTAL,                                                                           \
      "1: a kernel program does its work; 0: this kernel or host refuses it, and the log and "     \
      "\"sockeye probe\" say why")                                                                 \
    X(BPF_LOAD, "ebpf.core.load", EBPF, COUNTER, ATTEMPTS, 1,                                      \
      EYE_TAG_BIT(ASSET) | EYE_TAG_BIT(RESULT), FEW, EXPERIMENTAL,                                 \
      "loads of an object of kernel programs against the kernel's own BTF: success, or why not "   \
      "(not_tried: a feature is missing; no_btf, no_rights, no_memory; refused: the log says "     \
      "why)")                                                                                      \
    X(SELF_BPF_RUNS, "sockeye.bpf.runs", SELF, COUNTER, RUNS, 1, EYE_TAG_BIT(PROGRAM), FEW,        \
      EXPERIMENTAL,                                                                                \
      "runs of a kernel program; only while the kernel counts them (kernel.bpf_stats_enabled)")    \
    X(SELF_BPF_TIME, "sockeye.bpf.time", SELF, COUNTER, SECONDS, 1e-9, EYE_TAG_BIT(PROGRAM), FEW,  \
      EXPERIMENTAL,                                                                                \
      "time spent in a kernel program, in those of protocols that it calls, too; only while the "  \
      "kernel counts it")                                                                          \
    X(SELF_FEATURE, "sockeye.feature.available", SELF, GAUGE, FEATURES, 1, EYE_TAG_BIT(FEATURE),   \
      FEW, EXPERIMENTAL,                                                                           \
      "1: there; 0: missing, and the log and \"sockeye probe\" say what that costs and what to "   \
      "do")                                                                                        \
    X(SELF_UNSEEDED, "sockeye.namespaces.unseeded", SELF, GAUGE, NAMESPACES, 1, 0, FEW,            \
      EXPERIMENTAL,                                                                                \
      "network namespaces that could not be entered: connections older than the daemon are not "   \
      "seen there")                                                                                \
    X(SELF_SAMPLES, "sockeye.samples", SELF, COUNTER, SAMPLES, 1,                                  \
      EYE_TAG_BIT(SOURCE) | EYE_TAG_BIT(OUTCOME), FEW, EXPERIMENTAL,                               \
      "samples by stage: aggregated, malformed, filtered (left out by connections.include or "     \
      "exclude), or values lost for want of memory")                                               \
    X(SELF_SERIES, "sockeye.series", SELF, GAUGE, SERIES, 1, EYE_TAG_BIT(METRIC), FEW, STABLE,     \
      "series alive, by metric")                                                                   \
    X(SELF_OVERFLOW, "sockeye.series.overflow", SELF, COUNTER, LOOKUPS, 1,                         \
      EYE_TAG_BIT(METRIC) | EYE_TAG_BIT(TAG) | EYE_TAG_BIT(LIMIT), FEW, STABLE,                    \
      "look-ups whose tag value became __other__ because a budget was used up: that of limit")     \
    X(SELF_EXPIRED, "sockeye.series.expired", SELF, COUNTER, SERIES, 1, 0, FEW, STABLE,            \
      "series removed after being idle")                                                           \
    X(SELF_PROCESSES, "sockeye.processes", SELF, GAUGE, PROCESSES, 1, 0, FEW, EXPERIMENTAL,        \
      "processes whose service is remembered")                                                     \
    X(SELF_FORGOTTEN, "sockeye.processes.forgotten", SELF, COUNTER, PROCESSES, 1, 0, FEW,          \
      EXPERIMENTAL,                                                                                \
      "processes forgotten that may still run, for want of room or of /proc: those that have "     \
      "written over their environment may be called otherwise from then on")                       \
    X(SELF_NAMES_FORGOTTEN, "sockeye.names.forgotten", SELF, COUNTER, RECORDS, 1, 0, FEW,          \
      EXPERIMENTAL,                                                                                \
      "topics and summaries of statements forgotten for want of room: until a client's next "      \
      "metadata, destination is unknown where a topic's id is used; for a minute at most, a "      \
      "statement has no summary")                                                                  \
    X(SELF_CONTAINERS, "sockeye.containers", SELF, GAUGE, CONTAINERS, 1, EYE_TAG_BIT(OUTCOME),     \
      FEW, EXPERIMENTAL,                                                                           \
      "containers whose programs are remembered, named and unnamed (called by their id)")          \
    X(SELF_CONTAINER_LOOKUPS, "sockeye.containers.lookups", SELF, COUNTER, LOOKUPS, 1,             \
      EYE_TAG_BIT(OUTCOME), FEW, EXPERIMENTAL,                                                     \
      "look-ups of a container's name in the files of its runtime: named, unknown (none tells "    \
      "it), denied (cap_dac_read_search), too_large, malformed, failed, postponed (the interval "  \
      "has read enough), no_room")                                                                 \
    X(SELF_REMOTE_NAMES, "sockeye.remote.names", SELF, COUNTER, LOOKUPS, 1,                        \
      EYE_TAG_BIT(SOURCE) | EYE_TAG_BIT(OUTCOME), FEW, EXPERIMENTAL,                               \
      "names of addresses by where they come from: taken, malformed, local (of this host "         \
      "itself, as blockers of ads answer), no_room (an older one, or "                             \
      "of hosts this one, is left out), too_large (/etc/hosts), failed (it cannot be read)")       \
    X(SELF_CPU, "sockeye.cpu.time", SELF, COUNTER, SECONDS, 1e-9, 0, FEW, STABLE,                  \
      "CPU time of the daemon, user and system")                                                   \
    X(SELF_MEMORY, "sockeye.memory.resident", SELF, GAUGE, BYTES, 1, 0, FEW, STABLE,               \
      "resident memory of the daemon")                                                             \
    X(SELF_LOG_DROPPED, "sockeye.log.dropped", SELF, COUNTER, LINES, 1, 0, FEW, STABLE,            \
      "log lines that standard error did not take: nobody reads it, or a disk is full")            \
    X(SELF_CONTROL, "sockeye.control.requests", SELF, COUNTER, REQUESTS, 1, EYE_TAG_BIT(OUTCOME),  \
      FEW, STABLE,                                                                                 \
      "requests and connections at the control socket: answered, refused, failed, busy (gave way " \
      "to another), timeout, other")                                                               \
    X(SELF_SNAPSHOTS, "sockeye.exporter.snapshots", SELF, COUNTER, SNAPSHOTS, 1,                   \
      EYE_TAG_BIT(EXPORTER) | EYE_TAG_BIT(OUTCOME), FEW, STABLE,                                   \
      "snapshots handed to an exporter: delivered, refused (the receiver took none of the points " \
      "and never will), or skipped (their changes went with a later one)")                         \
    X(SELF_QUEUED, "sockeye.exporter.queued", SELF, GAUGE, SNAPSHOTS, 1, EYE_TAG_BIT(EXPORTER),    \
      FEW, STABLE, "snapshots waiting in the exporter's queue")                                    \
    X(SELF_POINTS, "sockeye.exporter.points", SELF, COUNTER, POINTS, 1, EYE_TAG_BIT(EXPORTER),     \
      FEW, STABLE, "points delivered")                                                             \
    X(SELF_POINTS_SEEN, "sockeye.exporter.points.seen", SELF, COUNTER, POINTS, 1,                  \
      EYE_TAG_BIT(EXPORTER), FEW, EXPERIMENTAL,                                                    \
      "points of the snapshots delivered: those delivered and those dropped")                      \
    X(SELF_FAILING, "sockeye.exporter.failing", SELF, GAUGE, ATTEMPTS, 1, EYE_TAG_BIT(EXPORTER),   \
      FEW, STABLE,                                                                                 \
      "attempts that failed or were refused whole in a row, now; 0: the receiver takes "           \
      "points")                                                                                    \
    X(SELF_REPLAYED, "sockeye.exporter.spool.replayed", SELF, COUNTER, SNAPSHOTS, 1,               \
      EYE_TAG_BIT(EXPORTER), FEW, STABLE,                                                          \
      "snapshots of an earlier run found in the exporter's spool")                                 \
    X(SELF_SPOOL, "sockeye.exporter.spool.size", SELF, GAUGE, BYTES, 1, EYE_TAG_BIT(EXPORTER),     \
      FEW, STABLE, "disk that the exporter's spool takes")                                         \
    X(SELF_SENT_BYTES, "sockeye.exporter.sent.bytes", SELF, COUNTER, BYTES, 1,                     \
      EYE_TAG_BIT(EXPORTER), FEW, STABLE, "bytes written by the exporter")                         \
    X(SELF_FAILURES, "sockeye.exporter.failures", SELF, COUNTER, ATTEMPTS, 1,                      \
      EYE_TAG_BIT(EXPORTER) | EYE_TAG_BIT(REASON), FEW, STABLE,                                    \
      "attempts to deliver that failed, which come again, or that the receiver refused for good: " \
      "sockeye.exporter.dropped has what was lost by these")                                       \
    X(SELF_DROPPED, "sockeye.exporter.dropped", SELF, COUNTER, POINTS, 1,                          \
      EYE_TAG_BIT(EXPORTER) | EYE_TAG_BIT(REASON), FEW, STABLE,                                    \
      "points given up: refused by the receiver for good, or not to be said or kept")

enum eye_metric_id {
#define X(identifier, ...) EYE_METRIC_##identifier,
    EYE_METRICS(X)
#undef X
        EYE_METRIC_COUNT,
};

struct eye_metric {
    enum eye_metric_id id;
    enum eye_metric_kind kind;
    const char *name;
    const struct eye_metric_family *family;
    enum eye_unit unit;
    enum eye_series_bound bound;
    bool experimental;
    double scale;
    uint64_t tags; /* EYE_TAG_BIT of every tag that it may carry */
    const char *help;
};

/** The entry of @id; never NULL. */
const struct eye_metric *eye_metric(enum eye_metric_id id);

static inline bool eye_metric_has_tag(const struct eye_metric *metric, enum eye_tag tag)
{
    return (metric->tags & eye_tag_bit(tag)) != 0;
}

/** What OpenTelemetry calls @tag on @metric: the family's own attribute, or else the tag's. Never
 * NULL. */
const struct eye_attribute *eye_tag_attribute(const struct eye_metric *metric, enum eye_tag tag);

/** What Prometheus' label is made of: the attribute on semantic conventions, and the tag's name
 * elsewhere or where there is none. */
const char *eye_tag_label(const struct eye_metric *metric, enum eye_tag tag);

/** "counter", "gauge" or "distribution". */
const char *eye_metric_kind_name(enum eye_metric_kind kind);
