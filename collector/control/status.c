/* SPDX-License-Identifier: Apache-2.0 */
/* From what is known of the daemon to JSON. */
#include "collector/control/status.h"

#include <inttypes.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/control/tls_json.h"
#include "collector/control/values.h"

/* 1 attempt in a row may be bad luck; and a receiver that is away for longer is worth a look. */
#define FAILING_ATTEMPTS 2

struct snapshots {
    const struct eye_snapshot *now;
    const struct eye_snapshot *before;
};

static void cleanup_snapshots(struct snapshots *snapshots)
{
    eye_snapshot_unref(snapshots->now);
    eye_snapshot_unref(snapshots->before);
}

/* ---- Values ---- */

static json_t *seconds_of(uint64_t ns)
{
    return json_real((double)ns / (double)EYE_NS_PER_SECOND);
}

static json_t *count_of(uint64_t count)
{
    return json_integer((json_int_t)count);
}

/* "" is none, too. */
static json_t *text_or_null(const char *text)
{
    return text == NULL || *text == '\0' ? json_null() : json_string(text);
}

/* ---- What is counted ---- */

/* One list of the answer: points of one metric, and what is told of each. */
typedef void add_fn(json_t *list, const struct eye_change *change);

static json_t *list_changes(const struct snapshots *snapshots, enum eye_metric_id metric,
                            add_fn *add)
{
    json_t *list = json_array();
    struct eye_changes changes;
    struct eye_change change;
    if (snapshots->now == NULL) {
        return list;
    }
    eye_changes_begin(&changes, snapshots->now, snapshots->before);
    while (eye_changes_next(&changes, &change)) {
        if (change.point->metric->id == metric) {
            add(list, &change);
        }
    }
    return list;
}

/* What the last interval added; of the first one, all there is. */
static void add_loss(json_t *list, const struct eye_change *change)
{
    const struct eye_point *point = change->point;
    if (point->counter > 0) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I}", "program",
                                              eye_json_tag(point, EYE_TAG_PROGRAM), "reason",
                                              eye_json_tag(point, EYE_TAG_REASON), "total",
                                              (json_int_t)point->counter, "last_interval",
                                              (json_int_t)change->counter));
    }
}

static void add_budget(json_t *list, const struct eye_change *change)
{
    const struct eye_point *point = change->point;
    json_array_append_new(
        list, json_pack("{s:s, s:s, s:s, s:I, s:I}", "metric", eye_json_tag(point, EYE_TAG_METRIC),
                        "tag", eye_json_tag(point, EYE_TAG_TAG), "limit",
                        eye_json_tag(point, EYE_TAG_LIMIT), "total", (json_int_t)point->counter,
                        "last_interval", (json_int_t)change->counter));
}

static void add_program(json_t *list, const struct eye_change *change)
{
    json_array_append_new(list, json_pack("{s:s, s:b, s:n, s:n}", "name",
                                          eye_json_tag(change->point, EYE_TAG_PROGRAM), "attached",
                                          change->point->gauge > 0, "runs", "time_s"));
}

/* The value of @metric with @program, as the kernel counts it; NULL: it does not. */
static const struct eye_point *point_of(const struct eye_snapshot *snapshot,
                                        enum eye_metric_id metric, enum eye_tag tag,
                                        const char *value)
{
    for (size_t i = 0; snapshot != NULL && i < snapshot->count; i++) {
        const struct eye_point *point = &snapshot->points[i];
        if (point->metric->id == metric &&
            (value == NULL || strcmp(eye_json_tag(point, tag), value) == 0)) {
            return point;
        }
    }
    return NULL;
}

static json_t *list_programs(const struct snapshots *snapshots)
{
    json_t *list = list_changes(snapshots, EYE_METRIC_SELF_BPF_ATTACHED, add_program);
    size_t i;
    json_t *program;
    json_array_foreach(list, i, program)
    {
        const char *name = json_string_value(json_object_get(program, "name"));
        const struct eye_point *runs =
            point_of(snapshots->now, EYE_METRIC_SELF_BPF_RUNS, EYE_TAG_PROGRAM, name);
        const struct eye_point *time =
            point_of(snapshots->now, EYE_METRIC_SELF_BPF_TIME, EYE_TAG_PROGRAM, name);
        if (runs != NULL && time != NULL) {
            json_object_set_new(program, "runs", count_of(runs->counter));
            json_object_set_new(program, "time_s", seconds_of(time->counter));
        }
    }
    return list;
}

/* ---- The daemon itself ---- */

static json_t *self_of(const struct snapshots *snapshots)
{
    const struct eye_point *cpu = point_of(snapshots->now, EYE_METRIC_SELF_CPU, 0, NULL);
    const struct eye_point *before = point_of(snapshots->before, EYE_METRIC_SELF_CPU, 0, NULL);
    const struct eye_point *memory = point_of(snapshots->now, EYE_METRIC_SELF_MEMORY, 0, NULL);
    json_t *self = json_object();
    json_object_set_new(self, "cpu_s", cpu == NULL ? json_null() : seconds_of(cpu->counter));
    json_object_set_new(
        self, "cpu_ratio",
        cpu == NULL || before == NULL
            ? json_null()
            : json_real((double)(cpu->counter - before->counter) /
                        (double)eye_snapshot_span_ns(snapshots->now, snapshots->before)));
    json_object_set_new(self, "memory_bytes",
                        memory == NULL ? json_null() : json_integer((json_int_t)memory->gauge));
    return self;
}

/* Of the gauge usm.tls.libraries. */
static json_t *libraries_of(const struct snapshots *snapshots, const char *outcome)
{
    const struct eye_point *point =
        point_of(snapshots->now, EYE_METRIC_TLS_LIBRARIES, EYE_TAG_OUTCOME, outcome);
    return json_integer(point == NULL ? 0 : (json_int_t)point->gauge);
}

/* Of the counter usm.tls.sessions. */
static uint64_t sessions_of(const struct snapshots *snapshots, const char *source)
{
    const struct eye_point *point =
        point_of(snapshots->now, EYE_METRIC_TLS_SESSIONS, EYE_TAG_SOURCE, source);
    return point == NULL ? 0 : point->counter;
}

/* null: nobody looks inside TLS. The files are those of this moment. */
static json_t *tls_of(const struct eye_running *running, const struct snapshots *snapshots)
{
    const struct eye_point *connections =
        point_of(snapshots->now, EYE_METRIC_TLS_CONNECTIONS, EYE_TAG_COUNT, NULL);
    json_t *files = json_array();
    bool looks =
        running->source != NULL && eye_source_list_tls(running->source, eye_tls_file_append, files);
    if (!looks && connections == NULL) {
        json_decref(files);
        return json_null();
    }
    json_t *tls = json_object();
    for (size_t i = 0; i < EYE_TLS_OUTCOME_COUNT; i++) {
        const char *outcome = eye_tls_outcome_name((enum eye_tls_outcome)i);
        json_object_set_new(tls, outcome, libraries_of(snapshots, outcome));
    }
    json_object_set_new(tls, "beyond", libraries_of(snapshots, "beyond"));
    json_object_set_new(tls, "connections",
                        count_of(connections == NULL ? 0 : connections->counter));
    json_object_set_new(
        tls, "sessions",
        count_of(sessions_of(snapshots, "hello") + sessions_of(snapshots, "descriptor")));
    json_object_set_new(tls, "files", files);
    return tls;
}

static json_t *interval_of(const struct eye_running *running, const struct snapshots *snapshots)
{
    const struct eye_snapshot *now = snapshots->now;
    return json_pack("{s:o, s:I, s:o, s:I}", "length_s", seconds_of(running->interval_ns), "number",
                     (json_int_t)(now == NULL ? 0 : now->sequence), "ended",
                     eye_json_time(now == NULL ? 0 : now->time_ns), "series",
                     (json_int_t)(now == NULL ? 0 : now->count));
}

/* ---- Exporters ---- */

static json_t *reasons_of(const atomic_uint_fast64_t *counts)
{
    json_t *reasons = json_object();
    for (size_t i = 0; i < EYE_EXPORT_REASON_COUNT; i++) {
        uint64_t count = atomic_load(&counts[i]);
        if (count > 0) {
            json_object_set_new(reasons, eye_export_reason_name((enum eye_export_reason)i),
                                count_of(count));
        }
    }
    return reasons;
}

static json_t *exporter_of(struct eye_worker *worker)
{
    const struct eye_export_stats *stats = eye_worker_stats(worker);
    const struct eye_worker_counts counts = eye_worker_count(worker);
    json_t *exporter = json_object();
    json_object_set_new(exporter, "name", json_string(eye_worker_name(worker)));
    json_object_set_new(exporter, "type", json_string(eye_worker_type(worker)->section.type));
    struct eye_error cause;
    eye_worker_read_cause(worker, &cause);
    json_object_set_new(exporter, "last_error", text_or_null(cause.text));
    json_object_set_new(exporter, "failing_attempts", count_of(atomic_load(&stats->failing)));
    json_object_set_new(exporter, "failing_since",
                        eye_json_time(atomic_load(&stats->failing_since_ns)));
    json_object_set_new(exporter, "last_success", eye_json_time(atomic_load(&stats->succeeded_ns)));
    json_object_set_new(exporter, "last_attempt_s", seconds_of(atomic_load(&stats->attempt_ns)));
    json_object_set_new(exporter, "snapshots",
                        json_pack("{s:I, s:I, s:I, s:I}", "delivered", (json_int_t)counts.delivered,
                                  "refused", (json_int_t)counts.refused, "queued",
                                  (json_int_t)counts.queued, "skipped",
                                  (json_int_t)counts.skipped));
    json_object_set_new(exporter, "points", count_of(atomic_load(&stats->points)));
    json_object_set_new(exporter, "sent_bytes", count_of(atomic_load(&stats->bytes)));
    json_object_set_new(exporter, "spool_bytes", count_of(atomic_load(&stats->spooled_bytes)));
    json_object_set_new(exporter, "failures", reasons_of(stats->failures));
    json_object_set_new(exporter, "dropped_points", reasons_of(stats->dropped));
    return exporter;
}

static json_t *list_exporters(const struct eye_running *running)
{
    json_t *list = json_array();
    for (size_t i = 0; i < running->workers->count; i++) {
        json_array_append_new(list, exporter_of(running->workers->items[i]));
    }
    return list;
}

/* ---- What is wrong ---- */

bool eye_status_is_alive(const struct eye_running *running)
{
    EYE_CLEANUP(cleanup_snapshots) struct snapshots snapshots = {0};
    eye_view_read(running->view, &snapshots.now, &snapshots.before);
    const struct eye_snapshot *now = snapshots.now;
    uint64_t seen_ns = running->monotonic_ns + (now == NULL ? 0 : now->elapsed_ns);
    uint64_t length_ns = running->interval_ns;
    /* The open interval may have begun with the length before. */
    bool since_reload = now != NULL && now->time_ns > running->reloaded.time_ns;
    if (!since_reload && running->interval_before_ns > length_ns) {
        length_ns = running->interval_before_ns;
    }
    return eye_clock_monotonic_ns() < seen_ns + 2 * length_ns + EYE_STATUS_GRACE_NS;
}

static void add_line(json_t *list, const char *format, ...) EYE_PRINTF(2, 3);

static void add_line(json_t *list, const char *format, ...)
{
    struct eye_error line;
    va_list arguments;
    va_start(arguments, format);
    eye_format_shown(line.text, sizeof(line.text), format, arguments);
    va_end(arguments);
    json_array_append_new(list, json_string(line.text));
}

/* A receiver that answers at all has answered by then. */
#define HANGING_NS (30 * EYE_NS_PER_SECOND)

static void add_hanging(json_t *problems, const struct eye_workers *workers)
{
    for (size_t i = 0; i < workers->count; i++) {
        struct eye_worker *worker = workers->items[i];
        uint64_t began_ns = atomic_load(&eye_worker_stats(worker)->attempt_began_ns);
        uint64_t now_ns = eye_clock_monotonic_ns();
        if (began_ns != 0 && now_ns > began_ns + HANGING_NS) {
            add_line(problems, "exporter %s hangs: its attempt goes on for %" PRIu64 " s",
                     eye_worker_name(worker), (now_ns - began_ns) / EYE_NS_PER_SECOND);
        }
    }
}

static void add_failing(json_t *problems, const struct eye_workers *workers)
{
    for (size_t i = 0; i < workers->count; i++) {
        struct eye_worker *worker = workers->items[i];
        uint64_t attempts = atomic_load(&eye_worker_stats(worker)->failing);
        if (attempts >= FAILING_ATTEMPTS) {
            struct eye_error cause;
            eye_worker_read_cause(worker, &cause);
            add_line(problems, "exporter %s fails, %" PRIu64 " attempts in a row: %s",
                     eye_worker_name(worker), attempts, cause.text);
        }
    }
}

static void add_refused(json_t *problems, const json_t *programs)
{
    char names[EYE_MESSAGE_BYTES / 2];
    size_t length = 0;
    size_t i;
    const json_t *program;
    names[0] = '\0';
    json_array_foreach(programs, i, program)
    {
        if (!json_is_true(json_object_get(program, "attached"))) {
            length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s",
                                       length > 0 ? ", " : "",
                                       json_string_value(json_object_get(program, "name")));
            length = length < sizeof(names) ? length : sizeof(names) - 1;
        }
    }
    if (length > 0) {
        add_line(problems, "kernel programs that are not attached: %s; `sockeye probe` says why",
                 names);
    }
}

static json_t *reload_of(const struct eye_running *running)
{
    const struct eye_reloaded *last = &running->reloaded;
    return last->time_ns == 0
               ? json_null()
               : json_pack("{s:o, s:b, s:s}", "time", eye_json_time(last->time_ns), "reloaded",
                           last->done, "message", eye_text_string(&last->words));
}

static json_t *list_problems(const struct eye_running *running, const json_t *programs)
{
    json_t *problems = json_array();
    if (running->reloaded.time_ns != 0 && !running->reloaded.done) {
        add_line(problems, "the last reload was refused: %s",
                 eye_text_string(&running->reloaded.words));
    }
    if (!eye_status_is_alive(running)) {
        add_line(problems, "no interval has ended for longer than two of them: collecting stands "
                           "still");
    }
    add_refused(problems, programs);
    add_failing(problems, running->workers);
    add_hanging(problems, running->workers);
    return problems;
}

static json_t *list_not_seen(const struct eye_sight *sight)
{
    json_t *list = json_array();
    size_t count = sight->not_seen_count;
    for (size_t i = 0; i < count; i++) {
        if (!sight->over[i]) {
            json_array_append_new(list, json_string(sight->not_seen[i].text));
        }
    }
    return list;
}

json_t *eye_status_json(const struct eye_running *running)
{
    EYE_CLEANUP(cleanup_snapshots) struct snapshots snapshots = {0};
    eye_view_read(running->view, &snapshots.now, &snapshots.before);
    uint64_t uptime_ns = eye_clock_monotonic_ns() - running->monotonic_ns;
    json_t *programs = list_programs(&snapshots);
    json_t *problems = list_problems(running, programs);
    bool healthy = json_array_size(problems) == 0;
    return json_pack(
        "{s:s, s:o, s:s, s:i, s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o}",
        "status", healthy ? "healthy" : "degraded", "problems", problems, "version", EYE_VERSION,
        "pid", (int)getpid(), "started", eye_json_time(running->started_ns), "uptime_s",
        seconds_of(uptime_ns), "config_file", text_or_null(running->config->file), "reload",
        reload_of(running), "tier", running->tier, "nat", atomic_load(running->nat), "not_seen",
        list_not_seen(running->sight), "programs", programs, "interval",
        interval_of(running, &snapshots), "losses",
        list_changes(&snapshots, EYE_METRIC_SELF_KERNEL_LOST, add_loss), "budgets",
        list_changes(&snapshots, EYE_METRIC_SELF_OVERFLOW, add_budget), "exporters",
        list_exporters(running), "tls", tls_of(running, &snapshots), "self", self_of(&snapshots));
}
