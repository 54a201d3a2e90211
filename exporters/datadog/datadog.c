/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exporter "datadog": Datadog's HTTP intake, without an Agent. Counters and gauges go to one
 * endpoint, distributions to another; each has a worker, a queue and a backoff of its own (lanes).
 * The intake keeps the last of two points of one series and time, so sending a payload again is
 * safe and splitting a point over two is not.
 */
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "config/problems.h"
#include "exporters/datadog/body.h"
#include "exporters/encode/dd_tags.h"
#include "exporters/engine/delivery.h"
#include "exporters/http/client.h"
#include "exporters/http/compress.h"

#define DEFAULT_SITE "datadoghq.com"

/* Which version of DataDog/agent-payload our protobuf is of. */
#define PAYLOAD_VERSION "4.87.0"

#define VALIDATE_EVERY_NS (3600 * EYE_NS_PER_SECOND)
#define RENEW_KEY_EVERY_NS (60 * EYE_NS_PER_SECOND)

enum lane { LANE_SERIES, LANE_SKETCHES };

enum encoding { ENCODING_JSON, ENCODING_PROTOBUF };

struct values {
    char *site;
    char *url;
    char *api_key_file;
    int encoding;    /* enum encoding */
    int compression; /* index into compressions */
    struct eye_client_settings http;
};

static const char *const encoding_names[] = {"json", "protobuf", NULL};
static const char *const compression_names[] = {"zlib", "zstd", "gzip", "none", NULL};
static const enum eye_compression compressions[] = {EYE_COMPRESSION_ZLIB, EYE_COMPRESSION_ZSTD,
                                                    EYE_COMPRESSION_GZIP, EYE_COMPRESSION_NONE};

/* What is known of the key; a change is logged. */
enum key_state { KEY_UNKNOWN, KEY_VALID, KEY_INVALID };

struct datadog {
    const struct values *values;
    const char *name; /* of the exporter, for the log */
    enum lane lane;
    struct eye_selection selection;
    struct eye_datadog_body body;
    struct eye_identities identities;
    struct eye_delivery delivery;
    struct eye_compressor *compressor; /* owned */
    struct eye_text packed;            /* the body as it is sent */
    struct eye_client *client;         /* owned */
    struct eye_secret key;
    uint64_t renewed_ns;  /* monotonic; when the key was last read again; 0: never */
    uint64_t validate_ns; /* monotonic; when to ask about the key next */
    enum key_state key_state;
    char *url;          /* of the lane's endpoint; owned */
    char *validate_url; /* owned */
};

/* ---- Requests ---- */

static int request(struct datadog *datadog, const struct eye_client_request *what,
                   struct eye_client_answer *ret_answer, struct eye_export_failure *failure)
{
    const struct eye_client_header key = {"DD-API-KEY", datadog->key.value};
    struct eye_client_request request = *what;
    request.secret_header = &key;
    return eye_client_send(datadog->client, &request, ret_answer, failure);
}

static int post(struct datadog *datadog, struct eye_client_answer *ret_answer,
                struct eye_export_failure *failure)
{
    const struct eye_client_header version = {"DD-Agent-Payload", PAYLOAD_VERSION};
    const struct eye_client_request what = {
        .method = "POST",
        .url = datadog->url,
        .content_type = datadog->body.encoding->content_type,
        .content_encoding = eye_compression_name(compressions[datadog->values->compression]),
        .headers = &version,
        .header_count = 1,
        .body = datadog->packed.data,
        .length = datadog->packed.length,
    };
    return request(datadog, &what, ret_answer, failure);
}

/* Whether the file holds another key than the one that was refused. */
static bool renew_key(struct datadog *datadog)
{
    uint64_t now_ns = eye_clock_monotonic_ns();
    if (datadog->renewed_ns != 0 && now_ns - datadog->renewed_ns < RENEW_KEY_EVERY_NS) {
        return false;
    }
    datadog->renewed_ns = now_ns;
    return eye_secret_refresh(&datadog->key);
}

/* ---- The key ---- */

static void learn_key_state(struct datadog *datadog, enum key_state state)
{
    if (state == datadog->key_state) {
        return;
    }
    datadog->key_state = state;
    if (state == KEY_VALID) {
        eye_log_info("exporter %s: the API key is valid", datadog->name);
    } else {
        eye_log_warning("exporter %s: the API key is not valid: check api_key_file and site",
                        datadog->name);
    }
}

/*
 * Asks whether the key is valid. Only after a delivery: a receiver that is away is not made to cost
 * two timeouts. A status of another kind says nothing; not every compatible receiver has this.
 */
static void validate(struct datadog *datadog)
{
    const struct eye_client_request what = {.method = "GET", .url = datadog->validate_url};
    struct eye_client_answer answer;
    struct eye_export_failure failure;
    uint64_t now_ns = eye_clock_monotonic_ns();
    if (datadog->lane != LANE_SERIES || now_ns < datadog->validate_ns) {
        return;
    }
    datadog->validate_ns = now_ns + VALIDATE_EVERY_NS;
    if (request(datadog, &what, &answer, &failure) != 0) {
        return;
    }
    if (answer.status == 200) {
        learn_key_state(datadog, KEY_VALID);
    } else if (answer.status == 403) {
        learn_key_state(datadog, KEY_INVALID);
    }
}

/* ---- The payload format ---- */

static void begin(void *state, const struct eye_snapshot *now)
{
    struct datadog *datadog = state;
    (void)now; /* deliver() told the body */
    eye_datadog_body_begin(&datadog->body);
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct datadog *datadog = state;
    (void)part;
    return eye_datadog_body_add(&datadog->body, eye_identities_at(&datadog->identities, index),
                                change);
}

/* Compresses the body; nothing goes on the wire when that leaves it too large. */
static enum eye_verdict pack(struct datadog *datadog, struct eye_export_failure *failure)
{
    const struct eye_text *bytes = &datadog->body.bytes;
    eye_datadog_body_end(&datadog->body);
    switch (eye_compress(datadog->compressor, bytes->data, bytes->length, &datadog->packed)) {
    case 0:
        return EYE_VERDICT_DONE;
    case -EMSGSIZE:
        eye_export_fail(failure, -EMSGSIZE, EYE_EXPORT_TOO_LARGE,
                        "a compressed payload of more than %zu bytes", datadog->packed.max_bytes);
        return EYE_VERDICT_TOO_LARGE;
    default:
        eye_export_fail(failure, -ENOMEM, EYE_EXPORT_OTHER, "out of memory");
        return EYE_VERDICT_RETRY;
    }
}

/* It begins with a list of errors that is longer than what is read. */
static bool has_endless_errors(const struct eye_client_answer *answer)
{
    static const char key[] = "\"errors\"";
    return answer->length >= EYE_CLIENT_ANSWER_MAX_BYTES &&
           memmem(answer->body, answer->length, key, strlen(key)) != NULL;
}

/*
 * What the intake took out of a body that it took (202): its answer names errors, and each of them
 * stands for one point at least. An answer that is no JSON says nothing.
 */
static uint64_t read_errors(const struct eye_client_answer *answer,
                            struct eye_export_failure *failure)
{
    if (has_endless_errors(answer)) {
        failure->reason = EYE_EXPORT_REJECTED;
        eye_error_set(&failure->cause, 0, "answer %ld with more errors than anybody should read",
                      answer->status);
        return 1; /* the least that it can be */
    }
    json_t *root = json_loadb(answer->body, answer->length, 0, NULL);
    const json_t *errors = json_object_get(root, "errors");
    size_t count = json_array_size(errors);
    if (count > 0) {
        const char *first = json_string_value(json_array_get(errors, 0));
        failure->reason = EYE_EXPORT_REJECTED;
        eye_error_set(&failure->cause, 0, "answer %ld with %zu error%s: %s", answer->status, count,
                      count == 1 ? "" : "s",
                      first == NULL ? "(no text)" : eye_excerpt_of(first).text);
    }
    json_decref(root);
    return count;
}

static enum eye_verdict send(void *state, uint64_t points, uint64_t *ret_rejected,
                             struct eye_export_failure *failure)
{
    struct datadog *datadog = state;
    struct eye_client_answer answer;
    enum eye_verdict verdict = pack(datadog, failure);
    (void)points;
    if (verdict != EYE_VERDICT_DONE) {
        return verdict;
    }
    int result = post(datadog, &answer, failure);
    if (result == 0 && answer.status == 403 && renew_key(datadog)) {
        result = post(datadog, &answer, failure);
    }
    if (result != 0) {
        return EYE_VERDICT_RETRY;
    }
    verdict = eye_client_verdict(&answer, failure);
    if (verdict == EYE_VERDICT_DONE) {
        *ret_rejected = read_errors(&answer, failure);
    }
    return verdict;
}

static const struct eye_payload_format format = {
    .begin = begin,
    .add = add,
    .send = send,
};

static int deliver(void *state, const struct eye_snapshot *now, const struct eye_snapshot *before,
                   struct eye_export_failure *failure)
{
    struct datadog *datadog = state;
    int result = eye_identities_prepare(&datadog->identities, now, failure);
    if (result != 0) {
        return result;
    }
    eye_datadog_body_set_time(&datadog->body, now, before);
    result = eye_delivery_run(&datadog->delivery, now, before, failure);
    if (result == 0) {
        validate(datadog);
    }
    return result;
}

/* ---- Life ---- */

static void close_exporter(void *state)
{
    struct datadog *datadog = state;
    eye_client_free(datadog->client);
    eye_secret_done(&datadog->key);
    eye_compressor_free(datadog->compressor);
    eye_text_done(&datadog->packed);
    eye_identities_done(&datadog->identities);
    eye_datadog_body_done(&datadog->body);
    eye_selection_done(&datadog->selection);
    free(datadog->url);
    free(datadog->validate_url);
}

static bool site_valid(const char *site)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    return site[0] != '\0' && site[strspn(site, letters)] == '\0';
}

/* A base: paths of endpoints come behind it. */
static bool base_valid(const char *url)
{
    return eye_url_valid(url) && strchr(url, '?') == NULL;
}

/* The URL of @path. 0, or -errno with a message. */
static int make_url(const struct values *values, const char *path, char **ret_url,
                    struct eye_error *ret_error)
{
    const char *told = getenv("DD_SITE");
    const char *site = values->site != NULL              ? values->site
                       : told != NULL && told[0] != '\0' ? told
                                                         : DEFAULT_SITE;
    if (values->url == NULL && !site_valid(site)) {
        return eye_error_set(ret_error, -EINVAL, "DD_SITE is no host name, such as %s",
                             DEFAULT_SITE);
    }
    char *url = NULL;
    int length;
    if (values->url != NULL) {
        size_t base = strlen(values->url);
        base -= values->url[base - 1] == '/' ? 1 : 0;
        length = asprintf(&url, "%.*s%s", (int)base, values->url, path);
    } else {
        length = asprintf(&url, "https://api.%s%s", site, path);
    }
    if (length < 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    *ret_url = url;
    return 0;
}

static int read_key(struct datadog *datadog, struct eye_error *ret_error)
{
    int result = eye_secret_read(datadog->values->api_key_file, "datadog_api_key", "DD_API_KEY",
                                 &datadog->key, ret_error);
    if (result == -ENOENT && datadog->values->api_key_file == NULL) {
        return eye_error_set(ret_error, result,
                             "no API key: set api_key_file, the credential datadog_api_key or "
                             "DD_API_KEY");
    }
    return result;
}

static const struct eye_datadog_encoding *choose_encoding(const struct datadog *datadog)
{
    if (datadog->lane == LANE_SKETCHES) {
        return &eye_datadog_sketches;
    }
    return datadog->values->encoding == ENCODING_JSON ? &eye_datadog_series_json
                                                      : &eye_datadog_series_protobuf;
}

/* Leaves those metrics that belong to the lane. */
static void keep_own_metrics(struct eye_selection *selection, bool distributions)
{
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        bool is_distribution = eye_metric((enum eye_metric_id)i)->kind == EYE_DISTRIBUTION;
        selection->wanted[i] = selection->wanted[i] && is_distribution == distributions;
    }
}

/* Everything that makes payloads. 0 or -ENOMEM. */
static int init_payloads(struct datadog *datadog, const struct eye_exporter_setup *setup)
{
    const struct eye_datadog_encoding *encoding = choose_encoding(datadog);
    enum eye_compression compression = compressions[datadog->values->compression];
    /* Without compression both limits are about the same bytes. */
    bool plain = compression == EYE_COMPRESSION_NONE && encoding->packed_max < encoding->plain_max;
    int result = eye_selection_init(&datadog->selection, setup);
    if (result == 0) {
        result = eye_dd_tags_add(&datadog->selection, false);
    }
    if (result != 0) {
        return result;
    }
    keep_own_metrics(&datadog->selection, encoding->distributions);
    result = eye_datadog_body_init(&datadog->body, encoding, &datadog->selection,
                                   plain ? encoding->packed_max : encoding->plain_max);
    if (result != 0) {
        return result;
    }
    eye_identities_init(&datadog->identities, encoding->write_identity, &datadog->body,
                        datadog->selection.wanted, EYE_DATADOG_IDENTITY_MAX_BYTES);
    eye_delivery_init(&datadog->delivery, &format, datadog, datadog->selection.wanted,
                      setup->stats);
    eye_text_init(&datadog->packed, encoding->packed_max);
    return eye_compressor_new(compression, &datadog->compressor);
}

static int init_transport(struct datadog *datadog, const struct eye_exporter_setup *setup,
                          struct eye_error *ret_error)
{
    const struct values *values = datadog->values;
    int result = make_url(values, datadog->body.encoding->path, &datadog->url, ret_error);
    if (result == 0) {
        result = make_url(values, "/api/v1/validate", &datadog->validate_url, ret_error);
    }
    if (result == 0) {
        result = read_key(datadog, ret_error);
    }
    return result == 0 ? eye_client_new(&values->http, setup, &datadog->client, ret_error) : result;
}

static int open_exporter(void *state, const struct eye_exporter_setup *setup,
                         struct eye_error *ret_error)
{
    struct datadog *datadog = state;
    if (setup->own->common.queue_age_ns > EYE_DEFAULT_MAX_AGE_NS) {
        return eye_error_set(ret_error, -EINVAL,
                             "`queue.max_age`: the intake throws away points that are older than "
                             "1h; use 1h or less");
    }
    datadog->values = setup->own->values;
    datadog->name = setup->own->name;
    datadog->lane = (enum lane)setup->lane;
    if (init_payloads(datadog, setup) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    return init_transport(datadog, setup, ret_error);
}

static const struct eye_config_key keys[] = {
    {
        .path = "site",
        .foreign = "dd_site region",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, site),
        .valid = site_valid,
        .expects = "a host name, such as datadoghq.eu",
        .help = "Datadog site; default DD_SITE, else datadoghq.com. For several sites or keys use "
                "several exporters of this type",
    },
    {
        .path = "url",
        .foreign = EYE_FOREIGN_URL " dd_url",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, url),
        .valid = base_valid,
        .expects = "http(s)://HOST[:PORT][/PATH] without a password",
        .help = "where the intake is, instead of https://api.SITE",
    },
    {
        .path = "api_key_file",
        .foreign = "api_key apikey api-key dd_api_key key",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, api_key_file),
        .help = "file with the API key, readable by its owner only; default the systemd credential "
                "datadog_api_key, else DD_API_KEY",
    },
    {
        .path = "encoding",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct values, encoding),
        .default_value = "json",
        .choices = encoding_names,
        .help = "of counters and gauges; distributions always go as protobuf",
    },
    {
        .path = "compression",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct values, compression),
        .default_value = "zlib",
        .choices = compression_names,
        .help = "of payloads; not every receiver that is compatible knows zstd",
    },
    EYE_CLIENT_KEYS(struct values, http),
};

static const char *const lanes[] = {[LANE_SERIES] = "series", [LANE_SKETCHES] = "sketches", NULL};

const struct eye_exporter_type eye_exporter_datadog = {
    .section =
        {
            .type = "datadog",
            .foreign = "datadog-api datadog_api datadog_metrics datadoghq dd",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct values),
        },
    .timestamped = true,
    .remote = true,
    .lanes = lanes,
    .retry_max_ns = 64 * EYE_NS_PER_SECOND,
    .state_size = sizeof(struct datadog),
    .open = open_exporter,
    .deliver = deliver,
    .close = close_exporter,
};
