/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples to series, through two memories: bundles of series per connection key, and series per
 * request fingerprint. Both are emptied when series or processes were removed, because they hold
 * pointers into them.
 */
#include "collector/aggregate/aggregate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/aggregate/filter.h"
#include "collector/aggregate/ports.h"
#include "collector/aggregate/remote.h"
#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/base/table.h"
#include "config/connection_rules.h"

/* Bundles remembered, a kilobyte each; reached with remote: ip or by thousands of short processes,
 * and then all are forgotten and made anew. */
#define BUNDLES_MAX 4096

/* Request series remembered, by the low bits of the fingerprint: a collision only costs a look-up.
 */
#define REQUEST_SLOTS 4096

/* What decides the tags of a connection, and whether it is counted: of its address and port as much
 * as they or a rule ask for, so that there are few. Zeroed padding: compared and hashed as bytes.
 */
struct connection_key {
    uint64_t process; /* struct eye_process.id */
    uint32_t netns;   /* 0 unless it is a tag */
    uint16_t port;    /* 0: no name */
    uint8_t direction;
    uint8_t family;
    uint8_t remote[EYE_ADDRESS_BYTES]; /* eye_remote_identify() */
    uint16_t rule_port;                /* eye_filter_port() */
    uint16_t rule_class;               /* eye_filter_class() */
    uint8_t cast;                      /* of datagrams; else zero */
    uint8_t flags;                     /* enum eye_datagram_flag, of datagrams */
    uint8_t listens;                   /* 1: a listener, which has no remote */
    uint8_t nat;                       /* enum eye_nat, of TCP; UNKNOWN unless a tag asks */
    uint8_t protocol;                  /* of a record of TCP; UNKNOWN unless a tag asks */
    uint8_t padding[7];
};

/* X(identifier): what is counted of every connection or UDP socket, under
 * EYE_METRIC_<identifier>. */
#define CONNECTION_METRICS(X)                                                                      \
    X(TCP_OPENED)                                                                                  \
    X(TCP_CLOSED)                                                                                  \
    X(TCP_ACTIVE)                                                                                  \
    X(TCP_CONNECT)                                                                                 \
    X(TCP_LIFETIME)                                                                                \
    X(TCP_SENT_BYTES)                                                                              \
    X(TCP_RECEIVED_BYTES)                                                                          \
    X(TCP_SENT_SEGMENTS)                                                                           \
    X(TCP_RECEIVED_SEGMENTS)                                                                       \
    X(TCP_RETRANSMITS)                                                                             \
    X(TCP_RTT)                                                                                     \
    X(TCP_LISTEN_WAITING)                                                                          \
    X(TCP_LISTEN_ROOM)                                                                             \
    X(TCP_LISTEN_DROPPED)                                                                          \
    X(TCP_LISTEN_OVERFLOWED)                                                                       \
    X(UDP_SENT_BYTES)                                                                              \
    X(UDP_RECEIVED_BYTES)                                                                          \
    X(UDP_SENT)                                                                                    \
    X(UDP_RECEIVED)                                                                                \
    X(USM_UNRECOGNISED)

enum connection_metric {
#define X(identifier) CONNECTION_##identifier,
    CONNECTION_METRICS(X)
#undef X
        CONNECTION_METRIC_COUNT,
};

static const enum eye_metric_id metric_ids[CONNECTION_METRIC_COUNT] = {
#define X(identifier) EYE_METRIC_##identifier,
    CONNECTION_METRICS(X)
#undef X
};

/* Why datagrams are dropped: values of the tag reason. */
enum drop { DROP_BUFFER, DROP_MEMORY, DROP_OTHER, DROP_COUNT };

/* The series of one key, found when first needed. */
struct bundle {
    struct connection_key key;
    bool excluded; /* by a rule: it has no series */
    struct eye_tag_value tags[EYE_TAG_COUNT];
    size_t tag_count;
    char port[EYE_PORT_BYTES];
    char netns[16];
    char remote[EYE_REMOTE_BYTES];
    char service[sizeof(((struct eye_process *)0)->service)];
    char executable[sizeof(((struct eye_process *)0)->executable)];
    char container[EYE_CONTAINER_ID_BYTES];
    char pod[sizeof(((struct eye_container_names *)0)->pod)];
    char namespace_name[sizeof(((struct eye_container_names *)0)->namespace_name)];
    struct eye_series *series[CONNECTION_METRIC_COUNT];
    struct eye_series *failed[EYE_FAILURE_COUNT];
    struct eye_series *dropped[DROP_COUNT];
};

struct request_slot {
    uint64_t fingerprint;
    struct eye_series *series; /* NULL: free, or */
    bool excluded;             /* by a rule */
};

struct eye_aggregate {
    const struct eye_config *config;
    struct eye_registry *registry;
    struct eye_processes *processes;
    struct eye_reverse *names; /* NULL: nobody knows any */
    struct eye_group *group;
    struct eye_table bundles;
    uint64_t registry_generation;
    uint64_t process_generation;
    uint64_t doubts;
    uint32_t pass;
    struct eye_aggregate_filtered filtered;
    struct eye_filter filter;
    struct request_slot requests[REQUEST_SLOTS];
    struct eye_ports ports;
};

struct eye_aggregate *eye_aggregate_new(const struct eye_config *config,
                                        struct eye_registry *registry,
                                        struct eye_processes *processes, struct eye_reverse *names)
{
    struct eye_aggregate *aggregate = calloc(1, sizeof(*aggregate));
    if (aggregate == NULL) {
        return NULL;
    }
    aggregate->config = config;
    aggregate->registry = registry;
    aggregate->processes = processes;
    aggregate->names = names;
    aggregate->group = eye_group_new(registry, NULL, 0);
    eye_ports_init(&aggregate->ports, EYE_EPHEMERAL_FIRST, EYE_EPHEMERAL_LAST);
    eye_filter_init(&aggregate->filter, config);
    if (aggregate->group == NULL) {
        eye_aggregate_free(aggregate);
        return NULL;
    }
    return aggregate;
}

static void forget_bundles(struct eye_aggregate *aggregate)
{
    struct bundle *bundle;
    eye_table_for_each (&aggregate->bundles, bundle) {
        free(bundle);
    }
    eye_table_clear(&aggregate->bundles);
}

void eye_aggregate_free(struct eye_aggregate *aggregate)
{
    if (aggregate == NULL) {
        return;
    }
    forget_bundles(aggregate);
    eye_table_done(&aggregate->bundles);
    free(aggregate);
}

void eye_aggregate_set_ephemeral_ports(struct eye_aggregate *aggregate, uint16_t first,
                                       uint16_t last)
{
    eye_ports_init(&aggregate->ports, first, last);
}

static void forget_everything(struct eye_aggregate *aggregate)
{
    forget_bundles(aggregate);
    memset(aggregate->requests, 0, sizeof(aggregate->requests));
}

/* Whether the same connections are counted, under the same names. */
static bool counts_the_same(const struct eye_config *config, const struct eye_config *other)
{
    return config->connections.tags == other->connections.tags &&
           config->connections.remote == other->connections.remote &&
           eye_rule_list_equal(&eye_network_rules, &config->connections.networks,
                               &other->connections.networks) &&
           eye_rule_list_equal(&eye_filter_rules, &config->connections.include,
                               &other->connections.include) &&
           eye_rule_list_equal(&eye_filter_rules, &config->connections.exclude,
                               &other->connections.exclude);
}

void eye_aggregate_reconfigure(struct eye_aggregate *aggregate, const struct eye_config *config)
{
    if (!counts_the_same(aggregate->config, config)) {
        aggregate->doubts++;
    }
    aggregate->config = config;
    eye_filter_init(&aggregate->filter, config);
    forget_everything(aggregate);
}

static bool has_other(const struct eye_tag_set *tags)
{
    for (uint32_t i = 0; i < tags->count; i++) {
        if (eye_tag_is_other(&tags->tags[i])) {
            return true;
        }
    }
    return false;
}

/* Something is counted active under __other__: it may have a name of its own by now. */
static bool has_nameless_active(const struct eye_aggregate *aggregate)
{
    const struct eye_series *series =
        eye_registry_first(aggregate->registry, EYE_METRIC_TCP_ACTIVE);
    while (series != NULL && !has_other(series->tags)) {
        series = series->next;
    }
    return series != NULL;
}

/* Empties the memories when what they point to may be gone. */
static void check_generations(struct eye_aggregate *aggregate)
{
    uint64_t series = eye_registry_generation(aggregate->registry);
    uint64_t processes = eye_processes_generation(aggregate->processes);
    if (series == aggregate->registry_generation && processes == aggregate->process_generation) {
        return;
    }
    if (series != aggregate->registry_generation && has_nameless_active(aggregate)) {
        aggregate->doubts++;
    }
    aggregate->registry_generation = series;
    aggregate->process_generation = processes;
    forget_everything(aggregate);
}

/* ---- connections ---- */

static bool has_tag(const struct eye_aggregate *aggregate, enum eye_connection_tag tag)
{
    return (aggregate->config->connections.tags >> tag & 1) != 0;
}

static bool bundle_matches(const void *item, const void *key)
{
    const struct bundle *bundle = item;
    return memcmp(&bundle->key, key, sizeof(bundle->key)) == 0;
}

static void add_tag(struct bundle *bundle, enum eye_tag tag, const char *value)
{
    if (value[0] != '\0') {
        bundle->tags[bundle->tag_count++] = (struct eye_tag_value){tag, value};
    }
}

static void name_bundle(const struct eye_aggregate *aggregate, struct bundle *bundle,
                        const struct eye_process *process, const uint8_t *remote)
{
    const struct connection_key *key = &bundle->key;
    eye_ports_format(key->port, bundle->port);
    snprintf(bundle->netns, sizeof(bundle->netns), "%u", (unsigned int)key->netns);
    memcpy(bundle->service, process->service, sizeof(bundle->service));
    memcpy(bundle->executable, process->executable, sizeof(bundle->executable));
    eye_container_tag(&process->container, bundle->container);
    if (process->names != NULL) {
        memcpy(bundle->pod, process->names->pod, sizeof(bundle->pod));
        memcpy(bundle->namespace_name, process->names->namespace_name,
               sizeof(bundle->namespace_name));
    }
    if (remote != NULL) {
        eye_remote_format(aggregate->config, aggregate->names, remote, bundle->remote);
    }
    const struct {
        enum eye_connection_tag wanted;
        enum eye_tag tag;
        const char *value;
    } tags[] = {
        {EYE_CONNECTION_TAG_DIRECTION, EYE_TAG_DIRECTION,
         key->direction == EYE_INCOMING ? "incoming" : "outgoing"},
        {EYE_CONNECTION_TAG_SERVICE, EYE_TAG_SERVICE, bundle->service},
        {EYE_CONNECTION_TAG_PORT, EYE_TAG_PORT, bundle->port},
        {EYE_CONNECTION_TAG_FAMILY, EYE_TAG_FAMILY, key->family == EYE_IPV4 ? "ipv4" : "ipv6"},
        {EYE_CONNECTION_TAG_PROCESS, EYE_TAG_PROCESS, bundle->executable},
        {EYE_CONNECTION_TAG_CONTAINER, EYE_TAG_CONTAINER, bundle->container},
        {EYE_CONNECTION_TAG_POD, EYE_TAG_POD, bundle->pod},
        {EYE_CONNECTION_TAG_NAMESPACE, EYE_TAG_NAMESPACE, bundle->namespace_name},
        {EYE_CONNECTION_TAG_NETNS, EYE_TAG_NETNS, bundle->netns},
        {EYE_CONNECTION_TAG_NAT, EYE_TAG_NAT, eye_nat_name((enum eye_nat)key->nat)},
        {EYE_CONNECTION_TAG_PROTOCOL, EYE_TAG_PROTOCOL, eye_spoken_name(key->protocol)},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(tags); i++) {
        if (has_tag(aggregate, tags[i].wanted)) {
            add_tag(bundle, tags[i].tag, tags[i].value);
        }
    }
    add_tag(bundle, EYE_TAG_REMOTE, bundle->remote);
    add_tag(bundle, EYE_TAG_CAST, eye_cast_name((enum eye_cast)key->cast));
    add_tag(bundle, EYE_TAG_PROTOCOL, key->flags & EYE_DATAGRAM_QUIC ? "quic" : "");
}

void eye_aggregate_name(struct eye_aggregate *aggregate, uint64_t owner,
                        enum eye_direction direction, uint16_t port,
                        struct eye_connection_name *ret_name)
{
    const struct eye_process *process = eye_processes_find(aggregate->processes, owner);
    ret_name->service = process->service;
    ret_name->process = process->executable;
    eye_ports_format(eye_ports_name(&aggregate->ports, direction, port), ret_name->port);
}

static bool is_excluded(const struct eye_aggregate *aggregate, const struct connection_key *key,
                        const struct eye_process *process, const uint8_t *remote)
{
    const struct eye_filter_subject subject = {
        .address = remote,
        .port = key->rule_port,
        .direction = (enum eye_direction)key->direction,
        .service = process->service,
        .process = process->executable,
    };
    return aggregate->filter.on && !eye_filter_passes(&aggregate->filter, &subject);
}

static struct bundle *new_bundle(struct eye_aggregate *aggregate, const struct connection_key *key,
                                 uint64_t hash, const struct eye_process *process,
                                 const uint8_t *remote)
{
    if (aggregate->bundles.count >= BUNDLES_MAX) {
        forget_bundles(aggregate);
    }
    struct bundle *bundle = calloc(1, sizeof(*bundle));
    if (bundle == NULL || eye_table_insert(&aggregate->bundles, hash, bundle) != 0) {
        free(bundle);
        return NULL;
    }
    bundle->key = *key;
    bundle->excluded = is_excluded(aggregate, key, process, remote);
    name_bundle(aggregate, bundle, process, remote);
    return bundle;
}

/* The bundle of what @key says, with the netns and port of a record, if @owner had it; NULL when
 * out of memory. @remote: NULL for a listener. */
static struct bundle *find_named(struct eye_aggregate *aggregate, struct connection_key *key,
                                 const uint8_t *remote, uint64_t owner)
{
    const struct eye_process *process = eye_processes_find(aggregate->processes, owner);
    check_generations(aggregate);
    key->process = process->id;
    key->netns = has_tag(aggregate, EYE_CONNECTION_TAG_NETNS) ? key->netns : 0;
    key->nat = has_tag(aggregate, EYE_CONNECTION_TAG_NAT) ? key->nat : EYE_NAT_UNKNOWN;
    if (!has_tag(aggregate, EYE_CONNECTION_TAG_PROTOCOL)) {
        key->protocol = EYE_PROTOCOL_UNKNOWN;
    }
    if (aggregate->filter.on) {
        key->rule_port = eye_filter_port(&aggregate->filter, key->port);
        key->rule_class = eye_filter_class(&aggregate->filter, remote);
    }
    key->port = eye_ports_name(&aggregate->ports, (enum eye_direction)key->direction, key->port);
    if (remote != NULL && aggregate->config->connections.remote != EYE_REMOTE_NONE) {
        eye_remote_identify(aggregate->config, aggregate->names, remote, key->remote);
    }
    uint64_t hash = eye_hash_bytes(key, sizeof(*key));
    struct bundle *bundle = eye_table_find(&aggregate->bundles, hash, bundle_matches, key);
    return bundle == NULL ? new_bundle(aggregate, key, hash, process, remote) : bundle;
}

/* The bundle of a sample if @owner had it and @spoken were spoken; NULL when out of memory. */
static struct bundle *find_bundle(struct eye_aggregate *aggregate,
                                  const struct eye_connection_record *sample, uint64_t owner,
                                  uint8_t spoken)
{
    struct connection_key key = {.netns = sample->netns,
                                 .port = sample->port,
                                 .direction = sample->direction,
                                 .family = sample->family,
                                 .nat = sample->nat,
                                 .protocol = spoken};
    return find_named(aggregate, &key, sample->remote, owner);
}

/* Whoever connects to a service chooses its remote addresses, and with them names of others; a
 * client's are the program's, zones and networks the configuration's. */
static enum eye_choice choice_of(const struct eye_aggregate *aggregate, const struct bundle *bundle)
{
    int how = aggregate->config->connections.remote;
    bool is_theirs = how == EYE_REMOTE_IP || how == EYE_REMOTE_NAME;
    return is_theirs && bundle->key.direction == EYE_INCOMING ? EYE_CHOICE_CLIENTS
                                                              : EYE_CHOICE_OURS;
}

static struct eye_series *find_series(struct eye_aggregate *aggregate, enum eye_metric_id metric,
                                      const struct bundle *bundle, const struct eye_tag_value *tags,
                                      size_t count)
{
    return eye_group_series_chosen(aggregate->group, metric, tags, count, EYE_TAG_REMOTE,
                                   choice_of(aggregate, bundle));
}

static struct eye_series *series_of(struct eye_aggregate *aggregate, struct bundle *bundle,
                                    enum connection_metric metric)
{
    if (bundle->series[metric] == NULL) {
        bundle->series[metric] =
            find_series(aggregate, metric_ids[metric], bundle, bundle->tags, bundle->tag_count);
    }
    return bundle->series[metric];
}

/* The series of a metric that has a reason as well, remembered at @place. */
static struct eye_series *series_with_reason(struct eye_aggregate *aggregate,
                                             const struct bundle *bundle, enum eye_metric_id metric,
                                             const char *reason, struct eye_series **place)
{
    if (*place == NULL) {
        struct eye_tag_value tags[EYE_TAG_COUNT];
        memcpy(tags, bundle->tags, bundle->tag_count * sizeof(tags[0]));
        tags[bundle->tag_count] = (struct eye_tag_value){EYE_TAG_REASON, reason};
        *place = find_series(aggregate, metric, bundle, tags, bundle->tag_count + 1);
    }
    return *place;
}

static void count_failed(struct eye_aggregate *aggregate, struct bundle *bundle,
                         enum eye_failure failure)
{
    eye_counter_add(series_with_reason(aggregate, bundle, EYE_METRIC_TCP_FAILED,
                                       eye_failure_name(failure), &bundle->failed[failure]),
                    1);
}

static void count_dropped(struct eye_aggregate *aggregate, struct bundle *bundle, enum drop drop,
                          uint32_t datagrams)
{
    static const char *const reasons[] = {
        [DROP_BUFFER] = "buffer", [DROP_MEMORY] = "memory", [DROP_OTHER] = "other"};
    if (datagrams > 0) {
        eye_counter_add(series_with_reason(aggregate, bundle, EYE_METRIC_UDP_DROPPED, reasons[drop],
                                           &bundle->dropped[drop]),
                        datagrams);
    }
}

static void add(struct eye_aggregate *aggregate, struct bundle *bundle,
                enum connection_metric metric, uint64_t amount)
{
    if (amount > 0) {
        eye_counter_add(series_of(aggregate, bundle, metric), amount);
    }
}

static void record_seconds(struct eye_aggregate *aggregate, struct bundle *bundle,
                           enum connection_metric metric, double seconds)
{
    if (seconds > 0) {
        eye_distribution_add(series_of(aggregate, bundle, metric), seconds, 1);
    }
}

static void enter_active(struct eye_aggregate *aggregate,
                         const struct eye_connection_record *sample)
{
    struct bundle *bundle = find_bundle(aggregate, sample, sample->owner, sample->protocol);
    if (bundle != NULL && !bundle->excluded) {
        eye_gauge_add(series_of(aggregate, bundle, CONNECTION_TCP_ACTIVE), 1);
    }
}

/* Taken back under the name that it was counted under. Where that is not known any more, or
 * nothing is left under it, the next pass counts afresh. */
static void leave_active(struct eye_aggregate *aggregate,
                         const struct eye_connection_record *sample)
{
    bool known = eye_processes_knows(aggregate->processes, sample->previous_owner);
    struct bundle *bundle =
        known ? find_bundle(aggregate, sample, sample->previous_owner, sample->previous_protocol)
              : NULL;
    if (bundle != NULL && bundle->excluded) {
        return;
    }
    struct eye_series *active =
        bundle == NULL ? NULL : series_of(aggregate, bundle, CONNECTION_TCP_ACTIVE);
    if (active == NULL || active->gauge < 1) {
        aggregate->doubts++;
    } else {
        eye_gauge_add(active, -1);
    }
}

/* What is active moves only with records of the present pass: see eye_connection_record.pass. */
static void count_active(struct eye_aggregate *aggregate,
                         const struct eye_connection_record *sample)
{
    if (sample->pass != aggregate->pass) {
        return;
    }
    if (sample->flags & (EYE_CONNECTION_MOVES | EYE_CONNECTION_LEAVES)) {
        leave_active(aggregate, sample);
    }
    if (sample->flags & (EYE_CONNECTION_MOVES | EYE_CONNECTION_ENTERS)) {
        enter_active(aggregate, sample);
    }
}

static void count_opened(struct eye_aggregate *aggregate, struct bundle *bundle,
                         const struct eye_connection_record *sample)
{
    add(aggregate, bundle, CONNECTION_TCP_OPENED, 1);
    if (sample->direction == EYE_OUTGOING) {
        eye_ports_note_opened(&aggregate->ports, sample->port);
    }
    record_seconds(aggregate, bundle, CONNECTION_TCP_CONNECT, sample->connect_us * 1e-6);
}

static void count_closed(struct eye_aggregate *aggregate, struct bundle *bundle,
                         const struct eye_connection_record *sample)
{
    add(aggregate, bundle, CONNECTION_TCP_CLOSED, 1);
    record_seconds(aggregate, bundle, CONNECTION_TCP_LIFETIME, (double)sample->lifetime_ns * 1e-9);
}

/* A rule does not want it counted: that is. */
static bool leaves_out(struct eye_aggregate *aggregate, const struct bundle *bundle)
{
    if (bundle->excluded) {
        aggregate->filtered.sockets++;
    }
    return bundle->excluded;
}

void eye_aggregate_connection(void *context, const struct eye_connection_record *sample)
{
    struct eye_aggregate *aggregate = context;
    count_active(aggregate, sample);
    struct bundle *bundle = find_bundle(aggregate, sample, sample->owner, sample->protocol);
    if (bundle == NULL || leaves_out(aggregate, bundle)) {
        return;
    }
    add(aggregate, bundle, CONNECTION_TCP_SENT_BYTES, sample->sent_bytes);
    add(aggregate, bundle, CONNECTION_TCP_RECEIVED_BYTES, sample->received_bytes);
    add(aggregate, bundle, CONNECTION_TCP_SENT_SEGMENTS, sample->sent_segments);
    add(aggregate, bundle, CONNECTION_TCP_RECEIVED_SEGMENTS, sample->received_segments);
    add(aggregate, bundle, CONNECTION_TCP_RETRANSMITS, sample->retransmits);
    record_seconds(aggregate, bundle, CONNECTION_TCP_RTT, sample->rtt_us * 1e-6);
    if (sample->flags & EYE_CONNECTION_OPENED) {
        count_opened(aggregate, bundle, sample);
    }
    if (sample->kind == EYE_CONNECTION_CLOSED) {
        count_closed(aggregate, bundle, sample);
    }
    if (sample->flags & EYE_CONNECTION_UNRECOGNISED) {
        add(aggregate, bundle, CONNECTION_USM_UNRECOGNISED, 1);
    }
    if (sample->failure != EYE_FAILURE_NONE) {
        count_failed(aggregate, bundle, (enum eye_failure)sample->failure);
    }
}

void eye_aggregate_listener(void *context, const struct eye_connection_record *sample)
{
    struct eye_aggregate *aggregate = context;
    struct connection_key key = {.netns = sample->netns,
                                 .port = sample->port,
                                 .direction = sample->direction,
                                 .family = sample->family,
                                 .listens = 1,
                                 .nat = EYE_NAT_UNKNOWN};
    struct bundle *bundle = find_named(aggregate, &key, NULL, sample->owner);
    if (bundle == NULL || leaves_out(aggregate, bundle)) {
        return;
    }
    eye_gauge_add(series_of(aggregate, bundle, CONNECTION_TCP_LISTEN_WAITING), sample->waiting);
    eye_gauge_add(series_of(aggregate, bundle, CONNECTION_TCP_LISTEN_ROOM), sample->room);
    add(aggregate, bundle, CONNECTION_TCP_LISTEN_DROPPED, sample->dropped);
    add(aggregate, bundle, CONNECTION_TCP_LISTEN_OVERFLOWED, sample->overflowed);
}

void eye_aggregate_datagrams(void *context, const struct eye_datagram_record *sample)
{
    struct eye_aggregate *aggregate = context;
    struct connection_key key = {.netns = sample->netns,
                                 .port = sample->port,
                                 .direction = sample->direction,
                                 .family = sample->family,
                                 .cast = sample->cast,
                                 .flags = sample->flags,
                                 .nat = EYE_NAT_UNKNOWN};
    struct bundle *bundle = find_named(aggregate, &key, sample->remote, sample->owner);
    if (bundle == NULL || leaves_out(aggregate, bundle)) {
        return;
    }
    add(aggregate, bundle, CONNECTION_UDP_SENT_BYTES, sample->sent_bytes);
    add(aggregate, bundle, CONNECTION_UDP_RECEIVED_BYTES, sample->received_bytes);
    add(aggregate, bundle, CONNECTION_UDP_SENT, sample->sent);
    add(aggregate, bundle, CONNECTION_UDP_RECEIVED, sample->received);
    count_dropped(aggregate, bundle, DROP_BUFFER, sample->dropped_buffer);
    count_dropped(aggregate, bundle, DROP_MEMORY, sample->dropped_memory);
    count_dropped(aggregate, bundle, DROP_OTHER, sample->dropped_other);
}

uint64_t eye_aggregate_doubts(const struct eye_aggregate *aggregate)
{
    uint64_t renamed = aggregate->names == NULL ? 0 : eye_reverse_changes(aggregate->names);
    return aggregate->doubts + eye_processes_renamed(aggregate->processes) + renamed;
}

struct eye_aggregate_filtered eye_aggregate_filtered(const struct eye_aggregate *aggregate)
{
    return aggregate->filtered;
}

/* They are counted afresh. */
static void empty_gauges(struct eye_aggregate *aggregate, enum eye_metric_id metric)
{
    struct eye_series *series = eye_registry_first(aggregate->registry, metric);
    for (; series != NULL; series = series->next) {
        eye_gauge_set(series, 0);
    }
}

void eye_aggregate_begin_look(struct eye_aggregate *aggregate)
{
    empty_gauges(aggregate, EYE_METRIC_TCP_LISTEN_WAITING);
    empty_gauges(aggregate, EYE_METRIC_TCP_LISTEN_ROOM);
}

void eye_aggregate_begin_pass(struct eye_aggregate *aggregate, uint32_t pass)
{
    aggregate->pass = pass;
    eye_processes_sweep(aggregate->processes, pass);
    if (aggregate->names != NULL) {
        eye_reverse_begin_pass(aggregate->names);
    }
    empty_gauges(aggregate, EYE_METRIC_TCP_ACTIVE);
}

void eye_aggregate_judge_ports(struct eye_aggregate *aggregate, uint64_t now_ns)
{
    if (eye_ports_judge(&aggregate->ports, now_ns)) {
        forget_everything(aggregate);
    }
}

/* ---- requests ---- */

static void format_port(const struct eye_aggregate *aggregate, bool client, uint16_t port,
                        char ret_text[static EYE_PORT_BYTES])
{
    eye_ports_format(eye_ports_name(&aggregate->ports, client ? EYE_OUTGOING : EYE_INCOMING, port),
                     ret_text);
}

static bool is_client(const struct eye_request_head *head)
{
    return (head->flags & EYE_REQUEST_CLIENT) != 0;
}

static struct eye_series *request_series(struct eye_aggregate *aggregate,
                                         const struct eye_request_sample *sample,
                                         const struct eye_process *process, bool *ret_fleeting)
{
    const struct eye_request_place place = {aggregate->group, process->service};
    struct eye_request_name name = {0};
    char port[EYE_PORT_BYTES];
    sample->protocol->name_request(sample->state, sample, &place, &name);
    if ((sample->head->flags & EYE_REQUEST_TLS) != 0) {
        eye_request_name_tag(&name, EYE_TAG_TLS, "true");
    }
    format_port(aggregate, is_client(sample->head), sample->head->port, port);
    struct eye_tag_value tags[EYE_REQUEST_TAGS_MAX + 2];
    memcpy(tags, name.tags, name.tag_count * sizeof(tags[0]));
    tags[name.tag_count] = (struct eye_tag_value){EYE_TAG_SERVICE, process->service};
    tags[name.tag_count + 1] = (struct eye_tag_value){EYE_TAG_PORT, port};
    *ret_fleeting = name.fleeting;
    return eye_group_series_chosen(aggregate->group, name.metric, tags, name.tag_count + 2,
                                   name.chosen, name.choice);
}

/* Of a request, or of what a parser lost: whose connection it was is all that is known. */
static bool request_is_excluded(const struct eye_aggregate *aggregate,
                                const struct eye_process *process, bool client, uint16_t port)
{
    const struct eye_filter_subject subject = {
        .port = port,
        .direction = client ? EYE_OUTGOING : EYE_INCOMING,
        .service = process->service,
        .process = process->executable,
    };
    return aggregate->filter.on && !eye_filter_passes(&aggregate->filter, &subject);
}

/* NULL: it is excluded. */
static struct eye_series *look_up(struct eye_aggregate *aggregate,
                                  const struct eye_request_sample *sample,
                                  struct request_slot *slot)
{
    const struct eye_process *process =
        eye_processes_find(aggregate->processes, sample->head->owner);
    check_generations(aggregate);
    if (request_is_excluded(aggregate, process, is_client(sample->head), sample->head->port)) {
        *slot = (struct request_slot){.fingerprint = sample->fingerprint, .excluded = true};
        return NULL;
    }
    bool fleeting;
    struct eye_series *series = request_series(aggregate, sample, process, &fleeting);
    if (!fleeting) {
        *slot = (struct request_slot){.fingerprint = sample->fingerprint, .series = series};
    }
    return series;
}

void eye_aggregate_request(void *context, const struct eye_request_sample *sample)
{
    struct eye_aggregate *aggregate = context;
    struct request_slot *slot = &aggregate->requests[sample->fingerprint % REQUEST_SLOTS];
    check_generations(aggregate);
    bool is_known =
        (slot->series != NULL || slot->excluded) && slot->fingerprint == sample->fingerprint;
    struct eye_series *series = is_known ? slot->series : look_up(aggregate, sample, slot);
    uint64_t requests = 1U + sample->head->more;
    if (series == NULL) {
        aggregate->filtered.requests += requests;
    } else if (series->metric->kind == EYE_COUNTER) {
        eye_counter_add(series, requests);
    } else {
        eye_distribution_add(series, (double)sample->head->duration_ns * 1e-9, requests);
    }
}

void eye_aggregate_loss(void *context, const struct eye_loss_sample *sample)
{
    struct eye_aggregate *aggregate = context;
    char port[EYE_PORT_BYTES];
    format_port(aggregate, sample->client, sample->port, port);
    const struct eye_process *process = eye_processes_find(aggregate->processes, sample->owner);
    if (request_is_excluded(aggregate, process, sample->client, sample->port)) {
        aggregate->filtered.requests++;
        return;
    }
    const struct eye_tag_value tags[] = {
        {EYE_TAG_DIRECTION, sample->client ? "outgoing" : "incoming"},
        {EYE_TAG_SERVICE, process->service},
        {EYE_TAG_PORT, port},
        {EYE_TAG_REASON, sample->reason},
    };
    check_generations(aggregate);
    eye_counter_add(
        eye_group_series(aggregate->group, EYE_METRIC_USM_LOST, tags, EYE_ARRAY_LENGTH(tags)),
        sample->amount);
}
