/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the BPF object, attaches it, reads its rings and counters. */
#include "collector/kernel/kernel.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "collector/base/clock.h"
#include "collector/kernel/accounts.h"
#include "collector/kernel/host.h"
#include "collector/kernel/iterator.h"
#include "collector/kernel/remedy.h"
#include "collector/kernel/ring_pages.h"
#include "collector/kernel/seed.h"
#include "collector/kernel/trial.h"

#include "bpf/socket_storage.skel.h"

/* Records per drain: a second of the busiest traffic measured; the next drain goes on. */
#define DRAIN_MAX 400000

/* Runs of the live iterator in one look. Each meets most of what is left, so that two or three are
 * enough; of more than a million sockets the kernel shows no run whole. Counted as
 * EYE_LOSS_TCP_LOOK. */
#define LOOK_RUNS_MAX 8

#define DEBUG_SHOWS "log.level: debug shows what libbpf and the verifier said"

struct ring {
    struct eye_kernel *kernel;
    eye_record_handler *handler;
    void *context;
    uint64_t records;
    struct eye_ring_pages pages;
    size_t bytes; /* its size */
};

enum ability_state {
    NOT_WANTED, /* by the configuration */
    REFUSED,    /* this kernel does not take its programs: for good */
    DETACHED,   /* its programs can be loaded, but are not attached: what hinders may go */
    WORKS,
};

struct eye_kernel {
    const struct eye_config *config;
    struct eye_feature_state features[EYE_FEATURE_COUNT];
    struct socket_storage *programs;
    enum ability_state states[EYE_ABILITY_COUNT];
    struct eye_error shortcomings[EYE_SHORTCOMINGS_MAX];
    size_t shortcoming_count;
    struct bpf_link *links[EYE_PROGRAM_COUNT];
    struct ring_buffer *owners; /* a reader of its own: see eye_kernel_drain_owners() */
    struct ring_buffer *reader; /* of the other rings */
    struct ring rings[EYE_RING_COUNT];
    size_t drained; /* in the present drain */
    uint64_t live_records;
    size_t unseeded;   /* network namespaces */
    uint64_t since_ns; /* monotonic: the programs see */
    uint64_t vanished; /* connections whose end was not seen */
    uint64_t unproved; /* looks that have perhaps not met every socket */
    int cpus;
    uint64_t *cpu_values; /* one per CPU: where a per-CPU look-up lands */
};

const char *eye_ring_name(enum eye_ring ring)
{
    static const char *const names[] = {"owners", "connections", "requests"};
    return names[ring];
}

const char *eye_loss_program(enum eye_loss loss)
{
    static const char *const programs[] = {
#define X(identifier, program, reason) program,
        EYE_LOSSES(X)
#undef X
    };
    return programs[loss];
}

const char *eye_loss_reason(enum eye_loss loss)
{
    static const char *const reasons[] = {
#define X(identifier, program, reason) reason,
        EYE_LOSSES(X)
#undef X
    };
    return reasons[loss];
}

/* libbpf would print whole verifier logs to stderr: they go to the debug log. */
__attribute__((format(printf, 2, 0))) static int print_debug(enum libbpf_print_level level,
                                                             const char *format, va_list arguments)
{
    (void)level;
    char line[2048];
    vsnprintf(line, sizeof(line), format, arguments);
    eye_log_debug("%s", line);
    return 0;
}

static int take_record(void *context, void *record, size_t bytes)
{
    struct ring *ring = context;
    ring->records++;
    ring->handler(ring->context, record, bytes);
    return ++ring->kernel->drained < DRAIN_MAX ? 0 : -EAGAIN;
}

static struct bpf_map *map_of_ring(const struct eye_kernel *kernel, enum eye_ring ring)
{
    struct bpf_map *const maps[] = {
        [EYE_RING_OWNERS] = kernel->programs->maps.owners,
        [EYE_RING_CONNECTIONS] = kernel->programs->maps.connections,
        [EYE_RING_REQUESTS] = kernel->programs->maps.requests,
    };
    return maps[ring];
}

static int add_to_reader(struct ring_buffer **reader, int fd, struct ring *ring)
{
    if (*reader != NULL) {
        return ring_buffer__add(*reader, fd, take_record, ring);
    }
    *reader = ring_buffer__new(fd, take_record, ring, NULL);
    return *reader == NULL ? -errno : 0;
}

/* Whoever waits for the other rings is woken by the owners', too. */
static int join_readers(struct eye_kernel *kernel)
{
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(ring_buffer__epoll_fd(kernel->reader), EPOLL_CTL_ADD,
                     ring_buffer__epoll_fd(kernel->owners), &event) != 0
               ? -errno
               : 0;
}

static int open_rings(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    for (size_t i = 0; i < EYE_RING_COUNT; i++) {
        struct ring *ring = &kernel->rings[i];
        ring->kernel = kernel;
        struct bpf_map *map = map_of_ring(kernel, (enum eye_ring)i);
        ring->bytes = bpf_map__max_entries(map);
        int result = add_to_reader(i == EYE_RING_OWNERS ? &kernel->owners : &kernel->reader,
                                   bpf_map__fd(map), ring);
        if (result == 0) {
            result = eye_ring_pages_map(bpf_map__fd(map), &ring->pages);
        }
        if (result != 0) {
            return eye_error_set(ret_error, result, "cannot map ring buffer %s: %s; %s",
                                 eye_ring_name((enum eye_ring)i), strerror(-result),
                                 eye_remedy(-result, DEBUG_SHOWS));
        }
    }
    int result = join_readers(kernel);
    return result == 0 ? 0
                       : eye_error_set(ret_error, result, "cannot watch ring buffers: %s",
                                       strerror(-result));
}

static void note_shortcoming(struct eye_kernel *kernel, const struct eye_error *why)
{
    assert(kernel->shortcoming_count < EYE_SHORTCOMINGS_MAX);
    kernel->shortcomings[kernel->shortcoming_count++] = *why;
}

/* Loads the programs of what is wanted and not refused. */
static int load_at_once(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    socket_storage__destroy(kernel->programs);
    kernel->programs = eye_programs_open();
    if (kernel->programs == NULL) {
        return eye_error_set(ret_error, -errno, "cannot open the BPF object: %s", strerror(errno));
    }
    for (size_t i = 0; i < EYE_PROGRAM_COUNT; i++) {
        enum eye_program program = (enum eye_program)i;
        bpf_program__set_autoload(eye_program_of(kernel->programs, program),
                                  kernel->states[eye_program_ability(program)] >= DETACHED);
    }
    int result = socket_storage__load(kernel->programs);
    if (result != 0) {
        return eye_error_set(ret_error, result, "cannot load BPF programs: %s; %s",
                             strerror(-result), eye_remedy(-result, DEBUG_SHOWS));
    }
    return 0;
}

/* Gives up what this kernel refuses; -errno when nothing useful is left. */
static int give_up_what_is_refused(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    struct eye_program_trial trials[EYE_PROGRAM_COUNT];
    eye_programs_try(kernel->config, trials);
    int result = eye_programs_check(trials, EYE_ABILITY_CONNECTIONS, ret_error);
    for (size_t i = EYE_ABILITY_CONNECTIONS + 1; i < EYE_ABILITY_COUNT && result == 0; i++) {
        struct eye_error why;
        if (kernel->states[i] == DETACHED &&
            eye_programs_check(trials, (enum eye_ability)i, &why) != 0) {
            kernel->states[i] = REFUSED;
            note_shortcoming(kernel, &why);
        }
    }
    return result;
}

/* All programs at once, as almost every kernel takes them; only after a refusal one by one. */
static int load(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    if (load_at_once(kernel, NULL) == 0) {
        return 0;
    }
    int result = give_up_what_is_refused(kernel, ret_error);
    return result == 0 ? load_at_once(kernel, ret_error) : result;
}

static void detach(struct eye_kernel *kernel, enum eye_ability ability)
{
    for (size_t i = 0; i < EYE_PROGRAM_COUNT; i++) {
        if (eye_program_ability((enum eye_program)i) == ability) {
            bpf_link__destroy(kernel->links[i]);
            kernel->links[i] = NULL;
        }
    }
}

/* All programs of an ability, or none. @cgroup: as eye_program_attach() takes it. */
static int attach(struct eye_kernel *kernel, enum eye_ability ability, int cgroup,
                  struct eye_error *ret_error)
{
    for (size_t i = 0; i < EYE_PROGRAM_COUNT; i++) {
        enum eye_program program = (enum eye_program)i;
        if (eye_program_ability(program) != ability) {
            continue;
        }
        kernel->links[i] = eye_program_attach(kernel->programs, program, cgroup);
        if (kernel->links[i] == NULL) {
            int error = errno;
            detach(kernel, ability);
            return eye_program_refused(program, error, NULL, ret_error);
        }
    }
    return 0;
}

static void note_feature(struct eye_kernel *kernel, enum eye_feature feature)
{
    struct eye_error why;
    if (eye_feature_check(&kernel->features[feature], &why) != 0) {
        note_shortcoming(kernel, &why);
    }
}

/* What it costs is known only now: where there are no other namespaces, nothing. */
static void note_seed(struct eye_kernel *kernel, const struct eye_seed *found)
{
    const struct eye_feature_state *feature = &kernel->features[EYE_FEATURE_NAMESPACES];
    kernel->unseeded = found->unseeded;
    if (found->unseeded == 0 || feature->available == EYE_ANSWER_UNKNOWN) {
        if (found->closed > 0 || kernel->features[EYE_FEATURE_PROC].available == EYE_ANSWER_NO) {
            note_feature(kernel, EYE_FEATURE_NAMESPACES);
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
                  found->unseeded, found->unseeded == 1 ? "" : "s", found->step,
                  strerror(found->error), remedy);
    note_shortcoming(kernel, &why);
}

/* Older sockets: first their entries, namespace by namespace, then the owners of their files. */
static int seed(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    int result = attach(kernel, EYE_ABILITY_OLDER_SOCKETS, -ENOENT, ret_error);
    if (result != 0) {
        return result;
    }
    struct eye_seed found;
    eye_seed_namespaces(kernel->links[EYE_PROGRAM_tcp_seed], kernel->config->source.proc, &found);
    note_seed(kernel, &found);
    result = eye_iterator_run(kernel->links[EYE_PROGRAM_owner_seed], 0, NULL, NULL);
    detach(kernel, EYE_ABILITY_OLDER_SOCKETS);
    if (result != 0) {
        return eye_error_set(ret_error, result, "%s: cannot look at open files: %s; %s",
                             eye_ability_cost(EYE_ABILITY_OLDER_SOCKETS), strerror(-result),
                             eye_remedy(-result, DEBUG_SHOWS));
    }
    return 0;
}

/* A part of the tree is better than nothing: what it costs is a shortcoming of its own. */
static int attach_protocols(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    const struct eye_config *config = kernel->config;
    struct eye_cgroup cgroup;
    int result = eye_cgroup_open(config->source.cgroup, config->source.proc, &cgroup);
    eye_feature_probe(config, EYE_FEATURE_CGROUP2, &kernel->features[EYE_FEATURE_CGROUP2]);
    if (result != 0) {
        eye_feature_check(&kernel->features[EYE_FEATURE_CGROUP2], ret_error);
        return result;
    }
    result = attach(kernel, EYE_ABILITY_PROTOCOLS, cgroup.fd, ret_error);
    close(cgroup.fd);
    return result;
}

/* What can be done without, step by step: a step that fails costs that and nothing else. */
static void attach_the_rest(struct eye_kernel *kernel)
{
    static int (*const steps[EYE_ABILITY_COUNT])(struct eye_kernel *, struct eye_error *) = {
        [EYE_ABILITY_OLDER_SOCKETS] = seed,
        [EYE_ABILITY_PROTOCOLS] = attach_protocols,
    };
    for (size_t i = EYE_ABILITY_CONNECTIONS + 1; i < EYE_ABILITY_COUNT; i++) {
        struct eye_error why;
        if (kernel->states[i] != DETACHED) {
            continue;
        }
        if (steps[i](kernel, &why) == 0) {
            kernel->states[i] = WORKS;
        } else {
            note_shortcoming(kernel, &why);
        }
    }
    if (kernel->states[EYE_ABILITY_PROTOCOLS] == WORKS) {
        note_feature(kernel, EYE_FEATURE_CGROUP2);
    }
}

bool eye_kernel_retry(struct eye_kernel *kernel)
{
    if (kernel->states[EYE_ABILITY_PROTOCOLS] != DETACHED || attach_protocols(kernel, NULL) != 0) {
        return false;
    }
    kernel->states[EYE_ABILITY_PROTOCOLS] = WORKS;
    return true;
}

static int start(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    int result = load(kernel, ret_error);
    if (result == 0) {
        result = attach(kernel, EYE_ABILITY_CONNECTIONS, -ENOENT, ret_error);
    }
    if (result == 0) {
        kernel->states[EYE_ABILITY_CONNECTIONS] = WORKS;
        kernel->since_ns = eye_clock_monotonic_ns();
        attach_the_rest(kernel);
        result = open_rings(kernel, ret_error);
    }
    return result;
}

static int count_cpus(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    kernel->cpus = libbpf_num_possible_cpus();
    if (kernel->cpus <= 0) {
        return eye_error_set(ret_error, kernel->cpus, "cannot count CPUs: %s",
                             strerror(-kernel->cpus));
    }
    kernel->cpu_values = calloc((size_t)kernel->cpus, sizeof(uint64_t));
    return kernel->cpu_values == NULL ? eye_error_set(ret_error, -ENOMEM, "out of memory") : 0;
}

/* The features that cost nothing but names. */
static void note_names(struct eye_kernel *kernel)
{
    note_feature(kernel, EYE_FEATURE_PROC);
    note_feature(kernel, EYE_FEATURE_ENVIRONMENT);
    note_feature(kernel, EYE_FEATURE_CGROUP_NAMES);
}

int eye_kernel_open(const struct eye_config *config,
                    const struct eye_feature_state features[EYE_FEATURE_COUNT],
                    struct eye_kernel **ret_kernel, struct eye_error *ret_error)
{
    struct eye_kernel *kernel = calloc(1, sizeof(*kernel));
    if (kernel == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    libbpf_set_print(print_debug);
    kernel->config = config;
    memcpy(kernel->features, features, sizeof(kernel->features));
    for (size_t i = 0; i < EYE_ABILITY_COUNT; i++) {
        bool wanted = i != EYE_ABILITY_PROTOCOLS || config->protocols.http;
        kernel->states[i] = wanted ? DETACHED : NOT_WANTED;
    }
    note_names(kernel);
    int result = count_cpus(kernel, ret_error);
    if (result == 0) {
        result = start(kernel, ret_error);
    }
    if (result != 0) {
        eye_kernel_close(kernel);
        return result;
    }
    *ret_kernel = kernel;
    return 0;
}

void eye_kernel_close(struct eye_kernel *kernel)
{
    if (kernel == NULL) {
        return;
    }
    for (size_t i = 0; i < EYE_ABILITY_COUNT; i++) {
        detach(kernel, (enum eye_ability)i);
    }
    ring_buffer__free(kernel->reader);
    ring_buffer__free(kernel->owners);
    for (size_t i = 0; i < EYE_RING_COUNT; i++) {
        eye_ring_pages_unmap(&kernel->rings[i].pages);
    }
    socket_storage__destroy(kernel->programs);
    free(kernel->cpu_values);
    free(kernel);
}

uint64_t eye_kernel_since_ns(const struct eye_kernel *kernel)
{
    return kernel->since_ns;
}

void eye_kernel_on_record(struct eye_kernel *kernel, enum eye_ring ring,
                          eye_record_handler *handler, void *context)
{
    kernel->rings[ring].handler = handler;
    kernel->rings[ring].context = context;
}

int eye_kernel_fd(const struct eye_kernel *kernel)
{
    return ring_buffer__epoll_fd(kernel->reader);
}

size_t eye_kernel_drain(struct eye_kernel *kernel)
{
    kernel->drained = 0;
    ring_buffer__consume(kernel->owners);
    ring_buffer__consume(kernel->reader);
    return kernel->drained;
}

void eye_kernel_drain_owners(struct eye_kernel *kernel)
{
    ring_buffer__consume(kernel->owners);
}

struct live_reader {
    eye_record_handler *handler;
    void *context;
    const volatile bool *ended; /* set by the program at the end of a run */
    uint64_t records;
    size_t reads; /* of the present run, the last one not counted */
    bool whole;   /* the present run was one read: it met every socket that lived through it */
};

static void split_live(void *context, const void *data, size_t bytes)
{
    struct live_reader *reader = context;
    const struct eye_connection_record *record = data;
    if (reader->reads++ == 0) {
        reader->whole = *reader->ended;
    }
    reader->records += bytes / sizeof(*record);
    for (size_t i = 0; i < bytes / sizeof(*record); i++) {
        reader->handler(reader->context, &record[i], sizeof(*record));
    }
}

static int run_live(const struct eye_kernel *kernel, struct live_reader *reader, bool again)
{
    kernel->programs->bss->eye_live_again = again;
    kernel->programs->bss->eye_live_ended = false;
    reader->reads = 0;
    reader->whole = true; /* no read gave anything: the last one saw all */
    return eye_iterator_run(kernel->links[EYE_PROGRAM_tcp_live],
                            sizeof(struct eye_connection_record), split_live, reader);
}

/* All sockets, and those which the runs before passed over, until a run is whole. */
static int look(const struct eye_kernel *kernel, struct live_reader *reader)
{
    int result = run_live(kernel, reader, false);
    for (int runs = 1; runs < LOOK_RUNS_MAX && result == 0 && !reader->whole; runs++) {
        result = run_live(kernel, reader, true);
    }
    kernel->programs->bss->eye_live_again = false;
    return result;
}

static uint64_t sum_over_cpus(const struct eye_kernel *kernel, uint32_t key)
{
    uint64_t sum = 0;
    if (bpf_map_lookup_elem(bpf_map__fd(kernel->programs->maps.losses), &key, kernel->cpu_values) ==
        0) {
        for (int cpu = 0; cpu < kernel->cpus; cpu++) {
            sum += kernel->cpu_values[cpu];
        }
    }
    return sum;
}

int eye_kernel_read_live(struct eye_kernel *kernel, uint32_t pass, bool full,
                         eye_record_handler *handler, void *context)
{
    struct live_reader reader = {
        .handler = handler,
        .context = context,
        .ended = &kernel->programs->bss->eye_live_ended,
    };
    struct eye_balance balance = {.entered = sum_over_cpus(kernel, EYE_COUNT_ENTERED)};
    kernel->programs->bss->eye_live_began_ns = eye_clock_monotonic_ns();
    kernel->programs->bss->eye_live_met = 0;
    kernel->programs->data->eye_pass = pass;
    kernel->programs->data->eye_live_look++;
    /* In this order, so that who leaves in between is counted twice rather than not at all. */
    uint64_t unmet_before = sum_over_cpus(kernel, EYE_COUNT_UNMET);
    balance.left = sum_over_cpus(kernel, EYE_COUNT_LEFT);
    int result = look(kernel, &reader);
    kernel->live_records += reader.records;
    kernel->unproved += result == 0 && !reader.whole;
    if (full && result == 0) {
        balance.left += sum_over_cpus(kernel, EYE_COUNT_UNMET) - unmet_before;
        balance.alive = kernel->programs->bss->eye_live_met;
        balance.whole = reader.whole;
        kernel->vanished = eye_account_vanished(&balance, kernel->vanished);
    }
    return result;
}

static bool read_program(const struct eye_kernel *kernel, enum eye_program program,
                         struct bpf_prog_info *ret_info)
{
    __u32 size = sizeof(*ret_info);
    int fd = bpf_program__fd(eye_program_of(kernel->programs, program));
    memset(ret_info, 0, sizeof(*ret_info));
    return fd >= 0 && bpf_obj_get_info_by_fd(fd, ret_info, &size) == 0;
}

static uint64_t count_unhandled(const struct eye_kernel *kernel)
{
    struct bpf_prog_info info;
    uint64_t skipped =
        read_program(kernel, EYE_PROGRAM_tcp_state, &info) ? info.recursion_misses : 0;
    return eye_account_unhandled(skipped, sum_over_cpus(kernel, EYE_COUNT_HEALED));
}

void eye_kernel_losses(const struct eye_kernel *kernel, uint64_t ret_losses[EYE_LOSS_COUNT])
{
    for (uint32_t loss = 0; loss < EYE_LOSS_COUNT; loss++) {
        ret_losses[loss] = sum_over_cpus(kernel, loss);
    }
    ret_losses[EYE_LOSS_TCP_RECURSION] = count_unhandled(kernel);
    ret_losses[EYE_LOSS_TCP_VANISHED] = kernel->vanished;
    ret_losses[EYE_LOSS_TCP_LOOK] = kernel->unproved;
}

double eye_kernel_ring_fill(const struct eye_kernel *kernel, enum eye_ring ring)
{
    const struct ring *mapped = &kernel->rings[ring];
    unsigned long used = *mapped->pages.producer - *mapped->pages.consumer;
    return (double)used / (double)mapped->bytes;
}

uint64_t eye_kernel_ring_records(const struct eye_kernel *kernel, enum eye_ring ring)
{
    return kernel->rings[ring].records;
}

uint64_t eye_kernel_live_records(const struct eye_kernel *kernel)
{
    return kernel->live_records;
}

size_t eye_kernel_programs(const struct eye_kernel *kernel,
                           struct eye_program_stats ret_stats[EYE_PROGRAM_COUNT])
{
    size_t count = 0;
    for (size_t i = 0; i < EYE_PROGRAM_COUNT; i++) {
        enum eye_program program = (enum eye_program)i;
        enum eye_ability ability = eye_program_ability(program);
        struct bpf_prog_info info;
        if (kernel->states[ability] == NOT_WANTED) {
            continue;
        }
        read_program(kernel, program, &info);
        ret_stats[count++] = (struct eye_program_stats){
            .name = eye_program_name(program),
            .works = kernel->states[ability] == WORKS,
            .runs = info.run_cnt,
            .time_ns = info.run_time_ns,
        };
    }
    return count;
}

bool eye_kernel_is_whole(const struct eye_kernel *kernel)
{
    for (size_t i = 0; i < EYE_ABILITY_COUNT; i++) {
        if (kernel->states[i] != WORKS && kernel->states[i] != NOT_WANTED) {
            return false;
        }
    }
    return true;
}

size_t eye_kernel_shortcomings(const struct eye_kernel *kernel)
{
    return kernel->shortcoming_count;
}

const char *eye_kernel_shortcoming(const struct eye_kernel *kernel, size_t index)
{
    return kernel->shortcomings[index].text;
}

size_t eye_kernel_unseeded_namespaces(const struct eye_kernel *kernel)
{
    return kernel->unseeded;
}

const struct eye_feature_state *eye_kernel_feature(const struct eye_kernel *kernel,
                                                   enum eye_feature feature)
{
    return &kernel->features[feature];
}

const char *eye_kernel_proc(const struct eye_kernel *kernel)
{
    int error;
    enum eye_proc_state state = eye_proc_look(kernel->config->source.proc, &error);
    return state == EYE_PROC_HOST || state == EYE_PROC_HIDING ? kernel->config->source.proc : NULL;
}
