/* SPDX-License-Identifier: Apache-2.0 */
/* Names by the semantic conventions (https://opentelemetry.io/docs/specs/semconv/http). */
#include "collector/usm/http_name.h"

#include <stdio.h>

#include "collector/usm/route.h"

/* Values of tags in a name's text. */
struct texts {
    char status[8];
    char route[EYE_ROUTE_BYTES];
};

_Static_assert(sizeof(struct texts) <= EYE_REQUEST_TEXT_BYTES, "a name has room for its values");

void *eye_http_open_names(const struct eye_config *config)
{
    return eye_routes_new(config->routes.rules, config->routes.count,
                          (enum eye_route_names)config->routes.names);
}

void eye_http_close_names(void *names)
{
    eye_routes_free(names);
}

/* The service says that it does not know the path: whoever asks made it up (RFC 9110, 15.5). */
static bool is_unknown_path(const struct eye_request_head *head)
{
    unsigned status = eye_request_is_answered(head) ? head->code : 0;
    return status == 400 || status == 404 || status == 405 || status == 410 || status == 414;
}

/* So few names may a service have of paths that it does not know, before they share one: what a
 * client of its own asks for in vain is told, a scanner's list is not. */
#define UNKNOWN_PATHS_MAX 8

bool eye_http_is_unmatched(const struct eye_request_place *place, enum eye_metric_id metric,
                           enum eye_tag tag, const char *value)
{
    return !eye_group_knows(place->group, metric, place->service, tag, value) &&
           eye_group_chosen(place->group, metric, place->service, tag) >= UNKNOWN_PATHS_MAX;
}

/* What the status says about a route that the client's words made; without one nobody answered. */
static enum eye_choice choice_of(const struct eye_request_head *head)
{
    bool refused = !eye_request_is_answered(head) || (head->code >= 400 && head->code < 500);
    return refused ? EYE_CHOICE_REFUSED : EYE_CHOICE_CLIENTS;
}

/* A status that nobody knows has no tag: its field of the header stood in a table that is older
 * than the daemon. */
static void name_outcome(const struct eye_request_head *head, const struct eye_http_target *target,
                         struct texts *texts, struct eye_request_name *name)
{
    if (!eye_request_is_answered(head)) {
        eye_request_name_tag(name, EYE_TAG_ERROR, eye_request_error_name(head));
    } else if (head->code != 0) {
        snprintf(texts->status, sizeof(texts->status), "%u", (unsigned int)head->code);
        eye_request_name_tag(name, EYE_TAG_STATUS, texts->status);
    } else if (target->error != NULL) {
        eye_request_name_tag(name, EYE_TAG_ERROR, target->error);
    }
}

static void name_path(const struct eye_routes *routes, const struct eye_request_head *head,
                      const struct eye_request_place *place, const struct eye_http_target *target,
                      struct texts *texts, struct eye_request_name *name)
{
    if (target->path == NULL) {
        eye_request_name_tag(name, EYE_TAG_ROUTE, "unknown");
        name->choice = EYE_CHOICE_OURS;
        return;
    }
    bool chosen = eye_routes_name(routes, target->path, target->length, target->cut, texts->route);
    bool unmatched = chosen && is_unknown_path(head) &&
                     eye_http_is_unmatched(place, name->metric, EYE_TAG_ROUTE, texts->route);
    eye_request_name_tag(name, EYE_TAG_ROUTE, unmatched ? EYE_ROUTE_UNMATCHED : texts->route);
    name->choice = chosen && !unmatched ? choice_of(head) : EYE_CHOICE_OURS;
    name->fleeting = unmatched;
}

void eye_http_name(void *names, const struct eye_request_sample *sample,
                   const struct eye_request_place *place, const struct eye_http_target *target,
                   struct eye_request_name *ret_name)
{
    const struct eye_request_head *head = sample->head;
    struct texts *texts = (struct texts *)(void *)ret_name->text;
    ret_name->metric = (head->flags & EYE_REQUEST_CLIENT) != 0 ? EYE_METRIC_HTTP_CLIENT_DURATION
                                                               : EYE_METRIC_HTTP_SERVER_DURATION;
    ret_name->chosen = EYE_TAG_ROUTE;
    eye_request_name_tag(ret_name, EYE_TAG_METHOD, target->method);
    name_outcome(head, target, texts, ret_name);
    name_path(names, head, place, target, texts, ret_name);
    if (target->version != NULL) {
        eye_request_name_tag(ret_name, EYE_TAG_VERSION, target->version);
    }
}
