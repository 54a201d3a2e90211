/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: read at start and at each reload, validated, then const. Read by every thread,
 * changed by none. It lives as long as somebody refers to it: who goes on with an older one keeps
 * that. References are the main thread's.
 *
 * Order of precedence, last wins: built-in defaults, the file (-c FILE, else
 * /etc/sockeye/sockeye.yaml when it exists), the *.yaml and *.yml files of conf.d beside it in name
 * order, SOCKEYE_* of the environment (SOCKEYE_SOURCE_TIER is source.tier), --set KEY=VALUE. Values
 * of the environment and of --set are YAML themselves, so --set 'exporters=[{type: "null"}]' works;
 * for a list "a, b" will do, too.
 *
 * Every key is in one schema table (config/schema.c for the daemon, `keys` of each exporter type
 * for its own); the table drives parsing, ranges, documentation and the default file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bpf/protocols.h"
#include "collector/base/error.h"
#include "collector/base/log.h"
#include "collector/base/prefix.h"

/* control.socket, where nothing else is said. */
#define EYE_CONTROL_DEFAULT_SOCKET "/run/sockeye/control.sock"

/* Read without -c FILE, if it exists. */
#define EYE_CONFIG_DEFAULT_FILE "/etc/sockeye/sockeye.yaml"

enum eye_config_type {
    EYE_CONFIG_BOOL,     /* bool */
    EYE_CONFIG_COUNT,    /* uint64_t: a whole number, no unit */
    EYE_CONFIG_DURATION, /* uint64_t: nanoseconds; needs a unit ("10s") */
    EYE_CONFIG_SIZE,     /* uint64_t: bytes; needs a unit ("4MiB") */
    EYE_CONFIG_CHOICE,   /* int: index into choices */
    EYE_CONFIG_FLAGS,    /* uint32_t: bit i for choices[i]; a YAML list of them */
    EYE_CONFIG_TEXT,     /* char *: owned; NULL only when the default is NULL */
    EYE_CONFIG_LIST,     /* struct eye_text_list: a YAML list of texts */
    EYE_CONFIG_PREFIX,   /* struct eye_prefix: an address, or a range of them; zeroed: none */
    EYE_CONFIG_RULES,    /* struct eye_rule_list: a YAML list of mappings */
};

struct eye_text_list {
    char **items; /* owned, each owned */
    size_t count;
};

struct eye_rule_list {
    void *items; /* owned, and what they own: of the type that the key's `rules` say */
    size_t count;
};

/* What others call one of a key's choices. */
struct eye_foreign_choice {
    const char *choice;  /* as the key has it */
    const char *foreign; /* parted by spaces */
};

/* One key. The table of a section ends where its count says. */
struct eye_config_key {
    const char *path; /* dotted: "source.tier" */
    enum eye_config_type type;
    bool restart;              /* of the daemon: cannot change while it runs */
    bool experimental;         /* may change; what is not marked stays as it is */
    bool zero_too;             /* COUNT, DURATION, SIZE: 0 is taken beside min to max */
    bool series;               /* of an exporter: who its receiver is, or what series are called
                                  there; a changed one leaves old series behind */
    size_t offset;             /* of the member in the section's struct */
    const char *default_value; /* as one would write it in YAML; NULL: none (TEXT, LIST) */
    uint64_t min;              /* COUNT, DURATION (ns), SIZE (bytes); 0 and 0: no limits */
    uint64_t max;
    const char *const *choices;          /* CHOICE, FLAGS: NULL-terminated */
    const struct eye_rule_type *rules;   /* RULES: config/rule_list.h */
    bool (*valid)(const char *text);     /* TEXT, LIST items: NULL accepts all */
    bool (*exclusive)(const char *text); /* TEXT: no two exporters of a type may have such a value
                                            both: they would take it from each other */
    /* With `exclusive`: what to say behind the other's value when both would have the same in spite
     * of different values; NULL: nothing. NULL: only equal values are the same. */
    const char *(*shared)(const void *values, const void *other_values);
    const char *foreign; /* what other programs call it, parted by spaces, for messages; NULL */
    const struct eye_foreign_choice *foreign_choices; /* the same for some of its choices, the last
                                                         one without a name; NULL: none */
    const char *expects; /* TEXT with `valid`: what a good value looks like, for the message */
    const char *help;
};

/* The keys of one exporter type; every exporter also has the common ones below. */
struct eye_config_section {
    const char *type;    /* "dogstatsd" */
    const char *foreign; /* what others call such an exporter, as of a key */
    const struct eye_config_key *keys;
    size_t key_count;
    size_t values_size; /* sizeof the struct that the offsets point into */
};

/* Order of the choices of source.tier: auto, then the tiers, best first. */
enum eye_tier { EYE_TIER_AUTO, EYE_TIER_FIRST };

/* Who tells of execs and ends of processes: the tier's kernel programs where they work, else the
 * kernel's connector; one of them alone; or nobody. */
enum eye_monitoring {
    EYE_MONITORING_AUTO,
    EYE_MONITORING_TRACEPOINTS,
    EYE_MONITORING_CONNECTOR,
    EYE_MONITORING_NONE,
};

/* Who tells what NAT does: the tier's kernel programs where they can, else conntrack when it is
 * asked, else conntrack by itself; one of them alone; or nobody. */
enum eye_nat_way {
    EYE_NAT_WAY_AUTO,
    EYE_NAT_WAY_EBPF,
    EYE_NAT_WAY_NETLINK,
    EYE_NAT_WAY_MIRROR,
    EYE_NAT_WAY_NONE,
};

/* How live sockets are looked at: the kernel walks over what programs keep of them, in all network
 * namespaces at once; or over its tables of sockets, a namespace at a time. */
enum eye_look_way {
    EYE_LOOK_WAY_AUTO,
    EYE_LOOK_WAY_STORAGE,
    EYE_LOOK_WAY_TABLES,
};

/* Order of the choices of connections.tags. */
enum eye_connection_tag {
    EYE_CONNECTION_TAG_DIRECTION,
    EYE_CONNECTION_TAG_SERVICE,
    EYE_CONNECTION_TAG_PORT,
    EYE_CONNECTION_TAG_FAMILY,
    EYE_CONNECTION_TAG_PROCESS,
    EYE_CONNECTION_TAG_CONTAINER,
    EYE_CONNECTION_TAG_POD,
    EYE_CONNECTION_TAG_NAMESPACE,
    EYE_CONNECTION_TAG_NETNS,
    EYE_CONNECTION_TAG_NAT,
    EYE_CONNECTION_TAG_PROTOCOL,
};

/* Order of the choices of connections.remote. Where a network or a name is not known it is the
 * zone: loopback, link-local, private, public. */
enum eye_remote {
    EYE_REMOTE_NONE,
    EYE_REMOTE_ZONE,
    EYE_REMOTE_CIDR, /* the name of the longest of connections.networks */
    EYE_REMOTE_IP,   /* the address itself */
    EYE_REMOTE_NAME,
};

/* connections.networks: what the addresses of @prefix are called. */
struct eye_network {
    struct eye_prefix prefix;
    char *name;
};

/* Order of the choices of `direction` in a rule. */
enum eye_filter_direction { EYE_FILTER_BOTH, EYE_FILTER_INCOMING, EYE_FILTER_OUTGOING };

/* connections.include, connections.exclude: matches what has all that it says. */
struct eye_filter_rule {
    struct eye_prefix address; /* of the other end; zeroed: any */
    uint64_t port;             /* of the service; 0: any */
    int direction;             /* enum eye_filter_direction */
    char *service;             /* with * for any part; NULL: any */
    char *process;             /* the same, of the executable */
};

/* protocols.ports: what is spoken at a port of a service. */
struct eye_port_rule {
    uint64_t port;
    char *protocol; /* its name in EYE_PROTOCOLS */
};

/* When a protocol is followed: once it was seen, from the start on, or not at all. */
enum eye_wish { EYE_WISH_AUTO, EYE_WISH_ALWAYS, EYE_WISH_NEVER };

/* How a path is named that no rule matches: by its shape, or not at all. */
enum eye_route_names { EYE_ROUTE_NAMES_GUESSED, EYE_ROUTE_NAMES_LISTED };

/* http.routes: paths matching @pattern (segments; * is one segment, ** the rest) are @route. */
struct eye_route_rule {
    char *pattern;
    char *route;
};

/* Keys that every exporter has. */
struct eye_exporter_common {
    char *prefix;               /* prefix: before metric names; default "sockeye." */
    struct eye_text_list tags;  /* tags: "key:value", added to every point of this exporter */
    struct eye_text_list allow; /* metrics.allow: name patterns with *; empty: all */
    struct eye_text_list deny;  /* metrics.deny: after allow */
    uint64_t queue_snapshots;   /* queue.snapshots: waiting at most; default 60 */
    uint64_t queue_bytes;       /* queue.size: their memory at most; default 32MiB */
    uint64_t queue_age_ns;      /* queue.max_age: default null, 0: the type's */
    char *spool_path;           /* spool.path: folder for what waits on disk; NULL: none */
    uint64_t spool_bytes;       /* spool.max_size: default 256MiB */
    uint64_t spool_age_ns;      /* spool.max_age: default 24h */
};

struct eye_exporter_config {
    const struct eye_config_section *section;
    char *name; /* name: the type, with "-2", "-3" when used again; owned */
    struct eye_exporter_common common;
    void *values; /* section->values_size bytes, filled by section->keys; owned */
    char *origin; /* "FILE:LINE:COL" or "--set", for messages; owned */
};

/* The origin of the console that is there where no exporter is configured. */
#define EYE_EXPORTER_IMPLIED "default"

struct eye_config {
    unsigned references;
    bool once;                    /* no key but --once: the first interval is the last */
    uint64_t interval_ns;         /* interval: 10s (1s .. 1h) */
    uint64_t shutdown_timeout_ns; /* shutdown_timeout: 5s (0 .. 5m) */
    int log_level;                /* log.level: error warning info debug; enum eye_log_level */
    int log_format;               /* log.format: auto text json journal; enum eye_log_format */
    struct eye_text_list tags;    /* tags: "key:value" on every point of every exporter */
    struct {
        char *user; /* run.user: whom a daemon of root becomes; NULL: it stays root */
    } run;
    struct {
        char *socket;     /* control.socket: where status and reload are asked for; "": nowhere */
        char *listen;     /* control.listen: "ADDRESS:PORT" for the same; NULL: none */
        char *token_file; /* control.token_file: what who comes there has to know; NULL: nothing */
    } control;
    struct {
        int tier;      /* source.tier: auto, or a tier; enum eye_tier */
        char *proc;    /* source.proc: where the host's /proc is mounted; default "/proc" */
        char *root;    /* source.root: where the host's root folder is mounted; default "/" */
        char *cgroup;  /* source.cgroup: protocols are watched below it; NULL: found */
        int processes; /* source.processes: auto tracepoints connector none; enum eye_monitoring */
        int nat;       /* source.nat: auto ebpf netlink mirror none; enum eye_nat_way */
        int look;      /* source.look: auto storage tables; enum eye_look_way */
    } source;
    struct {
        uint32_t tags; /* connections.tags: 1 << enum eye_connection_tag */
        int remote;    /* connections.remote: none zone cidr ip name; enum eye_remote */
        bool udp;      /* connections.udp: true */
        struct eye_rule_list networks; /* connections.networks: of struct eye_network */
        struct eye_rule_list include;  /* connections.include: of struct eye_filter_rule */
        struct eye_rule_list exclude;  /* connections.exclude: the same, and has the last word */
        /* To look addresses up: the networks, and those of `include` and then `exclude`. Owned */
        struct eye_prefix_table network_table;
        struct eye_prefix_table filter_table;
    } connections;
    struct {
#define X(identifier, name) int name; /* protocols.<name>: auto true false; enum eye_wish */
        EYE_PROTOCOLS(X)
#undef X
        struct eye_rule_list ports;       /* protocols.ports: of struct eye_port_rule */
        bool tls;                         /* protocols.tls: false */
        struct eye_text_list tls_exclude; /* protocols.tls.exclude: patterns of fnmatch(3) */
    } protocols;
    struct {
        uint64_t timeout_ns; /* dns.timeout: 5s (1s .. 1m) */
    } dns;
    struct {
        struct eye_route_rule *rules; /* http.routes.rules: [{pattern, route}]; owned */
        size_t count;
        int names; /* http.routes.names: guessed listed; enum eye_route_names */
    } routes;
    struct {
        uint64_t series;     /* limits.series: per metric, 2000 (10 .. 1000000) */
        uint64_t tag_values; /* limits.tag_values: 1000 (1 .. 1000000) */
        uint64_t idle_ns;    /* limits.idle: 5m (10s .. 24h) */
    } limits;
    char **origins; /* for each of eye_config_keys: where it was set, NULL: nowhere; owned, each
                       owned */
    char *file;     /* the configuration file that was read; NULL: there is none; owned */
    char *sources;  /* what was read over it, in order: "conf.d/a.yaml, --set interval"; NULL:
                       nothing; owned */
    char *warnings; /* lines about what is valid and still unsafe; NULL: none; owned */
    struct eye_exporter_config
        *exporters; /* owned; without any in the configuration: one console */
    size_t exporter_count;
};

/* Where the configuration comes from. */
struct eye_config_source {
    const char *file;               /* -c FILE; NULL: the default file if it exists */
    bool no_file;                   /* none at all is read, nor what lies beside it */
    const char *const *assignments; /* --set KEY=VALUE, in order */
    size_t assignment_count;
    char *const *environment;                         /* envp; NULL: none */
    const struct eye_config_section *const *sections; /* the exporter types */
    size_t section_count;
    const char *const *tiers; /* "auto", then those that there are; NULL-terminated. NULL: "auto" */
};

/**
 * Reads and validates. 0, or -EINVAL (content) or another -errno (file cannot be read), and then
 * @ret_error holds one or more lines "FILE:LINE:COL: message" (at most 20 problems, joined by line
 * breaks), each with the nearest known key or choice where a name is unknown. @ret_config is
 * untouched on failure, else the caller's, with one reference.
 */
int eye_config_load(const struct eye_config_source *source, struct eye_config **ret_config,
                    struct eye_error *ret_error);

/* Only the number of references of a configuration ever changes, so who uses it holds it const. */
const struct eye_config *eye_config_ref(const struct eye_config *config);

/** Takes NULL. */
void eye_config_unref(const struct eye_config *config);

/** Whether both exporters are told the same by all keys of their type and those that all have.
 * Where they stand in a file, and their names, are no part of that. */
bool eye_exporter_config_equal(const struct eye_exporter_config *exporter,
                               const struct eye_exporter_config *other);

/**
 * Whether an exporter that goes from @exporter to @other leaves nothing behind: a receiver has the
 * same series from both, by the keys that are marked so (eye_config_key.series).
 */
bool eye_exporter_config_same_series(const struct eye_exporter_config *exporter,
                                     const struct eye_exporter_config *other);

/** Whether both have the same texts in the same order. */
bool eye_text_list_equal(const struct eye_text_list *list, const struct eye_text_list *other);

/** Whether both are the same in what exporters read beside their own keys. */
bool eye_config_same_for_exporters(const struct eye_config *config, const struct eye_config *other);

/** Where the daemon's key @path was set, as "FILE:LINE:COL" or "--set KEY"; where it was not, the
 * file. */
const char *eye_config_origin(const struct eye_config *config, const char *path);

/** 0; or -EBUSY, and @ret_error (may be NULL) has a line with its place for each key in which they
 * differ and which cannot change while the daemon runs. */
int eye_config_needs_restart(const struct eye_config *config, const struct eye_config *other,
                             struct eye_error *ret_error);

/** Whether it matters with whom a socket speaks: the tag, or a rule, asks for addresses. */
static inline bool eye_config_wants_addresses(const struct eye_config *config)
{
    return config->connections.remote != EYE_REMOTE_NONE ||
           config->connections.filter_table.count > 0;
}

/** Whether addresses have names that somebody has to learn. */
static inline bool eye_config_wants_names(const struct eye_config *config)
{
    return config->connections.remote == EYE_REMOTE_NAME;
}

/** Whether any protocol is to be recognised. */
static inline bool eye_config_traces_processes(const struct eye_config *config)
{
    return config->source.processes == EYE_MONITORING_AUTO ||
           config->source.processes == EYE_MONITORING_TRACEPOINTS;
}

/** Whether kernel programs are to read what NAT does. */
static inline bool eye_config_reads_nat(const struct eye_config *config)
{
    return config->source.nat == EYE_NAT_WAY_AUTO || config->source.nat == EYE_NAT_WAY_EBPF;
}

static inline bool eye_config_wants_protocols(const struct eye_config *config)
{
#define X(identifier, name) config->protocols.name != EYE_WISH_NEVER ||
    return EYE_PROTOCOLS(X) false;
#undef X
}

/** Writes the whole default configuration as commented YAML (packaging ships it). Of @source the
 * exporter types and the tiers count. */
void eye_config_write_default(FILE *out, const struct eye_config_source *source);
