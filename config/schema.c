/* SPDX-License-Identifier: Apache-2.0 */
/* Every key with its type, default, limits and meaning. */
#include "config/schema.h"

#include <pwd.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/listener.h"
#include "config/connection_rules.h"
#include "config/port_rules.h"

#define SECOND EYE_NS_PER_SECOND
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static const char *const log_levels[] = {
    [EYE_LOG_ERROR] = "error", [EYE_LOG_WARNING] = "warning", [EYE_LOG_INFO] = "info",
    [EYE_LOG_DEBUG] = "debug", [EYE_LOG_DEBUG + 1] = NULL,
};

static const char *const log_formats[] = {
    [EYE_LOG_AUTO] = "auto",       [EYE_LOG_TEXT] = "text",      [EYE_LOG_JSON] = "json",
    [EYE_LOG_JOURNAL] = "journal", [EYE_LOG_JOURNAL + 1] = NULL,
};

/* The others are not known here: see eye_daemon_keys_init(). */
static const char *const no_tiers[] = {[EYE_TIER_AUTO] = "auto", [EYE_TIER_AUTO + 1] = NULL};

static const char *const connection_tags[] = {
    [EYE_CONNECTION_TAG_DIRECTION] = "direction",
    [EYE_CONNECTION_TAG_SERVICE] = "service",
    [EYE_CONNECTION_TAG_PORT] = "port",
    [EYE_CONNECTION_TAG_FAMILY] = "family",
    [EYE_CONNECTION_TAG_PROCESS] = "process",
    [EYE_CONNECTION_TAG_CONTAINER] = "container",
    [EYE_CONNECTION_TAG_POD] = "pod",
    [EYE_CONNECTION_TAG_NAMESPACE] = "namespace",
    [EYE_CONNECTION_TAG_NETNS] = "netns",
    [EYE_CONNECTION_TAG_NAT] = "nat",
    [EYE_CONNECTION_TAG_PROTOCOL] = "protocol",
    [EYE_CONNECTION_TAG_PROTOCOL + 1] = NULL,
};

static const char *const wishes[] = {
    [EYE_WISH_AUTO] = "auto",
    [EYE_WISH_ALWAYS] = "true",
    [EYE_WISH_NEVER] = "false",
    [EYE_WISH_NEVER + 1] = NULL,
};

static const char *const remotes[] = {
    [EYE_REMOTE_NONE] = "none", [EYE_REMOTE_ZONE] = "zone", [EYE_REMOTE_CIDR] = "cidr",
    [EYE_REMOTE_IP] = "ip",     [EYE_REMOTE_NAME] = "name", [EYE_REMOTE_NAME + 1] = NULL,
};

static const struct eye_foreign_choice foreign_remotes[] = {
    {"none", "false off no"},
    {"cidr", "network networks subnet prefix"},
    {"ip", "address addr peer"},
    {"name", "dns host hostname hosts"},
    {NULL, NULL},
};

static const char *const monitorings[] = {
    [EYE_MONITORING_AUTO] = "auto",           [EYE_MONITORING_TRACEPOINTS] = "tracepoints",
    [EYE_MONITORING_CONNECTOR] = "connector", [EYE_MONITORING_NONE] = "none",
    [EYE_MONITORING_NONE + 1] = NULL,
};

static const struct eye_foreign_choice foreign_monitorings[] = {
    {"tracepoints", "ebpf bpf"},
    {"connector", "netlink proc_connector cn_proc proc"},
    {"none", "false off no"},
    {NULL, NULL},
};

static const char *const nat_ways[] = {
    [EYE_NAT_WAY_AUTO] = "auto",     [EYE_NAT_WAY_EBPF] = "ebpf", [EYE_NAT_WAY_NETLINK] = "netlink",
    [EYE_NAT_WAY_MIRROR] = "mirror", [EYE_NAT_WAY_NONE] = "none", [EYE_NAT_WAY_NONE + 1] = NULL,
};

static const char *const look_ways[] = {
    [EYE_LOOK_WAY_AUTO] = "auto",
    [EYE_LOOK_WAY_STORAGE] = "storage",
    [EYE_LOOK_WAY_TABLES] = "tables",
    [EYE_LOOK_WAY_TABLES + 1] = NULL,
};

static bool consists_of(const char *text, const char *accepted)
{
    return text[strspn(text, accepted)] == '\0';
}

bool eye_config_is_tag(const char *text)
{
    return text[0] != '\0' && text[0] != ':' && strpbrk(text, ",|") == NULL;
}

#define TAG_EXPECTS "\"key:value\" or \"key\" without comma or pipe"

static bool is_prefix(const char *text)
{
    return consists_of(text, LETTERS_AND_DIGITS "._-");
}

static bool is_name_pattern(const char *text)
{
    return text[0] != '\0' && consists_of(text, LETTERS_AND_DIGITS "._-*");
}

static bool is_absolute_path(const char *text)
{
    return text[0] == '/';
}

static bool is_absolute_path_or_none(const char *text)
{
    return text[0] == '\0' || is_absolute_path(text);
}

/* Of a path from the root, or of any that a wildcard begins. */
static bool is_path_pattern(const char *text)
{
    return text[0] != '\0' && strchr("/*?[", text[0]) != NULL;
}

static bool is_user(const char *text)
{
    return getpwnam(text) != NULL;
}

/* What goes over a protocol, or speaks it; constant, as the table is. */
#define IS_PROTOCOL(name, known) (__builtin_strcmp(name, known) == 0)
#define FOREIGN_PROTOCOLS(name)                                                                    \
    (IS_PROTOCOL(name, "redis")      ? "valkey keydb dragonfly resp"                               \
     : IS_PROTOCOL(name, "mysql")    ? "mariadb percona"                                           \
     : IS_PROTOCOL(name, "postgres") ? "postgresql pgsql pg cockroachdb"                           \
     : IS_PROTOCOL(name, "http")     ? "http1"                                                     \
     : IS_PROTOCOL(name, "http2")    ? "grpc h2 h2c"                                               \
     : IS_PROTOCOL(name, "kafka")    ? "redpanda"                                                  \
                                     : NULL)

#define NAME_PATTERN_EXPECTS "a metric name, with * for any part, like tcp.*"

const struct eye_config_key eye_config_keys[] = {
    {
        .path = "interval",
        .foreign = "flush_interval scrape_interval collection_interval push_interval period",
        .type = EYE_CONFIG_DURATION,
        .offset = offsetof(struct eye_config, interval_ns),
        .default_value = "10s",
        .min = SECOND,
        .max = HOUR,
        .help = "How often metrics are sent, aligned to the wall clock.",
    },
    {
        .path = "shutdown_timeout",
        .type = EYE_CONFIG_DURATION,
        .offset = offsetof(struct eye_config, shutdown_timeout_ns),
        .default_value = "5s",
        .max = 5 * MINUTE,
        .help = "How long the last metrics may take to be delivered when the daemon stops.",
    },
    {
        .path = "tags",
        .foreign = "labels global_tags common_tags external_labels",
        .type = EYE_CONFIG_LIST,
        .offset = offsetof(struct eye_config, tags),
        .valid = eye_config_is_tag,
        .expects = TAG_EXPECTS,
        .help = "\"key:value\" on every point of every exporter, like [env:prod].",
    },
    {
        .path = "log.level",
        .foreign = "log_level loglevel verbosity debug",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct eye_config, log_level),
        .default_value = "info",
        .choices = log_levels,
        .help = "The least important messages that are still written.",
    },
    {
        .path = "log.format",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct eye_config, log_format),
        .default_value = "auto",
        .choices = log_formats,
        .help =
            "How lines of the log look: text has date, time and level, json is an object per line, "
            "journal has priorities for systemd. auto: journal under systemd, else text.",
    },
    {
        .path = "control.socket",
        .restart = true,
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct eye_config, control.socket),
        .default_value = EYE_CONTROL_DEFAULT_SOCKET,
        .valid = is_absolute_path_or_none,
        .expects = "an absolute path, or \"\" for none",
        .help = "Unix socket for \"sockeye status\" and \"sockeye reload\"; root and the group of "
                "the daemon may ask. One daemon at a time has it.",
    },
    {
        .path = "control.listen",
        .restart = true,
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct eye_config, control.listen),
        .valid = eye_listen_valid,
        .expects = EYE_LISTEN_EXPECTS,
        .help = "Address and port for the same requests by HTTP; beyond loopback with a token.",
    },
    {
        .path = "control.token_file",
        .restart = true,
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct eye_config, control.token_file),
        .valid = is_absolute_path,
        .expects = "an absolute path",
        .help =
            "File with the token of control.listen (Authorization: Bearer), for all but /health "
            "and /ready; only its owner may be able to read it.",
    },
    {
        .path = "run.user",
        .foreign = "user",
        .restart = true,
        .type = EYE_CONFIG_TEXT,
        .experimental = true,
        .offset = offsetof(struct eye_config, run.user),
        .valid = is_user,
        .expects = "the name of a user of this host",
        .help = "Whom a daemon that is started as root becomes, with no more rights than it needs. "
                "Under systemd the unit's User= does that.",
    },
    {
        .path = "source.tier",
        .type = EYE_CONFIG_CHOICE,
        .experimental = true,
        .offset = offsetof(struct eye_config, source.tier),
        .default_value = "auto",
        .choices = no_tiers,
        .restart = true,
        .help = "How the kernel is asked; auto takes the best that this kernel allows.",
    },
    {
        .path = "source.proc",
        .type = EYE_CONFIG_TEXT,
        .experimental = true,
        .offset = offsetof(struct eye_config, source.proc),
        .default_value = "/proc",
        .valid = is_absolute_path,
        .expects = "an absolute path",
        .restart = true,
        .help = "Where the host's /proc is mounted; in a container perhaps /host/proc.",
    },
    {
        .path = "source.root",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct eye_config, source.root),
        .default_value = "/",
        .valid = is_absolute_path,
        .expects = "an absolute path",
        .restart = true,
        .help = "Where the host's root folder is mounted, whose container runtimes tell names; in "
                "a container perhaps /host, or /proc/1/root of the host's /proc.",
    },
    {
        .path = "source.cgroup",
        .type = EYE_CONFIG_TEXT,
        .experimental = true,
        .offset = offsetof(struct eye_config, source.cgroup),
        .valid = is_absolute_path,
        .expects = "an absolute path",
        .restart = true,
        .help = "Protocols of what runs in this cgroup v2 directory; without it of the whole host.",
    },
    {
        .path = "source.processes",
        .type = EYE_CONFIG_CHOICE,
        .experimental = true,
        .offset = offsetof(struct eye_config, source.processes),
        .default_value = "auto",
        .choices = monitorings,
        .foreign_choices = foreign_monitorings,
        .restart = true,
        .help = "Who tells of execs and ends of processes: tracepoints, the kernel's connector "
                "(some 5 us for each process), none; auto takes the first that works.",
    },
    {
        .path = "source.nat",
        .type = EYE_CONFIG_CHOICE,
        .experimental = true,
        .offset = offsetof(struct eye_config, source.nat),
        .default_value = "auto",
        .choices = nat_ways,
        .restart = true,
        .help =
            "Who tells what NAT does: ebpf (packets show it), netlink (conntrack is asked, some "
            "6 us for each connection), mirror (conntrack tells by itself, and slows whoever "
            "connects), none; auto takes the first that works.",
    },
    {
        .path = "source.look",
        .type = EYE_CONFIG_CHOICE,
        .experimental = true,
        .offset = offsetof(struct eye_config, source.look),
        .default_value = "auto",
        .choices = look_ways,
        .restart = true,
        .help = "How the kernel is asked for live sockets: storage (what programs keep of them, in "
                "all network namespaces at once), tables (its own, a namespace at a time); auto "
                "takes tables where a walk over storage may crash the kernel (7.0 and later).",
    },
    {
        .path = "connections.tags",
        .type = EYE_CONFIG_FLAGS,
        .offset = offsetof(struct eye_config, connections.tags),
        .default_value = "[direction, service, port, family]",
        .choices = connection_tags,
        .help = "What tells the connections of one series from those of another. The other end is "
                "told by connections.remote.",
    },
    {
        .path = "connections.remote",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct eye_config, connections.remote),
        .default_value = "none",
        .choices = remotes,
        .foreign_choices = foreign_remotes,
        .help = "What is told of the other end; zones are loopback, link-local, private, public. "
                "cidr: its name in connections.networks; name: that of the host's /etc/hosts, else "
                "what a program asked DNS for; for all others the zone. Both are experimental.",
    },
    {
        .path = "connections.networks",
        .foreign = "cidrs subnets prefixes",
        .type = EYE_CONFIG_RULES,
        .experimental = true,
        .offset = offsetof(struct eye_config, connections.networks),
        .rules = &eye_network_rules,
        .help = "Names for ranges of addresses, like [{prefix: 10.1.0.0/16, name: db}]; the "
                "longest range that holds an address counts.",
    },
    {
        .path = "connections.include",
        .foreign = "allow include_list",
        .type = EYE_CONFIG_RULES,
        .experimental = true,
        .offset = offsetof(struct eye_config, connections.include),
        .rules = &eye_filter_rules,
        .help = "Only what a rule of these matches is counted, like [{port: 443, direction: "
                "incoming}, {service: shop-*}]; empty: all. Rules have address (of the other end, "
                "or a range), port (the service's), direction, service, process.",
    },
    {
        .path = "connections.exclude",
        .foreign = "deny ignore exclude_list",
        .type = EYE_CONFIG_RULES,
        .experimental = true,
        .offset = offsetof(struct eye_config, connections.exclude),
        .rules = &eye_filter_rules,
        .help = "What a rule of these matches is not counted, even if it is included, like "
                "[{address: 10.0.0.0/8}, {process: node_exporter}]; a rule matches when all that "
                "it says is so.",
    },
    {
        .path = "connections.udp",
        .type = EYE_CONFIG_BOOL,
        .experimental = true,
        .offset = offsetof(struct eye_config, connections.udp),
        .default_value = "true",
        .restart = true,
        .help = "Count what UDP sockets send and receive, which costs each datagram some 0.05 us.",
    },
#define EYE_PROTOCOL_KEY(X, identifier, name, title)                                               \
    {                                                                                              \
        .path = "protocols." #name,                                                                \
        .foreign = FOREIGN_PROTOCOLS(#name),                                                       \
        .type = EYE_CONFIG_CHOICE,                                                                 \
        .experimental = __builtin_strcmp(#name, "http") != 0, /* the only one that is stable */    \
        .offset = offsetof(struct eye_config, protocols.name),                                     \
        .default_value = "auto",                                                                   \
        .choices = wishes,                                                                         \
        .help = "Recognise " title " and measure its requests. Its kernel programs are loaded "    \
                "when it is first seen, which misses the first moment of it (auto), or when the "  \
                "daemon starts (true).",                                                           \
    },
    EYE_EACH_PROTOCOL(EYE_PROTOCOL_KEY, )
#undef EYE_PROTOCOL_KEY
        {
            .path = "protocols.ports",
            .type = EYE_CONFIG_RULES,
            .experimental = true,
            .offset = offsetof(struct eye_config, protocols.ports),
            .rules = &eye_port_rules,
            .help = "What services at these ports speak, where first bytes do not tell it of "
                    "connections that are older than the daemon, like [{port: 6380, protocol: "
                    "redis}]; nothing else is measured there.",
        },
    {
        .path = "protocols.tls",
        .foreign = "ssl https",
        .type = EYE_CONFIG_BOOL,
        .experimental = true,
        .offset = offsetof(struct eye_config, protocols.tls),
        .default_value = "false",
        .restart = true,
        .help = "Read these protocols inside TLS, too, by probes in OpenSSL (also within node) and "
                "GnuTLS of all processes, and in programs of Go; wants Linux 6.6, or 5.15 with "
                "cap_sys_admin.",
    },
    {
        .path = "protocols.tls.exclude",
        .foreign = "tls_exclude exclude_paths",
        .type = EYE_CONFIG_LIST,
        .experimental = true,
        .offset = offsetof(struct eye_config, protocols.tls_exclude),
        .valid = is_path_pattern,
        .expects = "a path, with * for any part, like /opt/app/*",
        .help = "Libraries and programs in which there shall be no probes, by their paths within "
                "the root folder of who runs them, as patterns of fnmatch(3) in which * is any "
                "part, slashes too.",
    },
    {
        .path = "dns.timeout",
        .type = EYE_CONFIG_DURATION,
        .experimental = true,
        .offset = offsetof(struct eye_config, dns.timeout_ns),
        .default_value = "5s",
        .min = SECOND,
        .max = MINUTE,
        .help = "A question that has no answer so long after it was asked for the last time "
                "counts as unanswered.",
    },
    {
        .path = "limits.series",
        .foreign = "cardinality_limit max_series",
        .type = EYE_CONFIG_COUNT,
        .offset = offsetof(struct eye_config, limits.series),
        .default_value = "2000",
        .min = 10,
        .max = 1000000,
        .help = "Series of one metric; what is beyond gets the tag value __other__. All together "
                "take 1400 bytes per series at most, page and memory.",
    },
    {
        .path = "limits.tag_values",
        .type = EYE_CONFIG_COUNT,
        .offset = offsetof(struct eye_config, limits.tag_values),
        .default_value = "1000",
        .min = 1,
        .max = 1000000,
        .help =
            "Different values of one tag of one metric; what is beyond becomes __other__. Routes "
            "that clients make up: an eighth of what is free for each service.",
    },
    {
        .path = "limits.idle",
        .type = EYE_CONFIG_DURATION,
        .offset = offsetof(struct eye_config, limits.idle_ns),
        .default_value = "5m",
        .min = 10 * SECOND,
        .max = DAY,
        .help =
            "A series without news for so long is forgotten; sooner where others need its place.",
    },
};
const size_t eye_config_key_count = EYE_ARRAY_LENGTH(eye_config_keys);
_Static_assert(EYE_ARRAY_LENGTH(eye_config_keys) <= EYE_CONFIG_KEYS_MAX, "more keys than room");

void eye_daemon_keys_init(struct eye_daemon_keys *keys, const char *const *tiers)
{
    memcpy(keys->items, eye_config_keys, sizeof(eye_config_keys));
    for (size_t i = 0; i < eye_config_key_count; i++) {
        if (tiers != NULL && keys->items[i].choices == no_tiers) {
            keys->items[i].choices = tiers;
        }
    }
}

const struct eye_config_key eye_exporter_common_keys[] = {
    {
        .path = "prefix",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct eye_exporter_common, prefix),
        .default_value = "sockeye.",
        .valid = is_prefix,
        .expects = "letters, digits, \".\", \"_\" or \"-\"",
        .series = true,
        .help = "Stands before metric names. Prometheus' formats and OTLP leave those of semantic "
                "conventions (http.*, rpc.*, db.*, messaging.*, dns.*) as they are.",
    },
    {
        .path = "tags",
        .type = EYE_CONFIG_LIST,
        .offset = offsetof(struct eye_exporter_common, tags),
        .valid = eye_config_is_tag,
        .expects = TAG_EXPECTS,
        .series = true,
        .help =
            "\"key:value\" on every point of this exporter, beside those of the daemon. Of a key "
            "that is given twice the series' own value goes out, else the last one here.",
    },
    {
        .path = "metrics.allow",
        .type = EYE_CONFIG_LIST,
        .offset = offsetof(struct eye_exporter_common, allow),
        .valid = is_name_pattern,
        .expects = NAME_PATTERN_EXPECTS,
        .series = true,
        .help = "Metrics to send, as \"sockeye metrics\" or their receiver calls them, like "
                "[tcp.*]; empty: all.",
    },
    {
        .path = "metrics.deny",
        .type = EYE_CONFIG_LIST,
        .offset = offsetof(struct eye_exporter_common, deny),
        .valid = is_name_pattern,
        .expects = NAME_PATTERN_EXPECTS,
        .series = true,
        .help = "Metrics not to send, even where metrics.allow names them.",
    },
    {
        .path = "queue.snapshots",
        .type = EYE_CONFIG_COUNT,
        .offset = offsetof(struct eye_exporter_common, queue_snapshots),
        .default_value = "60",
        .min = 1,
        .max = 10000,
        .help = "Intervals that wait at most while the receiver is away; then the oldest goes.",
    },
    {
        .path = "queue.size",
        .type = EYE_CONFIG_SIZE,
        .offset = offsetof(struct eye_exporter_common, queue_bytes),
        .default_value = "32MiB",
        .min = 64 * KIB,
        .max = 4 * GIB,
        .help = "Memory that they take at most.",
    },
    {
        .path = "queue.max_age",
        .type = EYE_CONFIG_DURATION,
        .offset = offsetof(struct eye_exporter_common, queue_age_ns),
        .min = SECOND,
        .max = 30 * DAY,
        .help = "Age that the receiver takes (by default 1h, graphite 1d); what is older goes with "
                "a newer one.",
    },
    {
        .path = EYE_SPOOL_PATH_KEY,
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct eye_exporter_common, spool_path),
        .valid = is_absolute_path,
        .expects = "an absolute path",
        .help = "Folder where intervals wait instead, and outlive the daemon.",
    },
    {
        .path = "spool.max_size",
        .type = EYE_CONFIG_SIZE,
        .offset = offsetof(struct eye_exporter_common, spool_bytes),
        .default_value = "256MiB",
        .min = 64 * KIB,
        .max = 1024 * GIB,
        .help = "Disk that they take at most; nothing is written to a disk that is 80% full.",
    },
    {
        .path = "spool.max_age",
        .type = EYE_CONFIG_DURATION,
        .offset = offsetof(struct eye_exporter_common, spool_age_ns),
        .default_value = "24h",
        .min = SECOND,
        .max = 30 * DAY,
        .help = "Older ones are not sent; the last one of an earlier run is lost then, counted.",
    },
};
const size_t eye_exporter_common_key_count = EYE_ARRAY_LENGTH(eye_exporter_common_keys);
