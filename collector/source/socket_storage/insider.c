/* SPDX-License-Identifier: Apache-2.0 */
/* Probes are links of many places at once (BPF_TRACE_UPROBE_MULTI, Linux 6.6), which need CAP_BPF
 * and CAP_PERFMON alone. */
#include "collector/source/socket_storage/insider.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "bpf/tls/abi.h"
#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/privileges.h"
#include "collector/base/thread.h"
#include "collector/host/remedy.h"
#include "collector/source/socket_storage/attacher.h"
#include "collector/tls/library.h"
#include "collector/tls/mapping.h"

#include "bpf/protocols.skel.h"
#include "bpf/socket_storage.skel.h"
#include "bpf/tls.skel.h"

/* Between two looks at what processes have loaded: a library is probed for all of its processes,
 * later ones too, so only the first of a file waits. Long looks are rarer, for a five-hundredth of
 * a processor's time. */
#define LOOK_NS (2 * EYE_NS_PER_SECOND)
#define LOOK_PART 500
/* A file that so many looks have not met is let go. */
#define LOOKS_GONE 3
/* With so many looks sessions of processes that are gone are forgotten. */
#define LOOKS_FORGETTING 16
/* Files, those included that cannot be probed. */
#define FILES_MAX 256
#define LINKS_MAX (2 * EYE_TLS_FUNCTIONS_MAX)
/* Calls that tell whether a library's probes see what they should. */
#define TALLY_LEAST 1000

/* linux/bpf.h of build machines is older. */
#define UPROBE_MULTI 48

struct file {
    uint64_t device;
    uint64_t inode;
    char *path;     /* owned: in the process that was met first */
    pid_t pid;      /* of that one */
    bool tried;     /* whether it can be probed is known */
    unsigned unmet; /* looks that have not met it */
    int library;    /* its number; -1: it is not probed */
    int links[LINKS_MAX];
    size_t link_count;
};

struct eye_insider {
    const struct socket_storage *tier;
    char *proc;           /* owned: source.proc, whatever becomes of the configuration */
    struct tls *programs; /* NULL: nothing was to be probed yet */
    bool given_up;        /* the kernel refuses the programs */
    atomic_uint followed; /* bits by enum eye_protocol */
    struct file *files[FILES_MAX];
    size_t file_count;
    bool in_use[EYE_TLS_LIBRARIES_MAX];
    unsigned looks;
    int stop; /* eventfd */
    pthread_t thread;
};

/* ---- Kernel programs ---- */

static void attach_as_multi(struct bpf_object *object)
{
    struct bpf_program *program;
    bpf_object__for_each_program(program, object)
    {
        bpf_program__set_expected_attach_type(program, (enum bpf_attach_type)UPROBE_MULTI);
    }
}

static const char *name_of(enum eye_protocol protocol)
{
    static const char *const names[EYE_PROTOCOL_COUNT] = {
#define X(identifier, name) [EYE_PROTOCOL_##identifier] = #name,
        EYE_PROTOCOLS(X)
#undef X
    };
    return names[protocol];
}

static const void *bytes_of(enum eye_protocol protocol, size_t *ret_size)
{
    static const struct {
        const char *name;
        const void *(*bytes)(size_t *);
    } insides[] = {
#define X(name) {#name, inside_##name##__elf_bytes},
        EYE_INSIDE(X)
#undef X
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(insides); i++) {
        if (strcmp(insides[i].name, name_of(protocol)) == 0) {
            return insides[i].bytes(ret_size);
        }
    }
    return NULL;
}

/* NULL: this one is not followed inside TLS, or errno says more. */
static struct bpf_object *open_protocol(enum eye_protocol protocol)
{
    size_t size = 0;
    const void *bytes = bytes_of(protocol, &size);
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "inside");
    return bytes == NULL ? NULL : bpf_object__open_mem(bytes, size, &options);
}

static int load_object(const struct eye_insider *insider, struct bpf_object *object, __u32 slot)
{
    int result = eye_share_maps(object, insider->tier->obj, false);
    if (result == 0) {
        result = eye_share_maps(object, insider->programs->obj, false);
    }
    if (result == 0) {
        result = bpf_object__load(object);
    }
    if (result != 0) {
        return result;
    }
    int program = bpf_program__fd(bpf_object__next_program(object, NULL));
    return bpf_map_update_elem(bpf_map__fd(insider->programs->maps.insiders), &slot, &program,
                               BPF_ANY);
}

/* One that is not there costs its own requests. Its slot keeps the program. */
static void load_protocol(const struct eye_insider *insider, enum eye_protocol protocol)
{
    struct bpf_object *object = open_protocol(protocol);
    if (object == NULL) {
        return;
    }
    attach_as_multi(object);
    int result = load_object(insider, object, protocol);
    bpf_object__close(object);
    if (result != 0) {
        eye_log_warning("inside TLS: requests of %s are not seen: its kernel program cannot be "
                        "loaded: %s; %s",
                        name_of(protocol), strerror(-result),
                        eye_remedy(-result, EYE_REMEDY_DEBUG));
    }
}

static int load(struct eye_insider *insider)
{
    struct tls *programs = tls__open();
    if (programs == NULL) {
        return -errno;
    }
    attach_as_multi(programs->obj);
    programs->rodata->eye_probes_memory = insider->tier->rodata->eye_probes_memory;
    int result = eye_share_maps(programs->obj, insider->tier->obj, false);
    if (result == 0) {
        result = tls__load(programs);
    }
    if (result != 0) {
        tls__destroy(programs);
        return result;
    }
    insider->programs = programs;
    for (size_t i = EYE_PROTOCOL_UNKNOWN + 1; i < EYE_PROTOCOL_COUNT; i++) {
        load_protocol(insider, (enum eye_protocol)i);
    }
    programs->bss->eye_tls_wanted = atomic_load(&insider->followed);
    malloc_trim(0);
    return 0;
}

/* With the first library; what the kernel refuses is told once. */
static bool is_loaded(struct eye_insider *insider)
{
    if (insider->programs == NULL && !insider->given_up) {
        uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
        int result = load(insider);
        eye_privileges_lower(privileges);
        insider->given_up = result != 0;
        if (result != 0) {
            eye_log_warning("nothing is seen inside TLS: its kernel programs cannot be loaded: %s; "
                            "%s",
                            strerror(-result), eye_remedy(-result, EYE_REMEDY_DEBUG));
        }
    }
    return insider->programs != NULL;
}

/* ---- Probes of one library ---- */

static uint64_t cookie_of_both(const struct eye_site *site, int library)
{
    return (uint64_t)site->frame << EYE_TLS_FRAME_SHIFT | (uint64_t)library
                                                              << EYE_TLS_LIBRARY_SHIFT;
}

static uint64_t entry_cookie(const struct eye_tls_function *function, int library)
{
    const struct eye_asked *asked = &function->asked;
    uint64_t cookie = cookie_of_both(&function->sites.entry, library);
    for (uint8_t i = 0; i < asked->argument_count; i++) {
        cookie |= (uint64_t)function->sites.entry.registers[i] << (i * EYE_TLS_REGISTER_BITS);
    }
    cookie |= function->direction == EYE_TLS_WRITES ? EYE_TLS_COOKIE_WRITES : 0;
    cookie |= asked->succeeds_by_1 ? EYE_TLS_COOKIE_BY_1 : 0;
    cookie |= asked->argument_count > EYE_TLS_TYPE ? EYE_TLS_COOKIE_TYPED : 0;
    cookie |= asked->half && !asked->succeeds_by_1 ? EYE_TLS_COOKIE_SHORT : 0;
    return cookie;
}

static uint64_t exit_cookie(const struct eye_site *site, int library)
{
    uint64_t cookie = cookie_of_both(site, library) | site->registers[0];
    cookie |= site->half ? EYE_TLS_COOKIE_HALF : 0;
    if (site->condition != EYE_SITE_ALWAYS) {
        cookie |= EYE_TLS_COOKIE_CONDITION | (uint64_t)(site->condition & 31)
                                                 << EYE_TLS_CONDITION_SHIFT;
    }
    return cookie;
}

/* union bpf_attr of BPF_LINK_CREATE for many places, as the kernel has it
 * (include/uapi/linux/bpf.h, 6.6): libbpf of Debian 12 does not know it. */
struct link_create {
    uint32_t program;
    uint32_t target;
    uint32_t attach_type;
    uint32_t flags;
    uint64_t path;
    uint64_t offsets;
    uint64_t reference_counters;
    uint64_t cookies;
    uint32_t count;
    uint32_t multi_flags;
    uint32_t pid;
    uint32_t padding;
};

/* Probes at @count places of the file. 0 or -errno. */
static int attach(struct file *file, const char *path, const struct bpf_program *program,
                  const uint64_t *offsets, const uint64_t *cookies, uint32_t count)
{
    struct link_create attributes = {
        .program = (uint32_t)bpf_program__fd(program),
        .attach_type = UPROBE_MULTI,
        .path = (uintptr_t)path,
        .offsets = (uintptr_t)offsets,
        .cookies = (uintptr_t)cookies,
        .count = count,
    };
    long link = syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
    if (link < 0) {
        return -errno;
    }
    file->links[file->link_count++] = (int)link;
    return 0;
}

static int attach_exits(struct eye_insider *insider, struct file *file, const char *path,
                        const struct eye_elf *elf, const struct eye_tls_function *function)
{
    const struct eye_sites *sites = &function->sites;
    uint64_t offsets[EYE_EXITS_MAX];
    uint64_t cookies[EYE_EXITS_MAX];
    for (uint32_t i = 0; i < sites->exit_count; i++) {
        offsets[i] = eye_elf_offset(elf, sites->exits[i].address);
        cookies[i] = exit_cookie(&sites->exits[i], file->library);
    }
    return attach(file, path, insider->programs->progs.tls_exit, offsets, cookies,
                  sites->exit_count);
}

/* Exits first: an end without a beginning is passed over, a beginning without an end is not. */
static int attach_function(struct eye_insider *insider, struct file *file, const char *path,
                           const struct eye_elf *elf, const struct eye_tls_function *function)
{
    bool ends = function->direction == EYE_TLS_ENDS;
    uint64_t offset = eye_elf_offset(elf, function->sites.entry.address);
    uint64_t cookie = entry_cookie(function, file->library);
    int result = ends ? 0 : attach_exits(insider, file, path, elf, function);
    return result != 0 ? result
                       : attach(file, path,
                                ends ? insider->programs->progs.tls_end
                                     : insider->programs->progs.tls_entry,
                                &offset, &cookie, 1);
}

static void let_go(struct eye_insider *insider, struct file *file)
{
    for (size_t i = 0; i < file->link_count; i++) {
        close(file->links[i]);
    }
    file->link_count = 0;
    if (file->library >= 0) {
        insider->in_use[file->library] = false;
        file->library = -1;
    }
}

/* Zeros: what another library with that number has left is not this one's. */
static int clear_tally(const struct eye_insider *insider, __u32 number)
{
    int cpus = libbpf_num_possible_cpus();
    struct eye_tls_tally *each = cpus > 0 ? calloc((size_t)cpus, sizeof(*each)) : NULL;
    int result = each == NULL
                     ? -ENOMEM
                     : bpf_map_update_elem(bpf_map__fd(insider->programs->maps.tls_tallies),
                                           &number, each, BPF_ANY);
    free(each);
    return result;
}

static int take_number(struct eye_insider *insider, const struct eye_tls_plan *plan)
{
    const struct eye_tls_layout layout = {
        .random_pointer = plan->client_random.pointer,
        .random_offset = plan->client_random.offset,
        .server_offset = plan->is_server.offset,
        .client_word = 2, /* GNUTLS_CLIENT, 1 << 1 */
    };
    __u32 number = 0;
    while (number < EYE_TLS_LIBRARIES_MAX && insider->in_use[number]) {
        number++;
    }
    if (number == EYE_TLS_LIBRARIES_MAX) {
        return -ENOSPC;
    }
    int result = clear_tally(insider, number);
    if (result == 0) {
        result = bpf_map_update_elem(bpf_map__fd(insider->programs->maps.tls_layouts), &number,
                                     &layout, BPF_ANY);
    }
    insider->in_use[number] = result == 0;
    return result == 0 ? (int)number : result;
}

/* All functions of a library, or none. */
static int attach_library(struct eye_insider *insider, struct file *file, int fd,
                          const struct eye_elf *elf, const struct eye_tls_plan *plan)
{
    char path[sizeof("/proc/self/fd/") + 11];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    file->library = take_number(insider, plan);
    int result = file->library < 0 ? file->library : 0;
    for (uint32_t i = 0; i < plan->function_count && result == 0; i++) {
        result = attach_function(insider, file, path, elf, &plan->functions[i]);
    }
    if (result != 0) {
        let_go(insider, file);
    }
    return result;
}

static int probe_library(struct eye_insider *insider, struct file *file, int fd,
                         struct eye_elf *elf, struct eye_error *ret_error)
{
    struct eye_tls_plan plan;
    int result = eye_tls_plan_make(elf, &plan, ret_error);
    if (result != 0 || !is_loaded(insider)) {
        return result != 0 ? result : -ECANCELED; /* told already */
    }
    if (plan.client_random.offset == 0) {
        return eye_error_set(ret_error, -ENOTSUP,
                             "where a session keeps the random of its ClientHello is not found");
    }
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    result = attach_library(insider, file, fd, elf, &plan);
    eye_privileges_lower(privileges);
    if (result != 0) {
        return eye_error_set(ret_error, result, "probes cannot be attached: %s; %s",
                             result == -EINVAL || result == -ENOTSUP ? "this kernel has no "
                                                                       "BPF_TRACE_UPROBE_MULTI "
                                                                       "(Linux 6.6)"
                                                                     : strerror(-result),
                             eye_remedy(-result, EYE_REMEDY_DEBUG));
    }
    eye_log_info("inside TLS: %s of %s is read by its %s", plan.library, file->path, plan.way);
    return 0;
}

static void try_file(struct eye_insider *insider, struct file *file)
{
    struct eye_error error = {""};
    struct eye_elf *elf = NULL;
    const struct eye_tls_mapping mapping = {
        .pid = file->pid, .device = file->device, .inode = file->inode, .path = file->path};
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_READING);
    EYE_AUTOCLOSE int fd = eye_tls_mapping_open(insider->proc, &mapping, &error);
    eye_privileges_lower(privileges);
    int result = fd < 0 ? fd : eye_elf_open(fd, &elf, &error);
    if (result == 0) {
        result = probe_library(insider, file, fd, elf, &error);
    }
    eye_elf_close(elf);
    if (result != 0 && result != -ECANCELED) {
        eye_log_warning("inside TLS: nothing is seen of %s: %s", file->path, error.text);
    }
}

/* ---- Which there are ---- */

static struct file *find_file(struct eye_insider *insider, const struct eye_tls_mapping *mapping)
{
    for (size_t i = 0; i < insider->file_count; i++) {
        struct file *file = insider->files[i];
        if (file->inode == mapping->inode && file->device == mapping->device) {
            return file;
        }
    }
    return NULL;
}

static void free_file(struct file *file)
{
    free(file->path);
    free(file);
}

/* What has no room now may have some when others are gone. */
static void meet(void *context, const struct eye_tls_mapping *mapping)
{
    struct eye_insider *insider = context;
    struct file *file = find_file(insider, mapping);
    if (file != NULL) {
        file->unmet = 0;
        return;
    }
    file = insider->file_count < FILES_MAX ? calloc(1, sizeof(*file)) : NULL;
    if (file == NULL) {
        return;
    }
    file->device = mapping->device;
    file->inode = mapping->inode;
    file->pid = mapping->pid;
    file->library = -1;
    file->path = strdup(mapping->path);
    if (file->path == NULL) {
        free(file);
        return;
    }
    insider->files[insider->file_count++] = file;
}

/* Without rights: what is read may be anything. */
static void try_new(struct eye_insider *insider)
{
    for (size_t i = 0; i < insider->file_count; i++) {
        if (!insider->files[i]->tried) {
            insider->files[i]->tried = true;
            try_file(insider, insider->files[i]);
        }
    }
}

static void let_go_of_unmet(struct eye_insider *insider)
{
    size_t kept = 0;
    for (size_t i = 0; i < insider->file_count; i++) {
        struct file *file = insider->files[i];
        if (++file->unmet > LOOKS_GONE) {
            let_go(insider, file);
            free_file(file);
        } else {
            insider->files[kept++] = file;
        }
    }
    insider->file_count = kept;
}

/* ---- What becomes of them ---- */

static struct eye_tls_tally tally_of(const struct eye_insider *insider, int library)
{
    struct eye_tls_tally sum = {0};
    int cpus = libbpf_num_possible_cpus();
    __u32 number = (__u32)library;
    EYE_AUTOFREE struct eye_tls_tally *each = cpus > 0 ? calloc((size_t)cpus, sizeof(sum)) : NULL;
    if (each != NULL &&
        bpf_map_lookup_elem(bpf_map__fd(insider->programs->maps.tls_tallies), &number, each) == 0) {
        for (int i = 0; i < cpus; i++) {
            sum.entries += each[i].entries;
            sum.exits += each[i].exits;
            sum.impossible += each[i].impossible;
        }
    }
    return sum;
}

/* In doubt nothing is told of a library any more: a number that is wrong is worse than none. */
static void doubt(struct eye_insider *insider, struct file *file)
{
    struct eye_tls_tally tally = tally_of(insider, file->library);
    bool wrong = tally.impossible > 0;
    bool unpaired = tally.entries >= TALLY_LEAST && tally.exits < tally.entries / 2;
    if (wrong || unpaired) {
        eye_log_warning(
            "inside TLS: nothing is seen of %s any more: its probes see %s (%llu calls, %llu "
            "ends, %llu impossible)",
            file->path, wrong ? "what cannot be" : "calls that do not end", tally.entries,
            tally.exits, tally.impossible);
        let_go(insider, file);
    }
}

static void forget_session(const struct eye_insider *insider, const struct eye_tls_key *session)
{
    struct bpf_map *map;
    bpf_object__for_each_map(map, insider->programs->obj)
    {
        if (bpf_map__type(map) == BPF_MAP_TYPE_HASH && bpf_map__key_size(map) == sizeof(*session)) {
            bpf_map_delete_elem(bpf_map__fd(map), session);
        }
    }
}

/* Sessions of processes that are gone; those of others end with a call. Each is a question of the
 * kernel, so this is not done with every look. */
static void forget_sessions(const struct eye_insider *insider)
{
    int sessions = bpf_map__fd(insider->programs->maps.tls_sessions);
    uint32_t gone = 0;
    struct eye_tls_key next;
    int result = bpf_map_get_next_key(sessions, NULL, &next);
    for (uint32_t i = 0;
         result == 0 && i < bpf_map__max_entries(insider->programs->maps.tls_sessions); i++) {
        char path[PATH_MAX];
        struct eye_tls_key session = next;
        result = bpf_map_get_next_key(sessions, &session, &next);
        snprintf(path, sizeof(path), "%s/%u", insider->proc, session.tgid);
        if (session.tgid == gone || access(path, F_OK) != 0) {
            gone = session.tgid;
            forget_session(insider, &session);
        }
    }
}

/* Returns how long it took to look at all processes. */
static uint64_t look_at_processes(struct eye_insider *insider)
{
    uint64_t begun_ns = eye_clock_monotonic_ns();
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_READING);
    eye_tls_mappings_scan(insider->proc, meet, insider);
    eye_privileges_lower(privileges);
    return eye_clock_monotonic_ns() - begun_ns;
}

static void look_after(struct eye_insider *insider)
{
    let_go_of_unmet(insider);
    try_new(insider);
    if (insider->programs == NULL) {
        return;
    }
    insider->programs->bss->eye_tls_wanted = atomic_load(&insider->followed);
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    for (size_t i = 0; i < insider->file_count; i++) {
        if (insider->files[i]->library >= 0) {
            doubt(insider, insider->files[i]);
        }
    }
    if (++insider->looks % LOOKS_FORGETTING == 0) {
        forget_sessions(insider);
    }
    eye_privileges_lower(privileges);
}

static void *run(void *context)
{
    struct eye_insider *insider = context;
    struct pollfd stop = {.fd = insider->stop, .events = POLLIN};
    eye_privileges_assume(EYE_ROLE_INSIDER);
    while (stop.revents == 0) {
        uint64_t pause_ns = look_at_processes(insider) * LOOK_PART;
        look_after(insider);
        pause_ns = pause_ns > LOOK_NS ? pause_ns : LOOK_NS;
        poll(&stop, 1, (int)(pause_ns / EYE_NS_PER_MS));
    }
    return NULL;
}

int eye_insider_open(const struct socket_storage *programs, const char *proc,
                     struct eye_insider **ret_insider, struct eye_error *ret_error)
{
    struct eye_insider *insider = calloc(1, sizeof(*insider));
    if (insider == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    insider->tier = programs;
    insider->proc = strdup(proc);
    insider->stop = eventfd(0, EFD_CLOEXEC);
    atomic_init(&insider->followed, ~programs->bss->eye_protocols_off);
    int result = insider->stop < 0 ? -errno
                 : insider->proc == NULL
                     ? -ENOMEM
                     : eye_thread_start("insider", run, insider, &insider->thread);
    if (result != 0) {
        if (insider->stop >= 0) {
            close(insider->stop);
        }
        free(insider->proc);
        free(insider);
        return eye_error_set(ret_error, result, "cannot start a thread for TLS: %s; %s",
                             strerror(-result), EYE_REMEDY_THREADS);
    }
    *ret_insider = insider;
    return 0;
}

void eye_insider_follow(struct eye_insider *insider, uint32_t protocols)
{
    atomic_store(&insider->followed, protocols);
}

void eye_insider_close(struct eye_insider *insider)
{
    uint64_t one = 1;
    if (insider == NULL) {
        return;
    }
    if (write(insider->stop, &one, sizeof(one)) == sizeof(one)) {
        pthread_join(insider->thread, NULL);
    }
    for (size_t i = 0; i < insider->file_count; i++) {
        let_go(insider, insider->files[i]);
        free_file(insider->files[i]);
    }
    tls__destroy(insider->programs);
    close(insider->stop);
    free(insider->proc);
    free(insider);
}
