/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exporter "dogstatsd": lines packed into payloads for a Datadog Agent, over UDP or a Unix socket.
 * Behind the metrics of each snapshot go a service check and what the client tells about itself;
 * these lines come last and are given up without an error when they do not get through.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "exporters/dogstatsd/client.h"
#include "exporters/dogstatsd/lines.h"
#include "exporters/dogstatsd/messages.h"
#include "exporters/encode/dd_tags.h"
#include "exporters/link/link.h"

#define DEFAULT_URL "udp://127.0.0.1:8125"
#define DEFAULT_PORT "8125"

#define SCHEMES                                                                                    \
    (1U << EYE_LINK_UDP | 1U << EYE_LINK_UNIX | 1U << EYE_LINK_UNIXGRAM | 1U << EYE_LINK_UNIXSTREAM)

#define PAYLOAD_MIN_BYTES 512
#define PAYLOAD_MAX_BYTES 65467

/* What the Agent takes for the interval of a count that has a time. */
#define AGENT_INTERVAL_NS (10 * EYE_NS_PER_SECOND)

/* The Agent is near and may be back at any time. */
#define RETRY_MAX_NS (5 * EYE_NS_PER_SECOND)

#define KINDS 3 /* of metrics */

struct values {
    char *url;
    uint64_t payload_bytes;
    bool origin_detection;
    char *cardinality;
    bool timestamps;
    bool telemetry;
};

struct dogstatsd {
    const struct values *values;
    struct eye_selection selection;
    struct eye_environment environment;
    struct eye_labels labels;
    struct eye_lines lines;
    struct eye_identities identities;
    struct eye_delivery delivery;
    struct eye_link_address address;
    struct eye_link *link;
    struct eye_text payload;
    uint64_t kinds[KINDS]; /* points in the payload, by kind */
    struct eye_dd_client client;
    const char *beginning; /* title of the event of the start */
    bool announced;        /* the event of the start got through, or there is none: a job's */
};

/* ---- Payloads ---- */

static void begin(void *state, const struct eye_snapshot *now)
{
    struct dogstatsd *dogstatsd = state;
    eye_text_clear(&dogstatsd->payload);
    memset(dogstatsd->kinds, 0, sizeof(dogstatsd->kinds));
    if (dogstatsd->values->timestamps) {
        eye_lines_set_time(&dogstatsd->lines, now->time_ns);
    }
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct dogstatsd *dogstatsd = state;
    const struct eye_identity *identity = eye_identities_at(&dogstatsd->identities, index);
    int result = eye_lines_add(&dogstatsd->lines, identity, change, part, &dogstatsd->payload);
    if (result == 0) {
        dogstatsd->kinds[change->point->metric->kind]++;
    }
    return result;
}

/* On a stream each payload stands behind its length, 4 bytes, little-endian. */
static int write_payload(struct dogstatsd *dogstatsd, struct eye_export_failure *failure)
{
    const struct eye_text *payload = &dogstatsd->payload;
    if (!eye_link_is_datagram(dogstatsd->link)) {
        uint8_t frame[4];
        for (size_t i = 0; i < sizeof(frame); i++) {
            frame[i] = (uint8_t)(payload->length >> (8 * i));
        }
        int result = eye_link_send(dogstatsd->link, frame, sizeof(frame), failure);
        if (result != 0) {
            return result;
        }
    }
    return eye_link_send(dogstatsd->link, payload->data, payload->length, failure);
}

static int send_payload(struct dogstatsd *dogstatsd, struct eye_export_failure *failure)
{
    int result = write_payload(dogstatsd, failure);
    eye_dd_client_count_packet(&dogstatsd->client, dogstatsd->payload.length, result == 0);
    return result;
}

static enum eye_verdict send_points(void *state, uint64_t points, uint64_t *ret_rejected,
                                    struct eye_export_failure *failure)
{
    (void)points;
    (void)ret_rejected;
    struct dogstatsd *dogstatsd = state;
    int result = send_payload(dogstatsd, failure);
    for (size_t i = 0; result == 0 && i < KINDS; i++) {
        eye_dd_client_count_points(&dogstatsd->client, (enum eye_metric_kind)i,
                                   dogstatsd->kinds[i]);
    }
    return eye_link_verdict(result);
}

static enum eye_confirmation confirm(void *state, bool wait, struct eye_export_failure *failure)
{
    struct dogstatsd *dogstatsd = state;
    return eye_link_confirm(dogstatsd->link, wait, failure);
}

static const struct eye_payload_format format = {
    .begin = begin,
    .add = add,
    .send = send_points,
    .confirm = confirm,
};

/* ---- What goes behind the metrics ---- */

static const char *transport(const struct dogstatsd *dogstatsd)
{
    if (dogstatsd->address.scheme == EYE_LINK_UDP) {
        return "udp";
    }
    return eye_link_is_datagram(dogstatsd->link) ? "uds" : "uds-stream";
}

/* Sends the payload at hand unless it is empty, and empties it; true when it arrived. */
static bool send_extra(struct dogstatsd *dogstatsd)
{
    struct eye_export_failure ignored = {0};
    bool arrived = dogstatsd->payload.length == 0 ||
                   (send_payload(dogstatsd, &ignored) == 0 &&
                    eye_link_confirm(dogstatsd->link, true, &ignored) == EYE_CONFIRMED);
    eye_text_clear(&dogstatsd->payload);
    return arrived;
}

static bool send_event(struct dogstatsd *dogstatsd, const char *title, const char *body)
{
    eye_text_clear(&dogstatsd->payload);
    eye_message_event(&dogstatsd->payload, &dogstatsd->labels, title, body, eye_clock_wall_ns());
    bool arrived = !dogstatsd->payload.failed && send_extra(dogstatsd);
    dogstatsd->client.counted[EYE_DD_CLIENT_EVENTS] += arrived ? 1 : 0;
    return arrived;
}

static bool send_check(struct dogstatsd *dogstatsd)
{
    eye_text_clear(&dogstatsd->payload);
    eye_message_check(&dogstatsd->payload, &dogstatsd->labels, "sockeye.up", eye_clock_wall_ns());
    bool arrived = !dogstatsd->payload.failed && send_extra(dogstatsd);
    dogstatsd->client.counted[EYE_DD_CLIENT_CHECKS] += arrived ? 1 : 0;
    return arrived;
}

/* Sends the lines written so far, and counts them as said or as to be said again. */
static bool settle_client(struct dogstatsd *dogstatsd)
{
    bool arrived = send_extra(dogstatsd);
    if (arrived) {
        eye_dd_client_report(&dogstatsd->client);
    } else {
        eye_dd_client_retract(&dogstatsd->client);
    }
    return arrived;
}

/* Appends a line; false when there was no room for it. */
static bool write_client(struct dogstatsd *dogstatsd, enum eye_dd_client_count which)
{
    size_t start = dogstatsd->payload.length;
    uint64_t written = dogstatsd->client.written[which];
    eye_dd_client_write(&dogstatsd->client, which, &dogstatsd->labels, transport(dogstatsd),
                        &dogstatsd->payload);
    if (!dogstatsd->payload.failed) {
        return true;
    }
    eye_text_truncate(&dogstatsd->payload, start);
    dogstatsd->client.written[which] = written;
    return false;
}

static void send_client(struct dogstatsd *dogstatsd)
{
    bool arriving = dogstatsd->values->telemetry;
    eye_text_clear(&dogstatsd->payload);
    for (size_t i = 0; arriving && i < EYE_DD_CLIENT_COUNT; i++) {
        if (!write_client(dogstatsd, (enum eye_dd_client_count)i)) {
            arriving =
                settle_client(dogstatsd) && write_client(dogstatsd, (enum eye_dd_client_count)i);
        }
    }
    if (arriving) {
        settle_client(dogstatsd);
    }
}

static void send_extras(struct dogstatsd *dogstatsd)
{
    if (!dogstatsd->announced) {
        dogstatsd->announced = send_event(dogstatsd, dogstatsd->beginning,
                                          "sockeye " EYE_VERSION " observes this host");
    }
    if (send_check(dogstatsd)) {
        send_client(dogstatsd);
    }
}

/* ---- Delivery ---- */

static int deliver(void *state, const struct eye_snapshot *now, const struct eye_snapshot *before,
                   struct eye_export_failure *failure)
{
    struct dogstatsd *dogstatsd = state;
    if (dogstatsd->environment.disabled) {
        return 0;
    }
    int result = eye_link_open(dogstatsd->link, failure);
    if (result == 0) {
        result = eye_identities_prepare(&dogstatsd->identities, now, failure);
    }
    if (result == 0) {
        result = eye_delivery_run(&dogstatsd->delivery, now, before, failure);
    }
    if (result == 0) {
        send_extras(dogstatsd);
    }
    return result;
}

/* An Agent shows nothing of what it hears no more: the event is said once, and may get lost. */
static int finish(void *state, const struct eye_snapshot *last, struct eye_export_failure *failure)
{
    (void)last;
    struct dogstatsd *dogstatsd = state;
    if (dogstatsd->announced && eye_link_open(dogstatsd->link, failure) == 0 &&
        send_event(dogstatsd, "sockeye stopped", "sockeye " EYE_VERSION " was told to stop")) {
        send_client(dogstatsd);
    }
    failure->cause.text[0] = '\0';
    return 0;
}

/* ---- Life ---- */

static void close_exporter(void *state)
{
    struct dogstatsd *dogstatsd = state;
    eye_link_free(dogstatsd->link);
    eye_identities_done(&dogstatsd->identities);
    eye_lines_done(&dogstatsd->lines);
    eye_labels_done(&dogstatsd->labels);
    eye_environment_done(&dogstatsd->environment);
    eye_text_done(&dogstatsd->payload);
    eye_selection_done(&dogstatsd->selection);
}

static bool url_valid(const char *url)
{
    struct eye_link_address address;
    return eye_link_parse(url, DEFAULT_PORT, SCHEMES, &address) == 0;
}

/* The configuration's URL, else the environment's: both are valid. */
static void choose_address(struct dogstatsd *dogstatsd)
{
    const char *told = dogstatsd->environment.url;
    const char *set = dogstatsd->values->url;
    const char *url = set != NULL ? set : told != NULL ? told : DEFAULT_URL;
    eye_link_parse(url, DEFAULT_PORT, SCHEMES, &dogstatsd->address);
}

static size_t payload_bytes(const struct dogstatsd *dogstatsd)
{
    uint64_t set = dogstatsd->values->payload_bytes;
    return set > 0 ? set : eye_link_payload_bytes(dogstatsd->address.scheme);
}

static int check_values(const struct values *values, const struct eye_exporter_setup *setup,
                        struct eye_error *ret_error)
{
    if (values->timestamps && setup->config->interval_ns != AGENT_INTERVAL_NS) {
        return eye_error_set(ret_error, -EINVAL,
                             "`timestamps` needs `interval: 10s`: the Agent divides counts that "
                             "have a time by 10 seconds");
    }
    return 0;
}

static int make_labels(struct dogstatsd *dogstatsd, size_t max_bytes, struct eye_error *ret_error)
{
    const struct values *values = dogstatsd->values;
    const struct eye_environment *environment = &dogstatsd->environment;
    const struct eye_labels_source source = {
        .environment = environment,
        .origin_detection = values->origin_detection && environment->origin_detection,
        .cardinality = values->cardinality != NULL ? values->cardinality : environment->cardinality,
    };
    int result = eye_labels_init(&dogstatsd->labels, &dogstatsd->selection, &source, max_bytes);
    return result == 0
               ? 0
               : eye_error_set(ret_error, result, "the fixed tags are longer than its `payload`");
}

static int make_parts(struct dogstatsd *dogstatsd, const struct eye_exporter_setup *setup,
                      struct eye_error *ret_error)
{
    choose_address(dogstatsd);
    size_t max_bytes = payload_bytes(dogstatsd);
    int result = make_labels(dogstatsd, max_bytes, ret_error);
    if (result != 0) {
        return result;
    }
    result = eye_payload_init(&dogstatsd->payload, max_bytes);
    if (result == 0) {
        result =
            eye_lines_init(&dogstatsd->lines, &dogstatsd->selection, &dogstatsd->labels, max_bytes);
    }
    if (result != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    eye_identities_init(&dogstatsd->identities, eye_lines_write_identity, &dogstatsd->lines,
                        dogstatsd->selection.wanted, max_bytes);
    eye_delivery_init(&dogstatsd->delivery, &format, dogstatsd, dogstatsd->selection.wanted,
                      setup->stats);
    result = eye_link_new(&dogstatsd->address, NULL, setup, &dogstatsd->link, ret_error);
    /* The Agent passes over empty lines, and so do telegraf, veneur and statsd_exporter. */
    return result == 0 ? eye_link_fill_up(dogstatsd->link, max_bytes, ret_error) : result;
}

static int open_exporter(void *state, const struct eye_exporter_setup *setup,
                         struct eye_error *ret_error)
{
    struct dogstatsd *dogstatsd = state;
    if (eye_selection_init(&dogstatsd->selection, setup) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    dogstatsd->values = setup->own->values;
    dogstatsd->announced = setup->config->once;
    dogstatsd->beginning = setup->successor ? "sockeye reloaded" : "sockeye started";
    int result = check_values(dogstatsd->values, setup, ret_error);
    if (result == 0 && eye_environment_read(url_valid, &dogstatsd->environment) != 0) {
        result = eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    if (result == 0 && eye_dd_tags_add(&dogstatsd->selection, true) != 0) {
        result = eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    if (result == 0) {
        result = make_parts(dogstatsd, setup, ret_error);
    }
    if (result == 0 && dogstatsd->environment.disabled) {
        eye_log_warning("exporter %s: DD_DOGSTATSD_DISABLE is set: nothing is sent",
                        setup->own->name);
    }
    return result;
}

static const struct eye_config_key keys[] = {
    {
        .path = "url",
        .foreign = EYE_FOREIGN_URL " port path socket",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, url),
        .valid = url_valid,
        .expects = "udp://HOST:PORT, unix://PATH, unixgram://PATH or unixstream://PATH",
        .help = "where the Datadog Agent listens; without it DD_DOGSTATSD_URL, else DD_AGENT_HOST "
                "and DD_DOGSTATSD_PORT, else " DEFAULT_URL,
    },
    {
        .path = "payload",
        .type = EYE_CONFIG_SIZE,
        .offset = offsetof(struct values, payload_bytes),
        .default_value = "0",
        .min = PAYLOAD_MIN_BYTES,
        .max = PAYLOAD_MAX_BYTES,
        .zero_too = true,
        .help = "largest datagram or frame; the Agent reads at most 8192B of one; 0: "
                "1432B for UDP, where empty lines fill it up, 8192B for Unix sockets",
    },
    {
        .path = "origin_detection",
        .type = EYE_CONFIG_BOOL,
        .offset = offsetof(struct values, origin_detection),
        .default_value = "true",
        .help = "tell the container that we run in and DD_EXTERNAL_ENV, unless "
                "DD_ORIGIN_DETECTION_ENABLED says no",
    },
    {
        .path = "cardinality",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, cardinality),
        .valid = eye_environment_cardinality_valid,
        .expects = "none, low, orchestrator or high",
        .help = "which tags the Agent adds; without it DD_CARDINALITY, else DATADOG_CARDINALITY, "
                "else as the Agent is set",
    },
    {
        .path = "timestamps",
        .type = EYE_CONFIG_BOOL,
        .offset = offsetof(struct values, timestamps),
        .default_value = "false",
        .help = "send counts and gauges with the time of the interval's end (Agent 7.40, interval "
                "10s only); the Agent does not aggregate them then",
    },
    {
        .path = "telemetry",
        .type = EYE_CONFIG_BOOL,
        .offset = offsetof(struct values, telemetry),
        .default_value = "true",
        .help = "send datadog.dogstatsd.client.* like the official clients",
    },
};

const struct eye_exporter_type eye_exporter_dogstatsd = {
    .section =
        {
            .type = "dogstatsd",
            .foreign = "datadog-agent datadog_agent datadogagent dd-agent ddagent agent",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct values),
        },
    .remote = true,
    .retry_max_ns = RETRY_MAX_NS,
    .state_size = sizeof(struct dogstatsd),
    .open = open_exporter,
    .deliver = deliver,
    .finish = finish,
    .close = close_exporter,
};
