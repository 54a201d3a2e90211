/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol "http": HTTP/1, named by the semantic conventions
 * (https://opentelemetry.io/docs/specs/semconv/http). */
#include <stdio.h>

#include "bpf/usm/http/record.h"
#include "collector/base/base.h"
#include "collector/usm/http/route.h"
#include "collector/usm/protocol.h"

static const char *const methods[EYE_HTTP_METHOD_COUNT] = {
    [EYE_HTTP_METHOD_OTHER] = "_OTHER", [EYE_HTTP_GET] = "GET",
    [EYE_HTTP_POST] = "POST",           [EYE_HTTP_PUT] = "PUT",
    [EYE_HTTP_HEAD] = "HEAD",           [EYE_HTTP_DELETE] = "DELETE",
    [EYE_HTTP_OPTIONS] = "OPTIONS",     [EYE_HTTP_PATCH] = "PATCH",
    [EYE_HTTP_TRACE] = "TRACE",         [EYE_HTTP_CONNECT] = "CONNECT",
};

static bool is_valid(const struct eye_request_head *head, const void *record)
{
    const struct eye_http_body *body = record;
    return body->method < EYE_HTTP_METHOD_COUNT &&
           (!eye_request_is_answered(head) || (head->code >= 100 && head->code <= 999));
}

static void *open_routes(const struct eye_config *config)
{
    return eye_routes_new(config->routes.rules, config->routes.count,
                          (enum eye_route_names)config->routes.names);
}

static void close_routes(void *routes)
{
    eye_routes_free(routes);
}

/* ---- Names ---- */

/* Values of tags in a name's text. */
struct texts {
    char status[8];
    char route[EYE_ROUTE_BYTES];
};

_Static_assert(sizeof(struct texts) <= EYE_REQUEST_TEXT_BYTES, "a name has room for its values");

/* The service says that it does not know the path: whoever asks made it up (RFC 9110, 15.5). */
static bool is_unknown_path(const struct eye_request_head *head)
{
    unsigned status = eye_request_is_answered(head) ? head->code : 0;
    return status == 400 || status == 404 || status == 405 || status == 410 || status == 414;
}

/* So few routes may a service have of paths that it does not know, before they share one: what a
 * client of its own asks for in vain is told, a scanner's list is not. */
#define UNKNOWN_PATHS_MAX 8

/* A path of a client's own making, which shares its route with all the others. */
static bool is_unmatched(const struct eye_request_place *place, enum eye_metric_id metric,
                         const struct eye_request_head *head, const char *route)
{
    return is_unknown_path(head) &&
           !eye_group_knows(place->group, metric, place->service, EYE_TAG_ROUTE, route) &&
           eye_group_chosen(place->group, metric, place->service, EYE_TAG_ROUTE) >=
               UNKNOWN_PATHS_MAX;
}

/* What the status says about a route that the client's words made; without one nobody answered. */
static enum eye_choice choice_of(const struct eye_request_head *head)
{
    bool refused = !eye_request_is_answered(head) || (head->code >= 400 && head->code < 500);
    return refused ? EYE_CHOICE_REFUSED : EYE_CHOICE_CLIENTS;
}

static void name_outcome(const struct eye_request_head *head, struct texts *texts,
                         struct eye_request_name *name)
{
    if (!eye_request_is_answered(head)) {
        eye_request_name_tag(name, EYE_TAG_ERROR, eye_request_error_name(head));
        return;
    }
    snprintf(texts->status, sizeof(texts->status), "%u", (unsigned int)head->code);
    eye_request_name_tag(name, EYE_TAG_STATUS, texts->status);
}

static void name_request(void *routes, const struct eye_request_sample *sample,
                         const struct eye_request_place *place, struct eye_request_name *ret_name)
{
    const struct eye_request_head *head = sample->head;
    const struct eye_http_body *body = sample->body;
    struct texts *texts = (struct texts *)(void *)ret_name->text;
    ret_name->metric = (head->flags & EYE_REQUEST_CLIENT) != 0 ? EYE_METRIC_HTTP_CLIENT_DURATION
                                                               : EYE_METRIC_HTTP_SERVER_DURATION;
    bool chosen = eye_routes_name(routes, (const char *)body->path,
                                  (size_t)head->body_bytes - EYE_HTTP_BODY_FIXED,
                                  (head->flags & EYE_REQUEST_TRUNCATED) != 0, texts->route);
    bool unmatched = chosen && is_unmatched(place, ret_name->metric, head, texts->route);
    eye_request_name_tag(ret_name, EYE_TAG_METHOD, methods[body->method]);
    name_outcome(head, texts, ret_name);
    eye_request_name_tag(ret_name, EYE_TAG_ROUTE, unmatched ? EYE_ROUTE_UNMATCHED : texts->route);
    ret_name->chosen = EYE_TAG_ROUTE;
    ret_name->choice = chosen && !unmatched ? choice_of(head) : EYE_CHOICE_OURS;
    ret_name->fleeting = unmatched;
}

const struct eye_protocol_type eye_protocol_http = {
    .body_min = EYE_HTTP_BODY_FIXED,
    .body_max = sizeof(struct eye_http_body),
    .is_valid = is_valid,
    .open = open_routes,
    .name_request = name_request,
    .close = close_routes,
};
