/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol "redis": the operation of the semantic conventions for databases
 * (https://opentelemetry.io/docs/specs/semconv/db/redis), and the same at the server's end. Only
 * names of our own tables become tags: no key, no argument, no word that a script made up. */
#include "bpf/usm/redis/record.h"
#include "collector/usm/protocol.h"
#include "collector/usm/redis/commands.h"

/* NULL: a success has none. */
static const char *const errors[EYE_REDIS_ERROR_COUNT] = {[EYE_REDIS_ERROR_OTHER] = "_OTHER",
#define X(name) [EYE_REDIS_ERROR_##name] = #name,
                                                          EYE_REDIS_ERRORS(X)
#undef X
};

static bool has_subcommand(const struct eye_request_head *head)
{
    return head->body_bytes == sizeof(struct eye_redis_body);
}

static bool is_valid(const struct eye_request_head *head, const void *record)
{
    (void)record;
    return (head->body_bytes == EYE_REDIS_NAME_BYTES || has_subcommand(head)) &&
           (!eye_request_is_answered(head) || head->code < EYE_REDIS_ERROR_COUNT);
}

static void name_outcome(const struct eye_request_head *head, struct eye_request_name *name)
{
    if (!eye_request_is_answered(head)) {
        eye_request_name_tag(name, EYE_TAG_ERROR, eye_request_error_name(head));
    } else if (errors[head->code] != NULL) {
        eye_request_name_tag(name, EYE_TAG_STATUS, errors[head->code]);
    }
}

static void name_request(void *state, const struct eye_request_sample *sample,
                         const struct eye_request_place *place, struct eye_request_name *ret_name)
{
    (void)state;
    (void)place;
    const struct eye_request_head *head = sample->head;
    const struct eye_redis_body *body = sample->body;
    const char *operation =
        eye_redis_command_name(body->command, has_subcommand(head) ? body->subcommand : NULL);
    ret_name->metric = (head->flags & EYE_REQUEST_CLIENT) != 0 ? EYE_METRIC_DB_CLIENT_DURATION
                                                               : EYE_METRIC_DB_SERVER_DURATION;
    ret_name->chosen = EYE_TAG_OPERATION;
    ret_name->choice = EYE_CHOICE_OURS;
    eye_request_name_tag(ret_name, EYE_TAG_DB_SYSTEM, "redis");
    eye_request_name_tag(ret_name, EYE_TAG_OPERATION, operation);
    name_outcome(head, ret_name);
}

const struct eye_protocol_type eye_protocol_redis = {
    .body_min = EYE_REDIS_NAME_BYTES,
    .body_max = sizeof(struct eye_redis_body),
    .is_valid = is_valid,
    .name_request = name_request,
};
