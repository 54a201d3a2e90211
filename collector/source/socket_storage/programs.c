/* SPDX-License-Identifier: Apache-2.0 */
/* Names, and one way to attach for each kind of program. */
#include "collector/source/socket_storage/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "bpf/abi.h"
#include "collector/host/features.h"
#include "collector/host/remedy.h"

#include "bpf/rows.skel.h"
#include "bpf/socket_storage.skel.h"
/* Made by bpf/CMakeLists.txt: the object of each protocol. */
#include "bpf/protocols.skel.h"

const struct eye_program_info eye_programs[EYE_PROGRAM_COUNT] = {
#define OWN(program, ability, way) {#program, EYE_ABILITY_##ability},
#define X(identifier, name)                                                                        \
    {#name "_sent", EYE_ABILITY_PROTOCOLS}, {#name "_received", EYE_ABILITY_PROTOCOLS},
    EYE_OWN_PROGRAMS(OWN) EYE_PROTOCOLS(X) EYE_ROW_PROGRAMS(OWN)
#undef X
#undef OWN
};

static const enum eye_program_way ways[EYE_PROGRAM_COUNT] = {
#define OWN(program, ability, way) EYE_WAY_##way,
#define X(identifier, name) EYE_WAY_CALLED, EYE_WAY_CALLED,
    EYE_OWN_PROGRAMS(OWN) EYE_PROTOCOLS(X) EYE_ROW_PROGRAMS(OWN)
#undef X
#undef OWN
};

/* Over which map an iterator goes; NULL: over none. */
static const char *map_of(enum eye_program program)
{
    static const char *const maps[] = {
        [EYE_WAY_ITERATES_SOCKETS] = "sockets",
        [EYE_WAY_ITERATES_UDP_SOCKETS] = "udp_sockets",
    };
    return maps[ways[program]];
}

/* They are of types that are attached to cgroups. */
const struct eye_payload_type *const eye_programs_payload = &eye_payload_cgroup_skb;

bool eye_programs_read_memory(struct eye_features *features)
{
    return eye_helper_allowed(features, EYE_HELPER_TRACING_READS_STRINGS) &&
           eye_helper_allowed(features, EYE_HELPER_CGROUP_READS_STRINGS);
}

struct socket_storage *eye_programs_open(struct eye_features *features)
{
    struct socket_storage *object = socket_storage__open();
    if (object != NULL) {
        object->rodata->eye_probes_memory =
            eye_helper_allowed(features, EYE_HELPER_TRACING_READS_STRINGS);
        object->rodata->eye_packets_read_memory = eye_programs_read_memory(features);
        object->rodata->eye_egress_introduces =
            eye_helper_allowed(features, EYE_HELPER_CGROUP_HAS_TASK_STORAGE) &&
            eye_helper_allowed(features, EYE_HELPER_CGROUP_READS_USERS) &&
            (!object->rodata->eye_probes_memory ||
             eye_helper_allowed(features, EYE_HELPER_CGROUP_READS_STRINGS));
        object->rodata->eye_exec_introduces =
            features->config->connections.udp && !object->rodata->eye_egress_introduces;
    }
    return object;
}

enum eye_wish eye_protocol_wish(const struct eye_config *config, enum eye_protocol protocol)
{
    const int wishes[] = {[EYE_PROTOCOL_UNKNOWN] = EYE_WISH_NEVER,
#define X(identifier, name) [EYE_PROTOCOL_##identifier] = config->protocols.name,
                          EYE_PROTOCOLS(X)
#undef X
    };
    bool names = protocol == EYE_PROTOCOL_DNS && wishes[protocol] == EYE_WISH_AUTO &&
                 eye_config_wants_names(config);
    return names ? EYE_WISH_ALWAYS : (enum eye_wish)wishes[protocol];
}

static uint8_t protocol_named(const char *word)
{
    enum eye_protocol protocol = EYE_PROTOCOL_UNKNOWN;
#define X(identifier, name)                                                                        \
    if (strcmp(word, #name) == 0) {                                                                \
        protocol = EYE_PROTOCOL_##identifier;                                                      \
    }
    EYE_PROTOCOLS(X)
#undef X
    return (uint8_t)protocol;
}

void eye_protocol_ports_write(const struct eye_config *config, uint8_t ports[static 65536])
{
    uint8_t wanted[UINT16_MAX + 1] = {EYE_PROTOCOL_UNKNOWN};
    const struct eye_port_rule *rules = config->protocols.ports.items;
    for (size_t i = 0; i < config->protocols.ports.count; i++) {
        wanted[rules[i].port] = protocol_named(rules[i].protocol);
    }
    for (size_t i = 0; i <= UINT16_MAX; i++) {
        if (ports[i] != wanted[i]) {
            ports[i] = wanted[i];
        }
    }
}

bool eye_packets_wanted(const struct eye_config *config)
{
    return config->connections.udp || eye_config_wants_protocols(config);
}

uint32_t eye_protocols_wanted(const struct eye_config *config)
{
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < EYE_PROTOCOL_COUNT; i++) {
        bool wants = eye_protocol_wish(config, (enum eye_protocol)i) != EYE_WISH_NEVER;
        wanted |= (uint32_t)wants << i;
    }
    return wanted;
}

struct bpf_program *eye_program_of(const struct socket_storage *object, enum eye_program program)
{
    struct bpf_program *const programs[] = {
#define X(name, ...) object->progs.name,
        EYE_OWN_PROGRAMS(X)
#undef X
    };
    return programs[program];
}

enum eye_protocol eye_program_protocol(enum eye_program program)
{
    return program < EYE_OWN_PROGRAM_COUNT || program >= EYE_PROGRAM_BEHIND_PROTOCOLS
               ? EYE_PROTOCOL_UNKNOWN
               : (enum eye_protocol)((program - EYE_OWN_PROGRAM_COUNT) / 2 + 1);
}

enum eye_program eye_protocol_program(enum eye_protocol protocol)
{
    return (enum eye_program)(EYE_OWN_PROGRAM_COUNT + (protocol - 1) * 2);
}

struct bpf_object *eye_protocol_open(enum eye_protocol protocol)
{
    static const void *(*const objects[])(size_t *) = {
#define X(identifier, name) [EYE_PROTOCOL_##identifier] = usm_##name##__elf_bytes,
        EYE_PROTOCOLS(X)
#undef X
    };
    /* Tools show its maps under it. */
    static const char *const names[] = {
#define X(identifier, name) [EYE_PROTOCOL_##identifier] = #name,
        EYE_PROTOCOLS(X)
#undef X
    };
    LIBBPF_OPTS(bpf_object_open_opts, options);
    options.object_name = names[protocol];
    size_t bytes;
    const void *elf = objects[protocol](&bytes);
    return bpf_object__open_mem(elf, bytes, &options);
}

struct bpf_object *eye_rows_open(void)
{
    LIBBPF_OPTS(bpf_object_open_opts, options);
    options.object_name = "rows";
    size_t bytes;
    const void *elf = rows__elf_bytes(&bytes);
    return bpf_object__open_mem(elf, bytes, &options);
}

static struct bpf_link *attach_to_map(const struct bpf_object *object,
                                      const struct bpf_program *program, const char *map)
{
    union bpf_iter_link_info info;
    memset(&info, 0, sizeof(info));
    info.map.map_fd = (__u32)bpf_object__find_map_fd_by_name(object, map);
    /* Assigned one by one: an initialiser would leave the padding at the struct's end undefined. */
    LIBBPF_OPTS(bpf_iter_attach_opts, options);
    options.link_info = &info;
    options.link_info_len = sizeof(info);
    return bpf_program__attach_iter(program, &options);
}

struct bpf_link *eye_program_attach(const struct bpf_object *object, enum eye_program program,
                                    int place)
{
    const struct bpf_program *loaded =
        bpf_object__find_program_by_name(object, eye_programs[program].name);
    const char *map = map_of(program);
    if (map != NULL) {
        return attach_to_map(object, loaded, map);
    }
    return ways[program] == EYE_WAY_PLACED ? eye_programs_payload->attach(loaded, place)
                                           : bpf_program__attach(loaded);
}

enum eye_look_way eye_programs_look(struct eye_features *features)
{
    enum eye_look_way wanted = (enum eye_look_way)features->config->source.look;
    return wanted != EYE_LOOK_WAY_AUTO                            ? wanted
           : eye_storage_walk(features) == EYE_STORAGE_WALK_WORKS ? EYE_LOOK_WAY_STORAGE
                                                                  : EYE_LOOK_WAY_TABLES;
}

void eye_programs_note_look(struct eye_features *features, struct eye_sight *sight)
{
    if (eye_programs_look(features) != EYE_LOOK_WAY_TABLES) {
        return;
    }
    const struct eye_feature_state *feature = eye_feature_ask(features, EYE_FEATURE_NAMESPACES);
    if (feature->available != EYE_ANSWER_NO) {
        return;
    }
    struct eye_error why;
    eye_error_set(&why, 0,
                  "of connections in network namespaces that cannot be entered nothing is seen "
                  "before they end: live sockets are looked at by table (source.look): %s; %s",
                  feature->detail, feature->remedy);
    eye_sight_note(sight, &why);
}

bool eye_program_is_used(enum eye_program program, enum eye_look_way look)
{
    switch (ways[program]) {
    case EYE_WAY_ITERATES_TABLES:
        return look == EYE_LOOK_WAY_TABLES;
    case EYE_WAY_ITERATES_SOCKETS:
    case EYE_WAY_ITERATES_UDP_SOCKETS:
        return look == EYE_LOOK_WAY_STORAGE;
    default:
        return true;
    }
}

enum eye_program_way eye_program_way(enum eye_program program)
{
    return ways[program];
}

/* Of a program that this kernel does not take. */
static const char *remedy_of_load(int error)
{
    return eye_remedy(error, "kernels from 6.1 on are tested");
}

static const char *remedy_of_attaching(enum eye_program program, int error)
{
    const char *remedy =
        ways[program] == EYE_WAY_PLACED ? eye_programs_payload->remedy(error) : NULL;
    return remedy != NULL ? remedy
                          : eye_remedy(error, "is the kernel built with CONFIG_BPF_EVENTS?");
}

int eye_program_refused(enum eye_program program, int error, const char *reason,
                        struct eye_error *ret_error)
{
    return eye_error_set(
        ret_error, -error, "%s: kernel program %s: %s: %s; %s",
        eye_ability_cost(eye_programs[program].ability), eye_programs[program].name,
        reason != NULL ? reason : "it cannot be attached", strerror(error),
        reason != NULL ? remedy_of_load(error) : remedy_of_attaching(program, error));
}
