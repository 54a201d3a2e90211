/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exporter "otlp": OTLP over HTTP to a collector or a vendor
 * (https://opentelemetry.io/docs/specs/otlp/#otlphttp).
 *
 * Cumulative values carry all series every interval, as the receivers of that temporality expect: a
 * series that stays away has ended for them. Deltas carry what changed.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "exporters/otlp/answer.h"
#include "exporters/otlp/resource.h"
#include "exporters/otlp/settings.h"

struct otlp {
    struct eye_selection selection;
    struct eye_otlp_settings settings;
    struct eye_otlp_resource resource; /* the daemon's */
    struct eye_otlp_resource observed; /* of services that were observed */
    struct eye_otlp_model model;
    const struct eye_otlp_encoding *encoding;
    void *encoder; /* of the encoding; owned */
    struct eye_identities identities;
    struct eye_otlp_value value;       /* of the point in hand: too large for a stack */
    struct eye_compressor *compressor; /* owned */
    struct eye_text compressed;
    struct eye_client *client; /* owned */
    struct eye_delivery delivery;
    uint64_t run_ns;   /* start of the run whose snapshots are delivered */
    uint64_t start_ns; /* the same, but never later than a snapshot of that run */
};

/* ---- The payload ---- */

static void begin(void *state, const struct eye_snapshot *now)
{
    struct otlp *otlp = state;
    otlp->model.time_ns = now->time_ns;
    otlp->encoding->begin(otlp->encoder);
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct otlp *otlp = state;
    const struct eye_identity *identity = eye_identities_at(&otlp->identities, index);
    (void)part;
    int result = eye_identity_check(identity);
    if (result == 0) {
        result = eye_otlp_value(&otlp->model, identity->since_ns, change, &otlp->value);
    }
    return result == 0
               ? otlp->encoding->add(otlp->encoder, change->point->metric, identity, &otlp->value)
               : result;
}

/* The request as it goes over the wire. */
static int make_body(struct otlp *otlp, const void **ret_body, size_t *ret_length)
{
    const void *bytes;
    size_t length;
    int result = otlp->encoding->finish(otlp->encoder, &bytes, &length);
    if (result == 0 && otlp->compressor != NULL) {
        result = eye_compress(otlp->compressor, bytes, length, &otlp->compressed);
        bytes = otlp->compressed.data;
        length = otlp->compressed.length;
    }
    if (result == 0) {
        *ret_body = bytes;
        *ret_length = length;
    }
    return result;
}

static int post(struct otlp *otlp, struct eye_client_answer *ret_answer,
                struct eye_export_failure *failure)
{
    struct eye_client_request request = {
        .method = "POST",
        .url = otlp->settings.url,
        .content_type = otlp->encoding->content_type,
        .content_encoding = eye_compression_name(otlp->settings.compression),
    };
    int result = make_body(otlp, &request.body, &request.length);
    if (result != 0) {
        return eye_export_fail(failure, result, EYE_EXPORT_OTHER, "out of memory");
    }
    return eye_client_send(otlp->client, &request, ret_answer, failure);
}

/*
 * Points that the receiver took out stay out: the specification forbids to send them again. An
 * answer that cannot be read comes with status 200 all the same, so the points arrived.
 */
static void read_success(const struct otlp *otlp, const struct eye_client_answer *answer,
                         uint64_t points, uint64_t *ret_rejected,
                         struct eye_export_failure *failure)
{
    EYE_CLEANUP(eye_text_done) struct eye_text message;
    uint64_t rejected = 0;
    eye_text_init(&message, EYE_ERROR_TEXT_BYTES);
    int result = otlp->settings.json
                     ? eye_otlp_read_json(answer->body, answer->length, &rejected, &message)
                     : eye_otlp_read_protobuf(answer->body, answer->length, &rejected, &message);
    if (result != 0 || rejected == 0) {
        return;
    }
    *ret_rejected = rejected < points ? rejected : points;
    eye_export_fail(failure, 0, EYE_EXPORT_REJECTED,
                    "the receiver rejected %" PRIu64 " of %" PRIu64 " points: %s", *ret_rejected,
                    points, eye_text_string(&message));
}

/* https://opentelemetry.io/docs/specs/otlp/#failures-1: all other errors are final. */
static bool is_retryable(long status)
{
    return status == 429 || (status >= 502 && status <= 504);
}

static enum eye_verdict send_request(void *state, uint64_t points, uint64_t *ret_rejected,
                                     struct eye_export_failure *failure)
{
    struct otlp *otlp = state;
    struct eye_client_answer answer = {0};
    if (post(otlp, &answer, failure) != 0) {
        return EYE_VERDICT_RETRY;
    }
    enum eye_verdict verdict = eye_client_verdict(&answer, failure);
    if (verdict == EYE_VERDICT_DONE) {
        read_success(otlp, &answer, points, ret_rejected, failure);
    }
    bool final = verdict == EYE_VERDICT_RETRY && !is_retryable(answer.status);
    return final ? EYE_VERDICT_GIVE_UP : verdict;
}

static const struct eye_payload_format format = {
    .begin = begin,
    .add = add,
    .send = send_request,
};

/*
 * What the values of @now count from, never later than @now. A total keeps its start: another one
 * would tell of a reset. When the wall clock is set back to before the start, the start goes with
 * it and stays there, as the data model wants it of a start that is not known
 * (https://opentelemetry.io/docs/specs/otel/metrics/data-model/#resets-and-gaps).
 */
static uint64_t start_of_total(struct otlp *otlp, const struct eye_snapshot *now)
{
    if (otlp->run_ns != now->start_ns) {
        otlp->run_ns = now->start_ns;
        otlp->start_ns = now->start_ns;
    }
    otlp->start_ns = otlp->start_ns < now->time_ns ? otlp->start_ns : now->time_ns;
    return otlp->start_ns;
}

/* The end of the one before; how long that is ago, when the wall clock was set back. */
static uint64_t start_of_delta(const struct eye_snapshot *now, const struct eye_snapshot *before)
{
    bool same_run = before != NULL && before->start_ns == now->start_ns;
    uint64_t start_ns = same_run ? before->time_ns : now->start_ns;
    uint64_t span_ns = eye_snapshot_span_ns(now, before);
    return start_ns <= now->time_ns ? start_ns
                                    : now->time_ns - (span_ns < now->time_ns ? span_ns : 0);
}

static int deliver(void *state, const struct eye_snapshot *now, const struct eye_snapshot *before,
                   struct eye_export_failure *failure)
{
    struct otlp *otlp = state;
    bool delta = otlp->model.temporality == EYE_OTLP_DELTA;
    otlp->model.start_ns = delta ? start_of_delta(now, before) : start_of_total(otlp, now);
    int result = eye_identities_prepare(&otlp->identities, now, failure);
    return result == 0 ? eye_delivery_run(&otlp->delivery, now, before, failure) : result;
}

/* ---- Life ---- */

static void close_exporter(void *state)
{
    struct otlp *otlp = state;
    eye_client_free(otlp->client);
    eye_identities_done(&otlp->identities);
    if (otlp->encoding != NULL) {
        otlp->encoding->close(otlp->encoder);
    }
    eye_compressor_free(otlp->compressor);
    eye_text_done(&otlp->compressed);
    eye_otlp_resource_done(&otlp->resource);
    eye_otlp_resource_done(&otlp->observed);
    eye_otlp_settings_done(&otlp->settings);
    eye_selection_done(&otlp->selection);
}

static int open_compressor(struct otlp *otlp)
{
    enum eye_compression compression = otlp->settings.compression;
    size_t room = eye_compress_bound(compression, 2 * EYE_OTLP_REQUEST_BYTES);
    eye_text_init(&otlp->compressed, room);
    return compression == EYE_COMPRESSION_NONE ? 0
                                               : eye_compressor_new(compression, &otlp->compressor);
}

static int open_encoder(struct otlp *otlp)
{
    otlp->model = (struct eye_otlp_model){
        .selection = &otlp->selection,
        .resource = otlp->resource.attributes,
        .resource_count = otlp->resource.count,
        .observed = otlp->observed.attributes,
        .observed_count = otlp->observed.count,
        .temporality = otlp->settings.temporality,
        .exponential = otlp->settings.exponential,
    };
    otlp->encoding = otlp->settings.json ? &eye_otlp_json : &eye_otlp_protobuf;
    int result = otlp->encoding->open(&otlp->model, &otlp->encoder);
    eye_identities_init(&otlp->identities, otlp->encoding->write_identity, otlp->encoder,
                        otlp->selection.wanted, EYE_OTLP_IDENTITY_MAX_BYTES);
    return result == 0 ? open_compressor(otlp) : result;
}

static int open_parts(struct otlp *otlp, const struct eye_exporter_setup *setup,
                      struct eye_error *ret_error)
{
    if (eye_otlp_settings_init(&otlp->settings, setup->own->values) != 0 ||
        eye_otlp_resource_init(&otlp->resource, &otlp->selection) != 0 ||
        eye_otlp_resource_init_observed(&otlp->observed, &otlp->selection) != 0 ||
        open_encoder(otlp) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    eye_delivery_init(&otlp->delivery, &format, otlp, otlp->selection.wanted, setup->stats);
    otlp->delivery.idle_too = otlp->model.temporality == EYE_OTLP_CUMULATIVE;
    return eye_client_new(&otlp->settings.http, setup, &otlp->client, ret_error);
}

static int open_exporter(void *state, const struct eye_exporter_setup *setup,
                         struct eye_error *ret_error)
{
    struct otlp *otlp = state;
    if (eye_selection_init(&otlp->selection, setup) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    return open_parts(otlp, setup, ret_error);
}

static const char *const encodings[] = {"auto", "protobuf", "json", NULL};
static const char *const compressions[] = {"auto", "gzip", "none", NULL};
static const char *const temporalities[] = {"auto", "cumulative", "delta", NULL};
static const char *const histograms[] = {"exponential", "explicit", NULL};

static const struct eye_config_key keys[] = {
    {
        .path = "url",
        .foreign = EYE_FOREIGN_URL,
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct eye_otlp_values, url),
        .valid = eye_url_endpoint_valid,
        .expects = "http://HOST:PORT/v1/metrics, or another path, without a password",
        .help = "the receiver, with its path; without: OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, "
                "OTEL_EXPORTER_OTLP_ENDPOINT, http://127.0.0.1:4318/v1/metrics",
    },
    {
        .path = "encoding",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct eye_otlp_values, encoding),
        .default_value = "auto",
        .choices = encodings,
        .help = "auto: OTEL_EXPORTER_OTLP_PROTOCOL, else protobuf",
    },
    {
        .path = "compression",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct eye_otlp_values, compression),
        .default_value = "auto",
        .choices = compressions,
        .help = "auto: OTEL_EXPORTER_OTLP_COMPRESSION, else gzip",
    },
    {
        .path = "temporality",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct eye_otlp_values, temporality),
        .default_value = "auto",
        .choices = temporalities,
        .help = "auto: OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE, else cumulative",
    },
    {
        .path = "histograms",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct eye_otlp_values, histograms),
        .default_value = "exponential",
        .choices = histograms,
        .help = "exponential (scale 5: errors below 1.1 %), or explicit boundaries",
    },
    EYE_CLIENT_KEYS(struct eye_otlp_values, http),
};

const struct eye_exporter_type eye_exporter_otlp = {
    .section =
        {
            .type = "otlp",
            .foreign = "opentelemetry otel otlphttp otlp_http otlp-http otlp/http otel_collector "
                       "collector",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct eye_otlp_values),
        },
    .timestamped = true,
    .remote = true,
    .state_size = sizeof(struct otlp),
    .open = open_exporter,
    .deliver = deliver,
    .close = close_exporter,
};
