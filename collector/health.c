/* SPDX-License-Identifier: Apache-2.0 */
/* Copies counters from where they are kept into series. */
#include "collector/health.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/process/containers.h"
#include "collector/source/loads.h"

static struct eye_series *series_1(const struct eye_health *health, enum eye_metric_id metric,
                                   enum eye_tag tag, const char *value)
{
    const struct eye_tag_value tags[] = {{tag, value}};
    return eye_group_series(health->group, metric, tags, 1);
}

static struct eye_series *series_2(const struct eye_health *health, enum eye_metric_id metric,
                                   enum eye_tag tag_a, const char *a, enum eye_tag tag_b,
                                   const char *b)
{
    const struct eye_tag_value tags[] = {{tag_a, a}, {tag_b, b}};
    return eye_group_series(health->group, metric, tags, 2);
}

static void update_losses(const struct eye_health *health)
{
    uint64_t losses[EYE_LOSS_COUNT];
    eye_source_losses(health->source, losses);
    for (size_t i = 0; i < EYE_LOSS_COUNT; i++) {
        eye_counter_set(series_2(health, EYE_METRIC_SELF_KERNEL_LOST, EYE_TAG_PROGRAM,
                                 eye_loss_program((enum eye_loss)i), EYE_TAG_REASON,
                                 eye_loss_reason((enum eye_loss)i)),
                        losses[i]);
    }
}

static void update_rings(const struct eye_health *health)
{
    for (size_t i = 0; i < EYE_RING_COUNT; i++) {
        enum eye_ring ring = (enum eye_ring)i;
        const char *name = eye_ring_name(ring);
        struct eye_ring_stats stats = eye_source_ring(health->source, ring);
        eye_gauge_set(series_1(health, EYE_METRIC_SELF_RING_FILL, EYE_TAG_RING, name), stats.fill);
        eye_counter_set(series_1(health, EYE_METRIC_SELF_KERNEL_RECORDS, EYE_TAG_RING, name),
                        stats.records);
    }
    eye_counter_set(series_1(health, EYE_METRIC_SELF_KERNEL_RECORDS, EYE_TAG_RING, "live"),
                    eye_source_live_records(health->source));
}

static bool is_told(const struct eye_series *series, const struct eye_program_stats *stats,
                    size_t count)
{
    const char *name = eye_tag_set_value(series->tags, EYE_TAG_PROGRAM);
    bool told = false;
    for (size_t i = 0; i < count && !told; i++) {
        told = strcmp(name, stats[i].name) == 0;
    }
    return told;
}

/* A program that the configuration does not want any more is neither attached nor refused. */
static void forget_programs(const struct eye_health *health, const struct eye_program_stats *stats,
                            size_t count)
{
    struct eye_series *next;
    struct eye_series *series = eye_registry_first(health->registry, EYE_METRIC_SELF_BPF_ATTACHED);
    for (; series != NULL; series = next) {
        next = series->next;
        if (!is_told(series, stats, count)) {
            eye_series_remove(health->registry, series);
        }
    }
}

static void update_programs(const struct eye_health *health)
{
    struct eye_program_stats stats[EYE_PROGRAMS_MAX];
    size_t count = eye_source_programs(health->source, stats);
    forget_programs(health, stats, count);
    for (size_t i = 0; i < count; i++) {
        eye_gauge_set(
            series_1(health, EYE_METRIC_SELF_BPF_ATTACHED, EYE_TAG_PROGRAM, stats[i].name),
            stats[i].works ? 1 : 0);
        if (stats[i].runs > 0) {
            eye_counter_set(
                series_1(health, EYE_METRIC_SELF_BPF_RUNS, EYE_TAG_PROGRAM, stats[i].name),
                stats[i].runs);
            eye_counter_set(
                series_1(health, EYE_METRIC_SELF_BPF_TIME, EYE_TAG_PROGRAM, stats[i].name),
                stats[i].time_ns);
        }
    }
}

static void update_loads(const struct eye_health *health)
{
    for (size_t i = 0; i < (size_t)EYE_ASSET_COUNT * EYE_LOAD_RESULT_COUNT; i++) {
        enum eye_asset asset = (enum eye_asset)(i / EYE_LOAD_RESULT_COUNT);
        enum eye_load_result result = (enum eye_load_result)(i % EYE_LOAD_RESULT_COUNT);
        uint64_t count = eye_load_count(asset, result);
        if (count > 0) {
            eye_counter_set(series_2(health, EYE_METRIC_BPF_LOAD, EYE_TAG_ASSET,
                                     eye_asset_name(asset), EYE_TAG_RESULT,
                                     eye_load_result_name(result)),
                            count);
        }
    }
}

static void update_features(const struct eye_health *health)
{
    for (size_t i = 0; i < EYE_FEATURE_COUNT; i++) {
        const struct eye_feature_state *state =
            eye_source_feature(health->source, (enum eye_feature)i);
        if (state->available != EYE_ANSWER_UNKNOWN) {
            eye_gauge_set(series_1(health, EYE_METRIC_SELF_FEATURE, EYE_TAG_FEATURE, state->key),
                          state->available == EYE_ANSWER_YES ? 1 : 0);
        }
    }
    eye_gauge_set(eye_group_series(health->group, EYE_METRIC_SELF_UNSEEDED, NULL, 0),
                  (double)eye_source_sight(health->source)->unseeded);
}

static void update_samples(const struct eye_health *health, const char *source, uint64_t aggregated,
                           uint64_t malformed)
{
    eye_counter_set(series_2(health, EYE_METRIC_SELF_SAMPLES, EYE_TAG_SOURCE, source,
                             EYE_TAG_OUTCOME, "aggregated"),
                    aggregated);
    eye_counter_set(series_2(health, EYE_METRIC_SELF_SAMPLES, EYE_TAG_SOURCE, source,
                             EYE_TAG_OUTCOME, "malformed"),
                    malformed);
}

/* What the rules left out was handed on, too. */
static void update_filtered(const struct eye_health *health, const char *source, uint64_t samples,
                            uint64_t malformed, uint64_t filtered)
{
    update_samples(health, source, samples - filtered, malformed);
    eye_counter_set(series_2(health, EYE_METRIC_SELF_SAMPLES, EYE_TAG_SOURCE, source,
                             EYE_TAG_OUTCOME, "filtered"),
                    filtered);
}

static void update_names(const struct eye_health *health)
{
    for (size_t i = 0; i < (size_t)EYE_REVERSE_SOURCE_COUNT * EYE_REVERSE_OUTCOME_COUNT; i++) {
        enum eye_reverse_source source = (enum eye_reverse_source)(i / EYE_REVERSE_OUTCOME_COUNT);
        enum eye_reverse_outcome outcome =
            (enum eye_reverse_outcome)(i % EYE_REVERSE_OUTCOME_COUNT);
        uint64_t count = eye_reverse_count(health->names, source, outcome);
        if (count > 0) {
            eye_counter_set(series_2(health, EYE_METRIC_SELF_REMOTE_NAMES, EYE_TAG_SOURCE,
                                     eye_reverse_source_name(source), EYE_TAG_OUTCOME,
                                     eye_reverse_outcome_name(outcome)),
                            count);
        }
    }
}

static void update_series(const struct eye_health *health)
{
    eye_counter_set(series_2(health, EYE_METRIC_SELF_SAMPLES, EYE_TAG_SOURCE, "aggregate",
                             EYE_TAG_OUTCOME, "out_of_memory"),
                    eye_registry_lost(health->registry));
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        size_t count = eye_registry_count(health->registry, (enum eye_metric_id)i);
        if (count > 0) {
            eye_gauge_set(series_1(health, EYE_METRIC_SELF_SERIES, EYE_TAG_METRIC,
                                   eye_metric((enum eye_metric_id)i)->name),
                          (double)count);
        }
    }
}

static void update_containers(const struct eye_health *health)
{
    const struct eye_container_stats stats = eye_processes_containers(health->processes);
    eye_gauge_set(series_1(health, EYE_METRIC_SELF_CONTAINERS, EYE_TAG_OUTCOME, "named"),
                  (double)stats.named);
    eye_gauge_set(series_1(health, EYE_METRIC_SELF_CONTAINERS, EYE_TAG_OUTCOME, "unnamed"),
                  (double)(stats.count - stats.named));
    for (size_t i = 0; i < EYE_CONTAINER_OUTCOME_COUNT; i++) {
        eye_counter_set(series_1(health, EYE_METRIC_SELF_CONTAINER_LOOKUPS, EYE_TAG_OUTCOME,
                                 eye_container_outcome_name((enum eye_container_outcome)i)),
                        stats.outcomes[i]);
    }
}

static void update_monitor(const struct eye_health *health)
{
    const struct eye_monitor_stats stats = eye_monitor_stats(health->monitor);
    const struct {
        enum eye_metric_id metric;
        uint64_t value;
    } counters[] = {
        {EYE_METRIC_MONITOR_EVENTS, stats.events},
        {EYE_METRIC_MONITOR_EXEC, stats.execs},
        {EYE_METRIC_MONITOR_EXIT, stats.exits},
        {EYE_METRIC_MONITOR_LOST, stats.lost},
        {EYE_METRIC_MONITOR_RESTART, stats.restarts},
        {EYE_METRIC_MONITOR_REINIT_FAILED, stats.failures},
        {EYE_METRIC_MONITOR_SCAN_FAILED, stats.scans_failed},
    };
    const char *way = eye_monitor_way(health->monitor);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(counters) && way != NULL; i++) {
        eye_counter_set(series_1(health, counters[i].metric, EYE_TAG_SOURCE, way),
                        counters[i].value);
    }
}

static void update_tls(const struct eye_health *health)
{
    struct eye_tls_counts counts;
    if (!eye_source_read_tls(health->source, &counts)) {
        return;
    }
    for (size_t i = 0; i < EYE_TLS_OUTCOME_COUNT; i++) {
        const char *outcome = eye_tls_outcome_name((enum eye_tls_outcome)i);
        eye_gauge_set(series_1(health, EYE_METRIC_TLS_LIBRARIES, EYE_TAG_OUTCOME, outcome),
                      (double)counts.files[i]);
    }
    eye_gauge_set(series_1(health, EYE_METRIC_TLS_LIBRARIES, EYE_TAG_OUTCOME, "beyond"),
                  (double)counts.beyond);
    eye_counter_set(eye_group_series(health->group, EYE_METRIC_TLS_CONNECTIONS, NULL, 0),
                    counts.hellos);
    static const char *const means[] = {
        [EYE_TLS_BY_HELLO] = "hello",
        [EYE_TLS_BY_DESCRIPTOR] = "descriptor",
    };
    for (size_t i = EYE_TLS_UNJOINED + 1; i < EYE_ARRAY_LENGTH(means); i++) {
        eye_counter_set(series_1(health, EYE_METRIC_TLS_SESSIONS, EYE_TAG_SOURCE, means[i]),
                        counts.joined[i]);
    }
}

/* Whoever reads it from packets looks for nothing. */
static void update_nat(const struct eye_health *health)
{
    const struct eye_conntracker_stats stats = eye_conntracker_stats(health->conntracker);
    const char *way = health->conntracker->name;
    eye_counter_set(series_1(health, EYE_METRIC_SELF_NAT_LOOKUPS, EYE_TAG_SOURCE, way),
                    stats.lookups);
    eye_counter_set(series_1(health, EYE_METRIC_SELF_NAT_DUMPS, EYE_TAG_SOURCE, way), stats.dumps);
    eye_gauge_set(series_1(health, EYE_METRIC_SELF_NAT_ENTRIES, EYE_TAG_SOURCE, way),
                  (double)stats.entries);
    for (size_t i = 0; i < EYE_NAT_LOSS_COUNT; i++) {
        const char *reason = eye_nat_loss_reason((enum eye_nat_loss)i);
        eye_counter_set(series_1(health, EYE_METRIC_SELF_NAT_LOST, EYE_TAG_REASON, reason),
                        stats.losses[i]);
    }
}

static uint64_t timeval_ns(struct timeval value)
{
    return (uint64_t)value.tv_sec * EYE_NS_PER_SECOND + (uint64_t)value.tv_usec * EYE_NS_PER_US;
}

/* 0: it cannot be read. */
static double resident_bytes(void)
{
    unsigned long total = 0;
    unsigned long resident = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm != NULL) {
        if (fscanf(statm, "%lu %lu", &total, &resident) != 2) { /* NOLINT: the kernel's numbers */
            resident = 0;
        }
        fclose(statm);
    }
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void update_self(const struct eye_health *health)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    eye_counter_set(eye_group_series(health->group, EYE_METRIC_SELF_CPU, NULL, 0),
                    timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime));
    double resident = resident_bytes();
    if (resident > 0) {
        eye_gauge_set(eye_group_series(health->group, EYE_METRIC_SELF_MEMORY, NULL, 0), resident);
    }
    eye_gauge_set(eye_group_series(health->group, EYE_METRIC_SELF_PROCESSES, NULL, 0),
                  (double)eye_processes_count(health->processes));
    eye_counter_set(eye_group_series(health->group, EYE_METRIC_SELF_FORGOTTEN, NULL, 0),
                    eye_processes_given_up(health->processes));
    eye_counter_set(eye_group_series(health->group, EYE_METRIC_SELF_NAMES_FORGOTTEN, NULL, 0),
                    eye_usm_forgotten(health->usm));
    eye_counter_set(eye_group_series(health->group, EYE_METRIC_SELF_LOG_DROPPED, NULL, 0),
                    eye_log_dropped());
}

void eye_health_update(const struct eye_health *health)
{
    update_losses(health);
    update_rings(health);
    update_programs(health);
    update_loads(health);
    update_features(health);
    const struct eye_aggregate_filtered filtered = eye_aggregate_filtered(health->aggregate);
    update_filtered(health, "tracer", health->tracer->samples, health->tracer->malformed,
                    filtered.sockets);
    update_samples(health, "process", eye_source_ring(health->source, EYE_RING_OWNERS).records,
                   eye_processes_malformed(health->processes));
    update_filtered(health, "usm", health->usm->samples, health->usm->malformed, filtered.requests);
    eye_reports_tell(health->reports, health->registry, health->group);
    update_containers(health);
    update_monitor(health);
    update_tls(health);
    update_nat(health);
    update_names(health);
    update_self(health);
    update_series(health);
}
