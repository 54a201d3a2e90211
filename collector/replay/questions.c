/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/replay/questions.h"

#include <errno.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/base/table.h"
#include "collector/replay/parsers.h"

/* As often as the daemon looks, about. */
#define SWEEP_NS EYE_NS_PER_SECOND

struct question {
    struct eye_waiting_key key;
    struct eye_waiting waiting;
};

struct record {
    struct eye_request_head head;
    struct eye_dns_body body;
};

struct eye_questions {
    const struct eye_replay_sink *sink;
    uint64_t timeout_ns;
    uint64_t swept_ns;
    struct eye_table waiting; /* struct question, owned, by the hash of its key */
};

struct eye_questions *eye_questions_new(const struct eye_replay_sink *sink, uint64_t timeout_ns)
{
    struct eye_questions *questions = calloc(1, sizeof(*questions));
    if (questions != NULL) {
        questions->sink = sink;
        questions->timeout_ns = timeout_ns;
    }
    return questions;
}

void eye_questions_free(struct eye_questions *questions)
{
    struct question *question;
    if (questions == NULL) {
        return;
    }
    eye_table_for_each (&questions->waiting, question) {
        free(question);
    }
    eye_table_done(&questions->waiting);
    free(questions);
}

size_t eye_questions_waiting(const struct eye_questions *questions)
{
    return questions->waiting.count;
}

/* ---- One message ---- */

static bool has_key(const void *item, const void *key)
{
    const struct question *question = item;
    return memcmp(&question->key, key, sizeof(question->key)) == 0;
}

static struct eye_waiting_key key_of(const struct eye_question_place *place,
                                     const struct eye_dns_message *message)
{
    struct eye_waiting_key key;
    memset(&key, 0, sizeof(key));
    key.cookie = place->cookie;
    key.subject = message->name;
    key.peer = place->peer;
    key.id = message->id;
    key.type = message->type;
    key.client = place->client;
    return key;
}

static void tell(const struct eye_questions *questions, const struct record *record)
{
    questions->sink->take(questions->sink->context, record,
                          sizeof(record->head) + sizeof(record->body));
}

static void lose(const struct eye_questions *questions, const struct eye_question_place *place,
                 enum eye_parser_loss loss)
{
    const struct eye_loss_record record = {
        .amount = 1,
        .port = place->port,
        .loss = (__u8)(EYE_LOSS_OF_PARSER(EYE_PROTOCOL_DNS) + (int)loss),
        .client = place->client,
    };
    questions->sink->take(questions->sink->context, &record, sizeof(record));
}

static struct question *new_question(const struct eye_question_place *place,
                                     const struct eye_waiting_key *key,
                                     const struct eye_dns_message *message)
{
    struct question *question = calloc(1, sizeof(*question));
    if (question == NULL) {
        return NULL;
    }
    const struct eye_dns_body body = {
        .type = message->type,
        .opcode = message->opcode,
        .flags = place->over_tcp ? EYE_DNS_OVER_TCP : 0,
    };
    question->key = *key;
    question->waiting.first_ns = place->time_ns;
    question->waiting.head = (struct eye_request_head){
        .port = place->port,
        .body_bytes = sizeof(body),
        .protocol = EYE_PROTOCOL_DNS,
        .flags = place->client ? EYE_REQUEST_CLIENT : 0,
    };
    memcpy(question->waiting.body, &body, sizeof(body));
    return question;
}

/* Whoever asks again, or several servers at once, waits since the first time. */
static void ask(struct eye_questions *questions, const struct eye_question_place *place,
                const struct eye_waiting_key *key, const struct eye_dns_message *message)
{
    uint64_t hash = eye_hash_bytes(key, sizeof(*key));
    struct question *question = eye_table_find(&questions->waiting, hash, has_key, key);
    if (question == NULL && questions->waiting.count < EYE_WAITING_MAX) {
        question = new_question(place, key, message);
        if (question != NULL && eye_table_insert(&questions->waiting, hash, question) != 0) {
            free(EYE_TAKE(question));
        }
    }
    if (question == NULL) {
        lose(questions, place, EYE_LOST_PIPELINE);
        return;
    }
    question->waiting.last_ns = place->time_ns;
}

static bool answer(struct eye_questions *questions, const struct eye_question_place *place,
                   const struct eye_waiting_key *key, const struct eye_dns_message *message)
{
    uint64_t hash = eye_hash_bytes(key, sizeof(*key));
    EYE_AUTOFREE struct question *question =
        eye_table_find(&questions->waiting, hash, has_key, key);
    if (question == NULL) {
        lose(questions, place, EYE_LOST_UNMATCHED);
        return false;
    }
    eye_table_remove(&questions->waiting, hash, question);
    struct record record = {.head = question->waiting.head};
    memcpy(&record.body, question->waiting.body, sizeof(record.body));
    eye_set_duration(&record.head, (int64_t)(place->time_ns - question->waiting.first_ns));
    record.head.code = message->code;
    record.body.flags |= message->truncated ? EYE_DNS_TRUNCATED : 0;
    tell(questions, &record);
    return true;
}

bool eye_questions_take(struct eye_questions *questions, const struct eye_question_place *place,
                        const struct eye_dns_message *message)
{
    const struct eye_waiting_key key = key_of(place, message);
    if (message->answer) {
        return answer(questions, place, &key, message);
    }
    ask(questions, place, &key, message);
    return true;
}

/* ---- Datagrams ---- */

static bool read_message(const struct eye_packet *packet, struct eye_dns_message *ret_message)
{
    struct eye_dns_header header;
    struct eye_dns_text text = {0};
    if (packet->captured <= EYE_DNS_HEADER_BYTES + EYE_DNS_TAIL_BYTES) {
        return false;
    }
    memcpy(&header, packet->payload, sizeof(header));
    const uint8_t *name = packet->payload + sizeof(header);
    size_t filled = packet->captured - sizeof(header) - EYE_DNS_TAIL_BYTES;
    memcpy(&text, name, filled < sizeof(text) ? filled : sizeof(text));
    __u64 hash = 0;
    __u32 length = eye_dns_read_header(&header, ret_message)
                       ? eye_dns_read_name(&text, (__u32)filled, &hash)
                       : 0;
    if (length == 0) {
        return false;
    }
    ret_message->name = hash;
    ret_message->type = eye_dns_number(name + length);
    return true;
}

static uint64_t hash_of(const struct eye_endpoint *endpoint)
{
    return eye_hash_bytes(endpoint, sizeof(*endpoint));
}

/* A client's socket may ask several servers, a server's is asked by many clients. */
static struct eye_question_place place_of(const struct eye_questions *questions,
                                          const struct eye_packet *packet, bool asks)
{
    const struct eye_endpoint *client = asks ? &packet->source : &packet->destination;
    const struct eye_endpoint *server = asks ? &packet->destination : &packet->source;
    bool client_end = questions->sink->client_end;
    return (struct eye_question_place){
        .time_ns = packet->time_ns,
        .cookie = hash_of(client_end ? client : server),
        .peer = client_end ? 0 : (uint32_t)hash_of(client),
        .port = EYE_DNS_PORT,
        .client = client_end,
    };
}

bool eye_questions_datagram(struct eye_questions *questions, const struct eye_packet *packet)
{
    bool from = eye_endpoint_port(&packet->source) == EYE_DNS_PORT;
    bool to = eye_endpoint_port(&packet->destination) == EYE_DNS_PORT;
    if ((!from && !to) || !packet->unicast ||
        (questions->sink->wanted & 1U << EYE_PROTOCOL_DNS) == 0) {
        return false;
    }
    struct eye_dns_message message = {0};
    bool valid = read_message(packet, &message);
    /* Clients send questions. */
    bool asks = valid ? !message.answer : to;
    const struct eye_question_place place = place_of(questions, packet, asks);
    if (!valid || (asks ? !to : !from)) {
        lose(questions, &place, EYE_LOST_MALFORMED);
        return true;
    }
    eye_questions_take(questions, &place, &message);
    return true;
}

/* ---- What is not answered ---- */

static void tell_of_timeout(const struct eye_questions *questions, const struct question *question)
{
    const struct eye_waiting *waiting = &question->waiting;
    struct record record = {.head = waiting->head};
    memcpy(&record.body, waiting->body, sizeof(record.body));
    eye_set_duration(&record.head,
                     (int64_t)(waiting->last_ns - waiting->first_ns + questions->timeout_ns));
    record.head.flags |= EYE_REQUEST_UNANSWERED;
    record.head.code = EYE_REQUEST_TIMEOUT;
    tell(questions, &record);
}

static bool is_over(const struct eye_questions *questions, const struct question *question,
                    uint64_t now_ns)
{
    uint64_t last_ns = question->waiting.last_ns;
    return last_ns < now_ns && now_ns - last_ns >= questions->timeout_ns;
}

/* Collected first: a removal moves others about. */
static void sweep_some(struct eye_questions *questions, uint64_t now_ns)
{
    struct question *over[128];
    struct question *question;
    size_t count;
    do {
        count = 0;
        eye_table_for_each (&questions->waiting, question) {
            if (count < EYE_ARRAY_LENGTH(over) && is_over(questions, question, now_ns)) {
                over[count++] = question;
            }
        }
        for (size_t i = 0; i < count; i++) {
            tell_of_timeout(questions, over[i]);
            uint64_t hash = eye_hash_bytes(&over[i]->key, sizeof(over[i]->key));
            eye_table_remove(&questions->waiting, hash, over[i]);
            free(over[i]);
        }
    } while (count == EYE_ARRAY_LENGTH(over));
}

void eye_questions_sweep(struct eye_questions *questions, uint64_t now_ns)
{
    if (now_ns < questions->swept_ns || now_ns - questions->swept_ns >= SWEEP_NS) {
        questions->swept_ns = now_ns;
        sweep_some(questions, now_ns);
    }
}
