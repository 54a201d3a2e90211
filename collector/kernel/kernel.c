/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the BPF object, attaches it, reads its rings and counters. */
#include "collector/kernel/kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "collector/kernel/features.h"
#include "collector/kernel/iterator.h"
#include "collector/kernel/seed.h"

#include "bpf/socket_storage.skel.h"

/* Records per drain: a second of the busiest traffic measured; the next drain goes on. */
#define DRAIN_MAX 400000

struct ring {
    struct eye_kernel *kernel;
    eye_record_handler *handler;
    void *context;
    uint64_t records;
    const volatile unsigned long *consumer; /* mapped: bytes read ... */
    const volatile unsigned long *producer; /* ... and written */
    size_t bytes;                           /* its size */
};

struct eye_kernel {
    struct socket_storage *programs;
    struct bpf_link *live;
    struct bpf_link *egress;
    struct bpf_link *ingress;
    struct ring_buffer *reader;
    struct ring rings[EYE_RING_COUNT];
    size_t drained; /* in the present drain */
    uint64_t live_records;
    size_t unseeded;
    int cpus;
    uint64_t *cpu_values; /* one per CPU: where a per-CPU look-up lands */
};

const char *eye_ring_name(enum eye_ring ring)
{
    static const char *const names[] = {"connections", "requests"};
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

static int map_of_ring(const struct eye_kernel *kernel, enum eye_ring ring)
{
    return bpf_map__fd(ring == EYE_RING_CONNECTIONS ? kernel->programs->maps.connections
                                                    : kernel->programs->maps.requests);
}

/* The two position pages of a ring (kernel/bpf/ringbuf.c): consumer first, then producer. */
static int map_positions(struct eye_kernel *kernel, enum eye_ring index)
{
    struct ring *ring = &kernel->rings[index];
    int fd = map_of_ring(kernel, index);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *consumer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    void *producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)page);
    if (consumer == MAP_FAILED || producer == MAP_FAILED) {
        return -errno;
    }
    ring->consumer = consumer;
    ring->producer = producer;
    ring->bytes =
        bpf_map__max_entries(index == EYE_RING_CONNECTIONS ? kernel->programs->maps.connections
                                                           : kernel->programs->maps.requests);
    return 0;
}

static int open_rings(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    for (size_t i = 0; i < EYE_RING_COUNT; i++) {
        struct ring *ring = &kernel->rings[i];
        ring->kernel = kernel;
        int fd = map_of_ring(kernel, (enum eye_ring)i);
        int result = 0;
        if (kernel->reader == NULL) {
            kernel->reader = ring_buffer__new(fd, take_record, ring, NULL);
            result = kernel->reader == NULL ? -errno : 0;
        } else {
            result = ring_buffer__add(kernel->reader, fd, take_record, ring);
        }
        if (result == 0) {
            result = map_positions(kernel, (enum eye_ring)i);
        }
        if (result != 0) {
            return eye_error_set(ret_error, result, "cannot map ring buffer %s: %s",
                                 eye_ring_name((enum eye_ring)i), strerror(-result));
        }
    }
    return 0;
}

static int load(struct eye_kernel *kernel, bool protocols, struct eye_error *ret_error)
{
    kernel->programs = socket_storage__open();
    if (kernel->programs == NULL) {
        return eye_error_set(ret_error, -errno, "cannot open the BPF object: %s", strerror(errno));
    }
    bpf_program__set_autoload(kernel->programs->progs.payload_sent, protocols);
    bpf_program__set_autoload(kernel->programs->progs.payload_received, protocols);
    int result = socket_storage__load(kernel->programs);
    if (result != 0) {
        return eye_error_set(
            ret_error, result,
            "cannot load BPF programs: %s; log.level: debug shows the verifier's log",
            strerror(-result));
    }
    return 0;
}

static int attach_protocols(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    char path[256] = "";
    EYE_AUTOCLOSE int root = eye_cgroup2_open(path, sizeof(path));
    if (root < 0) {
        return eye_error_set(ret_error, root, "cannot open the cgroup v2 tree: %s",
                             strerror(-root));
    }
    kernel->egress = bpf_program__attach_cgroup(kernel->programs->progs.payload_sent, root);
    if (kernel->egress != NULL) {
        kernel->ingress =
            bpf_program__attach_cgroup(kernel->programs->progs.payload_received, root);
    }
    if (kernel->ingress == NULL) {
        int result = -errno;
        return eye_error_set(ret_error, result, "cannot attach to cgroup %s: %s", path,
                             strerror(-result));
    }
    return 0;
}

static int attach(struct eye_kernel *kernel, bool protocols, struct eye_error *ret_error)
{
    struct socket_storage *programs = kernel->programs;
    programs->links.tcp_state = bpf_program__attach(programs->progs.tcp_state);
    if (programs->links.tcp_state == NULL) {
        int result = -errno;
        return eye_error_set(ret_error, result, "cannot attach to inet_sock_set_state: %s",
                             strerror(-result));
    }
    union bpf_iter_link_info info;
    memset(&info, 0, sizeof(info));
    info.map.map_fd = (__u32)bpf_map__fd(programs->maps.sockets);
    /* Assigned one by one: an initialiser would leave the padding at the struct's end undefined. */
    LIBBPF_OPTS(bpf_iter_attach_opts, options);
    options.link_info = &info;
    options.link_info_len = sizeof(info);
    kernel->live = bpf_program__attach_iter(programs->progs.tcp_live, &options);
    if (kernel->live == NULL) {
        int result = -errno;
        return eye_error_set(ret_error, result, "cannot make the socket-storage iterator: %s",
                             strerror(-result));
    }
    return protocols ? attach_protocols(kernel, ret_error) : 0;
}

/* Older sockets: first their entries, namespace by namespace, then the owners of their files. */
static int seed(struct eye_kernel *kernel, struct eye_error *ret_error)
{
    struct bpf_link *sockets = bpf_program__attach_iter(kernel->programs->progs.tcp_seed, NULL);
    struct bpf_link *files = bpf_program__attach_iter(kernel->programs->progs.owner_seed, NULL);
    int result = sockets == NULL || files == NULL ? -errno : 0;
    if (result == 0) {
        kernel->unseeded = eye_seed_namespaces(sockets);
        result = eye_iterator_run(files, 0, NULL, NULL);
    }
    bpf_link__destroy(sockets);
    bpf_link__destroy(files);
    if (result != 0) {
        return eye_error_set(ret_error, result, "cannot look at the sockets that exist: %s",
                             strerror(-result));
    }
    return 0;
}

int eye_kernel_open(const struct eye_config *config, struct eye_kernel **ret_kernel,
                    struct eye_error *ret_error)
{
    struct eye_feature_state features[EYE_FEATURE_COUNT];
    eye_features_probe(features);
    int result = eye_features_check(features, config->protocols.http, ret_error);
    if (result != 0) {
        return result;
    }
    struct eye_kernel *kernel = calloc(1, sizeof(*kernel));
    if (kernel == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    libbpf_set_print(print_debug);
    kernel->cpus = libbpf_num_possible_cpus();
    kernel->cpu_values = calloc(kernel->cpus > 0 ? (size_t)kernel->cpus : 1, sizeof(uint64_t));
    if (kernel->cpu_values == NULL) {
        eye_kernel_close(kernel);
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    result = load(kernel, config->protocols.http, ret_error);
    if (result == 0) {
        result = attach(kernel, config->protocols.http, ret_error);
    }
    if (result == 0) {
        result = seed(kernel, ret_error);
    }
    if (result == 0) {
        result = open_rings(kernel, ret_error);
    }
    if (result != 0) {
        eye_kernel_close(kernel);
        return result;
    }
    *ret_kernel = kernel;
    return 0;
}

static void unmap(const volatile unsigned long *page)
{
    if (page != NULL) {
        munmap((void *)(uintptr_t)page, (size_t)sysconf(_SC_PAGESIZE));
    }
}

void eye_kernel_close(struct eye_kernel *kernel)
{
    if (kernel == NULL) {
        return;
    }
    bpf_link__destroy(kernel->ingress);
    bpf_link__destroy(kernel->egress);
    bpf_link__destroy(kernel->live);
    ring_buffer__free(kernel->reader);
    for (size_t i = 0; i < EYE_RING_COUNT; i++) {
        unmap(kernel->rings[i].consumer);
        unmap(kernel->rings[i].producer);
    }
    socket_storage__destroy(kernel->programs);
    free(kernel->cpu_values);
    free(kernel);
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
    ring_buffer__consume(kernel->reader);
    return kernel->drained;
}

struct live_reader {
    eye_record_handler *handler;
    void *context;
    uint64_t records;
};

static void split_live(void *context, const void *data, size_t bytes)
{
    struct live_reader *reader = context;
    const struct eye_connection_record *record = data;
    reader->records += bytes / sizeof(*record);
    for (size_t i = 0; i < bytes / sizeof(*record); i++) {
        reader->handler(reader->context, &record[i], sizeof(*record));
    }
}

int eye_kernel_read_live(struct eye_kernel *kernel, uint32_t pass, bool full,
                         eye_record_handler *handler, void *context)
{
    struct live_reader reader = {handler, context, 0};
    kernel->programs->data->eye_pass = pass;
    kernel->programs->data->eye_pass_full = full;
    int result =
        eye_iterator_run(kernel->live, sizeof(struct eye_connection_record), split_live, &reader);
    kernel->live_records += reader.records;
    return result;
}

void eye_kernel_losses(const struct eye_kernel *kernel, uint64_t ret_losses[EYE_LOSS_COUNT])
{
    for (uint32_t loss = 0; loss < EYE_LOSS_COUNT; loss++) {
        ret_losses[loss] = 0;
        if (bpf_map_lookup_elem(bpf_map__fd(kernel->programs->maps.losses), &loss,
                                kernel->cpu_values) != 0) {
            continue;
        }
        for (int cpu = 0; cpu < kernel->cpus; cpu++) {
            ret_losses[loss] += kernel->cpu_values[cpu];
        }
    }
}

double eye_kernel_ring_fill(const struct eye_kernel *kernel, enum eye_ring ring)
{
    const struct ring *mapped = &kernel->rings[ring];
    unsigned long used = *mapped->producer - *mapped->consumer;
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

size_t eye_kernel_program_stats(const struct eye_kernel *kernel,
                                struct eye_program_stats *ret_stats, size_t max)
{
    size_t count = 0;
    struct bpf_program *program;
    bpf_object__for_each_program(program, kernel->programs->obj)
    {
        struct bpf_prog_info info = {0};
        __u32 size = sizeof(info);
        int fd = bpf_program__fd(program);
        if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) != 0) {
            continue;
        }
        if (count < max) {
            ret_stats[count] = (struct eye_program_stats){
                .name = bpf_program__name(program),
                .runs = info.run_cnt,
                .time_ns = info.run_time_ns,
            };
        }
        count++;
    }
    return count;
}

size_t eye_kernel_unseeded_namespaces(const struct eye_kernel *kernel)
{
    return kernel->unseeded;
}
