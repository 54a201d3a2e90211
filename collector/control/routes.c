/* SPDX-License-Identifier: Apache-2.0 */
/* The table of paths. */
#include "collector/control/routes.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "collector/base/listener.h"
#include "collector/base/parse.h"
#include "collector/control/config_json.h"
#include "collector/control/connections_json.h"
#include "collector/control/page.h"
#include "collector/control/requests.h"
#include "collector/control/status.h"
#include "collector/control/tls_json.h"
#include "exporters/openmetrics/negotiate.h"

#define JSON "application/json"
#define PLAIN "text/plain; charset=utf-8"

/* When a client that could not be served may come again. */
#define WATCH_RETRY_S 2

static struct eye_reply words_reply(unsigned status, const char *words)
{
    return (struct eye_reply){.status = status, .content_type = PLAIN, .words = words};
}

/* Takes over @text, which is JSON; NULL: there was no memory. */
static struct eye_reply text_reply(unsigned status, char *text)
{
    return text == NULL
               ? words_reply(MHD_HTTP_INTERNAL_SERVER_ERROR, "No memory is left for the answer.\n")
               : (struct eye_reply){.status = status, .content_type = JSON, .text = text};
}

/* Takes over @json. */
static struct eye_reply json_reply(unsigned status, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(json);
    return text_reply(status, text);
}

/* ---- Paths ---- */

struct request {
    struct eye_control *control;
    struct MHD_Connection *connection;
    uint64_t ticket; /* of a reload that it waits for; 0: none yet */
};

static struct eye_reply get_health(const struct request *request)
{
    bool alive = eye_status_is_alive(request->control->running);
    return json_reply(alive ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                      json_pack("{s:b}", "alive", alive));
}

/* Who hears this hears that everything was attached and bound before. */
static struct eye_reply get_ready(const struct request *request)
{
    (void)request;
    return json_reply(MHD_HTTP_OK, json_pack("{s:b}", "ready", true));
}

static struct eye_reply get_status(const struct request *request)
{
    return json_reply(MHD_HTTP_OK, eye_status_json(request->control->running));
}

static struct eye_reply get_config(const struct request *request)
{
    return json_reply(MHD_HTTP_OK, eye_config_json(request->control->running->config,
                                                   request->control->running->tiers));
}

static struct eye_reply get_requests(const struct request *request)
{
    return json_reply(MHD_HTTP_OK, eye_requests_json(request->control->running));
}

static struct eye_reply get_traced_programs(const struct request *request)
{
    return json_reply(MHD_HTTP_OK, eye_tls_json(request->control->running->source, true));
}

static struct eye_reply get_blocked(const struct request *request)
{
    return json_reply(MHD_HTTP_OK, eye_tls_json(request->control->running->source, false));
}

static struct eye_reply get_metrics(const struct request *request)
{
    char *page = eye_control_page(request->control->running);
    if (page == NULL) {
        return words_reply(MHD_HTTP_SERVICE_UNAVAILABLE,
                           "There are no values: the first interval is not over, or no memory is "
                           "left.\n");
    }
    return (struct eye_reply){
        .status = MHD_HTTP_OK,
        .content_type = eye_page_content_type(EYE_PAGE_OPENMETRICS),
        .text = page,
    };
}

static const char *get_argument(struct MHD_Connection *connection, const char *name)
{
    return eye_mhd.lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

/* NULL, or what is wrong with it. */
static const char *read_watch(struct MHD_Connection *connection,
                              struct eye_watch_request *ret_request)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    const char *client = get_argument(connection, "client");
    const char *after = get_argument(connection, "after");
    *ret_request = (struct eye_watch_request){.begins = after == NULL};
    if (client == NULL || *client == '\0' || client[strspn(client, allowed)] != '\0' ||
        !eye_copy_string(ret_request->client, sizeof(ret_request->client), client)) {
        return "This is asked for as /connections?client=ID, 1 to 32 of A-Z a-z 0-9 _ -\n";
    }
    if (after != NULL && eye_parse_u64(after, &ret_request->after) != 0) {
        return "after=N is the number of the answer that came last.\n";
    }
    return NULL;
}

/* As @error says, in a line. */
static struct eye_reply error_reply(unsigned status, const struct eye_error *error)
{
    struct eye_reply reply = {.status = status, .content_type = PLAIN};
    if (asprintf(&reply.text, "%s\n", error->text) < 0) {
        return text_reply(MHD_HTTP_OK, NULL);
    }
    return reply;
}

static struct eye_reply get_connections(const struct request *request)
{
    struct eye_watch_request wish;
    struct eye_error why = {""};
    EYE_AUTOFREE struct eye_watch_answer *answer = NULL;
    const char *fault = read_watch(request->connection, &wish);
    if (fault != NULL) {
        return words_reply(MHD_HTTP_BAD_REQUEST, fault);
    }
    if (request->control->watch(request->control->context, &wish, &answer, &why) != 0) {
        struct eye_reply reply = error_reply(MHD_HTTP_SERVICE_UNAVAILABLE, &why);
        reply.retry_after_s = WATCH_RETRY_S;
        return reply;
    }
    return text_reply(MHD_HTTP_OK, eye_connections_json(answer));
}

/* Whoever asks while one is under way waits for the next one, which all of them share: it reads
 * what was there when they asked. */
static struct eye_reply post_reload(const struct request *request)
{
    struct eye_control *control = request->control;
    const struct eye_reloaded *last = &control->running->reloaded;
    uint64_t ticket = request->ticket != 0 ? request->ticket : control->reload(control->context);
    if (last->number < ticket) {
        return (struct eye_reply){.ticket = ticket};
    }
    return json_reply(
        last->done ? MHD_HTTP_OK : MHD_HTTP_UNPROCESSABLE_CONTENT,
        json_pack("{s:b, s:s}", "reloaded", last->done, "message", eye_text_string(&last->words)));
}

static const struct route {
    const char *path;
    const char *method;
    bool open; /* everybody may ask */
    struct eye_reply (*answer)(const struct request *request);
} routes[] = {
    {"/health", MHD_HTTP_METHOD_GET, true, get_health},
    {"/ready", MHD_HTTP_METHOD_GET, true, get_ready},
    {"/status", MHD_HTTP_METHOD_GET, false, get_status},
    {"/metrics", MHD_HTTP_METHOD_GET, false, get_metrics},
    {"/config", MHD_HTTP_METHOD_GET, false, get_config},
    {"/connections", MHD_HTTP_METHOD_GET, false, get_connections},
    {"/requests", MHD_HTTP_METHOD_GET, false, get_requests},
    {"/usm/traced_programs", MHD_HTTP_METHOD_GET, false, get_traced_programs},
    {"/usm/blocked", MHD_HTTP_METHOD_GET, false, get_blocked},
    {"/reload", MHD_HTTP_METHOD_POST, false, post_reload},
};

static const struct route *find_route(const char *path)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(routes); i++) {
        if (strcmp(routes[i].path, path) == 0) {
            return &routes[i];
        }
    }
    return NULL;
}

static bool is_read(const struct route *route)
{
    return strcmp(route->method, MHD_HTTP_METHOD_GET) == 0;
}

/* The library leaves the body of an answer to HEAD out. */
static bool is_asked_by(const struct route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (is_read(route) && strcmp(method, MHD_HTTP_METHOD_HEAD) == 0);
}

static const char *allowed_of(const struct route *route)
{
    return is_read(route) ? "GET, HEAD" : route->method;
}

static const char *get_header(struct MHD_Connection *connection, const char *name)
{
    return eye_mhd.lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* "Bearer TOKEN" (RFC 6750, 2.1). */
static bool has_token(struct eye_secret *token, struct MHD_Connection *connection)
{
    static const char scheme[] = "Bearer ";
    const char *given = get_header(connection, MHD_HTTP_HEADER_AUTHORIZATION);
    size_t length = sizeof(scheme) - 1;
    eye_secret_follow(token);
    return given != NULL && strncasecmp(given, scheme, length) == 0 &&
           eye_same_secret(given + length, token->value);
}

/* NULL, or what is wrong with the one who asks. */
static const struct eye_reply *find_refusal(struct eye_control_door *door,
                                            struct MHD_Connection *connection,
                                            const struct route *route)
{
    static const struct eye_reply page = {.status = MHD_HTTP_FORBIDDEN,
                                          .content_type = PLAIN,
                                          .words = "No page may ask for this.\n"};
    static const struct eye_reply host = {
        .status = MHD_HTTP_MISDIRECTED_REQUEST,
        .content_type = PLAIN,
        .words = "Ask for this by an address or localhost, or set control.token_file.\n"};
    static const struct eye_reply no_token = {
        .status = MHD_HTTP_FORBIDDEN,
        .content_type = PLAIN,
        .words = "Here this needs control.token_file; or use the socket.\n"};
    static const struct eye_reply wrong_token = {
        .status = MHD_HTTP_UNAUTHORIZED,
        .content_type = PLAIN,
        .words = "The token is needed here.\n",
        .headers = {{"WWW-Authenticate", "Bearer realm=\"sockeye\""}}};
    struct eye_secret *token = &door->control->token;
    const char *name = get_header(connection, MHD_HTTP_HEADER_HOST);
    bool changes = !is_read(route);
    if (changes && get_header(connection, MHD_HTTP_HEADER_ORIGIN) != NULL) {
        return &page;
    }
    /* Whoever came by the socket is known to the kernel. */
    if (door->entrance == EYE_CONTROL_SOCKET || route->open) {
        return NULL;
    }
    if (token->value != NULL) {
        return has_token(token, connection) ? NULL : &wrong_token;
    }
    if (name != NULL && !eye_listen_is_own_host(name)) {
        return &host;
    }
    return changes ? &no_token : NULL;
}

/* An MHD_KeyValueIterator. */
static enum MHD_Result count_length(void *count, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    (void)kind;
    (void)value;
    *(size_t *)count += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0 ? 1 : 0;
    return MHD_YES;
}

/* Whoever is in front of us may have believed the other one (RFC 9112, 6.3). */
static bool has_two_lengths(struct MHD_Connection *connection)
{
    size_t count = get_header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL ? 1 : 0;
    eye_mhd.get_connection_values(connection, MHD_HEADER_KIND, count_length, &count);
    return count > 1;
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length = get_header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *coding = get_header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    return coding != NULL || (length != NULL && strcmp(length, "0") != 0);
}

static struct eye_reply make_reply(struct eye_control_door *door, struct MHD_Connection *connection,
                                   const char *path, const char *method, uint64_t ticket)
{
    const struct request request = {door->control, connection, ticket};
    const struct route *route = find_route(path);
    if (has_two_lengths(connection)) {
        return words_reply(MHD_HTTP_BAD_REQUEST, "The length of the body is told twice.\n");
    }
    if (route == NULL) {
        return words_reply(MHD_HTTP_NOT_FOUND,
                           "Nothing is here; there are GET /health /ready /status /metrics "
                           "/config /connections /requests /usm/traced_programs /usm/blocked "
                           "and POST /reload.\n");
    }
    if (!is_asked_by(route, method)) {
        struct eye_reply reply = words_reply(
            MHD_HTTP_METHOD_NOT_ALLOWED, "This path is asked for by another method, see Allow.\n");
        reply.headers[0] = (struct eye_header){"Allow", allowed_of(route)};
        return reply;
    }
    if (has_body(connection)) {
        return words_reply(MHD_HTTP_CONTENT_TOO_LARGE, "No request here has a body.\n");
    }
    const struct eye_reply *refusal = find_refusal(door, connection, route);
    return refusal != NULL ? *refusal : route->answer(&request);
}

static enum eye_control_outcome outcome_of(unsigned status)
{
    if (status < 400) {
        return EYE_CONTROL_ANSWERED;
    }
    return status < 500 && status != MHD_HTTP_UNPROCESSABLE_CONTENT ? EYE_CONTROL_REFUSED
                                                                    : EYE_CONTROL_FAILED;
}

void eye_control_answer(void *context, struct MHD_Connection *connection, const char *path,
                        const char *method, struct eye_reply *ret_reply)
{
    struct eye_control_door *door = context;
    *ret_reply = make_reply(door, connection, path, method, ret_reply->ticket);
    if (ret_reply->ticket == 0) {
        atomic_fetch_add(&door->control->counts[outcome_of(ret_reply->status)], 1);
    }
}
