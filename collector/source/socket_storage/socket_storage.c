/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the BPF object, attaches it, reads its rings and counters. */
#include "collector/source/source.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/host/host.h"
#include "collector/host/remedy.h"
#include "collector/source/accounts.h"
#include "collector/source/iterator.h"
#include "collector/source/seed.h"
#include "collector/source/socket_storage/live.h"
#include "collector/source/socket_storage/trial.h"

#include "bpf/socket_storage.skel.h"

enum ability_state {
    NOT_WANTED, /* by the configuration */
    REFUSED,    /* this kernel does not take its programs: for good */
    DETACHED,   /* its programs can be loaded, but are not attached: what hinders may go */
    WORKS,
};

struct eye_kernel {
    const struct eye_config *config;
    struct eye_features *features;
    struct socket_storage *programs;
    enum ability_state states[EYE_ABILITY_COUNT];
    struct eye_error shortcomings[EYE_SHORTCOMINGS_MAX];
    size_t shortcoming_count;
    struct bpf_link *links[EYE_PROGRAM_COUNT];
    struct eye_rings rings;
    uint64_t live_records;
    size_t unseeded;   /* network namespaces */
    uint64_t since_ns; /* monotonic: the programs see */
    uint64_t vanished; /* connections whose end was not seen */
    uint64_t unproved; /* looks that have perhaps not met every socket */
    int cpus;
    uint64_t *cpu_values; /* one per CPU: where a per-CPU look-up lands */
};

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

static int open_rings(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    struct bpf_map *const maps[EYE_RING_COUNT] = {
        [EYE_RING_OWNERS] = kernel->programs->maps.owners,
        [EYE_RING_CONNECTIONS] = kernel->programs->maps.connections,
        [EYE_RING_REQUESTS] = kernel->programs->maps.requests,
    };
    return eye_rings_open(&kernel->rings, maps, ret_error);
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
    kernel->programs = eye_programs_open(kernel->features);
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
                             strerror(-result), eye_remedy(-result, EYE_REMEDY_DEBUG));
    }
    return 0;
}

/* Gives up what this kernel refuses; -errno when nothing useful is left. */
static int give_up_what_is_refused(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    struct eye_program_trial trials[EYE_PROGRAM_COUNT];
    eye_programs_try(kernel->features, trials);
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
    if (eye_feature_check(eye_feature_ask(kernel->features, feature), &why) != 0) {
        note_shortcoming(kernel, &why);
    }
}

/* What it costs is known only now: where there are no other namespaces, nothing. */
static void note_seed(struct eye_kernel *kernel, const struct eye_seed *found)
{
    const struct eye_feature_state *feature =
        eye_feature_ask(kernel->features, EYE_FEATURE_NAMESPACES);
    kernel->unseeded = found->unseeded;
    if (found->unseeded == 0 || feature->available == EYE_ANSWER_UNKNOWN) {
        if (found->closed > 0 ||
            eye_feature_ask(kernel->features, EYE_FEATURE_PROC)->available == EYE_ANSWER_NO) {
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
                             eye_remedy(-result, EYE_REMEDY_DEBUG));
    }
    return 0;
}

/* A part of the tree is better than nothing: what it costs is a shortcoming of its own. */
static int attach_protocols(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    const struct eye_config *config = kernel->config;
    struct eye_cgroup cgroup;
    int result = eye_cgroup_open(config->source.cgroup, config->source.proc, &cgroup);
    if (result != 0) {
        eye_feature_check(eye_feature_ask(kernel->features, EYE_FEATURE_CGROUP2), ret_error);
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
    if (kernel->states[EYE_ABILITY_PROTOCOLS] != DETACHED) {
        return false;
    }
    eye_feature_forget(kernel->features, EYE_FEATURE_CGROUP2);
    if (attach_protocols(kernel, NULL) != 0) {
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

int eye_kernel_open(struct eye_features *features, struct eye_kernel **ret_kernel,
                    struct eye_error *ret_error)
{
    const struct eye_config *config = features->config;
    struct eye_kernel *kernel = calloc(1, sizeof(*kernel));
    if (kernel == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    libbpf_set_print(print_debug);
    kernel->config = config;
    kernel->features = features;
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
    eye_rings_close(&kernel->rings);
    socket_storage__destroy(kernel->programs);
    free(kernel->cpu_values);
    free(kernel);
}

uint64_t eye_kernel_since_ns(const struct eye_kernel *kernel)
{
    return kernel->since_ns;
}

struct eye_rings *eye_kernel_rings(struct eye_kernel *kernel)
{
    return &kernel->rings;
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
    struct eye_live_look look = {.handler = handler, .context = context};
    /* In this order, so that who leaves in between is counted twice rather than not at all. */
    struct eye_balance balance = {.entered = sum_over_cpus(kernel, EYE_COUNT_ENTERED)};
    eye_live_begin(kernel->programs, pass);
    uint64_t unmet_before = sum_over_cpus(kernel, EYE_COUNT_UNMET);
    balance.left = sum_over_cpus(kernel, EYE_COUNT_LEFT);
    int result = eye_live_read(kernel->programs, kernel->links[EYE_PROGRAM_tcp_live], &look);
    kernel->live_records += look.records;
    kernel->unproved += result == 0 && !look.whole;
    if (full && result == 0) {
        balance.left += sum_over_cpus(kernel, EYE_COUNT_UNMET) - unmet_before;
        balance.alive = look.met;
        balance.whole = look.whole;
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
    return eye_feature_ask(kernel->features, feature);
}

const char *eye_kernel_proc(const struct eye_kernel *kernel)
{
    return eye_features_proc(kernel->features);
}
