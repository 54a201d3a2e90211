/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile series as remote write 1.0 and 2.0, classic and native histograms, and the markers of
 * series that ended. Bodies are read with the schema of tests/data, which our encoder does not use.
 * Property: the series of each point and no others; labels sorted, each name once and legal, values
 * those of the series; numbers and times exact; a body within its limit.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "exporters/prometheus/names.h"
#include "exporters/remote_write/version.h"
#include "tests/data/remote_write.pb-c.h"
#include "tests/fuzz/expected.h"
#include "tests/fuzz/trial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Series that fill several bodies; 2.0 has each string once. */
#define CROWD_1 24
#define CROWD_2 HOSTILE_CROWD_MAX

#define LABELS_MAX (EYE_TAG_COUNT + HOSTILE_FIXED_MAX + 4)

static const struct eye_write_time times = {.now_ms = 1785672030000, .start_ms = 1785672010000};

struct encoder {
    const struct eye_write_version *version;
    struct eye_write_shared shared;
    void *state; /* of the version */
    struct eye_identities identities;
    size_t added;
    bool describes;
    bool ended;
};

/* ---- Encoding ---- */

static void begin(void *state)
{
    struct encoder *encoder = state;
    encoder->added = 0;
    encoder->version->begin(encoder->state, &times);
    if (encoder->describes && encoder->version->describe != NULL) {
        encoder->version->describe(encoder->state);
    }
}

static bool wants(void *state, const struct eye_change *change)
{
    (void)state;
    (void)change;
    return true;
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct encoder *encoder = state;
    const struct eye_identity *identity = eye_identities_at(&encoder->identities, index);
    int result = eye_identity_check(identity);
    (void)part;
    if (result == 0) {
        result = encoder->version->add(encoder->state, identity, change->point, encoder->ended);
    }
    encoder->added += result == 0;
    return result == -ENOBUFS && encoder->added == 0 ? -EMSGSIZE : result;
}

static const struct eye_text *end(void *state)
{
    struct encoder *encoder = state;
    return encoder->version->body(encoder->state);
}

static const struct trial_format format = {
    .begin = begin,
    .wants = wants,
    .add = add,
    .end = end,
};

/* ---- What a series should be called ---- */

struct label {
    struct eye_text name;
    struct eye_text value;
};

struct labels {
    struct label items[LABELS_MAX];
    size_t count;
};

/* A label whose name the caller appends. */
static struct label *add_label(struct labels *labels, const char *value)
{
    assert(labels->count < LABELS_MAX);
    struct label *label = &labels->items[labels->count++];
    eye_text_init(&label->name, EXPECTED_MAX_BYTES);
    eye_text_init(&label->value, EXPECTED_MAX_BYTES);
    expected_append(&label->value, value, expected_visible);
    return label;
}

static void add_default(struct labels *labels, const char *name, const char *value)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (strcmp(labels->items[i].name.data, name) == 0) {
            return;
        }
    }
    eye_text_append(&add_label(labels, value)->name, name);
}

static void add_tags(struct labels *labels, const struct eye_point *point,
                     const struct eye_selection *selection)
{
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    eye_text_init(&name, EXPECTED_MAX_BYTES);
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (*tag->value != '\0') {
            eye_prometheus_append_label(point->metric, tag->tag,
                                        &add_label(labels, tag->value)->name);
        }
    }
    for (size_t i = 0; i < selection->fixed_count; i++) {
        eye_text_clear(&name);
        if (eye_prometheus_append_fixed_label(selection, point->metric, i, &name)) {
            eye_text_append(&add_label(labels, selection->fixed[i].value)->name, name.data);
        }
    }
}

/* The labels that all series of a point have. */
static void make_labels(struct labels *labels, const struct eye_point *point,
                        const struct eye_selection *selection)
{
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    labels->count = 0;
    add_tags(labels, point, selection);
    add_default(labels, "instance", host);
    add_default(labels, "job", "sockeye");
}

/* Those that differ between them. */
static void add_part(struct labels *labels, const struct eye_point *point, size_t part,
                     size_t part_count, const struct eye_selection *selection)
{
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    eye_text_init(&name, EXPECTED_MAX_BYTES);
    eye_prometheus_append_family(selection, point->metric, &name);
    eye_text_append(&name, eye_write_suffix(point->metric, part, part_count));
    eye_text_append(&add_label(labels, name.data)->name, "__name__");
    if (eye_write_le(part, part_count) != NULL) {
        eye_text_append(&add_label(labels, eye_write_le(part, part_count))->name, "le");
    }
}

/* Leaves the first @count. */
static void truncate_labels(struct labels *labels, size_t count)
{
    while (labels->count > count) {
        struct label *label = &labels->items[--labels->count];
        eye_text_done(&label->name);
        eye_text_done(&label->value);
    }
}

/* ---- A series of either version ---- */

struct series {
    const char *names[LABELS_MAX];
    const char *values[LABELS_MAX];
    size_t label_count;
    size_t sample_count;
    RemoteWrite__Sample *const *samples;
    size_t histogram_count;
    RemoteWrite__Histogram *const *histograms;
};

static void check_name(const char *name)
{
    assert(strcmp(name, "__name__") == 0 || isalpha((unsigned char)*name) != 0);
    for (; *name != '\0'; name++) {
        assert(isalnum((unsigned char)*name) != 0 || *name == '_');
    }
}

static const char *find_value(const struct series *series, const char *name)
{
    for (size_t i = 0; i < series->label_count; i++) {
        if (strcmp(series->names[i], name) == 0) {
            return series->values[i];
        }
    }
    return NULL;
}

static void check_labels(const struct series *series, const struct labels *expected)
{
    assert(series->label_count == expected->count);
    for (size_t i = 0; i < series->label_count; i++) {
        check_name(series->names[i]);
        assert(i == 0 || strcmp(series->names[i - 1], series->names[i]) < 0);
    }
    for (size_t i = 0; i < expected->count; i++) {
        const char *value = find_value(series, expected->items[i].name.data);
        assert(value != NULL && strcmp(value, expected->items[i].value.data) == 0);
    }
}

/* A walk over the points that were delivered, in step with the series of the bodies. */
struct reader {
    const struct hostile *world;
    const struct encoder *encoder;
    const struct trial *trial;
    struct eye_changes changes;
    struct eye_change change;
    struct labels labels; /* of the change's point */
    struct expected_names names;
    size_t part; /* the next of the change's; 0: the change is done with */
};

static bool is_same(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static void check_sample(const struct reader *reader, const RemoteWrite__Sample *sample)
{
    const struct eye_point *point = reader->change.point;
    double values[EYE_WRITE_PARTS];
    eye_write_values(point, values);
    double expected = reader->encoder->ended ? eye_write_stale_marker() : values[reader->part];
    bool has_start =
        reader->encoder->version == &eye_write_version_2 && point->metric->kind != EYE_GAUGE;
    assert(is_same(sample->value, expected));
    assert(sample->timestamp == times.now_ms);
    assert(sample->start_timestamp == (has_start ? times.start_ms : 0));
    assert(sample->base.n_unknown_fields == 0);
}

/* Walks spans and deltas: bucket by bucket what our own bins make. */
static void check_buckets(const RemoteWrite__Histogram *histogram,
                          const struct eye_distribution *distribution)
{
    EYE_AUTOFREE struct eye_exponential *buckets = malloc(sizeof(*buckets));
    assert(buckets != NULL);
    eye_buckets_exponential(distribution, NULL, buckets);
    uint64_t left = distribution->count - buckets->zero;
    int64_t count = 0;
    int64_t index = -1; /* Prometheus counts by upper bounds, we by lower ones */
    size_t delta = 0;
    for (size_t i = 0; i < histogram->n_positive_spans; i++) {
        index += histogram->positive_spans[i]->offset;
        for (uint32_t j = 0; j < histogram->positive_spans[i]->length; j++, index++) {
            assert(delta < histogram->n_positive_deltas);
            count += histogram->positive_deltas[delta++];
            assert(index >= buckets->offset && index - buckets->offset < buckets->size);
            assert((uint64_t)count == buckets->counts[index - buckets->offset]);
            left -= (uint64_t)count;
        }
    }
    assert(left == 0 && delta == histogram->n_positive_deltas);
    assert(histogram->zero_count_int == buckets->zero);
}

static void check_histogram(const struct reader *reader, const RemoteWrite__Histogram *histogram)
{
    const struct eye_distribution *distribution = reader->change.point->distribution;
    bool second = reader->encoder->version == &eye_write_version_2;
    assert(histogram->timestamp == times.now_ms && histogram->schema == EYE_EXPONENTIAL_SCALE);
    assert(histogram->start_timestamp == (second ? times.start_ms : 0));
    assert(histogram->base.n_unknown_fields == 0 && histogram->n_negative_spans == 0);
    if (reader->encoder->ended) {
        assert(is_same(histogram->sum, eye_write_stale_marker()));
        return;
    }
    assert(histogram->count_int == distribution->count && histogram->sum == distribution->sum);
    check_buckets(histogram, distribution);
}

static void check_values(const struct reader *reader, const struct series *series)
{
    bool native =
        reader->change.point->metric->kind == EYE_DISTRIBUTION && reader->encoder->shared.native;
    assert(series->sample_count == (native ? 0U : 1U));
    assert(series->histogram_count == (native ? 1U : 0U));
    if (native) {
        check_histogram(reader, series->histograms[0]);
    } else {
        check_sample(reader, series->samples[0]);
    }
}

static void next_point(struct reader *reader)
{
    size_t index;
    bool more = trial_next(reader->trial, &reader->changes, &reader->change, &index);
    assert(more);
    truncate_labels(&reader->labels, 0);
    make_labels(&reader->labels, reader->change.point, &reader->world->selection);
}

static void keep_name(struct reader *reader, const struct series *series)
{
    struct eye_text *name = expected_next_name(&reader->names);
    for (size_t i = 0; i < series->label_count; i++) {
        eye_text_append_bytes(name, series->names[i], strlen(series->names[i]) + 1);
        eye_text_append_bytes(name, series->values[i], strlen(series->values[i]) + 1);
    }
}

/* The next series of the bodies is the next part of the points. */
static void check_series(struct reader *reader, const struct series *series)
{
    if (reader->part == 0) {
        next_point(reader);
        keep_name(reader, series);
    }
    const struct eye_point *point = reader->change.point;
    size_t count = eye_write_part_count(&reader->encoder->shared, point->metric);
    size_t common = reader->labels.count;
    add_part(&reader->labels, point, reader->part, count, &reader->world->selection);
    check_labels(series, &reader->labels);
    truncate_labels(&reader->labels, common);
    check_values(reader, series);
    reader->part = (reader->part + 1) % count;
}

/* ---- The versions ---- */

static void read_1(struct reader *reader, const struct eye_text *payload)
{
    RemoteWrite__WriteRequest *request =
        remote_write__write_request__unpack(NULL, payload->length, (const uint8_t *)payload->data);
    assert(request != NULL && request->base.n_unknown_fields == 0);
    assert(request->n_metadata == (reader->encoder->describes ? (size_t)EYE_METRIC_COUNT : 0));
    for (size_t i = 0; i < request->n_timeseries; i++) {
        const RemoteWrite__TimeSeries *message = request->timeseries[i];
        struct series series = {
            .label_count = message->n_labels,
            .sample_count = message->n_samples,
            .samples = message->samples,
            .histogram_count = message->n_histograms,
            .histograms = message->histograms,
        };
        assert(message->n_labels <= LABELS_MAX && message->base.n_unknown_fields == 0);
        for (size_t j = 0; j < message->n_labels; j++) {
            series.names[j] = message->labels[j]->name;
            series.values[j] = message->labels[j]->value;
        }
        check_series(reader, &series);
    }
    remote_write__write_request__free_unpacked(request, NULL);
}

static const char *symbol(const RemoteWrite__Request *request, uint32_t number)
{
    assert(number < request->n_symbols);
    return request->symbols[number];
}

static void check_metadata(const RemoteWrite__Request *request, const struct eye_metric *metric,
                           const RemoteWrite__Metadata *metadata)
{
    assert(metadata != NULL && (int)metadata->type == (int)eye_write_type(metric));
    assert(strcmp(symbol(request, metadata->help_ref), metric->help) == 0);
    assert(strcmp(symbol(request, metadata->unit_ref), eye_unit_info(metric->unit)->word) == 0);
}

static void check_symbols(const RemoteWrite__Request *request)
{
    assert(request->n_symbols > 0 && *request->symbols[0] == '\0');
    for (size_t i = 1; i < request->n_symbols; i++) {
        assert(*request->symbols[i] != '\0');
    }
}

static void read_2(struct reader *reader, const struct eye_text *payload)
{
    RemoteWrite__Request *request =
        remote_write__request__unpack(NULL, payload->length, (const uint8_t *)payload->data);
    assert(request != NULL && request->base.n_unknown_fields == 0);
    check_symbols(request);
    for (size_t i = 0; i < request->n_timeseries; i++) {
        const RemoteWrite__SeriesOfNumbers *message = request->timeseries[i];
        struct series series = {
            .label_count = message->n_labels_refs / 2,
            .sample_count = message->n_samples,
            .samples = message->samples,
            .histogram_count = message->n_histograms,
            .histograms = message->histograms,
        };
        assert(message->n_labels_refs % 2 == 0 && series.label_count <= LABELS_MAX);
        for (size_t j = 0; j < series.label_count; j++) {
            series.names[j] = symbol(request, message->labels_refs[2 * j]);
            series.values[j] = symbol(request, message->labels_refs[2 * j + 1]);
        }
        check_series(reader, &series);
        check_metadata(request, reader->change.point->metric, message->metadata);
    }
    remote_write__request__free_unpacked(request, NULL);
}

static void check(const struct hostile *world, const struct encoder *encoder,
                  const struct trial *trial)
{
    struct reader reader = {
        .world = world,
        .encoder = encoder,
        .trial = trial,
        .changes = trial_changes(trial),
    };
    size_t index;
    for (size_t i = 0; i < trial->count; i++) {
        assert(trial->payloads[i].length <= EYE_WRITE_BODY_BYTES);
        if (encoder->version == &eye_write_version_1) {
            read_1(&reader, &trial->payloads[i]);
        } else {
            read_2(&reader, &trial->payloads[i]);
        }
    }
    truncate_labels(&reader.labels, 0);
    expected_finish_names(&reader.names);
    assert(reader.part == 0);
    assert(!trial_next(trial, &reader.changes, &reader.change, &index));
}

/* ---- A run ---- */

static void run(const struct hostile *world, struct encoder *encoder,
                const struct eye_snapshot *snapshot)
{
    eye_identities_init(&encoder->identities, encoder->version->identity, encoder->state,
                        world->selection.wanted, EYE_WRITE_IDENTITY_BYTES);
    int result = eye_identities_follow(&encoder->identities, snapshot);
    assert(result == 0);
    struct trial *trial = trial_new(world, snapshot, NULL, &format, encoder, HOSTILE_BYTES_MAX);
    check(world, encoder, trial);
    trial_free(trial);
    eye_identities_done(&encoder->identities);
}

static void run_all(const struct hostile *world, struct encoder *encoder)
{
    const struct eye_snapshot *gone = NULL;
    int result = eye_snapshot_gone(world->now, world->before, &gone);
    assert(result == 0);
    run(world, encoder, world->now);
    if (gone != NULL) {
        encoder->ended = true;
        run(world, encoder, gone);
    }
    eye_snapshot_unref(gone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hostile world;
    struct encoder encoder = {0};
    hostile_init(&world, data, size);
    bool native = hostile_choice(&world, 2) != 0;
    encoder.version = hostile_choice(&world, 2) != 0 ? &eye_write_version_2 : &eye_write_version_1;
    encoder.describes = hostile_choice(&world, 2) != 0;
    hostile_make(&world, encoder.version == &eye_write_version_1 ? CROWD_1 : CROWD_2);
    int result = eye_write_shared_init(&encoder.shared, &world.selection, native);
    assert(result == 0);
    result = encoder.version->open(&encoder.shared, &encoder.state);
    assert(result == 0);
    run_all(&world, &encoder);
    encoder.version->close(encoder.state);
    eye_write_shared_done(&encoder.shared);
    hostile_done(&world);
    return 0;
}
