/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exporter "remote_write": every series with its cumulative value to a Prometheus or whoever speaks
 * its remote write protocol, 1.0 or 2.0. A receiver that does not know 2.0 gets 1.0, and is asked
 * again after an hour.
 *
 * A series that is gone, and each one when the daemon stops, is ended with a stale marker, so that
 * a query does not show its last value for five minutes more. Markers are delivered before the
 * snapshot, like one of the series that are gone, and counted as points of their own: seen, then
 * delivered or dropped.
 */
#include <errno.h>
#include <string.h>

#include "collector/base/clock.h"
#include "exporters/http/compress.h"
#include "exporters/remote_write/answer.h"
#include "exporters/remote_write/stamp.h"

/* Snappy makes incompressible bytes a sixth longer. */
#define COMPRESSED_MAX_BYTES (2 * EYE_WRITE_BODY_BYTES)

#define DESCRIBE_EVERY_NS (600 * EYE_NS_PER_SECOND)
#define FALLBACK_NS (3600 * EYE_NS_PER_SECOND)

enum choice_version { CHOICE_VERSION_1, CHOICE_VERSION_2 };
enum choice_histograms { CHOICE_CLASSIC, CHOICE_NATIVE };

struct values {
    char *url;
    int version;
    int histograms;
    struct eye_client_settings http;
};

struct remote_write;

/* One of the two kinds of requests: of series that live, and of markers. */
struct stream {
    struct remote_write *owner;
    struct eye_identities identities;
    struct eye_delivery delivery;
    size_t added;     /* points in the body */
    uint64_t samples; /* what they are in the body, native histograms included */
    bool ended;       /* markers instead of values */
};

struct remote_write {
    const struct values *values;
    struct eye_selection selection;
    struct eye_write_shared shared;
    struct eye_client *client;
    struct eye_compressor *compressor;
    struct eye_text compressed;

    const struct eye_write_version *version; /* in use */
    void *encoder;                           /* of the version */
    uint64_t ask_again_ns;                   /* monotonic: when 2.0 is tried after a fallback */
    bool unsupported;                        /* the receiver does not know the version */

    struct stream live;
    struct stream gone;
    struct eye_export_stats *stats;     /* of the exporter */
    struct eye_export_stats gone_stats; /* of markers, until they are added to those */

    struct eye_write_stamp stamp;
    uint64_t described_ns; /* monotonic: when metadata was delivered last; 0: not yet */
    bool describing;       /* the next body begins with metadata */
};

/* ---- Version ---- */

static void drop_identities(struct stream *stream)
{
    if (stream->owner != NULL) {
        eye_identities_done(&stream->identities);
    }
}

static void init_identities(struct stream *stream)
{
    struct remote_write *owner = stream->owner;
    eye_identities_init(&stream->identities, owner->version->identity, owner->encoder,
                        owner->selection.wanted, EYE_WRITE_IDENTITY_BYTES);
}

/* Identities are of one version, so they are made anew. */
static int use_version(struct remote_write *remote, const struct eye_write_version *version)
{
    void *encoder = NULL;
    int result = version->open(&remote->shared, &encoder);
    if (result != 0) {
        return result;
    }
    drop_identities(&remote->live);
    drop_identities(&remote->gone);
    if (remote->version != NULL) {
        remote->version->close(remote->encoder);
    }
    remote->version = version;
    remote->encoder = encoder;
    remote->described_ns = 0;
    remote->live.owner = remote;
    remote->gone.owner = remote;
    init_identities(&remote->live);
    init_identities(&remote->gone);
    return 0;
}

/* Whether the hour since the fallback is over. A delivery under way keeps its version. */
static bool is_time_for_2(const struct remote_write *remote)
{
    return remote->values->version == CHOICE_VERSION_2 && remote->version == &eye_write_version_1 &&
           remote->live.delivery.settled.point == 0 &&
           eye_clock_monotonic_ns() >= remote->ask_again_ns;
}

static int fall_back(struct remote_write *remote)
{
    remote->unsupported = false;
    remote->ask_again_ns = eye_clock_monotonic_ns() + FALLBACK_NS;
    return use_version(remote, &eye_write_version_1);
}

/* ---- Requests ---- */

static int compress_body(struct remote_write *remote, struct eye_export_failure *failure)
{
    const struct eye_text *body = remote->version->body(remote->encoder);
    int result = body == NULL ? -ENOMEM
                              : eye_compress(remote->compressor, body->data, body->length,
                                             &remote->compressed);
    return result == 0 ? 0
                       : eye_export_fail(failure, result, EYE_EXPORT_OTHER,
                                         "cannot make a body: %s", strerror(-result));
}

static int post(struct remote_write *remote, struct eye_client_answer *ret_answer,
                struct eye_export_failure *failure)
{
    const struct eye_client_header version = {"X-Prometheus-Remote-Write-Version",
                                              remote->version->number};
    const struct eye_client_request request = {
        .method = "POST",
        .url = remote->values->url,
        .content_type = remote->version->content_type,
        .content_encoding = eye_compression_name(EYE_COMPRESSION_SNAPPY),
        .headers = &version,
        .header_count = 1,
        .body = remote->compressed.data,
        .length = remote->compressed.length,
    };
    return eye_client_send(remote->client, &request, ret_answer, failure);
}

static enum eye_verdict send_body(void *state, uint64_t points, uint64_t *ret_rejected,
                                  struct eye_export_failure *failure)
{
    struct stream *stream = state;
    struct remote_write *remote = stream->owner;
    struct eye_client_answer answer;
    if (compress_body(remote, failure) != 0 || post(remote, &answer, failure) != 0) {
        return EYE_VERDICT_RETRY;
    }
    if (eye_write_is_unsupported(remote->version, remote->client, answer.status)) {
        remote->unsupported = true;
        return EYE_VERDICT_RETRY;
    }
    const struct eye_write_sent sent = {
        .version = remote->version, .points = points, .samples = stream->samples};
    enum eye_verdict verdict =
        eye_write_judge(&sent, remote->client, &answer, ret_rejected, failure);
    if (verdict == EYE_VERDICT_DONE && remote->describing) {
        remote->describing = false;
        remote->described_ns = eye_clock_monotonic_ns();
    }
    return verdict;
}

/* ---- Bodies ---- */

static void begin_body(void *state, const struct eye_snapshot *now)
{
    struct stream *stream = state;
    struct remote_write *remote = stream->owner;
    (void)now;
    stream->added = 0;
    stream->samples = 0;
    remote->version->begin(remote->encoder, &remote->stamp.time);
    if (remote->describing && remote->version->describe != NULL) {
        remote->version->describe(remote->encoder);
    }
}

static bool has_same_text(const void *item, const void *key)
{
    const struct eye_identity *a = item;
    const struct eye_identity *b = key;
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* Whether a series that lives has the labels of one that is gone. */
static bool lives(const struct remote_write *remote, const struct eye_identity *identity)
{
    return eye_table_find(&remote->live.identities.owners, identity->hash, has_same_text,
                          identity) != NULL;
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct stream *stream = state;
    struct remote_write *remote = stream->owner;
    const struct eye_identity *identity = eye_identities_at(&stream->identities, index);
    int result = eye_identity_check(identity);
    (void)part; /* a point is in one body whole */
    if (result == 0 && stream->ended && lives(remote, identity)) {
        result = -EEXIST;
    }
    if (result == 0) {
        result = remote->version->add(remote->encoder, identity, change->point, stream->ended);
    }
    if (result == 0) {
        stream->added++;
        stream->samples += eye_write_part_count(&stream->owner->shared, change->point->metric);
    }
    return result == -ENOBUFS && stream->added == 0 ? -EMSGSIZE : result;
}

static const struct eye_payload_format format = {
    .begin = begin_body,
    .add = add,
    .send = send_body,
};

/* ---- Deliveries ---- */

static bool is_time_to_describe(const struct remote_write *remote)
{
    return remote->described_ns == 0 ||
           eye_clock_monotonic_ns() - remote->described_ns >= DESCRIBE_EVERY_NS;
}

static int run_stream(struct stream *stream, const struct eye_snapshot *now,
                      struct eye_export_failure *failure)
{
    int result = eye_identities_prepare(&stream->identities, now, failure);
    return result == 0 ? eye_delivery_run(&stream->delivery, now, NULL, failure) : result;
}

/* What a marker was not needed for, because the series lives under another id, is not counted. */
static void count_markers(struct remote_write *remote)
{
    struct eye_export_stats *from = &remote->gone_stats;
    struct eye_export_stats *to = remote->stats;
    uint64_t points = atomic_exchange(&from->points, 0);
    uint64_t seen = points;
    for (size_t i = 0; i < EYE_EXPORT_REASON_COUNT; i++) {
        uint64_t dropped = atomic_exchange(&from->dropped[i], 0);
        if (i != EYE_EXPORT_COLLISION) {
            atomic_fetch_add(&to->dropped[i], dropped);
            seen += dropped;
        }
        atomic_fetch_add(&to->failures[i], atomic_exchange(&from->failures[i], 0));
    }
    atomic_fetch_add(&to->points, points);
    atomic_fetch_add(&to->refused_points, atomic_exchange(&from->refused_points, 0));
    atomic_fetch_add(&to->seen, seen);
}

static int mark(struct remote_write *remote, const struct eye_snapshot *gone,
                struct eye_export_failure *failure)
{
    int result = run_stream(&remote->gone, gone, failure);
    count_markers(remote);
    return result;
}

static void cleanup_snapshot(const struct eye_snapshot **snapshot)
{
    eye_snapshot_unref(*snapshot);
}

static int end_gone(struct remote_write *remote, const struct eye_snapshot *now,
                    const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    EYE_CLEANUP(cleanup_snapshot) const struct eye_snapshot *gone = NULL;
    int result = eye_snapshot_gone(now, before, &gone);
    if (result != 0) {
        return eye_export_fail(failure, result, EYE_EXPORT_OTHER, "%s", strerror(-result));
    }
    return gone == NULL ? 0 : mark(remote, gone, failure);
}

static int attempt(struct remote_write *remote, const struct eye_snapshot *now,
                   const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    int result = eye_identities_prepare(&remote->live.identities, now, failure);
    if (result != 0) {
        return result;
    }
    remote->describing = is_time_to_describe(remote);
    /* Once points of the snapshot are delivered its markers are too. */
    if (remote->live.delivery.settled.point == 0) {
        result = end_gone(remote, now, before, failure);
    }
    return result == 0 ? run_stream(&remote->live, now, failure) : result;
}

static int deliver(void *state, const struct eye_snapshot *now, const struct eye_snapshot *before,
                   struct eye_export_failure *failure)
{
    struct remote_write *remote = state;
    if (is_time_for_2(remote) && use_version(remote, &eye_write_version_2) != 0) {
        remote->ask_again_ns = eye_clock_monotonic_ns() + FALLBACK_NS;
    }
    eye_write_stamp(&remote->stamp, now);
    int result = attempt(remote, now, before, failure);
    if (result != 0 && remote->unsupported) {
        result = fall_back(remote);
        if (result != 0) {
            return eye_export_fail(failure, result, EYE_EXPORT_OTHER, "%s", strerror(-result));
        }
        result = attempt(remote, now, before, failure);
    }
    return result;
}

/*
 * The identities of what lives go first: then everything is gone. Those of what is gone go, too,
 * and how far a delivery of it had come: they may follow a snapshot that has the number of @last
 * and other series.
 */
static int finish(void *state, const struct eye_snapshot *last, struct eye_export_failure *failure)
{
    struct remote_write *remote = state;
    if (last == NULL) {
        return 0;
    }
    drop_identities(&remote->live);
    init_identities(&remote->live);
    drop_identities(&remote->gone);
    init_identities(&remote->gone);
    remote->gone.delivery.settled = (struct eye_cursor){0};
    remote->describing = false;
    eye_write_stamp_end(&remote->stamp, eye_clock_wall_ns());
    return mark(remote, last, failure);
}

/* ---- Life ---- */

static void close_exporter(void *state)
{
    struct remote_write *remote = state;
    drop_identities(&remote->live);
    drop_identities(&remote->gone);
    if (remote->version != NULL) {
        remote->version->close(remote->encoder);
    }
    eye_client_free(remote->client);
    eye_compressor_free(remote->compressor);
    eye_text_done(&remote->compressed);
    eye_write_shared_done(&remote->shared);
    eye_selection_done(&remote->selection);
}

static int init_encoding(struct remote_write *remote, const struct eye_exporter_setup *setup)
{
    const struct values *values = remote->values;
    int result = eye_selection_init(&remote->selection, setup);
    if (result == 0) {
        result = eye_write_shared_init(&remote->shared, &remote->selection,
                                       values->histograms == CHOICE_NATIVE);
    }
    if (result == 0) {
        result = eye_compressor_new(EYE_COMPRESSION_SNAPPY, &remote->compressor);
    }
    if (result == 0) {
        result = use_version(remote, values->version == CHOICE_VERSION_2 ? &eye_write_version_2
                                                                         : &eye_write_version_1);
    }
    return result;
}

static int open_exporter(void *state, const struct eye_exporter_setup *setup,
                         struct eye_error *ret_error)
{
    struct remote_write *remote = state;
    const struct values *values = setup->own->values;
    if (values->url == NULL) {
        return eye_error_set(ret_error, -EINVAL,
                             "`url` is missing: where samples are written to, "
                             "such as http://127.0.0.1:9090/api/v1/write");
    }
    remote->values = values;
    remote->gone.ended = true;
    remote->stats = setup->stats;
    eye_text_init(&remote->compressed, COMPRESSED_MAX_BYTES);
    eye_delivery_init(&remote->live.delivery, &format, &remote->live, remote->selection.wanted,
                      setup->stats);
    eye_delivery_init(&remote->gone.delivery, &format, &remote->gone, remote->selection.wanted,
                      &remote->gone_stats);
    /* What is not written for five minutes is gone for a query. */
    remote->live.delivery.idle_too = true;
    remote->gone.delivery.idle_too = true;
    int result = init_encoding(remote, setup);
    if (result != 0) {
        return eye_error_set(ret_error, result, "%s",
                             result == -ELIBACC ? "cannot load libsnappy.so.1; install libsnappy1v5"
                                                : "out of memory");
    }
    return eye_client_new(&values->http, setup, &remote->client, ret_error);
}

static const char *const versions[] = {"1", "2", NULL};
static const char *const histograms[] = {"classic", "native", NULL};

static const struct eye_config_key keys[] = {
    {
        .path = "url",
        .foreign = EYE_FOREIGN_URL,
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, url),
        .valid = eye_url_endpoint_valid,
        .expects = "http://HOST:PORT/api/v1/write, or another path, without a password",
        .series = true,
        .help = "where samples are written to, such as http://127.0.0.1:9090/api/v1/write",
    },
    {
        .path = "version",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct values, version),
        .default_value = "1",
        .choices = versions,
        .help = "of the protocol; a receiver that does not know 2 gets 1",
    },
    {
        .path = "histograms",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct values, histograms),
        .default_value = "classic",
        .choices = histograms,
        .series = true,
        .help = "how distributions are written; not every receiver takes native ones",
    },
    EYE_CLIENT_KEYS(struct values, http),
};

const struct eye_exporter_type eye_exporter_remote_write = {
    .section =
        {
            .type = "remote_write",
            .foreign = "prometheus prom prometheusremotewrite prometheus_remote_write "
                       "prometheus-remote-write remotewrite mimir cortex thanos victoriametrics",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct values),
        },
    .timestamped = true,
    .remote = true,
    .lingers = true,
    .state_size = sizeof(struct remote_write),
    .open = open_exporter,
    .deliver = deliver,
    .finish = finish,
    .close = close_exporter,
};
