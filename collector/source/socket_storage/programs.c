/* SPDX-License-Identifier: Apache-2.0 */
/* Names, and one way to attach for each kind of program. */
#include "collector/source/socket_storage/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "collector/host/features.h"
#include "collector/host/remedy.h"

#include "bpf/socket_storage.skel.h"

const char *eye_ability_name(enum eye_ability ability)
{
    static const char *const names[] = {
#define X(identifier, name, cost) name,
        EYE_ABILITIES(X)
#undef X
    };
    return names[ability];
}

const char *eye_ability_cost(enum eye_ability ability)
{
    static const char *const costs[] = {
#define X(identifier, name, cost) cost,
        EYE_ABILITIES(X)
#undef X
    };
    return costs[ability];
}

const char *eye_program_name(enum eye_program program)
{
    static const char *const names[] = {
#define X(program, ability) #program,
        EYE_PROGRAMS(X)
#undef X
    };
    return names[program];
}

enum eye_ability eye_program_ability(enum eye_program program)
{
    static const enum eye_ability abilities[] = {
#define X(program, ability) EYE_ABILITY_##ability,
        EYE_PROGRAMS(X)
#undef X
    };
    return abilities[program];
}

struct socket_storage *eye_programs_open(struct eye_features *features)
{
    struct socket_storage *object = socket_storage__open();
    if (object != NULL) {
        object->rodata->eye_probes_memory =
            eye_helper_allowed(features, EYE_HELPER_TRACING_READS_STRINGS);
        object->rodata->eye_egress_introduces =
            eye_helper_allowed(features, EYE_HELPER_CGROUP_HAS_TASK_STORAGE) &&
            eye_helper_allowed(features, EYE_HELPER_CGROUP_READS_USERS) &&
            (!object->rodata->eye_probes_memory ||
             eye_helper_allowed(features, EYE_HELPER_CGROUP_READS_STRINGS));
    }
    return object;
}

struct bpf_program *eye_program_of(const struct socket_storage *object, enum eye_program program)
{
    struct bpf_program *const programs[] = {
#define X(name, ability) object->progs.name,
        EYE_PROGRAMS(X)
#undef X
    };
    return programs[program];
}

static struct bpf_link *attach_live(const struct socket_storage *object)
{
    union bpf_iter_link_info info;
    memset(&info, 0, sizeof(info));
    info.map.map_fd = (__u32)bpf_map__fd(object->maps.sockets);
    /* Assigned one by one: an initialiser would leave the padding at the struct's end undefined. */
    LIBBPF_OPTS(bpf_iter_attach_opts, options);
    options.link_info = &info;
    options.link_info_len = sizeof(info);
    return bpf_program__attach_iter(object->progs.tcp_live, &options);
}

static struct bpf_link *attach_to_cgroup(const struct bpf_program *program, int cgroup)
{
    if (cgroup < 0) {
        errno = -cgroup;
        return NULL;
    }
    return bpf_program__attach_cgroup(program, cgroup);
}

struct bpf_link *eye_program_attach(const struct socket_storage *object, enum eye_program program,
                                    int cgroup)
{
    if (program == EYE_PROGRAM_tcp_live) {
        return attach_live(object);
    }
    if (eye_program_ability(program) == EYE_ABILITY_PROTOCOLS) {
        return attach_to_cgroup(eye_program_of(object, program), cgroup);
    }
    return bpf_program__attach(eye_program_of(object, program));
}

bool eye_program_is_iterator(enum eye_program program)
{
    return program == EYE_PROGRAM_tcp_live ||
           eye_program_ability(program) == EYE_ABILITY_OLDER_SOCKETS;
}

/* @ability: of a program that loads, but cannot be attached; else EYE_ABILITY_COUNT. */
static const char *remedy_of(int error, enum eye_ability ability)
{
    if (ability == EYE_ABILITY_PROTOCOLS && error == E2BIG) {
        return "a cgroup takes 64 programs (bpftool cgroup tree)";
    }
    if (ability == EYE_ABILITY_PROTOCOLS && error == EPERM) {
        return "does another program there let none be beside it (bpftool cgroup tree)?";
    }
    return eye_remedy(error, ability == EYE_ABILITY_COUNT
                                 ? "kernels from 6.1 on are tested"
                                 : "is the kernel built with CONFIG_BPF_EVENTS?");
}

int eye_program_refused(enum eye_program program, int error, const char *reason,
                        struct eye_error *ret_error)
{
    enum eye_ability ability = eye_program_ability(program);
    return eye_error_set(ret_error, -error, "%s: kernel program %s: %s: %s; %s",
                         eye_ability_cost(ability), eye_program_name(program),
                         reason != NULL ? reason : "it cannot be attached", strerror(error),
                         remedy_of(error, reason != NULL ? EYE_ABILITY_COUNT : ability));
}
