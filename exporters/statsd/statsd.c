/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exporter "statsd": lines for etsy's server and those that take its format. It has no time in it:
 * each delivery carries what happened since the one before.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "exporters/engine/delivery.h"
#include "exporters/link/link.h"
#include "exporters/statsd/lines.h"

#define DEFAULT_PORT "8125"
#define DEFAULT_TEMPLATE "{metric}.{tags}"

#define SCHEMES (1U << EYE_LINK_UDP | 1U << EYE_LINK_TCP | 1U << EYE_LINK_UNIXGRAM)

#define PAYLOAD_MIN_BYTES 512
#define PAYLOAD_MAX_BYTES 65467

struct values {
    char *url;
    int dialect; /* enum eye_statsd_dialect_id */
    char *template;
    int distributions; /* enum eye_statsd_distributions */
    uint64_t payload_bytes;
    bool zero_on_stop;
    bool fill_up;
};

struct statsd {
    struct eye_selection selection;
    struct eye_statsd_names names;
    struct eye_statsd_lines lines;
    struct eye_identities identities;
    struct eye_text payload;
    struct eye_link *link;
    struct eye_delivery delivery;
    bool zero_on_stop;
};

/* ---- Payloads ---- */

static void begin(void *state, const struct eye_snapshot *now)
{
    struct statsd *statsd = state;
    (void)now;
    eye_text_clear(&statsd->payload);
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct statsd *statsd = state;
    const struct eye_identity *identity = eye_identities_at(&statsd->identities, index);
    return eye_statsd_lines_add(&statsd->lines, identity, change, &statsd->payload, part);
}

static enum eye_verdict send_payload(void *state, uint64_t points, uint64_t *ret_rejected,
                                     struct eye_export_failure *failure)
{
    struct statsd *statsd = state;
    (void)points;
    (void)ret_rejected;
    const struct eye_text *payload = &statsd->payload;
    return eye_link_verdict(eye_link_send(statsd->link, payload->data, payload->length, failure));
}

static enum eye_confirmation confirm(void *state, bool wait, struct eye_export_failure *failure)
{
    struct statsd *statsd = state;
    return eye_link_confirm(statsd->link, wait, failure);
}

static const struct eye_payload_format format = {
    .begin = begin,
    .add = add,
    .send = send_payload,
    .confirm = confirm,
};

static int prepare(struct statsd *statsd, const struct eye_snapshot *now,
                   struct eye_export_failure *failure)
{
    int result = eye_identities_prepare(&statsd->identities, now, failure);
    return result == 0 ? eye_link_open(statsd->link, failure) : result;
}

static int deliver(void *state, const struct eye_snapshot *now, const struct eye_snapshot *before,
                   struct eye_export_failure *failure)
{
    struct statsd *statsd = state;
    int result = prepare(statsd, now, failure);
    return result == 0 ? eye_delivery_run(&statsd->delivery, now, before, failure) : result;
}

/* ---- The end ---- */

/* Appends the zeros of the point at @index; what is full goes out. 0, or -errno: nobody is there.
 */
static int add_zeros(struct statsd *statsd, const struct eye_snapshot *last, size_t index,
                     struct eye_export_failure *failure)
{
    const struct eye_identity *identity = eye_identities_at(&statsd->identities, index);
    struct eye_text *payload = &statsd->payload;
    size_t part = 0;
    while (eye_statsd_lines_add_zeros(&statsd->lines, identity, &last->points[index], payload,
                                      &part) == -ENOBUFS) {
        int result = eye_link_send(statsd->link, payload->data, payload->length, failure);
        if (result != 0) {
            return result;
        }
        eye_text_clear(payload);
    }
    return 0;
}

static int send_zeros(struct statsd *statsd, const struct eye_snapshot *last,
                      struct eye_export_failure *failure)
{
    struct eye_text *payload = &statsd->payload;
    int result = 0;
    eye_text_clear(payload);
    for (size_t i = 0; i < last->count && result == 0; i++) {
        if (statsd->selection.wanted[last->points[i].metric->id]) {
            result = add_zeros(statsd, last, i, failure);
        }
    }
    if (result == 0 && payload->length > 0) {
        result = eye_link_send(statsd->link, payload->data, payload->length, failure);
    }
    return result;
}

/* Servers repeat a gauge until they hear of another value. */
static int finish(void *state, const struct eye_snapshot *last, struct eye_export_failure *failure)
{
    struct statsd *statsd = state;
    if (!statsd->zero_on_stop || last == NULL) {
        return 0;
    }
    int result = prepare(statsd, last, failure);
    if (result == 0) {
        result = send_zeros(statsd, last, failure);
    }
    if (result == 0 && eye_link_confirm(statsd->link, true, failure) == EYE_LOST) {
        result = -EIO;
    }
    return result;
}

/* ---- Life ---- */

static void close_exporter(void *state)
{
    struct statsd *statsd = state;
    eye_link_free(statsd->link);
    eye_text_done(&statsd->payload);
    eye_identities_done(&statsd->identities);
    eye_statsd_lines_done(&statsd->lines);
    eye_selection_done(&statsd->selection);
}

static bool is_valid_url(const char *url)
{
    struct eye_link_address address;
    return eye_link_parse(url, DEFAULT_PORT, SCHEMES, &address) == 0;
}

/* How series are called, and lines written. */
static int init_lines(struct statsd *statsd, const struct values *values,
                      struct eye_error *ret_error)
{
    struct eye_statsd_names *names = &statsd->names;
    names->selection = &statsd->selection;
    names->dialect = (enum eye_statsd_dialect_id)values->dialect;
    if (names->dialect == EYE_STATSD_NONE) {
        const char *text = values->template == NULL ? DEFAULT_TEMPLATE : values->template;
        int result = eye_template_parse(text, names->selection, &names->template, ret_error);
        if (result != 0) {
            return result;
        }
    } else if (values->template != NULL) {
        return eye_error_set(ret_error, -EINVAL,
                             "`template` says where tags stand in names: with `dialect: %s` they "
                             "do not stand there",
                             eye_statsd_dialect_names[names->dialect]);
    }
    enum eye_statsd_distributions distributions =
        (enum eye_statsd_distributions)values->distributions;
    if (eye_statsd_lines_init(&statsd->lines, names->dialect, distributions) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    return 0;
}

static int init_payload(struct statsd *statsd, const struct values *values,
                        const struct eye_exporter_setup *setup, struct eye_error *ret_error)
{
    struct eye_link_address address;
    int result = eye_link_parse(values->url, DEFAULT_PORT, SCHEMES, &address);
    if (result != 0) {
        return eye_error_set(ret_error, result, "`url` is no address of a StatsD server");
    }
    uint64_t bytes =
        values->payload_bytes == 0 ? eye_link_payload_bytes(address.scheme) : values->payload_bytes;
    if (eye_payload_init(&statsd->payload, bytes) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    eye_identities_init(&statsd->identities, eye_statsd_write_name, &statsd->names,
                        statsd->selection.wanted, bytes - EYE_STATSD_LINE_BYTES);
    eye_delivery_init(&statsd->delivery, &format, statsd, statsd->selection.wanted, setup->stats);
    result = eye_link_new(&address, NULL, setup, &statsd->link, ret_error);
    return result == 0 && values->fill_up ? eye_link_fill_up(statsd->link, bytes, ret_error)
                                          : result;
}

static int open_exporter(void *state, const struct eye_exporter_setup *setup,
                         struct eye_error *ret_error)
{
    struct statsd *statsd = state;
    const struct values *values = setup->own->values;
    if (eye_selection_init(&statsd->selection, setup) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    statsd->zero_on_stop = values->zero_on_stop;
    int result = init_lines(statsd, values, ret_error);
    return result == 0 ? init_payload(statsd, values, setup, ret_error) : result;
}

static const char *const distribution_choices[] = {"samples", "gauges", NULL};

static const struct eye_foreign_choice foreign_dialects[] = {
    {"none", "plain etsy statsd false"},
    {"datadog", "dogstatsd dogstats ddog"},
    {"influxdb", "influx telegraf"},
    {NULL, NULL},
};

static const struct eye_config_key keys[] = {
    {
        .path = "url",
        .foreign = EYE_FOREIGN_URL " port path socket",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, url),
        .default_value = "udp://127.0.0.1:" DEFAULT_PORT,
        .valid = is_valid_url,
        .expects = "udp://HOST:PORT, tcp://HOST:PORT or unixgram:///PATH",
        .series = true,
        .help = "where the StatsD server listens",
    },
    {
        .path = "dialect",
        .foreign = "style format flavor tag_format tag_style tags_format tag_type",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct values, dialect),
        .default_value = "none",
        .choices = eye_statsd_dialect_names,
        .foreign_choices = foreign_dialects,
        .series = true,
        .help = "how the server wants tags; none: they are part of the name",
    },
    {
        .path = "template",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, template),
        .series = true,
        .help = "with dialect none: the name, of {metric}, {host}, {tags} and tags by name as "
                "{service}; default " DEFAULT_TEMPLATE,
    },
    {
        .path = "distributions",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct values, distributions),
        .default_value = "gauges",
        .choices = distribution_choices,
        .series = true,
        .help = "gauges: .p50 .p95 .p99 .max .mean of the last interval with values, made here, "
                "and a counter .count; samples: timers, from which the server makes quantiles "
                "(not collectd, which cuts them to whole milliseconds and takes rates for a part "
                "of the value; etsy's leaves rates out of quantiles). Durations are in "
                "milliseconds",
    },
    {
        .path = "zero_on_stop",
        .type = EYE_CONFIG_BOOL,
        .offset = offsetof(struct values, zero_on_stop),
        .default_value = "true",
        .help = "send 0 for each gauge when the daemon stops (not after run --once); a server "
                "repeats the last value for ever otherwise, unless it deletes idle gauges",
    },
    {
        .path = "payload",
        .type = EYE_CONFIG_SIZE,
        .offset = offsetof(struct values, payload_bytes),
        .default_value = "0",
        .min = PAYLOAD_MIN_BYTES,
        .max = PAYLOAD_MAX_BYTES,
        .zero_too = true,
        .help = "largest datagram, or piece of a stream; 0: 1432B for UDP, 8KiB "
                "for a Unix socket, 64KiB for TCP",
    },
    {
        .path = "fill_up",
        .type = EYE_CONFIG_BOOL,
        .offset = offsetof(struct values, fill_up),
        .default_value = "true",
        .help = "over UDP fill datagrams up with empty lines, so that many leave in one call, for "
                "half the cost; false for a server that counts an empty line as a bad one "
                "(gostatsd; etsy's before 0.9)",
    },
};

const struct eye_exporter_type eye_exporter_statsd = {
    .section =
        {
            .type = "statsd",
            .foreign = "telegraf statsite brubeck",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct values),
        },
    .remote = true,
    .lingers = true,
    .state_size = sizeof(struct statsd),
    .open = open_exporter,
    .deliver = deliver,
    .finish = finish,
    .close = close_exporter,
};
