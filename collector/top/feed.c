/* SPDX-License-Identifier: Apache-2.0 */
/* Three questions to the control socket. */
#include "collector/top/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "collector/control/client.h"

#define TARGET_BYTES 96

void eye_feed_init(struct eye_feed *feed, const char *path, unsigned timeout_s)
{
    *feed = (struct eye_feed){.path = path, .timeout_s = timeout_s};
    snprintf(feed->client, sizeof(feed->client), "top-%d", (int)getpid());
}

/* The answer as an object; NULL with a message. */
static json_t *ask(const struct eye_feed *feed, const char *target, int *ret_result,
                   struct eye_error *ret_error)
{
    EYE_CLEANUP(eye_text_done) struct eye_text body;
    eye_text_init(&body, EYE_CLIENT_ANSWER_MAX);
    *ret_result = eye_client_ask(feed->path, "GET", target, feed->timeout_s, &body, ret_error);
    if (*ret_result < 0) {
        return NULL;
    }
    json_t *answer = json_loads(eye_text_string(&body), 0, NULL);
    if (*ret_result >= 400 || !json_is_object(answer)) {
        json_decref(answer);
        eye_error_set(ret_error, -EPROTO, "GET %s: %d %s", target, *ret_result,
                      body.data == NULL ? "" : eye_trim(body.data, "\n"));
        return NULL;
    }
    return answer;
}

static json_t *ask_connections(struct eye_feed *feed, int *ret_result, struct eye_error *ret_error)
{
    char target[TARGET_BYTES];
    int length = snprintf(target, sizeof(target), "/connections?client=%s", feed->client);
    if (feed->number > 0) {
        snprintf(target + length, sizeof(target) - (size_t)length, "&after=%" JSON_INTEGER_FORMAT,
                 feed->number);
    }
    json_t *answer = ask(feed, target, ret_result, ret_error);
    if (answer != NULL) {
        feed->number = json_integer_value(json_object_get(answer, "number"));
    }
    return answer;
}

json_t *eye_feed_read(struct eye_feed *feed)
{
    struct eye_error error = {""};
    int result = 0;
    json_t *connections = NULL;
    json_t *requests = NULL;
    json_t *status = ask(feed, "/status", &result, &error);
    if (result >= 0) {
        connections = ask_connections(feed, &result, &error);
    } else if (result == -ECONNREFUSED || result == -ENOENT) {
        feed->number = 0; /* whoever comes there next has not said anything yet */
    }
    if (result >= 0) {
        requests = ask(feed, "/requests", &result, &error);
    }
    return json_pack("{s:o?, s:o?, s:o?, s:s}", "status", status, "connections", connections,
                     "requests", requests, "message", error.text);
}
