/* SPDX-License-Identifier: Apache-2.0 */
/* Decides by the same checks as the start of the daemon. */
#include "collector/source/socket_storage/probe.h"

#include "collector/source/socket_storage/tls_trial.h"
#include "collector/source/socket_storage/trial.h"

static bool note_ability(struct eye_tier_trial *trial, enum eye_ability ability)
{
    struct eye_error why;
    bool works = eye_programs_check(trial->programs, ability, &why) == 0;
    if (!works) {
        eye_sight_note(&trial->sight, &why);
    }
    return works;
}

/* A part of the host costs the rest of it; no place at all is the only cause that is told. */
static void conclude_packets(struct eye_tier_trial *trial, struct eye_features *features)
{
    trial->everywhere =
        eye_sight_note_feature(&trial->sight, features, eye_programs_payload->feature);
    struct eye_error ignored;
    bool packets = trial->everywhere
                       ? note_ability(trial, EYE_ABILITY_PACKETS)
                       : eye_programs_check(trial->programs, EYE_ABILITY_PACKETS, &ignored) == 0;
    trial->protocols = eye_config_wants_protocols(features->config) &&
                       note_ability(trial, EYE_ABILITY_PROTOCOLS) && packets;
    trial->nat = packets && eye_programs_read_memory(features);
    if (packets) {
        note_ability(trial, EYE_ABILITY_UNSENT);
    }
    trial->udp =
        features->config->connections.udp && packets && note_ability(trial, EYE_ABILITY_UDP);
}

static void conclude_look(struct eye_tier_trial *trial, struct eye_features *features)
{
    static const char *const reasons[] = {
        [EYE_STORAGE_WALK_WORKS] = "source.look",
        [EYE_STORAGE_WALK_CRASHES] = "this kernel may crash while it walks over socket storage",
        [EYE_STORAGE_WALK_REFUSED] = "this kernel refuses programs that walk over socket storage",
    };
    bool by_table = eye_programs_look(features) == EYE_LOOK_WAY_TABLES;
    trial->look = by_table ? "tables" : "storage";
    trial->look_why = by_table ? reasons[eye_storage_walk(features)] : NULL;
}

void eye_socket_storage_probe(struct eye_features *features, struct eye_tier_trial *ret_trial)
{
    eye_programs_try(features, ret_trial->programs);
    conclude_look(ret_trial, features);
    ret_trial->connections = note_ability(ret_trial, EYE_ABILITY_CONNECTIONS);
    if (!ret_trial->connections) {
        return;
    }
    ret_trial->tls = eye_tls_try(features, &ret_trial->tls_why) == 0;
    eye_programs_note_look(features, &ret_trial->sight);
    note_ability(ret_trial, EYE_ABILITY_OLDER_SOCKETS);
    note_ability(ret_trial, EYE_ABILITY_ROWS);
    if (eye_config_traces_processes(features->config)) {
        note_ability(ret_trial, EYE_ABILITY_PROCESSES);
    }
    if (eye_packets_wanted(features->config)) {
        conclude_packets(ret_trial, features);
    }
    for (size_t i = EYE_FEATURE_CPUS + 1; i < EYE_FEATURE_COUNT; i++) {
        if (i != (size_t)eye_programs_payload->feature) {
            eye_sight_note_feature(&ret_trial->sight, features, (enum eye_feature)i);
        }
    }
}
