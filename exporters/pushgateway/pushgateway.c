/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exporter "pushgateway": the page of the pull side (text 0.0.4), PUT to a Prometheus Pushgateway
 * in place of the page before, and deleted when the daemon stops, since a gateway never forgets;
 * what a job (`run --once`) pushed is what it ran for, and stays. It is meant for those who have
 * one already: a scrape of exporter "openmetrics" also says whether the daemon is alive.
 *
 * Pages are gzipped until a gateway turns out not to take that: only then is one there as text.
 */
#include <errno.h>
#include <string.h>

#include "exporters/http/client.h"
#include "exporters/http/compress.h"
#include "exporters/openmetrics/zipped.h"
#include "exporters/pushgateway/group.h"

#define PAGE_MAX_BYTES ((size_t)256 << 20)
#define URL_MAX_BYTES ((size_t)16 << 10)

#define STATUS_BAD_REQUEST 400
#define STATUS_UNSUPPORTED 415

struct values {
    char *url;
    char *job;
    char *instance;
    struct eye_text_list labels;
    bool delete_on_stop;
    struct eye_client_settings http;
};

struct pushgateway {
    const struct values *values;
    struct eye_export_stats *stats;
    struct eye_selection selection;
    struct eye_pages pages;
    struct eye_client *client;
    struct eye_text url;  /* of the group */
    struct eye_text body; /* of a request: the page, zipped or not */
    bool plain;           /* the gateway does not take gzip */
};

/* ---- Requests ---- */

static int put(struct pushgateway *gateway, struct eye_zipped *page, bool plain,
               struct eye_client_answer *ret_answer, struct eye_export_failure *failure)
{
    struct eye_text *body = &gateway->body;
    eye_text_clear(body);
    int result = eye_zipped_append(page, plain, body);
    if (result != 0) {
        return eye_export_fail(failure, result, EYE_EXPORT_OTHER, "cannot make the request: %s",
                               strerror(-result));
    }
    const struct eye_client_request request = {
        .method = "PUT",
        .url = eye_text_string(&gateway->url),
        .content_type = eye_page_content_type(EYE_PAGE_TEXT),
        .content_encoding = plain ? NULL : eye_compression_name(EYE_COMPRESSION_GZIP),
        .body = eye_text_string(body),
        .length = body->length,
    };
    return eye_client_send(gateway->client, &request, ret_answer, failure);
}

/* A gateway that does not know gzip answers that it cannot read the page. */
static int push(struct pushgateway *gateway, struct eye_zipped *page,
                struct eye_client_answer *ret_answer, struct eye_export_failure *failure)
{
    int result = put(gateway, page, gateway->plain, ret_answer, failure);
    bool unreadable =
        ret_answer->status == STATUS_BAD_REQUEST || ret_answer->status == STATUS_UNSUPPORTED;
    if (result != 0 || gateway->plain || !unreadable) {
        return result;
    }
    result = put(gateway, page, true, ret_answer, failure);
    gateway->plain = result == 0 && ret_answer->status / 100 == 2;
    return result;
}

/* ---- Deliveries ---- */

static void count(struct pushgateway *gateway, const struct eye_page_counts *counts,
                  enum eye_verdict verdict, enum eye_export_reason reason)
{
    struct eye_export_stats *stats = gateway->stats;
    atomic_fetch_add(&stats->seen, counts->points + counts->collisions + counts->too_long);
    atomic_fetch_add(&stats->dropped[EYE_EXPORT_COLLISION], counts->collisions);
    atomic_fetch_add(&stats->dropped[EYE_EXPORT_TOO_LONG], counts->too_long);
    if (verdict == EYE_VERDICT_DONE) {
        atomic_fetch_add(&stats->points, counts->points);
    } else {
        atomic_fetch_add(&stats->failures[reason], 1);
        atomic_fetch_add(&stats->dropped[reason], counts->points);
        atomic_fetch_add(&stats->refused_points, counts->points);
    }
}

static int write_page(struct pushgateway *gateway, const struct eye_snapshot *now,
                      struct eye_zipped **ret_page, struct eye_export_failure *failure)
{
    int result = eye_zipped_new(&gateway->pages, now, EYE_PAGE_TEXT, PAGE_MAX_BYTES, ret_page);
    return result == 0 ? 0
                       : eye_export_fail(failure, result, EYE_EXPORT_OTHER,
                                         "cannot write the page: %s", strerror(-result));
}

static void cleanup_page(struct eye_zipped **page)
{
    eye_zipped_unref(*page);
}

static int deliver(void *state, const struct eye_snapshot *now, const struct eye_snapshot *before,
                   struct eye_export_failure *failure)
{
    struct pushgateway *gateway = state;
    EYE_CLEANUP(cleanup_page) struct eye_zipped *page = NULL;
    struct eye_client_answer answer = {0};
    (void)before; /* a page holds everything */
    int result = write_page(gateway, now, &page, failure);
    if (result == 0) {
        result = push(gateway, page, &answer, failure);
    }
    if (result != 0) {
        return result;
    }
    enum eye_verdict verdict = eye_client_verdict(&answer, failure);
    if (verdict == EYE_VERDICT_RETRY) {
        return -EIO;
    }
    count(gateway, &page->counts, verdict, failure->reason);
    return 0;
}

static int finish(void *state, const struct eye_snapshot *last, struct eye_export_failure *failure)
{
    struct pushgateway *gateway = state;
    struct eye_client_answer answer;
    const struct eye_client_request request = {
        .method = "DELETE",
        .url = eye_text_string(&gateway->url),
    };
    if (!gateway->values->delete_on_stop || last == NULL) {
        return 0;
    }
    int result = eye_client_send(gateway->client, &request, &answer, failure);
    if (result == 0 && eye_client_verdict(&answer, failure) == EYE_VERDICT_RETRY) {
        result = -EIO;
    }
    return result;
}

/* ---- Life ---- */

static void close_exporter(void *state)
{
    struct pushgateway *gateway = state;
    eye_client_free(gateway->client);
    eye_text_done(&gateway->url);
    eye_text_done(&gateway->body);
    eye_pages_done(&gateway->pages);
    eye_selection_done(&gateway->selection);
}

static int make_url(struct pushgateway *gateway, struct eye_error *ret_error)
{
    const struct values *values = gateway->values;
    char host[256] = "";
    if (values->url == NULL) {
        return eye_error_set(ret_error, -EINVAL,
                             "`url` is missing: the gateway, such as http://127.0.0.1:9091");
    }
    if (values->instance == NULL && gethostname(host, sizeof(host) - 1) != 0) {
        host[0] = '\0';
    }
    const char *instance = values->instance == NULL ? host : values->instance;
    int result = eye_group_check_labels(&values->labels, &gateway->selection, ret_error);
    if (result != 0) {
        return result;
    }
    return eye_group_append_url(&gateway->url, values->url, values->job, instance, &values->labels,
                                ret_error);
}

static int open_exporter(void *state, const struct eye_exporter_setup *setup,
                         struct eye_error *ret_error)
{
    struct pushgateway *gateway = state;
    gateway->values = setup->own->values;
    gateway->stats = setup->stats;
    eye_text_init(&gateway->url, URL_MAX_BYTES);
    eye_text_init(&gateway->body, PAGE_MAX_BYTES);
    if (eye_selection_init(&gateway->selection, setup) != 0 ||
        eye_pages_init(&gateway->pages, &gateway->selection, false) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    int result = make_url(gateway, ret_error);
    return result == 0 ? eye_client_new(&gateway->values->http, setup, &gateway->client, ret_error)
                       : result;
}

static const struct eye_config_key keys[] = {
    {
        .path = "url",
        .foreign = EYE_FOREIGN_URL " gateway",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, url),
        .valid = eye_group_base_valid,
        .expects = "http://HOST:PORT or https://HOST:PORT without a password and without "
                   "/metrics/job/..., which is added",
        .series = true,
        .help = "the gateway, such as http://127.0.0.1:9091; /metrics/job/... is added",
    },
    {
        .path = "job",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, job),
        .default_value = "sockeye",
        .series = true,
        .help = "label job of the group that is pushed",
    },
    {
        .path = "instance",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, instance),
        .series = true,
        .help = "label instance of the group; default: the host name",
    },
    {
        .path = "labels",
        .type = EYE_CONFIG_LIST,
        .offset = offsetof(struct values, labels),
        .valid = eye_group_label_valid,
        .expects = "NAME:VALUE",
        .series = true,
        .help = "NAME:VALUE, more labels of the group; not the names of the metrics' own",
    },
    {
        .path = "delete_on_stop",
        .type = EYE_CONFIG_BOOL,
        .offset = offsetof(struct values, delete_on_stop),
        .default_value = "true",
        .help = "delete the group when the daemon stops (not after run --once); a gateway keeps "
                "it for ever otherwise",
    },
    EYE_CLIENT_KEYS(struct values, http),
};

const struct eye_exporter_type eye_exporter_pushgateway = {
    .section =
        {
            .type = "pushgateway",
            .foreign = "prometheus_pushgateway prometheus-pushgateway push_gateway push",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct values),
        },
    .remote = true,
    .lingers = true,
    .state_size = sizeof(struct pushgateway),
    .open = open_exporter,
    .deliver = deliver,
    .finish = finish,
    .close = close_exporter,
};
