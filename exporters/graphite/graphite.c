/* SPDX-License-Identifier: Apache-2.0 */
/* Exporter "graphite": points with their time for carbon and what takes its protocols. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/clock.h"
#include "exporters/engine/delivery.h"
#include "exporters/graphite/paths.h"
#include "exporters/graphite/points.h"
#include "exporters/graphite/slots.h"
#include "exporters/http/tls.h"
#include "exporters/link/link.h"

#define LINES_PORT "2003"
#define PICKLE_PORT "2004"
#define PICKLE_SCHEME "pickle://"
#define TCP_SCHEME "tcp://"

/* What carbon keeps by default: retentions = 60s:1d; older points are thrown away. */
#define KEEPS_NS (86400 * EYE_NS_PER_SECOND)

#define LINES_SCHEMES (1U << EYE_LINK_TCP | 1U << EYE_LINK_UDP | 1U << EYE_LINK_TLS)

struct values {
    char *url;
    int style; /* enum eye_graphite_style */
    char *template;
    int counters; /* enum eye_graphite_counters */
    uint64_t retention_ns;
    struct eye_tls_settings tls;
};

struct graphite {
    struct eye_selection selection;
    struct eye_graphite_paths paths;
    struct eye_graphite_points points;
    struct eye_identities identities;
    struct eye_link *link;
    struct eye_delivery delivery;
    struct eye_graphite_slots slots;
};

/* ---- Payloads ---- */

static void begin(void *state, const struct eye_snapshot *now)
{
    struct graphite *graphite = state;
    (void)now; /* deliver() chose its slot */
    eye_graphite_points_begin(&graphite->points,
                              (int64_t)(graphite->slots.slot_ns / EYE_NS_PER_SECOND));
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct graphite *graphite = state;
    const struct eye_identity *identity = eye_identities_at(&graphite->identities, index);
    return eye_graphite_points_add(&graphite->points, identity, change, part);
}

static enum eye_verdict send_payload(void *state, uint64_t points, uint64_t *ret_rejected,
                                     struct eye_export_failure *failure)
{
    struct graphite *graphite = state;
    const struct eye_text *payload = &graphite->points.payload;
    (void)points;
    (void)ret_rejected;
    eye_graphite_points_end(&graphite->points);
    return eye_link_verdict(eye_link_send(graphite->link, payload->data, payload->length, failure));
}

static enum eye_confirmation confirm(void *state, bool wait, struct eye_export_failure *failure)
{
    struct graphite *graphite = state;
    return eye_link_confirm(graphite->link, wait, failure);
}

static const struct eye_payload_format format = {
    .begin = begin,
    .add = add,
    .send = send_payload,
    .confirm = confirm,
};

static int deliver(void *state, const struct eye_snapshot *now, const struct eye_snapshot *before,
                   struct eye_export_failure *failure)
{
    struct graphite *graphite = state;
    int result = eye_identities_prepare(&graphite->identities, now, failure);
    if (result == 0) {
        result = eye_link_open(graphite->link, failure);
    }
    if (result != 0) {
        return result;
    }
    eye_graphite_slots_choose(&graphite->slots, now, before);
    return eye_delivery_run(&graphite->delivery, now, graphite->slots.base, failure);
}

/* ---- Where to ---- */

struct target {
    struct eye_link_address address;
    enum eye_graphite_protocol protocol;
};

/* pickle:// is TCP with another port and other bytes. */
static int parse_pickle_url(const char *url, struct eye_link_address *ret_address)
{
    EYE_CLEANUP(eye_text_done) struct eye_text tcp = {.max_bytes = 1024};
    eye_text_append(&tcp, TCP_SCHEME);
    eye_text_append(&tcp, url + strlen(PICKLE_SCHEME));
    return tcp.failed ? -EINVAL
                      : eye_link_parse(eye_text_string(&tcp), PICKLE_PORT, 1U << EYE_LINK_TCP,
                                       ret_address);
}

static int parse_url(const char *url, struct target *ret_target)
{
    struct target target = {.protocol = EYE_GRAPHITE_LINES};
    int result = 0;
    if (strncmp(url, PICKLE_SCHEME, strlen(PICKLE_SCHEME)) == 0) {
        target.protocol = EYE_GRAPHITE_PICKLE;
        result = parse_pickle_url(url, &target.address);
    } else {
        result = eye_link_parse(url, LINES_PORT, LINES_SCHEMES, &target.address);
    }
    if (result == 0) {
        *ret_target = target;
    }
    return result;
}

static bool is_valid_url(const char *url)
{
    struct target target;
    return parse_url(url, &target) == 0;
}

/* ---- Life ---- */

static void close_exporter(void *state)
{
    struct graphite *graphite = state;
    eye_link_free(graphite->link);
    eye_graphite_slots_done(&graphite->slots);
    eye_identities_done(&graphite->identities);
    eye_graphite_points_done(&graphite->points);
    eye_selection_done(&graphite->selection);
}

static int init_points(struct graphite *graphite, const struct values *values,
                       const struct target *target)
{
    size_t bytes = eye_link_payload_bytes(target->address.scheme);
    int result = eye_graphite_points_init(&graphite->points, target->protocol,
                                          (enum eye_graphite_counters)values->counters, bytes);
    if (result == 0) {
        eye_identities_init(&graphite->identities, eye_graphite_write_path, &graphite->paths,
                            graphite->selection.wanted,
                            eye_graphite_points_max_path(&graphite->points));
    }
    return result;
}

static int init(struct graphite *graphite, const struct eye_exporter_setup *setup,
                struct eye_error *ret_error)
{
    const struct values *values = setup->own->values;
    struct target target;
    int result = parse_url(values->url, &target);
    if (result != 0) {
        return eye_error_set(ret_error, result, "`url` is no address of a carbon server");
    }
    result = eye_graphite_paths_init(&graphite->paths, (enum eye_graphite_style)values->style,
                                     values->template, &graphite->selection, ret_error);
    if (result != 0) {
        return result;
    }
    if (init_points(graphite, values, &target) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    uint64_t interval_ns = setup->config->interval_ns;
    eye_graphite_slots_init(
        &graphite->slots, values->retention_ns > interval_ns ? values->retention_ns : interval_ns);
    eye_delivery_init(&graphite->delivery, &format, graphite, graphite->selection.wanted,
                      setup->stats);
    graphite->delivery.idle_too = true; /* a gap would look as if we were away */
    const struct eye_tls_settings *tls =
        target.address.scheme == EYE_LINK_TLS ? &values->tls : NULL;
    return eye_link_new(&target.address, tls, setup, &graphite->link, ret_error);
}

static int open_exporter(void *state, const struct eye_exporter_setup *setup,
                         struct eye_error *ret_error)
{
    struct graphite *graphite = state;
    if (eye_selection_init(&graphite->selection, setup) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    return init(graphite, setup, ret_error);
}

static const char *const styles[] = {"tagged", "dotted", NULL};
static const char *const counter_choices[] = {"delta", "total", NULL};

static const struct eye_config_key keys[] = {
    {
        .path = "url",
        .foreign = EYE_FOREIGN_URL " port path socket",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, url),
        .default_value = TCP_SCHEME "127.0.0.1:" LINES_PORT,
        .valid = is_valid_url,
        .expects = "tcp://HOST:PORT, udp://HOST:PORT, tls://HOST:PORT or pickle://HOST:PORT",
        .help = "where carbon listens; pickle is TCP, usually port " PICKLE_PORT,
    },
    {
        .path = "style",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct values, style),
        .default_value = "tagged",
        .choices = styles,
        .help = "tagged: name;key=value (Graphite 1.1 and later); dotted: names by the template",
    },
    {
        .path = "template",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, template),
        .help = "with style dotted: the path, of {host}, {metric}, {tags} and tags by name as "
                "{service}; default {host}.{metric}.{tags}",
    },
    {
        .path = "counters",
        .type = EYE_CONFIG_CHOICE,
        .offset = offsetof(struct values, counters),
        .default_value = "delta",
        .choices = counter_choices,
        .help = "delta: the increase of each slot of `retention`, to be summed; total: since the "
                "daemon's start, for nonNegativeDerivative(), whatever carbon keeps",
    },
    {
        .path = "retention",
        .type = EYE_CONFIG_DURATION,
        .offset = offsetof(struct values, retention_ns),
        .default_value = "60s",
        .min = EYE_NS_PER_SECOND,
        .max = 86400 * EYE_NS_PER_SECOND,
        .help = "the finest retention of carbon's storage-schemas.conf (60s as it comes): carbon "
                "keeps the last point of each such slot, so points say what their slot has had so "
                "far; receivers that keep all points want the interval",
    },
    EYE_TLS_KEYS(struct values, tls),
};

const struct eye_exporter_type eye_exporter_graphite = {
    .section =
        {
            .type = "graphite",
            .foreign = "carbon",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct values),
        },
    .timestamped = true,
    .max_age_ns = KEEPS_NS,
    .remote = true,
    .state_size = sizeof(struct graphite),
    .open = open_exporter,
    .deliver = deliver,
    .close = close_exporter,
};
