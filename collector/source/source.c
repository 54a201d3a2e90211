/* SPDX-License-Identifier: Apache-2.0 */
/* Chooses a tier and hands on what is asked of it. */
#include "collector/source/source.h"

#include <errno.h>
#include <string.h>

#include "collector/source/loads.h"

struct eye_source {
    const struct eye_tier_type *tier;
    void *state;
    struct eye_features *features;
    struct eye_sight sight;
    uint64_t live_records;
    const struct eye_config *next; /* from eye_source_prepare() to eye_source_apply() */
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

const struct eye_tier_type *eye_source_first(const struct eye_config *config)
{
    int tier = config->source.tier;
    return eye_tier_types[tier == EYE_TIER_AUTO ? 0 : tier - EYE_TIER_FIRST];
}

/* The next best one that the configuration allows; NULL behind the last. */
static const struct eye_tier_type *next_tier(const struct eye_config *config,
                                             const struct eye_tier_type *tier)
{
    size_t i = 0;
    while (config->source.tier == EYE_TIER_AUTO && eye_tier_types[i] != tier) {
        i++;
    }
    return config->source.tier == EYE_TIER_AUTO ? eye_tier_types[i + 1] : NULL;
}

int eye_source_check(struct eye_features *features, struct eye_error *ret_error)
{
    const struct eye_tier_type *tier = eye_source_first(features->config);
    int result = tier->check(features, ret_error);
    while (result != 0 && (tier = next_tier(features->config, tier)) != NULL) {
        result = tier->check(features, NULL) == 0 ? 0 : result;
    }
    return result;
}

/* Why it is this tier and no better one; @why: what the best one said. */
static void note_better(const struct eye_features *features, const struct eye_tier_type *tier,
                        const struct eye_error *why, struct eye_sight *sight)
{
    const struct eye_tier_type *best = eye_source_first(features->config);
    struct eye_error line;
    memset(sight, 0, sizeof(*sight));
    if (tier != best) {
        eye_error_set(&line, 0, "tier %s, because %s cannot be had: %s", tier->name, best->name,
                      why->text);
        eye_sight_note(sight, &line);
    }
}

/* The first error is the best tier's: what others lack is no news. */
static void keep_first(const struct eye_error *error, struct eye_error *first)
{
    if (first->text[0] == '\0') {
        *first = *error;
    }
}

/* The programs stay in @trial, for whoever wants to know why it is another one. */
static void probe_tier(struct eye_features *features, const struct eye_tier_type *tier,
                       struct eye_error *why, struct eye_tier_trial *trial)
{
    struct eye_error error = {""};
    note_better(features, tier, why, &trial->sight);
    size_t known = trial->sight.not_seen_count;
    if (tier->check(features, &error) != 0) {
        eye_sight_note(&trial->sight, &error);
    } else {
        tier->probe(features, trial);
    }
    if (!trial->connections) {
        keep_first(&trial->sight.not_seen[known], why);
    }
}

const struct eye_tier_type *eye_source_probe(struct eye_features *features,
                                             struct eye_tier_trial *ret_trial)
{
    const struct eye_tier_type *best = eye_source_first(features->config);
    const struct eye_tier_type *tier = best;
    struct eye_error why = {""};
    memset(ret_trial, 0, sizeof(*ret_trial));
    ret_trial->programs_of = best;
    probe_tier(features, tier, &why, ret_trial);
    while (!ret_trial->connections && (tier = next_tier(features->config, tier)) != NULL) {
        probe_tier(features, tier, &why, ret_trial);
    }
    if (tier == NULL) {
        memset(&ret_trial->sight, 0, sizeof(ret_trial->sight));
        eye_sight_note(&ret_trial->sight, &why);
    }
    return tier == NULL ? best : tier;
}

static int open_tier(struct eye_source *source, const struct eye_tier_type *tier,
                     const struct eye_steps *steps, struct eye_error *why)
{
    struct eye_error error = {""};
    source->tier = tier;
    note_better(source->features, tier, why, &source->sight);
    int result = tier->check(source->features, &error);
    if (result != 0 && tier->program_count > 0) {
        eye_load_note_not_tried(EYE_ASSET_TIER);
    } else if (result == 0) {
        result = tier->open(source->features, steps, &source->sight, &source->state, &error);
    }
    if (result != 0) {
        keep_first(&error, why);
    }
    return result;
}

int eye_source_open(struct eye_features *features, const struct eye_steps *steps,
                    struct eye_source **ret_source, struct eye_error *ret_error)
{
    struct eye_error why = {""};
    struct eye_source *source = calloc(1, sizeof(*source));
    if (source == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    source->features = features;
    const struct eye_tier_type *tier = eye_source_first(features->config);
    int of_best = open_tier(source, tier, steps, &why);
    int result = of_best;
    while (result != 0 && result != -ECANCELED &&
           (tier = next_tier(features->config, tier)) != NULL) {
        result = open_tier(source, tier, steps, &why);
    }
    if (result != 0) {
        free(source);
        result = result == -ECANCELED ? result : of_best;
        return why.text[0] == '\0' ? result : eye_error_set(ret_error, result, "%s", why.text);
    }
    *ret_source = source;
    return 0;
}

void eye_source_close(struct eye_source *source)
{
    if (source == NULL) {
        return;
    }
    source->tier->close(source->state);
    free(source);
}

const char *eye_source_tier(const struct eye_source *source)
{
    return source->tier->name;
}

const struct eye_sight *eye_source_sight(const struct eye_source *source)
{
    return &source->sight;
}

bool eye_source_is_whole(const struct eye_source *source)
{
    return source->tier->is_whole(source->state);
}

int eye_source_prepare(struct eye_source *source, const struct eye_config *config,
                       struct eye_error *ret_error)
{
    source->next = config;
    return source->tier->prepare(source->state, config, ret_error);
}

void eye_source_apply(struct eye_source *source)
{
    source->features->config = source->next;
    source->tier->apply(source->state);
}

void eye_source_settle(struct eye_source *source)
{
    source->tier->settle(source->state);
}

bool eye_source_is_readable(const struct eye_source *source)
{
    return source->tier->is_readable(source->state);
}

enum eye_role eye_source_role(const struct eye_source *source)
{
    return source->tier->role != NULL ? source->tier->role(source->state) : EYE_ROLE_COLLECTOR;
}

bool eye_source_retry(struct eye_source *source)
{
    return source->tier->retry(source->state);
}

void eye_source_on_record(struct eye_source *source, enum eye_ring ring,
                          eye_record_handler *handler, void *context)
{
    source->tier->on_record(source->state, ring, handler, context);
}

int eye_source_descriptor(const struct eye_source *source)
{
    return source->tier->descriptor(source->state);
}

void eye_source_drain(struct eye_source *source)
{
    source->tier->drain(source->state);
}

void eye_source_drain_owners(struct eye_source *source)
{
    source->tier->drain_owners(source->state);
}

struct eye_ring_stats eye_source_ring(const struct eye_source *source, enum eye_ring ring)
{
    struct eye_ring_stats stats;
    source->tier->read_ring(source->state, ring, &stats);
    return stats;
}

int eye_source_read_live(struct eye_source *source, uint32_t pass, bool full,
                         eye_record_handler *handler, void *context)
{
    uint64_t records;
    int result = source->tier->read_live(source->state, pass, full, handler, context, &records);
    source->live_records += records;
    return result;
}

uint64_t eye_source_live_records(const struct eye_source *source)
{
    return source->live_records;
}

int eye_source_open_rows(const struct eye_source *source, void **ret_rows,
                         struct eye_error *ret_error)
{
    return source->tier->open_rows(source->state, ret_rows, ret_error);
}

int eye_source_read_rows(const struct eye_source *source, const void *rows,
                         eye_record_handler *handler, void *context)
{
    return source->tier->read_rows(rows, handler, context);
}

void eye_source_drain_rows(const struct eye_source *source, void *rows, eye_record_handler *handler,
                           void *context)
{
    source->tier->drain_rows(rows, handler, context);
}

uint64_t eye_source_lost_rows(const struct eye_source *source, const void *rows)
{
    return source->tier->lost_rows(rows);
}

void eye_source_close_rows(const struct eye_source *source, void *rows)
{
    source->tier->close_rows(rows);
}

void eye_source_losses(const struct eye_source *source, uint64_t ret_losses[EYE_LOSS_COUNT])
{
    source->tier->losses(source->state, ret_losses);
}

size_t eye_source_programs(const struct eye_source *source,
                           struct eye_program_stats ret_stats[EYE_PROGRAMS_MAX])
{
    return source->tier->read_programs(source->state, ret_stats);
}

bool eye_source_follows_processes(const struct eye_source *source)
{
    return source->tier->follows_processes(source->state);
}

struct eye_process_counts eye_source_process_counts(const struct eye_source *source)
{
    return source->tier->process_counts(source->state);
}

bool eye_source_read_tls(const struct eye_source *source, struct eye_tls_counts *ret_counts)
{
    return source->tier->read_tls(source->state, ret_counts);
}

bool eye_source_list_tls(const struct eye_source *source, eye_tls_file_handler *handler,
                         void *context)
{
    return source->tier->list_tls(source->state, handler, context);
}

bool eye_source_tells_nat(const struct eye_source *source)
{
    return source->tier->tells_nat(source->state);
}

const struct eye_feature_state *eye_source_feature(const struct eye_source *source,
                                                   enum eye_feature feature)
{
    return eye_feature_ask(source->features, feature);
}

const char *eye_source_proc(const struct eye_source *source)
{
    return source->tier->any_proc ? source->features->config->source.proc
                                  : eye_features_proc(source->features);
}
