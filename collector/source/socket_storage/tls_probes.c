/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/socket_storage/tls_probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/host/remedy.h"
#include "collector/source/socket_storage/attacher.h"
#include "collector/tls/mapping.h"

#include "bpf/protocols.skel.h"
#include "bpf/socket_storage.skel.h"
#include "bpf/tls.skel.h"

struct eye_tls_probes {
    const struct socket_storage *tier;
    struct eye_tls_links *links;
    struct tls *programs;
    bool in_use[EYE_TLS_LIBRARIES_MAX];
};

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

static int load_object(const struct eye_tls_probes *probes, struct bpf_object *object, __u32 slot)
{
    int result = eye_share_maps(object, probes->tier->obj, false);
    if (result == 0) {
        result = eye_share_maps(object, probes->programs->obj, false);
    }
    if (result == 0) {
        result = bpf_object__load(object);
    }
    if (result != 0) {
        return result;
    }
    int program = bpf_program__fd(bpf_object__next_program(object, NULL));
    return bpf_map_update_elem(bpf_map__fd(probes->programs->maps.insiders), &slot, &program,
                               BPF_ANY);
}

/* One that is not there costs its own requests. Its slot keeps the program. */
static void load_protocol(const struct eye_tls_probes *probes, enum eye_protocol protocol)
{
    struct bpf_object *object = open_protocol(protocol);
    if (object == NULL) {
        return;
    }
    eye_tls_links_prepare(probes->links, object);
    int result = load_object(probes, object, protocol);
    bpf_object__close(object);
    if (result != 0) {
        eye_log_warning("inside TLS: requests of %s are not seen: its kernel program cannot be "
                        "loaded: %s; %s",
                        name_of(protocol), strerror(-result), eye_remedy_of_program(-result));
    }
}

int eye_tls_probes_open(const struct socket_storage *tier, struct eye_tls_links *links,
                        struct eye_tls_probes **ret_probes)
{
    struct eye_tls_probes *probes = calloc(1, sizeof(*probes));
    struct tls *programs = tls__open();
    if (probes == NULL || programs == NULL) {
        int result = programs == NULL ? -errno : -ENOMEM;
        tls__destroy(programs);
        free(probes);
        return result;
    }
    eye_tls_links_prepare(links, programs->obj);
    programs->rodata->eye_probes_memory = tier->rodata->eye_probes_memory;
    int result = eye_share_maps(programs->obj, tier->obj, false);
    if (result == 0) {
        result = tls__load(programs);
    }
    if (result != 0) {
        tls__destroy(programs);
        free(probes);
        return result;
    }
    *probes = (struct eye_tls_probes){.tier = tier, .links = links, .programs = programs};
    for (size_t i = EYE_PROTOCOL_UNKNOWN + 1; i < EYE_PROTOCOL_COUNT; i++) {
        load_protocol(probes, (enum eye_protocol)i);
    }
    malloc_trim(0);
    *ret_probes = probes;
    return 0;
}

void eye_tls_probes_follow(struct eye_tls_probes *probes, uint32_t protocols)
{
    probes->programs->bss->eye_tls_wanted = protocols;
}

void eye_tls_probes_close(struct eye_tls_probes *probes)
{
    if (probes != NULL) {
        tls__destroy(probes->programs);
        free(probes);
    }
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
    cookie |= function->sites.entry.kept ? EYE_TLS_COOKIE_KEPT : 0;
    cookie |= function->sites.entry.condition != EYE_SITE_ALWAYS ? EYE_TLS_COOKIE_GROWS : 0;
    cookie |= function->direction == EYE_TLS_BEGINS ? EYE_TLS_COOKIE_BEGINS : 0;
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

static int attach_exits(struct eye_tls_probes *probes, struct eye_tls_probed *probed,
                        const char *path, const struct eye_elf *elf,
                        const struct eye_tls_function *function)
{
    const struct eye_sites *sites = &function->sites;
    uint64_t offsets[EYE_EXITS_MAX];
    uint64_t cookies[EYE_EXITS_MAX];
    for (uint32_t i = 0; i < sites->exit_count; i++) {
        offsets[i] = eye_elf_offset(elf, sites->exits[i].address);
        cookies[i] = exit_cookie(&sites->exits[i], probed->library);
    }
    const struct eye_tls_places places = {
        .path = path,
        .program = probes->programs->progs.tls_exit,
        .offsets = offsets,
        .cookies = cookies,
        .count = sites->exit_count,
    };
    return eye_tls_links_attach(probes->links, &places, &probed->linked);
}

static const struct bpf_program *program_of(const struct eye_tls_probes *probes,
                                            const struct eye_tls_function *function)
{
    bool passes = function->direction == EYE_TLS_READS || function->direction == EYE_TLS_WRITES;
    return !passes             ? probes->programs->progs.tls_end
           : function->at_once ? probes->programs->progs.tls_at_once
                               : probes->programs->progs.tls_entry;
}

/* Exits first: an end without a beginning is passed over, a beginning without an end is not. */
static int attach_function(struct eye_tls_probes *probes, struct eye_tls_probed *probed,
                           const char *path, const struct eye_elf *elf,
                           const struct eye_tls_function *function)
{
    uint64_t offset = eye_elf_offset(elf, function->sites.entry.address);
    uint64_t cookie = entry_cookie(function, probed->library);
    const struct eye_tls_places entry = {
        .path = path,
        .program = program_of(probes, function),
        .offsets = &offset,
        .cookies = &cookie,
        .count = 1,
    };
    int result =
        function->sites.exit_count == 0 ? 0 : attach_exits(probes, probed, path, elf, function);
    return result != 0 ? result : eye_tls_links_attach(probes->links, &entry, &probed->linked);
}

void eye_tls_probes_detach(struct eye_tls_probes *probes, struct eye_tls_probed *probed)
{
    eye_tls_links_detach(probes->links, &probed->linked);
    if (probed->library >= 0) {
        probes->in_use[probed->library] = false;
        probed->library = -1;
    }
}

/* Zeros: what another library with that number has left is not this one's. */
static int clear_tally(const struct eye_tls_probes *probes, __u32 number)
{
    int cpus = libbpf_num_possible_cpus();
    struct eye_tls_tally *each = cpus > 0 ? calloc((size_t)cpus, sizeof(*each)) : NULL;
    int result = each == NULL ? -ENOMEM
                              : bpf_map_update_elem(bpf_map__fd(probes->programs->maps.tls_tallies),
                                                    &number, each, BPF_ANY);
    free(each);
    return result;
}

/* Of a library whose probes are there @since_ns. */
static int write_layout(const struct eye_tls_probes *probes, const struct eye_tls_plan *plan,
                        __u32 number, uint64_t since_ns)
{
    const struct eye_tls_layout layout = {
        .random_pointer = plan->client_random.pointer,
        .random_offset = plan->client_random.offset,
        .server_offset = plan->is_server.offset,
        .server_mask = plan->is_server.mask,
        .client_word = 2, /* GNUTLS_CLIENT, 1 << 1 */
        .bio_offset = plan->reads_from.pointer == 0 ? plan->reads_from.offset : 0,
        .join = (__u8)plan->join,
        .since_ns = since_ns,
    };
    return bpf_map_update_elem(bpf_map__fd(probes->programs->maps.tls_layouts), &number, &layout,
                               BPF_ANY);
}

static int take_number(struct eye_tls_probes *probes, const struct eye_tls_plan *plan)
{
    __u32 number = 0;
    while (number < EYE_TLS_LIBRARIES_MAX && probes->in_use[number]) {
        number++;
    }
    if (number == EYE_TLS_LIBRARIES_MAX) {
        return -ENOSPC;
    }
    int result = clear_tally(probes, number);
    if (result == 0) {
        result = write_layout(probes, plan, number, UINT64_MAX);
    }
    probes->in_use[number] = result == 0;
    return result == 0 ? (int)number : result;
}

static size_t count_places(const struct eye_tls_plan *plan)
{
    size_t count = 0;
    for (uint32_t i = 0; i < plan->function_count; i++) {
        count += 1 + plan->functions[i].sites.exit_count;
    }
    return count;
}

int eye_tls_probes_attach(struct eye_tls_probes *probes, int fd, const struct eye_elf *elf,
                          const struct eye_tls_plan *plan, struct eye_tls_probed *probed)
{
    char path[sizeof("/proc/self/fd/") + 11];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int result = eye_tls_links_fit(probes->links, count_places(plan));
    probed->library = result != 0 ? result : take_number(probes, plan);
    result = probed->library < 0 ? probed->library : 0;
    for (uint32_t i = 0; i < plan->function_count && result == 0; i++) {
        result = attach_function(probes, probed, path, elf, &plan->functions[i]);
    }
    if (result == 0) {
        result = write_layout(probes, plan, (__u32)probed->library, eye_clock_monotonic_ns());
    }
    if (result != 0) {
        eye_tls_probes_detach(probes, probed);
    }
    return result;
}

struct eye_tls_tally eye_tls_probes_tally(const struct eye_tls_probes *probes,
                                          const struct eye_tls_probed *probed)
{
    struct eye_tls_tally sum = {0};
    int cpus = libbpf_num_possible_cpus();
    __u32 number = (__u32)probed->library;
    EYE_AUTOFREE struct eye_tls_tally *each = cpus > 0 ? calloc((size_t)cpus, sizeof(sum)) : NULL;
    if (each != NULL &&
        bpf_map_lookup_elem(bpf_map__fd(probes->programs->maps.tls_tallies), &number, each) == 0) {
        for (int i = 0; i < cpus; i++) {
            sum.entries += each[i].entries;
            sum.exits += each[i].exits;
            sum.impossible += each[i].impossible;
            sum.calls += each[i].calls;
        }
    }
    return sum;
}

/* ---- A trial ---- */

static int refuse_programs(const char *whose, int result, struct eye_error *ret_error)
{
    return eye_error_set(ret_error, result, "the kernel programs%s%s cannot be loaded: %s; %s",
                         whose[0] == '\0' ? "" : " of ", whose, strerror(-result),
                         eye_remedy_of_program(-result));
}

static int try_protocol(const struct eye_tls_links *links, const struct tls *programs,
                        enum eye_protocol protocol, struct eye_error *ret_error)
{
    struct bpf_object *object = open_protocol(protocol);
    if (object == NULL) {
        return 0;
    }
    eye_tls_links_prepare(links, object);
    int result = eye_share_maps(object, programs->obj, false);
    if (result == 0) {
        result = bpf_object__load(object);
    }
    bpf_object__close(object);
    return result == 0 ? 0 : refuse_programs(name_of(protocol), result, ret_error);
}

int eye_tls_probes_try(const struct eye_tls_links *links, bool memory, bool protocols,
                       struct eye_error *ret_error)
{
    struct tls *programs = tls__open();
    if (programs == NULL) {
        return refuse_programs("", -errno, ret_error);
    }
    eye_tls_links_prepare(links, programs->obj);
    programs->rodata->eye_probes_memory = memory;
    int result = tls__load(programs);
    if (result != 0) {
        refuse_programs("", result, ret_error);
    }
    for (size_t i = EYE_PROTOCOL_UNKNOWN + 1; protocols && i < EYE_PROTOCOL_COUNT && result == 0;
         i++) {
        result = try_protocol(links, programs, (enum eye_protocol)i, ret_error);
    }
    tls__destroy(programs);
    return result;
}

/* By a program, which knows what waits in it. */
static void forget_session(const struct eye_tls_probes *probes, const struct eye_tls_key *session)
{
    const uint64_t key[] = {session->session, session->tgid};
    LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = key, .ctx_size_in = sizeof(key));
    bpf_prog_test_run_opts(bpf_program__fd(probes->programs->progs.tls_forget), &options);
}

uint64_t eye_tls_probes_joined(const struct eye_tls_probes *probes, enum eye_tls_means means)
{
    return *(const volatile __u64 *)&probes->programs->bss->eye_tls_joined[means];
}

void eye_tls_probes_forget_sessions(const struct eye_tls_probes *probes, const char *proc)
{
    int sessions = bpf_map__fd(probes->programs->maps.tls_sessions);
    uint32_t gone = 0;
    struct eye_tls_key next;
    int result = bpf_map_get_next_key(sessions, NULL, &next);
    for (uint32_t i = 0;
         result == 0 && i < bpf_map__max_entries(probes->programs->maps.tls_sessions); i++) {
        struct eye_tls_key session = next;
        result = bpf_map_get_next_key(sessions, &session, &next);
        if (session.tgid == gone || !eye_tls_is_process(proc, (pid_t)session.tgid)) {
            gone = session.tgid;
            forget_session(probes, &session);
        }
    }
}
