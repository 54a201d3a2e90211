/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tier that keeps what it knows of a socket in the socket's own storage. Loads the BPF object,
 * attaches it, reads its rings and counters.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <malloc.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/privileges.h"
#include "collector/host/remedy.h"
#include "collector/source/accounts.h"
#include "collector/source/everywhere.h"
#include "collector/source/iterator.h"
#include "collector/source/libbpf_log.h"
#include "collector/source/loads.h"
#include "collector/source/socket_storage/attacher.h"
#include "collector/source/socket_storage/conntrack.h"
#include "collector/source/socket_storage/counts.h"
#include "collector/source/socket_storage/insider.h"
#include "collector/source/socket_storage/live.h"
#include "collector/source/socket_storage/probe.h"
#include "collector/source/socket_storage/rows.h"
#include "collector/source/socket_storage/trial.h"
#include "collector/source/socket_storage/waiting.h"
#include "collector/source/tier.h"

#include "bpf/socket_storage.skel.h"

enum ability_state {
    NOT_WANTED, /* by the configuration */
    REFUSED,    /* this kernel does not take its programs: for good */
    DETACHED,   /* its programs can be loaded, but are not attached: what hinders may go */
    WORKS,
};

struct tier {
    const struct eye_config *config;
    struct eye_features *features;
    const struct eye_steps *steps; /* of the start */
    struct socket_storage *programs;
    /* Another one with the same maps, whose payload programs are used: those of `programs` were not
     * wanted when that was loaded, or NULL. The main thread's. */
    struct socket_storage *payloads;
    struct eye_attacher *attacher; /* of protocols' programs */
    struct eye_insider *insider;   /* of probes inside TLS; NULL: not wanted */
    bool late;                     /* with --once: one was not there from the start on */
    enum eye_look_way look;
    enum ability_state states[EYE_ABILITY_COUNT];
    size_t lines[EYE_ABILITY_COUNT]; /* of what is not seen: the ability's place in the sight */
    bool place_is_noted;             /* what is not seen from where payloads come from */
    const struct eye_config *next;   /* from prepare() to apply() */
    /* By enum eye_program: of programs that were taken away again. */
    struct eye_program_stats past[EYE_PROGRAM_COUNT];
    struct eye_sight *sight;
    struct bpf_link *links[EYE_OWN_PROGRAM_COUNT];
    struct eye_rings rings;
    struct eye_live live;
    bool tells_nat; /* packets were looked at once, and will be whenever they are */
    bool conntrack_is_strange;
    struct eye_waiting_losses waiting_losses;
    struct eye_counts counts;
};

static int open_rings(struct tier *tier, struct eye_error *ret_error)
{
    struct bpf_map *const maps[EYE_RING_COUNT] = {
        [EYE_RING_OWNERS] = tier->programs->maps.owners,
        [EYE_RING_CONNECTIONS] = tier->programs->maps.connections,
        [EYE_RING_REQUESTS] = tier->programs->maps.requests,
        [EYE_RING_PROCESSES] = tier->programs->maps.processes,
    };
    return eye_rings_open(&tier->rings, maps, ret_error);
}

/* Loads the programs of what is wanted and not refused. */
static int load_at_once(struct tier *tier, struct eye_error *ret_error)
{
    socket_storage__destroy(tier->programs);
    tier->programs = eye_programs_open(tier->features);
    if (tier->programs == NULL) {
        return eye_error_set(ret_error, -errno, "cannot open the BPF object: %s", strerror(errno));
    }
    uint32_t wanted = eye_protocols_wanted(tier->config);
    tier->programs->rodata->eye_reads_tls = tier->config->protocols.tls;
    if (!tier->config->protocols.tls) {
        bpf_map__set_max_entries(tier->programs->maps.hellos, 1);
    }
    tier->programs->bss->eye_protocols_off = ~wanted;
    tier->programs->bss->eye_switches = wanted == 0;
    tier->programs->bss->eye_udp_on = tier->states[EYE_ABILITY_UDP] >= DETACHED;
    tier->programs->bss->eye_udp_by_address = eye_config_wants_addresses(tier->config);
    tier->programs->bss->eye_names_on = eye_config_wants_names(tier->config);
    eye_protocol_ports_write(tier->config, tier->programs->bss->eye_ports);
    for (size_t i = 0; i < EYE_OWN_PROGRAM_COUNT; i++) {
        enum eye_program program = (enum eye_program)i;
        bpf_program__set_autoload(eye_program_of(tier->programs, program),
                                  eye_program_is_used(program, tier->look) &&
                                      tier->states[eye_programs[program].ability] >= DETACHED);
    }
    int result = socket_storage__load(tier->programs);
    if (result != 0) {
        return eye_error_set(ret_error, result, "cannot load BPF programs: %s; %s",
                             strerror(-result), eye_remedy(-result, EYE_REMEDY_DEBUG));
    }
    tier->counts.map = bpf_map__fd(tier->programs->maps.losses);
    return 0;
}

/* Gives up what this kernel refuses; -errno when nothing useful is left. */
static int give_up_what_is_refused(struct tier *tier, struct eye_error *ret_error)
{
    struct eye_program_trial trials[EYE_PROGRAM_COUNT];
    eye_programs_try(tier->features, trials);
    int result = eye_programs_check(trials, EYE_ABILITY_CONNECTIONS, ret_error);
    for (size_t i = EYE_ABILITY_CONNECTIONS + 1; i < EYE_ABILITY_COUNT && result == 0; i++) {
        struct eye_error why;
        if (tier->states[i] == DETACHED &&
            eye_programs_check(trials, (enum eye_ability)i, &why) != 0) {
            tier->states[i] = REFUSED;
            eye_sight_note(tier->sight, &why);
        }
    }
    return result;
}

/* All programs at once, as almost every kernel takes them; only after a refusal one by one. */
static int load(struct tier *tier, struct eye_error *ret_error)
{
    if (eye_load_note(EYE_ASSET_TIER, load_at_once(tier, NULL)) == 0) {
        return 0;
    }
    int result = give_up_what_is_refused(tier, ret_error);
    return result == 0 ? eye_load_note(EYE_ASSET_TIER, load_at_once(tier, ret_error)) : result;
}

static void detach(struct tier *tier, enum eye_ability ability)
{
    for (size_t i = 0; i < EYE_OWN_PROGRAM_COUNT; i++) {
        if (eye_programs[i].ability == ability) {
            bpf_link__destroy(tier->links[i]);
            tier->links[i] = NULL;
        }
    }
}

/* Where the programs of an ability are. */
static struct socket_storage *object_of(const struct tier *tier, enum eye_ability ability)
{
    return ability == EYE_ABILITY_PACKETS && tier->payloads != NULL ? tier->payloads
                                                                    : tier->programs;
}

static int own_program(const struct tier *tier, enum eye_program program)
{
    const struct socket_storage *object = object_of(tier, eye_programs[program].ability);
    return bpf_program__fd(eye_program_of(object, program));
}

/* All programs of an ability, or none. @place: as eye_program_attach() takes it. */
static int attach(struct tier *tier, enum eye_ability ability, int place,
                  struct eye_error *ret_error)
{
    for (size_t i = 0; i < EYE_OWN_PROGRAM_COUNT; i++) {
        enum eye_program program = (enum eye_program)i;
        if (eye_programs[program].ability != ability || !eye_program_is_used(program, tier->look) ||
            eye_program_way(program) == EYE_WAY_RUN) {
            continue;
        }
        tier->links[i] = eye_program_attach(object_of(tier, ability)->obj, program, place);
        if (tier->links[i] == NULL) {
            int error = errno;
            detach(tier, ability);
            return eye_program_refused(program, error, NULL, ret_error);
        }
    }
    return 0;
}

static void note_feature(struct tier *tier, enum eye_feature feature)
{
    eye_sight_note_feature(tier->sight, tier->features, feature);
}

/* What it costs is known only now: where there are no other namespaces, nothing. */
static void note_seed(struct tier *tier, const struct eye_visited *found)
{
    const struct eye_feature_state *feature =
        eye_feature_ask(tier->features, EYE_FEATURE_NAMESPACES);
    tier->sight->unseeded = found->failed;
    if (found->failed == 0 || feature->available == EYE_ANSWER_UNKNOWN) {
        if (found->closed > 0 ||
            eye_feature_ask(tier->features, EYE_FEATURE_PROC)->available == EYE_ANSWER_NO) {
            note_feature(tier, EYE_FEATURE_NAMESPACES);
        }
        return;
    }
    const char *remedy = found->error == EAGAIN
                             ? EYE_REMEDY_THREADS
                             : eye_remedy_of_rights(found->error, CAP_SYS_ADMIN, feature->remedy);
    struct eye_error why;
    eye_error_set(&why, -found->error,
                  "connections older than the daemon are not seen in %zu network namespace%s: %s: "
                  "%s; %s",
                  found->failed, found->failed == 1 ? "" : "s", found->step, strerror(found->error),
                  remedy);
    eye_sight_note(tier->sight, &why);
}

/* Older sockets: first their entries, namespace by namespace, then the owners of their files. */
static int seed(struct tier *tier, struct eye_error *ret_error)
{
    int result = attach(tier, EYE_ABILITY_OLDER_SOCKETS, -ENOENT, ret_error);
    if (result != 0) {
        return result;
    }
    struct eye_visited found;
    eye_iterator_run_everywhere(tier->links[EYE_PROGRAM_tcp_seed], tier->config->source.proc, 0,
                                NULL, NULL, &found);
    note_seed(tier, &found);
    result = eye_iterator_run(tier->links[EYE_PROGRAM_owner_seed], 0, NULL, NULL);
    detach(tier, EYE_ABILITY_OLDER_SOCKETS);
    if (result != 0) {
        return eye_error_set(ret_error, result, "%s: cannot look at open files: %s; %s",
                             eye_ability_cost(EYE_ABILITY_OLDER_SOCKETS), strerror(-result),
                             eye_remedy(-result, EYE_REMEDY_DEBUG));
    }
    return 0;
}

static int attach_at_place(struct tier *tier, enum eye_ability ability, struct eye_error *ret_error)
{
    int place = eye_programs_payload->open(tier->features, ret_error);
    if (place < 0) {
        return place;
    }
    int result = attach(tier, ability, place, ret_error);
    close(place);
    return result;
}

/* A part of the host is better than nothing: what it costs is a line of its own. */
static void note_place(struct tier *tier)
{
    if (!tier->place_is_noted) {
        note_feature(tier, eye_programs_payload->feature);
    }
    tier->place_is_noted = true;
}

static void look_for_nat(struct tier *tier, bool on)
{
    bool looks =
        on && tier->programs->rodata->eye_packets_read_memory && eye_config_reads_nat(tier->config);
    tier->programs->bss->eye_conntrack.looks = looks;
    tier->tells_nat |= looks;
}

static int attach_packets(struct tier *tier, struct eye_error *ret_error)
{
    int result = attach_at_place(tier, EYE_ABILITY_PACKETS, ret_error);
    if (result == 0) {
        look_for_nat(tier, true);
        note_place(tier);
    }
    return result;
}

/* Its own programs, which tell what those of packets count. */
static int attach_udp(struct tier *tier, struct eye_error *ret_error)
{
    int result = attach_at_place(tier, EYE_ABILITY_UDP, ret_error);
    tier->programs->bss->eye_udp_on = result == 0;
    return result;
}

static int attach_processes(struct tier *tier, struct eye_error *ret_error)
{
    return attach(tier, EYE_ABILITY_PROCESSES, -ENOENT, ret_error);
}

/* At the same place, also where nobody wants packets. */
static int attach_unsent(struct tier *tier, struct eye_error *ret_error)
{
    return attach_at_place(tier, EYE_ABILITY_UNSENT, ret_error);
}

/* What can be done without: an ability whose programs are loaded, attached last to first needed. */
static const struct {
    const char *name;
    int (*take)(struct tier *, struct eye_error *); /* NULL: others call its programs */
    enum eye_ability needs;
} extras[EYE_ABILITY_COUNT] = {
    [EYE_ABILITY_OLDER_SOCKETS] = {"finding older sockets", seed, EYE_ABILITY_CONNECTIONS},
    [EYE_ABILITY_PACKETS] = {"attaching to packets", attach_packets, EYE_ABILITY_CONNECTIONS},
    [EYE_ABILITY_PROTOCOLS] = {"attaching to protocols", NULL, EYE_ABILITY_PACKETS},
    [EYE_ABILITY_PROCESSES] = {"attaching to processes", attach_processes, EYE_ABILITY_CONNECTIONS},
    [EYE_ABILITY_UDP] = {"attaching to UDP", attach_udp, EYE_ABILITY_PACKETS},
    [EYE_ABILITY_UNSENT] = {"attaching to connects", attach_unsent, EYE_ABILITY_PACKETS},
};

/* An ability that fails costs that, what needs it, and nothing else. What needs another one that
 * cannot be had is not said: the other one was. */
static void take_extra(struct tier *tier, enum eye_ability ability)
{
    struct eye_error why;
    enum ability_state needed = tier->states[extras[ability].needs];
    if (needed != WORKS && needed != NOT_WANTED) {
        return;
    }
    if (extras[ability].take == NULL || extras[ability].take(tier, &why) == 0) {
        tier->states[ability] = WORKS;
    } else {
        tier->lines[ability] = eye_sight_note(tier->sight, &why);
    }
}

/* -ECANCELED when there is no need of any more. */
static int attach_the_rest(struct tier *tier)
{
    int result = 0;
    for (size_t i = EYE_ABILITY_CONNECTIONS + 1; i < EYE_ABILITY_COUNT && result == 0; i++) {
        if (tier->states[i] == DETACHED) {
            result = eye_steps_next(tier->steps, extras[i].name);
        }
        if (tier->states[i] == DETACHED && result == 0) {
            take_extra(tier, (enum eye_ability)i);
        }
    }
    return result;
}

static bool retry(void *state)
{
    struct tier *tier = state;
    if (tier->states[EYE_ABILITY_PACKETS] != DETACHED) {
        return false;
    }
    eye_feature_forget(tier->features, eye_programs_payload->feature);
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    bool attached = attach_packets(tier, NULL) == 0;
    if (attached) {
        tier->states[EYE_ABILITY_PACKETS] = WORKS;
        tier->sight->over[tier->lines[EYE_ABILITY_PACKETS]] = true;
        attach_the_rest(tier);
    }
    eye_privileges_lower(privileges);
    return attached;
}

/* Of an interval that is the only one nothing is to be missed. */
static bool is_brought_at_once(const struct eye_config *config, enum eye_wish wish)
{
    return wish == EYE_WISH_ALWAYS || (wish == EYE_WISH_AUTO && config->once);
}

/* Those that must not wait until they are seen. What cannot be had now, for want of memory perhaps,
 * is tried again when it is seen. */
static void bring_protocols(struct tier *tier)
{
    for (size_t i = EYE_PROTOCOL_UNKNOWN + 1; i < EYE_PROTOCOL_COUNT; i++) {
        enum eye_protocol protocol = (enum eye_protocol)i;
        struct eye_error why;
        if (is_brought_at_once(tier->config, eye_protocol_wish(tier->config, protocol)) &&
            eye_attacher_bring(tier->attacher, protocol, &why) != 0) {
            eye_sight_note(tier->sight, &why);
            tier->late = tier->config->once;
        }
    }
}

/* With the first protocol that is wanted, if plaintext inside TLS is. */
static int look_inside(struct tier *tier, struct eye_error *ret_error)
{
    return !tier->config->protocols.tls || tier->insider != NULL
               ? 0
               : eye_insider_open(tier->programs, tier->config, &tier->insider, ret_error);
}

static int start(struct tier *tier, struct eye_error *ret_error)
{
    int result = eye_steps_next(tier->steps, "loading programs");
    if (result == 0) {
        result = load(tier, ret_error);
    }
    if (result == 0) {
        result = eye_attacher_open(tier->programs, &tier->attacher, ret_error);
    }
    if (result == 0) {
        result = eye_steps_next(tier->steps, "loading programs of protocols");
    }
    if (result == 0 && tier->states[EYE_ABILITY_PROTOCOLS] == DETACHED) {
        bring_protocols(tier);
    }
    if (result == 0) {
        result = attach(tier, EYE_ABILITY_CONNECTIONS, -ENOENT, ret_error);
    }
    if (result == 0) {
        tier->states[EYE_ABILITY_CONNECTIONS] = WORKS;
        tier->sight->since_ns = eye_clock_monotonic_ns();
        result = attach_the_rest(tier);
    }
    if (result == 0) {
        result = open_rings(tier, ret_error);
    }
    if (result == 0 && tier->states[EYE_ABILITY_PROTOCOLS] >= DETACHED) {
        result = eye_attacher_run(tier->attacher, ret_error);
    }
    if (result == 0 && tier->states[EYE_ABILITY_PROTOCOLS] >= DETACHED) {
        result = look_inside(tier, ret_error);
    }
    return result;
}

static void note_look(struct tier *tier)
{
    if (tier->look == EYE_LOOK_WAY_STORAGE &&
        eye_storage_walk(tier->features) == EYE_STORAGE_WALK_CRASHES) {
        eye_log_warning("source.look: storage: this kernel may crash while it walks over socket "
                        "storage; leave it at auto");
    }
    eye_programs_note_look(tier->features, tier->sight);
}

/* The features that cost nothing but names. */
static void note_names(struct tier *tier)
{
    note_feature(tier, EYE_FEATURE_PROC);
    note_feature(tier, EYE_FEATURE_ENVIRONMENT);
    note_feature(tier, EYE_FEATURE_CGROUP_NAMES);
}

static void close_tier(void *state)
{
    struct tier *tier = state;
    if (tier == NULL) {
        return;
    }
    for (size_t i = 0; i < EYE_ABILITY_COUNT; i++) {
        detach(tier, (enum eye_ability)i);
    }
    eye_insider_close(tier->insider);
    eye_attacher_close(tier->attacher);
    eye_rings_close(&tier->rings);
    socket_storage__destroy(tier->payloads);
    socket_storage__destroy(tier->programs);
    eye_counts_close(&tier->counts);
    free(tier);
}

static bool is_wanted(const struct eye_config *config, enum eye_ability ability)
{
    switch (ability) {
    case EYE_ABILITY_PACKETS:
        return eye_packets_wanted(config);
    case EYE_ABILITY_PROTOCOLS:
        return eye_config_wants_protocols(config);
    case EYE_ABILITY_PROCESSES:
        return eye_config_traces_processes(config);
    case EYE_ABILITY_UDP:
        return config->connections.udp;
    case EYE_ABILITY_ROWS: /* opened when somebody watches, and no part of what is counted */
        return false;
    default:
        return true;
    }
}

static int open_tier(struct eye_features *features, const struct eye_steps *steps,
                     struct eye_sight *sight, void **ret_state, struct eye_error *ret_error)
{
    const struct eye_config *config = features->config;
    struct tier *tier = calloc(1, sizeof(*tier));
    if (tier == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    libbpf_set_print(eye_libbpf_print);
    tier->config = config;
    tier->features = features;
    tier->steps = steps;
    tier->sight = sight;
    tier->look = eye_programs_look(features);
    for (size_t i = 0; i < EYE_ABILITY_COUNT; i++) {
        tier->states[i] = is_wanted(config, (enum eye_ability)i) ? DETACHED : NOT_WANTED;
    }
    note_look(tier);
    note_names(tier);
    int result = eye_counts_open(&tier->counts, ret_error);
    if (result == 0) {
        result = start(tier, ret_error);
    }
    tier->steps = NULL;
    if (result != 0) {
        close_tier(tier);
        return result;
    }
    *ret_state = tier;
    return 0;
}

static void on_record(void *state, enum eye_ring ring, eye_record_handler *handler, void *context)
{
    struct tier *tier = state;
    eye_rings_on_record(&tier->rings, ring, handler, context);
}

static int descriptor(const void *state)
{
    const struct tier *tier = state;
    return eye_rings_fd(&tier->rings);
}

static void drain(void *state)
{
    struct tier *tier = state;
    eye_rings_drain(&tier->rings);
}

static void drain_owners(void *state)
{
    struct tier *tier = state;
    eye_rings_drain_owners(&tier->rings);
}

static void read_ring(const void *state, enum eye_ring ring, struct eye_ring_stats *ret_stats)
{
    const struct tier *tier = state;
    *ret_stats = (struct eye_ring_stats){.records = eye_rings_records(&tier->rings, ring),
                                         .fill = eye_rings_fill(&tier->rings, ring)};
}

static bool is_readable(const void *state)
{
    const struct tier *tier = state;
    return eye_counts_are_readable(&tier->counts);
}

static enum eye_role role(const void *state)
{
    const struct tier *tier = state;
    return tier->look == EYE_LOOK_WAY_TABLES ? EYE_ROLE_VISITOR : EYE_ROLE_COLLECTOR;
}

/* Of a protocol that was never seen nothing waits. */
static int sweep_waiting(struct tier *tier)
{
    const struct eye_waiting_limits limits = {
        .now_ns = eye_clock_monotonic_ns(),
        .timeout_ns = tier->config->dns.timeout_ns,
        .epochs = tier->programs->bss->eye_epochs,
    };
    return eye_attacher_program(tier->attacher, EYE_PROGRAM_dns_received) > 0
               ? eye_waiting_sweep(bpf_map__fd(tier->programs->maps.waiting), &limits,
                                   &tier->waiting_losses, &tier->rings)
               : 0;
}

static int read_live(void *state, uint32_t pass, bool full, eye_record_handler *handler,
                     void *context, uint64_t *ret_records)
{
    struct tier *tier = state;
    bool by_table = tier->look == EYE_LOOK_WAY_TABLES;
    enum eye_program tcp = by_table ? EYE_PROGRAM_tcp_live_table : EYE_PROGRAM_tcp_live;
    enum eye_program udp = by_table ? EYE_PROGRAM_udp_live_table : EYE_PROGRAM_udp_live;
    const struct eye_live_request request = {
        .programs = tier->programs,
        .tcp = tier->links[tcp],
        .udp = tier->links[udp],
        .flows = own_program(tier, EYE_PROGRAM_udp_flow_live),
        .proc = by_table ? tier->config->source.proc : NULL,
        .counts = &tier->counts,
        .pass = pass,
        .full = full,
        .handler = handler,
        .context = context,
    };
    eye_conntrack_learn(tier->programs, &tier->conntrack_is_strange);
    int result = eye_live_read(&tier->live, &request, ret_records);
    return result == 0 ? sweep_waiting(tier) : result;
}

static bool is_off(const struct tier *tier, enum eye_protocol protocol)
{
    return eye_protocol_wish(tier->config, protocol) == EYE_WISH_NEVER;
}

static bool read_program(int fd, struct bpf_prog_info *ret_info)
{
    __u32 size = sizeof(*ret_info);
    memset(ret_info, 0, sizeof(*ret_info));
    return fd >= 0 && bpf_obj_get_info_by_fd(fd, ret_info, &size) == 0;
}

static uint64_t count_unhandled(const struct tier *tier)
{
    struct bpf_prog_info info;
    uint64_t skipped =
        read_program(own_program(tier, EYE_PROGRAM_tcp_state), &info) ? info.recursion_misses : 0;
    return eye_account_unhandled(skipped, eye_counts_sum(&tier->counts, EYE_COUNT_HEALED));
}

static void losses(const void *state, uint64_t ret_losses[EYE_LOSS_COUNT])
{
    const struct tier *tier = state;
    for (uint32_t loss = 0; loss < EYE_LOSS_COUNT; loss++) {
        ret_losses[loss] = eye_counts_sum(&tier->counts, loss);
    }
    ret_losses[EYE_LOSS_TCP_RECURSION] = count_unhandled(tier);
    ret_losses[EYE_LOSS_TCP_VANISHED] = tier->live.vanished;
    ret_losses[EYE_LOSS_TCP_LOOK] = tier->live.unproved;
    for (uint32_t i = EYE_PROTOCOL_UNKNOWN + 1; i < EYE_PROTOCOL_COUNT; i++) {
        ret_losses[EYE_LOSS_OF_PARSER(i) + EYE_LOST_PIPELINE] += tier->waiting_losses.pipeline[i];
    }
}

static bool follows_processes(const void *state)
{
    const struct tier *tier = state;
    return tier->states[EYE_ABILITY_PROCESSES] == WORKS;
}

static bool read_tls(const void *state, struct eye_tls_counts *ret_counts)
{
    const struct tier *tier = state;
    if (tier->insider == NULL) {
        return false;
    }
    eye_insider_read(tier->insider, ret_counts);
    ret_counts->hellos = tier->programs->bss->eye_hellos_seen;
    return true;
}

static bool list_tls(const void *state, eye_tls_file_handler *handler, void *context)
{
    const struct tier *tier = state;
    if (tier->insider == NULL) {
        return false;
    }
    eye_insider_list(tier->insider, handler, context);
    return true;
}

static struct eye_process_counts process_counts(const void *state)
{
    const struct tier *tier = state;
    return (struct eye_process_counts){.execs = eye_counts_sum(&tier->counts, EYE_COUNT_EXECS),
                                       .exits = eye_counts_sum(&tier->counts, EYE_COUNT_EXITS)};
}

static bool tells_nat(const void *state)
{
    const struct tier *tier = state;
    return tier->tells_nat && !tier->conntrack_is_strange;
}

/* Adds a program to what is told; @works: it is attached, or called by one that is. */
static void tell_program(const struct tier *tier, enum eye_program program, int fd, bool works,
                         struct eye_program_stats *ret_stats)
{
    struct bpf_prog_info info;
    read_program(fd, &info);
    *ret_stats = (struct eye_program_stats){
        .name = eye_programs[program].name,
        .works = works,
        .runs = tier->past[program].runs + info.run_cnt,
        .time_ns = tier->past[program].time_ns + info.run_time_ns,
    };
}

/* Those of protocols that were never seen are no news. */
static size_t read_programs(const void *state, struct eye_program_stats ret_stats[EYE_PROGRAMS_MAX])
{
    const struct tier *tier = state;
    size_t count = 0;
    for (size_t i = 0; i < EYE_OWN_PROGRAM_COUNT; i++) {
        enum eye_program program = (enum eye_program)i;
        enum ability_state ability = tier->states[eye_programs[program].ability];
        if (ability != NOT_WANTED && eye_program_is_used(program, tier->look)) {
            tell_program(tier, program, own_program(tier, program), ability == WORKS,
                         &ret_stats[count++]);
        }
    }
    for (size_t i = EYE_OWN_PROGRAM_COUNT; i < EYE_PROGRAM_BEHIND_PROTOCOLS; i++) {
        enum eye_program program = (enum eye_program)i;
        int fd = is_off(tier, eye_program_protocol(program))
                     ? 0
                     : eye_attacher_program(tier->attacher, program);
        if (fd != 0) {
            tell_program(tier, program, fd, fd > 0 && tier->states[EYE_ABILITY_PACKETS] == WORKS,
                         &ret_stats[count++]);
        }
    }
    return count;
}

static bool is_whole(const void *state)
{
    const struct tier *tier = state;
    for (size_t i = 0; i < EYE_ABILITY_COUNT; i++) {
        if (tier->states[i] != WORKS && tier->states[i] != NOT_WANTED) {
            return false;
        }
    }
    return !tier->late && eye_attacher_is_whole(tier->attacher);
}

/* ---- Another configuration ---- */

/* Those that were not wanted when the tier's object was loaded, in one more of the kind. */
static int load_payloads(struct tier *tier, struct eye_error *ret_error)
{
    struct socket_storage *object = eye_programs_open(tier->features);
    int result = object == NULL ? -errno : eye_share_maps(object->obj, tier->programs->obj, true);
    for (size_t i = 0; i < EYE_OWN_PROGRAM_COUNT && result == 0; i++) {
        enum eye_program program = (enum eye_program)i;
        bpf_program__set_autoload(eye_program_of(object, program),
                                  eye_programs[program].ability == EYE_ABILITY_PACKETS);
    }
    if (result == 0) {
        result = socket_storage__load(object);
    }
    if (result != 0) {
        socket_storage__destroy(object);
        return eye_error_set(ret_error, result, "%s: cannot load BPF programs: %s; %s",
                             eye_ability_cost(EYE_ABILITY_PROTOCOLS), strerror(-result),
                             eye_remedy(-result, EYE_REMEDY_DEBUG));
    }
    tier->payloads = object;
    malloc_trim(0); /* as after the start */
    return 0;
}

/* Nothing of protocols was there, perhaps not even the programs that hand payloads over. All of
 * them are off still, so they recognise nothing. */
static int prepare_payloads(struct tier *tier, struct eye_error *ret_error)
{
    int result = eye_attacher_run(tier->attacher, ret_error);
    if (result == 0) {
        result = look_inside(tier, ret_error);
    }
    if (result != 0 || tier->states[EYE_ABILITY_PACKETS] != NOT_WANTED) {
        return result;
    }
    if (own_program(tier, EYE_PROGRAM_payload_sent) < 0) {
        result = eye_load_note(EYE_ASSET_TIER, load_payloads(tier, ret_error));
    }
    return result == 0 ? attach_at_place(tier, EYE_ABILITY_PACKETS, ret_error) : result;
}

/* From now on it is not to be missed. */
static bool is_prepared(const struct tier *tier, enum eye_protocol protocol)
{
    return eye_protocol_wish(tier->next, protocol) == EYE_WISH_ALWAYS &&
           eye_protocol_wish(tier->config, protocol) != EYE_WISH_ALWAYS;
}

static int prepare(void *state, const struct eye_config *config, struct eye_error *ret_error)
{
    struct tier *tier = state;
    int result = 0;
    tier->next = config;
    if (eye_config_wants_protocols(config) && !eye_config_wants_protocols(tier->config)) {
        result = prepare_payloads(tier, ret_error);
    }
    for (size_t i = EYE_PROTOCOL_UNKNOWN + 1; i < EYE_PROTOCOL_COUNT && result == 0; i++) {
        enum eye_protocol protocol = (enum eye_protocol)i;
        if (is_prepared(tier, protocol)) {
            result = eye_attacher_prepare(tier->attacher, protocol, ret_error);
        }
    }
    return result;
}

/* Its programs are about to go: what they did so far is remembered. */
static void end_protocol(struct tier *tier, enum eye_protocol protocol)
{
    enum eye_program first = eye_protocol_program(protocol);
    for (enum eye_program program = first; program < first + 2; program++) {
        struct bpf_prog_info info;
        read_program(eye_attacher_program(tier->attacher, program), &info);
        tier->past[program].runs += info.run_cnt;
        tier->past[program].time_ns += info.run_time_ns;
    }
    __atomic_fetch_add(&tier->programs->bss->eye_epochs[protocol], 1, __ATOMIC_SEQ_CST);
}

/* The payload programs are attached by now, or will be detached soon. */
static void switch_packets(struct tier *tier, bool on)
{
    enum ability_state *packets = &tier->states[EYE_ABILITY_PACKETS];
    if (on) {
        eye_feature_forget(tier->features, eye_programs_payload->feature);
        note_place(tier);
    } else if (*packets == DETACHED) {
        tier->sight->over[tier->lines[EYE_ABILITY_PACKETS]] = true;
    }
    *packets = on ? WORKS : NOT_WANTED;
    look_for_nat(tier, on);
}

/* All protocols are on or off together. */
static void switch_protocols(struct tier *tier, bool on)
{
    __atomic_fetch_add(&tier->programs->bss->eye_switches, 1, __ATOMIC_SEQ_CST);
    if (!tier->config->connections.udp) {
        switch_packets(tier, on);
    }
    tier->states[EYE_ABILITY_PROTOCOLS] = !on                                          ? NOT_WANTED
                                          : tier->states[EYE_ABILITY_PACKETS] == WORKS ? WORKS
                                                                                       : DETACHED;
}

/* Those that end are off first, so that nothing is taken for theirs in between. */
static void apply(void *state)
{
    struct tier *tier = state;
    uint32_t before = eye_protocols_wanted(tier->config);
    uint32_t wanted = eye_protocols_wanted(tier->next);
    __atomic_store_n(&tier->programs->bss->eye_protocols_off, ~wanted, __ATOMIC_SEQ_CST);
    for (size_t i = EYE_PROTOCOL_UNKNOWN + 1; i < EYE_PROTOCOL_COUNT; i++) {
        if (before & ~wanted & 1U << i) {
            end_protocol(tier, (enum eye_protocol)i);
        }
    }
    if (tier->insider != NULL) {
        eye_insider_follow(tier->insider, wanted);
    }
    if ((before == 0) != (wanted == 0)) {
        switch_protocols(tier, wanted != 0);
    }
    tier->programs->bss->eye_udp_by_address = eye_config_wants_addresses(tier->next);
    tier->programs->bss->eye_names_on = eye_config_wants_names(tier->next);
    eye_protocol_ports_write(tier->next, tier->programs->bss->eye_ports);
    tier->config = tier->next;
}

static void settle(void *state)
{
    struct tier *tier = state;
    if (!eye_packets_wanted(tier->config)) {
        detach(tier, EYE_ABILITY_PACKETS);
    }
    for (size_t i = EYE_PROTOCOL_UNKNOWN + 1; i < EYE_PROTOCOL_COUNT; i++) {
        if (is_off(tier, (enum eye_protocol)i)) {
            eye_attacher_drop(tier->attacher, (enum eye_protocol)i);
        }
    }
    if (tier->insider != NULL) {
        eye_insider_exclude(tier->insider, tier->config);
    }
}

static int open_rows(const void *state, void **ret_rows, struct eye_error *ret_error)
{
    const struct tier *tier = state;
    return eye_rows_load(tier->programs->obj, tier->look, tier->config->source.proc, ret_rows,
                         ret_error);
}

static const char *const never_seen[] = {
    "inside TLS, but for what protocols.tls reads: the bytes of records alone",
    "inside TLS of Java (JSSE), rustls, NSS, QUIC: protocols.tls does not read it",
    "DNS over UDP at other ports than 53",
    "requests over MPTCP with several subflows, but for a few",
    "bytes that a sockmap redirects between sockets",
    "data over SMC: its TCP socket has the handshake alone",
    "NAT of UDP, and of other network namespaces than a socket's own",
    "sockets of other kinds than TCP and UDP, and what is inside tunnels' packets",
    "the error of a connect() that fails before a SYN is sent",
    NULL,
};

_Static_assert(EYE_PROGRAM_COUNT <= EYE_PROGRAMS_MAX, "programs have no room in what tiers tell");

const struct eye_tier_type eye_tier_socket_storage = {
    .name = "socket-storage",
    .never_seen = never_seen,
    .programs = eye_programs,
    .program_count = EYE_PROGRAM_COUNT,
    .check = eye_features_check,
    .probe = eye_socket_storage_probe,
    .open = open_tier,
    .on_record = on_record,
    .descriptor = descriptor,
    .drain = drain,
    .drain_owners = drain_owners,
    .is_readable = is_readable,
    .role = role,
    .read_ring = read_ring,
    .read_live = read_live,
    .open_rows = open_rows,
    .read_rows = eye_rows_read,
    .drain_rows = eye_rows_drain,
    .lost_rows = eye_rows_lost,
    .close_rows = eye_rows_close,
    .prepare = prepare,
    .apply = apply,
    .settle = settle,
    .retry = retry,
    .is_whole = is_whole,
    .losses = losses,
    .follows_processes = follows_processes,
    .process_counts = process_counts,
    .read_tls = read_tls,
    .list_tls = list_tls,
    .tells_nat = tells_nat,
    .read_programs = read_programs,
    .close = close_tier,
};
