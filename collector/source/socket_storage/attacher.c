/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the object of a protocol with the maps of the tier, and keeps of it the programs alone. */
#include "collector/source/socket_storage/attacher.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/privileges.h"
#include "collector/base/thread.h"
#include "collector/host/remedy.h"
#include "collector/source/loads.h"
#include "collector/source/tier.h"

#include "bpf/socket_storage.skel.h"

/* What was refused for want of memory may be had a little later; what this kernel never takes costs
 * its verifier's time at each attempt, so the next one waits twice as long. */
#define RETRY_NS (5ULL * 1000000000)
#define RETRY_MAX_NS (320ULL * 1000000000)
#define PROGRAMS_OF_PROTOCOL 2
#define NOT_NEEDED 0

struct eye_attacher {
    const struct socket_storage *programs;
    struct ring_buffer *wishes;
    /* Held while slots change, and with what stands below up to wait_ns; never while programs are
     * loaded. */
    pthread_mutex_t lock;
    /* By protocol: the program's descriptor; NOT_NEEDED, or -errno. */
    atomic_int programs_of[EYE_PROTOCOL_COUNT][PROGRAMS_OF_PROTOCOL];
    uint64_t retry_ns[EYE_PROTOCOL_COUNT]; /* monotonic; 0: there is nothing to try again */
    uint64_t wait_ns[EYE_PROTOCOL_COUNT];  /* before the next attempt */
    int stop;                              /* eventfd */
    atomic_bool stopping;                  /* what is not begun is not begun any more */
    bool runs;
    pthread_t thread;
};

static const char *name_of(enum eye_protocol protocol)
{
    static const char *const names[] = {
#define X(X, identifier, name, title) [EYE_PROTOCOL_##identifier] = (title),
        EYE_EACH_PROTOCOL(X, )
#undef X
    };
    return names[protocol];
}

int eye_share_maps(const struct bpf_object *object, const struct bpf_object *owner, bool variables)
{
    struct bpf_map *map;
    bpf_object__for_each_map(map, object)
    {
        const struct bpf_map *shared =
            bpf_map__is_internal(map) && !variables
                ? NULL
                : bpf_object__find_map_by_name(owner, bpf_map__name(map));
        int result = shared == NULL ? 0 : bpf_map__reuse_fd(map, bpf_map__fd(shared));
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

/* Keeps a loaded program when its object is closed. */
static int keep_program(const struct bpf_object *object, enum eye_program program)
{
    const char *name = eye_programs[program].name;
    int loaded = bpf_program__fd(bpf_object__find_program_by_name(object, name));
    int kept = fcntl(loaded, F_DUPFD_CLOEXEC, NOT_NEEDED + 1);
    return kept < 0 ? -errno : kept;
}

static void empty_slots(const struct socket_storage *programs, enum eye_protocol protocol)
{
    __u32 key = protocol;
    bpf_map_delete_elem(bpf_map__fd(programs->maps.senders), &key);
    bpf_map_delete_elem(bpf_map__fd(programs->maps.receivers), &key);
}

static int fill_slots(const struct socket_storage *programs, enum eye_protocol protocol,
                      const int kept[PROGRAMS_OF_PROTOCOL])
{
    const int slots[PROGRAMS_OF_PROTOCOL] = {bpf_map__fd(programs->maps.senders),
                                             bpf_map__fd(programs->maps.receivers)};
    __u32 key = protocol;
    int result = 0;
    for (size_t i = 0; i < PROGRAMS_OF_PROTOCOL && result == 0; i++) {
        result = bpf_map_update_elem(slots[i], &key, &kept[i], BPF_ANY);
    }
    if (result != 0) {
        empty_slots(programs, protocol);
    }
    return result;
}

static bool is_there(const struct eye_attacher *attacher, enum eye_protocol protocol)
{
    return atomic_load(&attacher->programs_of[protocol][0]) > NOT_NEEDED;
}

static void close_programs(const int programs[PROGRAMS_OF_PROTOCOL])
{
    for (size_t i = 0; i < PROGRAMS_OF_PROTOCOL; i++) {
        if (programs[i] >= 0) {
            close(programs[i]);
        }
    }
}

/* Both, or none: with one of them half of each conversation would be read. */
static int keep_programs(const struct bpf_object *object, enum eye_protocol protocol,
                         int ret_kept[PROGRAMS_OF_PROTOCOL])
{
    enum eye_program first = eye_protocol_program(protocol);
    int kept[PROGRAMS_OF_PROTOCOL] = {-1, -1};
    for (size_t i = 0; i < PROGRAMS_OF_PROTOCOL; i++) {
        kept[i] = keep_program(object, (enum eye_program)(first + i));
        if (kept[i] < 0) {
            int result = kept[i];
            close_programs(kept);
            return result;
        }
    }
    memcpy(ret_kept, kept, sizeof(kept));
    return 0;
}

static int load_object(const struct eye_attacher *attacher, enum eye_protocol protocol,
                       int ret_kept[PROGRAMS_OF_PROTOCOL])
{
    struct bpf_object *object = eye_protocol_open(protocol);
    if (object == NULL) {
        return -errno;
    }
    int result = eye_share_maps(object, attacher->programs->obj, false);
    if (result == 0) {
        result = bpf_object__load(object);
    }
    if (result == 0) {
        result = keep_programs(object, protocol, ret_kept);
    }
    bpf_object__close(object);
    malloc_trim(0); /* as after the start */
    return result;
}

static int load(const struct eye_attacher *attacher, enum eye_protocol protocol,
                int ret_kept[PROGRAMS_OF_PROTOCOL])
{
    return eye_load_note(eye_asset_of(protocol), load_object(attacher, protocol, ret_kept));
}

/* Loaded programs become the attacher's, unless another thread was faster. With the lock. */
static int take_programs(struct eye_attacher *attacher, enum eye_protocol protocol,
                         const int kept[PROGRAMS_OF_PROTOCOL])
{
    bool twice = is_there(attacher, protocol);
    int result = twice ? 0 : fill_slots(attacher->programs, protocol, kept);
    if (twice || result != 0) {
        close_programs(kept);
        return result;
    }
    for (size_t i = 0; i < PROGRAMS_OF_PROTOCOL; i++) {
        atomic_store(&attacher->programs_of[protocol][i], kept[i]);
    }
    /* Of what went by since the first slot was filled one half may have been read. */
    __atomic_fetch_add(&attacher->programs->bss->eye_epochs[protocol], 1, __ATOMIC_SEQ_CST);
    return 0;
}

/* libbpf's word for BTF of the kernel that cannot be read is ESRCH. The start has read it. */
static const char *cause_of(int error)
{
    return error == ESRCH ? "the kernel's BTF cannot be read again: too little memory or open files"
                          : strerror(error);
}

static int refused(enum eye_protocol protocol, int result, struct eye_error *ret_error)
{
    return eye_error_set(ret_error, result, "%s: kernel programs of %s: cannot be loaded: %s; %s",
                         eye_ability_cost(EYE_ABILITY_PROTOCOLS), name_of(protocol),
                         cause_of(-result), eye_remedy(-result, EYE_REMEDY_DEBUG));
}

int eye_attacher_prepare(struct eye_attacher *attacher, enum eye_protocol protocol,
                         struct eye_error *ret_error)
{
    int kept[PROGRAMS_OF_PROTOCOL] = {-1, -1};
    if (is_there(attacher, protocol)) {
        return 0;
    }
    int result = load(attacher, protocol, kept);
    if (result == 0) {
        pthread_mutex_lock(&attacher->lock);
        result = take_programs(attacher, protocol, kept);
        pthread_mutex_unlock(&attacher->lock);
    }
    return result == 0 ? 0 : refused(protocol, result, ret_error);
}

static __u32 bit_of(enum eye_protocol protocol)
{
    return 1U << protocol;
}

static bool is_off(const struct eye_attacher *attacher, enum eye_protocol protocol)
{
    return __atomic_load_n(&attacher->programs->bss->eye_protocols_off, __ATOMIC_SEQ_CST) &
           bit_of(protocol);
}

static void note_refusal(struct eye_attacher *attacher, enum eye_protocol protocol, int result)
{
    __atomic_fetch_or(&attacher->programs->bss->eye_protocols_refused, bit_of(protocol),
                      __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < PROGRAMS_OF_PROTOCOL; i++) {
        atomic_store(&attacher->programs_of[protocol][i], result);
    }
}

/* What was loaded while the protocol was switched off is not wanted any more. With the lock. */
static int settle(struct eye_attacher *attacher, enum eye_protocol protocol, int result,
                  const int kept[PROGRAMS_OF_PROTOCOL])
{
    if (is_off(attacher, protocol)) {
        if (result == 0) {
            close_programs(kept);
        }
        return -ECANCELED;
    }
    if (result == 0) {
        result = take_programs(attacher, protocol, kept);
    } else if (is_there(attacher, protocol)) {
        return 0; /* another thread had more luck */
    }
    if (result != 0) {
        note_refusal(attacher, protocol, result);
    }
    return result;
}

int eye_attacher_bring(struct eye_attacher *attacher, enum eye_protocol protocol,
                       struct eye_error *ret_error)
{
    int kept[PROGRAMS_OF_PROTOCOL] = {-1, -1};
    if (is_there(attacher, protocol)) {
        return 0;
    }
    int result = load(attacher, protocol, kept);
    pthread_mutex_lock(&attacher->lock);
    result = settle(attacher, protocol, result, kept);
    pthread_mutex_unlock(&attacher->lock);
    return result == 0 ? 0 : refused(protocol, result, ret_error);
}

static void put_off(struct eye_attacher *attacher, enum eye_protocol protocol)
{
    pthread_mutex_lock(&attacher->lock);
    uint64_t *wait_ns = &attacher->wait_ns[protocol];
    attacher->retry_ns[protocol] = eye_clock_monotonic_ns() + *wait_ns;
    *wait_ns = *wait_ns * 2 < RETRY_MAX_NS ? *wait_ns * 2 : RETRY_MAX_NS;
    pthread_mutex_unlock(&attacher->lock);
}

/* The same cause is told once. */
static void bring_wished(struct eye_attacher *attacher, enum eye_protocol protocol)
{
    struct eye_error why;
    int before = atomic_load(&attacher->programs_of[protocol][0]);
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    int result = eye_attacher_bring(attacher, protocol, &why);
    eye_privileges_lower(privileges);
    if (atomic_load(&attacher->stopping) || is_off(attacher, protocol)) {
        return; /* nobody will see them */
    }
    if (result == 0) {
        eye_log_info("requests of %s are seen from now on, earlier ones were lost (not_loaded)",
                     name_of(protocol));
        return;
    }
    put_off(attacher, protocol);
    if (result != before) {
        eye_log_warning("%s", why.text);
    }
}

static int take_wish(void *context, void *record, size_t bytes)
{
    struct eye_attacher *attacher = context;
    __u32 protocol;
    if (bytes == sizeof(protocol) && !atomic_load(&attacher->stopping)) {
        memcpy(&protocol, record, sizeof(protocol));
        if (protocol != EYE_PROTOCOL_UNKNOWN && protocol < EYE_PROTOCOL_COUNT &&
            !is_off(attacher, (enum eye_protocol)protocol)) {
            bring_wished(attacher, (enum eye_protocol)protocol);
        }
    }
    return 0;
}

static void take_wish_back(struct eye_attacher *attacher, enum eye_protocol protocol)
{
    attacher->retry_ns[protocol] = 0;
    __atomic_fetch_and(&attacher->programs->bss->eye_protocols_wished, ~bit_of(protocol),
                       __ATOMIC_SEQ_CST);
}

/* Lets the kernel side wish again what is due. Returns the milliseconds to the next one; -1: there
 * is none. */
static int let_wish_again(struct eye_attacher *attacher)
{
    uint64_t now_ns = eye_clock_monotonic_ns();
    uint64_t next_ns = UINT64_MAX;
    pthread_mutex_lock(&attacher->lock);
    for (size_t i = 0; i < EYE_PROTOCOL_COUNT; i++) {
        uint64_t retry_ns = attacher->retry_ns[i];
        if (retry_ns != 0 && retry_ns <= now_ns) {
            take_wish_back(attacher, (enum eye_protocol)i);
        } else if (retry_ns != 0 && retry_ns < next_ns) {
            next_ns = retry_ns;
        }
    }
    pthread_mutex_unlock(&attacher->lock);
    return next_ns == UINT64_MAX ? -1 : (int)((next_ns - now_ns) / 1000000 + 1);
}

void eye_attacher_drop(struct eye_attacher *attacher, enum eye_protocol protocol)
{
    pthread_mutex_lock(&attacher->lock);
    if (is_there(attacher, protocol)) {
        empty_slots(attacher->programs, protocol);
    }
    for (size_t i = 0; i < PROGRAMS_OF_PROTOCOL; i++) {
        int program = atomic_exchange(&attacher->programs_of[protocol][i], NOT_NEEDED);
        if (program > NOT_NEEDED) {
            close(program);
        }
    }
    take_wish_back(attacher, protocol);
    attacher->wait_ns[protocol] = RETRY_NS;
    __atomic_fetch_and(&attacher->programs->bss->eye_protocols_refused, ~bit_of(protocol),
                       __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&attacher->lock);
}

static void *run(void *context)
{
    struct eye_attacher *attacher = context;
    struct pollfd waits[] = {
        {.fd = ring_buffer__epoll_fd(attacher->wishes), .events = POLLIN},
        {.fd = attacher->stop, .events = POLLIN},
    };
    eye_privileges_assume(EYE_ROLE_ATTACHER);
    while (waits[1].revents == 0) {
        ring_buffer__consume(attacher->wishes);
        poll(waits, EYE_ARRAY_LENGTH(waits), let_wish_again(attacher));
    }
    return NULL;
}

int eye_attacher_open(const struct socket_storage *programs, struct eye_attacher **ret_attacher,
                      struct eye_error *ret_error)
{
    struct eye_attacher *attacher = calloc(1, sizeof(*attacher));
    if (attacher == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    attacher->programs = programs;
    pthread_mutex_init(&attacher->lock, NULL);
    for (size_t i = 0; i < EYE_PROTOCOL_COUNT; i++) {
        attacher->wait_ns[i] = RETRY_NS;
        for (size_t j = 0; j < PROGRAMS_OF_PROTOCOL; j++) {
            atomic_init(&attacher->programs_of[i][j], NOT_NEEDED);
        }
    }
    attacher->stop = eventfd(0, EFD_CLOEXEC);
    attacher->wishes = attacher->stop < 0 ? NULL
                                          : ring_buffer__new(bpf_map__fd(programs->maps.wishes),
                                                             take_wish, attacher, NULL);
    if (attacher->wishes == NULL) {
        int error = errno;
        eye_attacher_close(attacher);
        return eye_error_set(ret_error, -error, "cannot wait for protocols: %s", strerror(error));
    }
    *ret_attacher = attacher;
    return 0;
}

int eye_attacher_run(struct eye_attacher *attacher, struct eye_error *ret_error)
{
    int result =
        attacher->runs ? 0 : eye_thread_start("attacher", run, attacher, &attacher->thread);
    attacher->runs = result == 0;
    return result == 0
               ? 0
               : eye_error_set(ret_error, result, "cannot start a thread for protocols: %s; %s",
                               strerror(-result), EYE_REMEDY_THREADS);
}

int eye_attacher_program(const struct eye_attacher *attacher, enum eye_program program)
{
    enum eye_protocol protocol = eye_program_protocol(program);
    return atomic_load(&attacher->programs_of[protocol][program - eye_protocol_program(protocol)]);
}

bool eye_attacher_is_whole(const struct eye_attacher *attacher)
{
    for (size_t i = 0; i < EYE_PROTOCOL_COUNT; i++) {
        if (atomic_load(&attacher->programs_of[i][0]) < NOT_NEEDED) { /* both, or none */
            return false;
        }
    }
    return true;
}

static void stop(struct eye_attacher *attacher)
{
    uint64_t one = 1;
    atomic_store(&attacher->stopping, true);
    if (attacher->runs && write(attacher->stop, &one, sizeof(one)) == sizeof(one)) {
        pthread_join(attacher->thread, NULL);
    }
}

void eye_attacher_close(struct eye_attacher *attacher)
{
    if (attacher == NULL) {
        return;
    }
    stop(attacher);
    ring_buffer__free(attacher->wishes);
    for (size_t i = 0; i < EYE_PROTOCOL_COUNT; i++) {
        for (size_t j = 0; j < PROGRAMS_OF_PROTOCOL; j++) {
            int program = atomic_load(&attacher->programs_of[i][j]);
            if (program > NOT_NEEDED) {
                close(program);
            }
        }
    }
    if (attacher->stop >= 0) {
        close(attacher->stop);
    }
    pthread_mutex_destroy(&attacher->lock);
    free(attacher);
}
