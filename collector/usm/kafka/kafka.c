/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol "kafka": the operation of the semantic conventions for messaging
 * (https://opentelemetry.io/docs/specs/semconv/messaging/kafka), and the same at the server's end.
 * A fetch that waited for records and got none says nothing of how fast a broker is: it is only
 * counted, and so is what nobody answers. */
#include <string.h>

#include "bpf/usm/kafka/record.h"
#include "collector/usm/kafka/errors.h"
#include "collector/usm/learnt.h"
#include "collector/usm/protocol.h"

/* Ids are random and never used again, so one table serves all clusters. A cluster has a few
 * thousand topics at most; a host speaks to a few clusters; clients ask for metadata again and
 * again. A megabyte. */
#define TOPICS_KEPT 4096

static const char *const operations[EYE_KAFKA_KEY_COUNT] = {
#define X(number, identifier, name, ...) [number] = (name),
    EYE_KAFKA_KEYS(X)
#undef X
};

static void *open_topics(const struct eye_config *config)
{
    (void)config;
    return eye_learnt_new(TOPICS_KEPT, EYE_KAFKA_ID_BYTES, EYE_KAFKA_NAME_BYTES);
}

static void close_topics(void *state)
{
    eye_learnt_free(state);
}

static bool is_valid(const struct eye_request_head *head, const void *record)
{
    const struct eye_kafka_body *body = record;
    bool has_id = (body->flags & EYE_KAFKA_HAS_ID) != 0;
    return body->key < EYE_KAFKA_KEY_COUNT &&
           head->body_bytes == EYE_KAFKA_BODY_FIXED + body->length &&
           (!has_id || body->length == EYE_KAFKA_ID_BYTES);
}

static bool is_name(const uint8_t *name, size_t length)
{
    if (length == 0 || length > EYE_KAFKA_NAME_BYTES) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        bool digit = name[i] >= '0' && name[i] <= '9';
        bool letter = (name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z';
        if (!digit && !letter && name[i] != '.' && name[i] != '_' && name[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool is_none(const uint8_t *id)
{
    static const uint8_t none[EYE_KAFKA_ID_BYTES];
    return memcmp(id, none, sizeof(none)) == 0;
}

/* An id, and the topic's name. */
static bool learn(void *state, const uint8_t *message, size_t bytes)
{
    if (bytes < EYE_KAFKA_ID_BYTES || is_none(message)) {
        return false;
    }
    const uint8_t *name = message + EYE_KAFKA_ID_BYTES;
    size_t length = bytes - EYE_KAFKA_ID_BYTES;
    if (!is_name(name, length)) {
        return false;
    }
    eye_learnt_set(state, message, name, length);
    return true;
}

static uint64_t forgotten(const void *state)
{
    return eye_learnt_evicted(state);
}

/* Of an id that nobody has told of yet "unknown": the next one may be known. */
static const char *name_of(const struct eye_learnt *topics, const struct eye_kafka_body *body,
                           struct eye_request_name *name)
{
    if (body->flags & EYE_KAFKA_HAS_ID) {
        const char *known = eye_learnt_find(topics, body->name);
        name->fleeting = known == NULL;
        return known == NULL ? "unknown" : known;
    }
    if (!is_name(body->name, body->length)) {
        return "_OTHER";
    }
    memcpy(name->text, body->name, body->length);
    name->text[body->length] = '\0';
    return name->text;
}

_Static_assert(EYE_KAFKA_NAME_BYTES < EYE_REQUEST_TEXT_BYTES, "a topic's name has room");

static void name_outcome(const struct eye_request_head *head, struct eye_request_name *name)
{
    if (!eye_request_is_answered(head)) {
        eye_request_name_tag(name, EYE_TAG_ERROR, eye_request_error_name(head));
    } else if (head->code != 0) {
        eye_request_name_tag(name, EYE_TAG_ERROR, eye_kafka_error_name(head->code));
    }
}

/* A fetch without an answer may have waited for records, too. */
static enum eye_metric_id metric_of(const struct eye_request_head *head,
                                    const struct eye_kafka_body *body)
{
    if (body->flags & EYE_KAFKA_UNACKNOWLEDGED) {
        return EYE_METRIC_KAFKA_UNACKNOWLEDGED;
    }
    if (body->flags & EYE_KAFKA_EMPTY ||
        (body->key == EYE_KAFKA_FETCH && !eye_request_is_answered(head))) {
        return EYE_METRIC_KAFKA_POLLS_EMPTY;
    }
    return (head->flags & EYE_REQUEST_CLIENT) != 0 ? EYE_METRIC_MESSAGING_CLIENT_DURATION
                                                   : EYE_METRIC_MESSAGING_SERVER_DURATION;
}

static enum eye_choice choice_of(const struct eye_request_head *head,
                                 const struct eye_kafka_body *body)
{
    if (body->length == 0) {
        return EYE_CHOICE_OURS;
    }
    return eye_request_is_answered(head) && head->code != 0 ? EYE_CHOICE_REFUSED
                                                            : EYE_CHOICE_CLIENTS;
}

static void name_request(void *state, const struct eye_request_sample *sample,
                         const struct eye_request_place *place, struct eye_request_name *ret_name)
{
    (void)place;
    const struct eye_request_head *head = sample->head;
    const struct eye_kafka_body *body = sample->body;
    const char *operation = operations[body->key];
    bool client = (head->flags & EYE_REQUEST_CLIENT) != 0;
    ret_name->metric = metric_of(head, body);
    ret_name->chosen = EYE_TAG_DESTINATION;
    ret_name->choice = choice_of(head, body);
    eye_request_name_tag(ret_name, EYE_TAG_MESSAGING_SYSTEM, "kafka");
    eye_request_name_tag(ret_name, EYE_TAG_OPERATION, operation == NULL ? "_OTHER" : operation);
    if (body->length > 0) {
        eye_request_name_tag(ret_name, EYE_TAG_DESTINATION, name_of(state, body, ret_name));
    }
    if (eye_metric(ret_name->metric)->kind == EYE_COUNTER) {
        eye_request_name_tag(ret_name, EYE_TAG_DIRECTION, client ? "outgoing" : "incoming");
    }
    name_outcome(head, ret_name);
}

const struct eye_protocol_type eye_protocol_kafka = {
    .body_min = EYE_KAFKA_BODY_FIXED,
    .body_max = sizeof(struct eye_kafka_body),
    .is_valid = is_valid,
    .open = open_topics,
    .name_request = name_request,
    .close = close_topics,
    .learn = learn,
    .forgotten = forgotten,
};
