/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tier that needs no right: the kernel is asked for its TCP sockets once per interval, and
 * tells by itself of each one that ends (sock_diag(7)). What that says of a connection is kept in
 * user space, since the kernel keeps nothing for us.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/tracer/states.h"
#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/source/roster.h"
#include "collector/source/sock_diag/connections.h"
#include "collector/source/sock_diag/link.h"
#include "collector/source/sock_diag/owners.h"
#include "collector/source/tier.h"

/* What is live, without TIME_WAIT, which is no socket any more. */
#define DUMPED_STATES ((uint32_t)(EYE_OPEN_STATES & ~(1 << TCP_TIME_WAIT)))
#define LISTENING_STATES ((uint32_t)(1 << TCP_LISTEN))

/* Ends that are read in one go of one namespace, so that nothing else starves. */
#define DRAIN_MAX 16384

/* Listeners, and whose they are, are asked for when an end shows that there may be a new one: for a
 * tenth of the time at most. */
#define LISTENERS_REST 9

/* A network namespace. */
struct diag_place {
    struct eye_place place; /* first */
    struct eye_diag_link netlink;
    struct eye_diag_connections connections;
};

struct tier {
    const struct eye_config *config;
    struct eye_features *features;
    struct eye_sight *sight;
    struct eye_roster roster;
    struct eye_diag_totals totals;
    struct eye_diag_owners owners;
    uint8_t *buffers[2];        /* of dumps, of events */
    uint64_t refused_before;    /* messages, of namespaces that have gone */
    uint64_t lost_before;       /* ends, of these */
    uint64_t listeners_next_ns; /* monotonic: not asked for before */
    uint64_t ends;
    int epoll;
    eye_record_handler *handler; /* of connections */
    void *context;
};

/* What an end is handed on with. */
struct end {
    struct tier *tier;
    struct diag_place *place;
    eye_record_handler *handler;
    void *context;
};

/* 0 or -errno. @between: takes ends that come meanwhile; may be NULL. */
static int dump(struct diag_place *place, int family, uint32_t states,
                void (*between)(struct end *end), struct end *end)
{
    int result = eye_diag_link_ask(&place->netlink, family, states);
    if (result != 0) {
        return result;
    }
    do {
        result =
            eye_diag_link_next(&place->netlink, eye_diag_connections_meet, &place->connections);
        if (between != NULL) {
            between(end);
        }
    } while (result > 0);
    /* A kernel without IPv6. */
    return family == AF_INET6 && result == -ENOENT ? 0 : result;
}

static int dump_both(struct diag_place *place, uint32_t states, void (*between)(struct end *end),
                     struct end *end)
{
    int result = dump(place, AF_INET, states, between, end);
    return result == 0 ? dump(place, AF_INET6, states, between, end) : result;
}

static void find_owners(struct tier *tier, bool all)
{
    struct diag_place *place;
    struct eye_place *each;
    eye_diag_owners_begin(&tier->owners);
    TAILQ_FOREACH(each, &tier->roster.places, link)
    {
        place = (struct diag_place *)each;
        eye_diag_connections_want(&place->connections, all, eye_diag_owners_want, &tier->owners);
    }
    eye_diag_owners_read(&tier->owners);
    TAILQ_FOREACH(each, &tier->roster.places, link)
    {
        place = (struct diag_place *)each;
        eye_diag_connections_own(&place->connections, eye_diag_owners_find, &tier->owners);
    }
}

/* An end at a port that we know nobody at: its listener may have come since the last look. */
static void look_for_listeners(struct end *end, uint16_t port)
{
    struct tier *tier = end->tier;
    uint64_t began_ns = eye_clock_monotonic_ns();
    if (end->place->connections.looking || began_ns < tier->listeners_next_ns ||
        !eye_diag_connections_misses(&end->place->connections, port)) {
        return;
    }
    if (dump_both(end->place, LISTENING_STATES, NULL, NULL) == 0) {
        find_owners(tier, false);
    }
    uint64_t now_ns = eye_clock_monotonic_ns();
    tier->listeners_next_ns = now_ns + LISTENERS_REST * (now_ns - began_ns);
}

static void on_end(void *context, const struct eye_diag_socket *socket)
{
    struct end *end = context;
    if (socket->was_established) {
        look_for_listeners(end, socket->local_port);
    }
    end->tier->ends++;
    eye_diag_connections_end(&end->place->connections, socket, end->handler, end->context);
}

/* What of them was lost shows at the next look. */
static void drain_place(struct end *end)
{
    int result = 1;
    for (int left = DRAIN_MAX; left > 0 && result > 0; left--) {
        result = eye_diag_link_event(&end->place->netlink, on_end, end);
        if (result == -ENOBUFS) {
            eye_diag_link_count_lost(&end->place->netlink);
            result = 1;
        }
    }
}

static void drain_all(struct tier *tier, eye_record_handler *handler, void *context)
{
    struct diag_place *place;
    struct eye_place *each;
    TAILQ_FOREACH(each, &tier->roster.places, link)
    {
        place = (struct diag_place *)each;
        drain_place(&(struct end){tier, place, handler, context});
    }
}

static void drain(void *state)
{
    struct tier *tier = state;
    drain_all(tier, tier->handler, tier->context);
}

/* There are none: who a key is tells /proc. */
static void drain_owners(void *state)
{
    (void)state;
}

/* ---- Namespaces ---- */

static int open_place(struct eye_place *place)
{
    return eye_diag_link_open(&((struct diag_place *)place)->netlink);
}

static void close_place(struct eye_place *place)
{
    struct diag_place *diag = (struct diag_place *)place;
    eye_diag_connections_done(&diag->connections);
    eye_diag_link_close(&diag->netlink);
}

static const struct eye_roster_type rosters = {
    .step = "sock_diag",
    .place_bytes = sizeof(struct diag_place),
    .role = EYE_ROLE_NAMESPACES,
    .open = open_place,
    .close = close_place,
};

static int welcome(struct tier *tier, struct diag_place *place)
{
    struct epoll_event event = {.events = EPOLLIN};
    eye_diag_connections_init(&place->connections, &tier->totals, place->place.netns);
    place->netlink.dump_buffer = tier->buffers[0];
    place->netlink.event_buffer = tier->buffers[1];
    return epoll_ctl(tier->epoll, EPOLL_CTL_ADD, place->netlink.events, &event) != 0 ? -errno : 0;
}

/* One that cannot be waited for is looked at with the others. */
static void welcome_all(struct tier *tier)
{
    struct diag_place *place;
    while ((place = (struct diag_place *)eye_roster_welcome(&tier->roster)) != NULL) {
        welcome(tier, place);
    }
}

static void dismiss_gone(struct tier *tier, eye_record_handler *handler, void *context)
{
    struct diag_place *place;
    while ((place = (struct diag_place *)eye_roster_dismiss(&tier->roster)) != NULL) {
        drain_place(&(struct end){tier, place, handler, context});
        eye_diag_connections_vanish(&place->connections, handler, context);
        eye_diag_link_count_lost(&place->netlink);
        tier->refused_before += place->netlink.refused;
        tier->lost_before += place->netlink.lost;
        eye_roster_free(&tier->roster, &place->place);
    }
}

/* ---- Looks ---- */

/* Of what was there before the daemon nothing is told but that it is there. */
static void ignore(void *context, const void *record, size_t bytes)
{
    (void)context;
    (void)record;
    (void)bytes;
}

static int look_at(struct diag_place *place, uint32_t pass, bool older, struct end *end)
{
    eye_diag_connections_begin(&place->connections, pass, older);
    int result = dump_both(place, DUMPED_STATES | LISTENING_STATES, drain_place, end);
    if (result != 0) {
        eye_diag_connections_give_up(&place->connections);
    }
    eye_diag_link_count_lost(&place->netlink);
    return result;
}

static int read_live(void *state, uint32_t pass, bool full, eye_record_handler *handler,
                     void *context, uint64_t *ret_records)
{
    struct tier *tier = state;
    struct diag_place *place;
    struct eye_place *each;
    int result = 0;
    *ret_records = 0;
    dismiss_gone(tier, handler, context);
    welcome_all(tier);
    tier->sight->unseeded = tier->roster.unseen;
    TAILQ_FOREACH(each, &tier->roster.places, link)
    {
        place = (struct diag_place *)each;
        struct end end = {tier, place, handler, context};
        int failed = look_at(place, pass, false, &end);
        result = failed != 0 ? failed : result;
    }
    drain_all(tier, handler, context);
    find_owners(tier, full);
    TAILQ_FOREACH(each, &tier->roster.places, link)
    {
        place = (struct diag_place *)each;
        if (place->connections.looking) {
            *ret_records += eye_diag_connections_report(&place->connections, handler, context);
        }
        *ret_records += eye_diag_connections_report_queues(&place->connections, handler, context);
    }
    return result;
}

/* What exists already: how far each has come, and whose it is. */
static int look_first(struct tier *tier)
{
    struct diag_place *place;
    struct eye_place *each;
    int result = 0;
    TAILQ_FOREACH(each, &tier->roster.places, link)
    {
        place = (struct diag_place *)each;
        struct end end = {tier, place, ignore, NULL};
        int failed = look_at(place, 0, true, &end);
        result = result == 0 ? failed : result;
        drain_place(&end);
        place->connections.looking = false;
    }
    find_owners(tier, true);
    return result;
}

/* ---- The start ---- */

static bool wants_more(const struct eye_config *config)
{
    return config->connections.udp || eye_config_wants_protocols(config);
}

static void note_sight(struct eye_features *features, struct eye_sight *sight)
{
    struct eye_error why;
    const struct eye_feature_state *others = eye_feature_ask(features, EYE_FEATURE_NAMESPACES);
    /* What it takes to read their files is what it takes to read their environment. */
    const struct eye_feature_state *files = eye_feature_ask(features, EYE_FEATURE_ENVIRONMENT);
    if (wants_more(features->config)) {
        eye_error_set(&why, 0,
                      "UDP and requests of protocols are not seen: the tier sock-diag has none of "
                      "it; set protocols.* and connections.udp: false to do without on purpose");
        eye_sight_note(sight, &why);
    }
    if (others->available != EYE_ANSWER_YES) {
        eye_error_set(&why, 0,
                      "connections of other network namespaces than its own are not seen: %s: %s; "
                      "%s",
                      others->name, others->detail, others->remedy);
        eye_sight_note(sight, &why);
    }
    if (files->available == EYE_ANSWER_NO) {
        eye_error_set(&why, 0, "services of other users' processes are called unknown: %s: %s; %s",
                      files->name, files->detail, files->remedy);
        eye_sight_note(sight, &why);
    }
    sight->own_namespace = others->available != EYE_ANSWER_YES;
}

static int refused(int result, struct eye_error *ret_error)
{
    return eye_error_set(ret_error, result,
                         "cannot ask the kernel for its sockets: sock_diag: %s; load the module "
                         "tcp_diag, or allow AF_NETLINK (RestrictAddressFamilies=)",
                         strerror(-result));
}

/* The question itself, in the namespace of the caller. */
static int ask_once(void)
{
    struct diag_place place = {.place.netns = 0};
    struct eye_diag_totals totals = {0};
    EYE_AUTOFREE uint8_t *buffer = malloc(EYE_DIAG_DATAGRAM_BYTES);
    int result = buffer == NULL ? -ENOMEM : eye_diag_link_open(&place.netlink);
    if (result != 0) {
        return result;
    }
    eye_diag_connections_init(&place.connections, &totals, 0);
    place.netlink.dump_buffer = buffer;
    result = dump(&place, AF_INET, LISTENING_STATES, NULL, NULL);
    eye_diag_connections_done(&place.connections);
    eye_diag_link_close(&place.netlink);
    return result;
}

static int check(struct eye_features *features, struct eye_error *ret_error)
{
    int result = eye_feature_check(eye_feature_ask(features, EYE_FEATURE_DESCRIPTORS), ret_error);
    if (result != 0) {
        return result;
    }
    result = ask_once();
    return result == 0 ? 0 : refused(result, ret_error);
}

static void probe(struct eye_features *features, struct eye_tier_trial *ret_trial)
{
    ret_trial->connections = true;
    note_sight(features, &ret_trial->sight);
    ret_trial->everywhere = !ret_trial->sight.own_namespace;
}

static void close_tier(void *state)
{
    struct tier *tier = state;
    if (tier == NULL) {
        return;
    }
    eye_roster_close(&tier->roster);
    eye_diag_owners_done(&tier->owners);
    if (tier->epoll >= 0) {
        close(tier->epoll);
    }
    free(tier->buffers[0]);
    free(tier->buffers[1]);
    free(tier);
}

static int start(struct tier *tier, const struct eye_steps *steps, struct eye_sight *sight,
                 struct eye_error *ret_error)
{
    struct eye_visited visited;
    int result = eye_steps_next(steps, "looking at network namespaces");
    if (result != 0) {
        return result;
    }
    result = eye_roster_open(&tier->roster, &rosters, tier->config->source.proc, &visited);
    if (result == 0) {
        welcome_all(tier);
        result = look_first(tier);
    }
    if (result != 0) {
        return refused(result, ret_error);
    }
    sight->since_ns = eye_clock_monotonic_ns();
    sight->unseeded = tier->roster.unseen;
    return sight->own_namespace ? 0 : eye_roster_run(&tier->roster, ret_error);
}

static int open_tier(struct eye_features *features, const struct eye_steps *steps,
                     struct eye_sight *sight, void **ret_state, struct eye_error *ret_error)
{
    struct tier *tier = calloc(1, sizeof(*tier));
    if (tier == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    tier->config = features->config;
    tier->features = features;
    tier->sight = sight;
    tier->epoll = epoll_create1(EPOLL_CLOEXEC);
    tier->buffers[0] = malloc(EYE_DIAG_DATAGRAM_BYTES);
    tier->buffers[1] = malloc(EYE_DIAG_DATAGRAM_BYTES);
    eye_diag_owners_init(&tier->owners, tier->config->source.proc);
    note_sight(features, sight);
    int result = tier->epoll < 0 || tier->buffers[0] == NULL || tier->buffers[1] == NULL
                     ? eye_error_set(ret_error, -ENOMEM, "out of memory or open files")
                     : start(tier, steps, sight, ret_error);
    if (result != 0) {
        close_tier(tier);
        return result;
    }
    *ret_state = tier;
    return 0;
}

/* ---- What is asked of a tier ---- */

static void on_record(void *state, enum eye_ring ring, eye_record_handler *handler, void *context)
{
    struct tier *tier = state;
    if (ring == EYE_RING_CONNECTIONS) {
        tier->handler = handler;
        tier->context = context;
    }
}

static int descriptor(const void *state)
{
    const struct tier *tier = state;
    return tier->epoll;
}

static bool is_readable(const void *state)
{
    (void)state;
    return true;
}

/* Ends come through something that is one, in the kernel; how full it is nobody tells. */
static void read_ring(const void *state, enum eye_ring ring, struct eye_ring_stats *ret_stats)
{
    const struct tier *tier = state;
    *ret_stats = (struct eye_ring_stats){.records = ring == EYE_RING_CONNECTIONS ? tier->ends : 0};
}

static int open_rows(const void *state, void **ret_rows, struct eye_error *ret_error)
{
    (void)state;
    (void)ret_rows;
    return eye_error_set(ret_error, -ENOTSUP, "%s by the tier sock-diag",
                         eye_ability_cost(EYE_ABILITY_ROWS));
}

static int prepare(void *state, const struct eye_config *config, struct eye_error *ret_error)
{
    const struct tier *tier = state;
    if (wants_more(config) && !wants_more(tier->config)) {
        return eye_error_set(ret_error, -ENOTSUP, "%s: the tier sock-diag has none of it",
                             eye_ability_cost(EYE_ABILITY_PACKETS));
    }
    return 0;
}

static void apply(void *state)
{
    struct tier *tier = state;
    tier->config = tier->features->config;
}

static void settle(void *state)
{
    (void)state;
}

static bool retry(void *state)
{
    (void)state;
    return false;
}

static bool follows_processes(const void *state)
{
    (void)state;
    return false;
}

static bool read_tls(const void *state, struct eye_tls_counts *ret_counts)
{
    (void)state;
    (void)ret_counts;
    return false;
}

static bool list_tls(const void *state, eye_tls_file_handler *handler, void *context)
{
    (void)state;
    (void)handler;
    (void)context;
    return false;
}

static struct eye_process_counts process_counts(const void *state)
{
    (void)state;
    return (struct eye_process_counts){0};
}

static bool tells_nat(const void *state)
{
    (void)state;
    return false;
}

static bool is_whole(const void *state)
{
    const struct tier *tier = state;
    return !wants_more(tier->config);
}

static void losses(const void *state, uint64_t ret_losses[EYE_LOSS_COUNT])
{
    const struct tier *tier = state;
    const struct diag_place *place;
    struct eye_place *each;
    memcpy(ret_losses, tier->totals.losses, sizeof(tier->totals.losses));
    ret_losses[EYE_LOSS_DIAG_OWNERS] = tier->owners.unread;
    ret_losses[EYE_LOSS_DIAG_MALFORMED] = tier->refused_before;
    ret_losses[EYE_LOSS_DIAG_OVERFLOW] = tier->lost_before;
    TAILQ_FOREACH(each, &tier->roster.places, link)
    {
        place = (struct diag_place *)each;
        ret_losses[EYE_LOSS_DIAG_MALFORMED] += place->netlink.refused;
        ret_losses[EYE_LOSS_DIAG_OVERFLOW] += place->netlink.lost;
    }
}

static size_t read_programs(const void *state, struct eye_program_stats ret_stats[EYE_PROGRAMS_MAX])
{
    (void)state;
    (void)ret_stats;
    return 0;
}

static const char *const never_seen[] = {
    "UDP, requests of protocols, single connections",
    "connections that fail; how long connecting takes, how long connections last",
    "which drops of a listener are overflows of its queue",
    "what a listener dropped between the last look and its end",
    "what a connection did since the last look when it resets itself (SO_LINGER 0)",
    "who a client was, when its connection began and ended between two looks",
    "whether the last byte received is the end (FIN): 1 too much per connection",
    "NAT of other network namespaces than a socket's own",
    "bytes that a sockmap redirects between sockets, data over SMC",
    NULL,
};

const struct eye_tier_type eye_tier_sock_diag = {
    .name = "sock-diag",
    .never_seen = never_seen,
    .any_proc = true,
    .check = check,
    .probe = probe,
    .open = open_tier,
    .on_record = on_record,
    .descriptor = descriptor,
    .drain = drain,
    .drain_owners = drain_owners,
    .is_readable = is_readable,
    .read_ring = read_ring,
    .read_live = read_live,
    .open_rows = open_rows,
    .follows_processes = follows_processes,
    .process_counts = process_counts,
    .read_tls = read_tls,
    .list_tls = list_tls,
    .tells_nat = tells_nat,
    .prepare = prepare,
    .apply = apply,
    .settle = settle,
    .retry = retry,
    .is_whole = is_whole,
    .losses = losses,
    .read_programs = read_programs,
    .close = close_tier,
};
