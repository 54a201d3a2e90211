/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/replay/stream.h"

#include <assert.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/hash.h"
#include "collector/replay/parsers.h"

/* What the kernel keeps beside a socket, in storages of their own. */
struct followed {
    struct eye_conversation conversation;
    struct eye_pipeline pipeline;
    struct eye_kafka_walk walk;
};

struct multiplexed {
    struct eye_http2_half halves[2]; /* by enum eye_side */
    struct eye_http2_requests requests;
    struct eye_http2_more more;
    struct eye_http2_most most;
};

struct eye_replay_stream {
    const struct eye_replay_sink *sink;
    struct eye_questions *questions;
    struct eye_replay_ends ends;
    uint64_t number; /* no other stream has it */
    struct eye_stream stream;
    bool only_header; /* of a load balancer: all that has come, so what follows is the first */
    struct followed *followed;       /* NULL: no protocol is recognised */
    struct multiplexed *multiplexed; /* of HTTP/2, when it was needed */
};

struct eye_replay_stream *eye_replay_stream_new(const struct eye_replay_sink *sink,
                                                struct eye_questions *questions,
                                                const struct eye_replay_ends *ends)
{
    static _Thread_local uint64_t last;
    struct eye_replay_stream *stream = calloc(1, sizeof(*stream));
    if (stream != NULL) {
        stream->sink = sink;
        stream->questions = questions;
        stream->ends = *ends;
        stream->number = ++last;
    }
    return stream;
}

static void forget(struct eye_replay_stream *stream)
{
    free(EYE_TAKE(stream->followed));
    free(EYE_TAKE(stream->multiplexed));
}

void eye_replay_stream_free(struct eye_replay_stream *stream)
{
    if (stream != NULL) {
        forget(stream);
        free(stream);
    }
}

bool eye_replay_stream_is_unrecognised(const struct eye_replay_stream *stream)
{
    bool confirmed = stream->followed != NULL && stream->followed->conversation.confirmed;
    return !confirmed && eye_is_unrecognised(&stream->stream);
}

/* ---- What is told ---- */

/* Who had connected was a guess, of which the protocol may know better. The end that was asked for
 * is meant, whichever it is. */
static void tell_as(const struct eye_replay_sink *sink, const void *record, size_t bytes)
{
    union {
        struct eye_loss_record loss;
        struct eye_request_head head;
        uint8_t bytes[sizeof(struct eye_request_head) + EYE_REQUEST_BODY_MAX];
    } copy;
    memcpy(&copy, record, bytes);
    if (bytes == sizeof(copy.loss)) {
        copy.loss.client = sink->client_end;
    } else {
        copy.head.flags &= (uint8_t)~EYE_REQUEST_CLIENT;
        copy.head.flags |= sink->client_end ? EYE_REQUEST_CLIENT : 0;
    }
    sink->take(sink->context, &copy, bytes);
}

static void put(void *context, const void *record, size_t bytes)
{
    const struct eye_replay_stream *stream = context;
    if (stream->ends.guessed) {
        tell_as(stream->sink, record, bytes);
    } else {
        stream->sink->take(stream->sink->context, record, bytes);
    }
}

static void enter(struct eye_replay_stream *stream, uint64_t time_ns)
{
    eye_host_ring = (struct eye_host_ring){.take = put, .context = stream, .now_ns = time_ns};
}

/* The service's: of the end that has not connected, unless that was a guess, and requests come from
 * the other one. */
static uint16_t service_port(const struct eye_replay_stream *stream)
{
    bool connected = stream->sink->client_end;
    if (stream->ends.guessed && stream->followed != NULL &&
        stream->followed->conversation.client != EYE_CLIENT_UNKNOWN) {
        connected = stream->followed->conversation.client == EYE_CLIENT_THIS_END;
    }
    return connected ? stream->ends.remote : stream->ends.local;
}

/* ---- Steps: of protocols whose answers say whose they are, what the engine's leave ---- */

static struct multiplexed *find_multiplexed(struct eye_replay_stream *stream)
{
    if (stream->multiplexed == NULL) {
        stream->multiplexed = calloc(1, sizeof(*stream->multiplexed));
    }
    if (stream->multiplexed == NULL) {
        eye_note_loss_part(&stream->followed->conversation, EYE_LOST_STORAGE, 1);
    }
    return stream->multiplexed;
}

static void before_http2(struct eye_replay_stream *stream, const struct eye_cursor *at)
{
    __u32 side = at->side;
    const struct eye_conversation *conversation = &stream->followed->conversation;
    struct multiplexed *multiplexed = stream->multiplexed;
    if (multiplexed != NULL && conversation->halves[side].phase == EYE_PHASE_LOST) {
        eye_http2_miss(conversation, &multiplexed->halves[side], &multiplexed->requests, side);
    }
}

static void take_http2_mark(struct eye_replay_stream *stream, struct eye_cursor *at)
{
    __u32 side = at->side;
    struct eye_conversation *conversation = &stream->followed->conversation;
    struct eye_http2_frame frame;
    eye_http2_read_mark(eye_half_of(conversation, side), &frame);
    struct multiplexed *multiplexed = eye_http2_matters(&frame) ? find_multiplexed(stream) : NULL;
    if (multiplexed == NULL) {
        return;
    }
    const struct eye_http2_work work = {
        .conversation = conversation,
        .half = &multiplexed->halves[side],
        .requests = &multiplexed->requests,
        .more = &multiplexed->more,
        .most = &multiplexed->most,
        .side = side,
    };
    struct eye_http2_ended ended = eye_http2_take_mark(&work, &frame);
    if (ended.request) {
        eye_http2_fill_head(conversation, &ended);
        eye_tell_stream(conversation, ended.request);
    }
}

static void take_dns_mark(struct eye_replay_stream *stream, struct eye_cursor *at)
{
    __u32 side = at->side;
    struct eye_conversation *conversation = &stream->followed->conversation;
    const struct eye_half *half = eye_half_of(conversation, side);
    struct eye_dns_message message;
    if (!eye_dns_take_message(half, &message)) {
        eye_note_loss_part(conversation, EYE_LOST_MALFORMED, 1);
        return;
    }
    eye_know(conversation, side, !message.answer);
    const struct eye_question_place place = {
        .time_ns = half->first_ns,
        .cookie = stream->number,
        .port = service_port(stream),
        .over_tcp = true,
        .client = stream->sink->client_end,
    };
    if (eye_questions_take(stream->questions, &place, &message) && message.answer) {
        eye_confirm(conversation);
    }
}

/* The protocol that the service's port is said to speak; 0: its bytes decide. */
static __u8 expected(const struct eye_replay_stream *stream)
{
    const uint8_t *ports = stream->sink->ports;
    return ports != NULL && stream->stream.protocol != EYE_PROTOCOL_TUNNEL
               ? ports[service_port(stream)]
               : EYE_PROTOCOL_UNKNOWN;
}

/* Who has connected is told by a SYN, or by the ports. */
static bool knows_who_connected(const struct eye_replay_stream *stream)
{
    return !stream->ends.guessed || stream->ends.likely || expected(stream) != EYE_PROTOCOL_UNKNOWN;
}

/* Which end asks, if who has connected does. */
static enum eye_client connected(const struct eye_replay_stream *stream)
{
    return stream->sink->client_end ? EYE_CLIENT_THIS_END : EYE_CLIENT_PEER;
}

/* An answer may look like a request: the number of an early one is a kind and a version as well.
 * Where ports tell nothing, what looks like a request does. */
static void before_kafka(struct eye_replay_stream *stream, const struct eye_cursor *at)
{
    struct eye_conversation *conversation = &stream->followed->conversation;
    if (conversation->client == EYE_CLIENT_UNKNOWN && knows_who_connected(stream)) {
        conversation->client = (__u8)connected(stream);
    }
    eye_kafka_measure_payload(eye_half_of(conversation, at->side), at);
}

/* What an id of a topic means, for whoever names topics. */
static void teach_topic(struct eye_replay_stream *stream, __u32 side)
{
    struct eye_conversation *conversation = &stream->followed->conversation;
    struct {
        struct eye_request_head head;
        struct eye_kafka_topic topic;
    } message = {.head = {.port = conversation->port,
                          .protocol = EYE_PROTOCOL_KAFKA,
                          .flags = EYE_REQUEST_MESSAGE}};
    __u32 length = eye_kafka_copy_topic(eye_half_of(conversation, side), &message.topic);
    message.head.body_bytes = (__u16)(EYE_KAFKA_ID_BYTES + length);
    stream->sink->take(stream->sink->context, &message, sizeof(message));
}

static void take_kafka_mark(struct eye_replay_stream *stream, struct eye_cursor *at)
{
    struct eye_conversation *conversation = &stream->followed->conversation;
    struct eye_queue *queue = &conversation->queue;
    struct eye_kafka_work work = {
        .conversation = conversation,
        .pipeline = &stream->followed->pipeline,
        .walk = &stream->followed->walk,
        .side = at->side,
    };
    int news = eye_kafka_take_mark(&work);
    if (news == EYE_KAFKA_TOLD) {
        eye_tell(conversation, eye_slot(queue, work.pipeline, queue->popped));
        eye_pop(queue);
    } else if (news == EYE_KAFKA_SENT) {
        eye_tell(conversation, eye_slot(queue, work.pipeline, queue->pushed));
    } else if (news == EYE_KAFKA_TAUGHT) {
        teach_topic(stream, at->side);
    }
    eye_kafka_heed(at, news);
}

/* By enum eye_protocol. */
static const struct eye_parser *const parsers[EYE_PROTOCOL_COUNT] = {
#define X(identifier, name) [EYE_PROTOCOL_##identifier] = &eye_##name##_parser,
    EYE_PROTOCOLS(X)
#undef X
};

static const struct {
    void (*before)(struct eye_replay_stream *stream, const struct eye_cursor *at);
    void (*take_mark)(struct eye_replay_stream *stream, struct eye_cursor *at);
} own_steps[EYE_PROTOCOL_COUNT] = {
    [EYE_PROTOCOL_HTTP2] = {before_http2, take_http2_mark},
    [EYE_PROTOCOL_KAFKA] = {before_kafka, take_kafka_mark},
    [EYE_PROTOCOL_DNS] = {NULL, take_dns_mark},
};

/* One of a parser that pairs by itself. False: the payload is used up. */
static bool take_own_step(struct eye_replay_stream *stream, struct eye_work *work)
{
    struct eye_cursor *at = work->at;
    struct eye_half *half = eye_half_of(work->conversation, at->side);
    __u8 protocol = work->conversation->protocol;
    if (own_steps[protocol].before != NULL) {
        own_steps[protocol].before(stream, at);
    }
    assert(own_steps[protocol].take_mark != NULL);
    bool more = eye_step_and_tell(work);
    if (half->mark != 0) {
        own_steps[protocol].take_mark(stream, at);
        half->mark = 0;
    }
    return more && at->verdict == EYE_VERDICT_GO_ON && at->offset < at->end;
}

static void tell_of(void *context, struct eye_conversation *conversation,
                    struct eye_request *request)
{
    (void)context;
    eye_tell(conversation, request);
}

static bool take_burst(struct eye_work *work)
{
    return work->parser->simple_request && eye_may_burst(work) && eye_burst(work, tell_of, NULL);
}

/* A burst is tried behind the first step. */
static void take_steps(struct eye_replay_stream *stream, struct eye_work *work)
{
    bool pairs = work->parser->note != NULL;
    bool more = true;
    for (__u32 i = 0; more && i < EYE_STEPS_AT_ONCE * EYE_STEPS_ROUNDS; i++) {
        if (!pairs) {
            more = take_own_step(stream, work);
        } else if (i == 0 || !take_burst(work)) {
            more = eye_step_and_tell(work);
            eye_teach(work->parser, work->conversation, work->at);
        }
    }
}

/* ---- Payloads ---- */

/* Bits by enum eye_protocol: what the stream may turn out to speak. */
static __u32 may_speak(const struct eye_replay_stream *stream)
{
    __u8 only = expected(stream);
    return stream->sink->wanted &
           (only == EYE_PROTOCOL_UNKNOWN ? eye_may_speak(&stream->stream) : 1U << only);
}

/* As eye_look_at(). */
static __u8 look(const struct eye_replay_stream *stream, const struct eye_replay_segment *segment)
{
    struct eye_glance glance = {.payload_bytes = segment->size};
    __u32 bytes = segment->size < EYE_LOOK_BYTES ? segment->size : EYE_LOOK_BYTES;
    memcpy(glance.bytes, segment->bytes, bytes);
    return eye_look_at(&glance, bytes, may_speak(stream));
}

/* Takes off what a load balancer has put before the first byte, if it is here as a whole. */
static void strip_proxy(struct eye_replay_segment *segment)
{
    struct eye_proxy_window window = {0};
    __u32 filled = segment->size < EYE_PROXY_LINE_MAX ? segment->size : EYE_PROXY_LINE_MAX;
    memcpy(window.bytes, segment->bytes, filled);
    __u32 prefix = eye_proxy_measure(&window, filled);
    if (prefix <= EYE_PROXY_STRIPPED_MAX && prefix <= segment->size) {
        segment->bytes += prefix;
        segment->sequence += prefix;
        segment->size -= prefix;
    }
}

/* Looks at the first bytes of a payload. False: nobody knows what it is. The segment is what it
 * speaks, without what a load balancer put before. */
static bool recognise(struct eye_replay_stream *stream, struct eye_replay_segment *segment)
{
    struct eye_stream *known = &stream->stream;
    __u8 speaks = segment->sent ? EYE_SPOKE_THIS_END : EYE_SPOKE_PEER;
    if (!eye_is_worth_a_look(known, speaks)) {
        return false;
    }
    known->spoke = speaks;
    segment->first |= stream->only_header;
    stream->only_header = false;
    __u8 seen = look(stream, segment);
    if (seen == EYE_SEEN_PROXY) {
        strip_proxy(segment);
        if (segment->size == 0) {
            stream->only_header = segment->first;
            return false; /* what it speaks comes with the next one */
        }
        seen = look(stream, segment);
    }
    if (seen == EYE_SEEN_PROXY) {
        /* A header in pieces is HTTP/1's to put together. */
        seen =
            may_speak(stream) & 1U << EYE_PROTOCOL_HTTP ? EYE_PROTOCOL_HTTP : EYE_PROTOCOL_UNKNOWN;
    }
    if (seen == EYE_PROTOCOL_UNKNOWN && stream->sink->wanted & 1U << expected(stream)) {
        seen = expected(stream);
    }
    if (seen == EYE_PROTOCOL_UNKNOWN) {
        eye_count_look(known);
        return false;
    }
    if (!eye_is_protocol(seen)) {
        eye_note_class(known, seen);
        return false;
    }
    known->protocol = seen;
    return true;
}

/* What is recognised are requests, but for MySQL, whose server speaks first. */
static enum eye_client asking(const struct eye_replay_stream *stream,
                              const struct eye_replay_segment *recognised)
{
    bool greets = stream->stream.protocol == EYE_PROTOCOL_MYSQL &&
                  recognised->size > EYE_MYSQL_HEAD_BYTES &&
                  recognised->bytes[EYE_MYSQL_HEAD_BYTES] == EYE_MYSQL_GREETING;
    return eye_client_of(recognised->sent ? EYE_SENT : EYE_RECEIVED, !greets);
}

static struct eye_conversation *begin(struct eye_replay_stream *stream,
                                      const struct eye_replay_segment *recognised)
{
    stream->followed = calloc(1, sizeof(*stream->followed));
    if (stream->followed == NULL) {
        return NULL;
    }
    struct eye_conversation *conversation = &stream->followed->conversation;
    const struct eye_parser *parser = parsers[stream->stream.protocol];
    conversation->protocol = stream->stream.protocol;
    conversation->queue.by_number = parser->note == NULL;
    if (parser->client_connects) {
        conversation->client =
            (__u8)(knows_who_connected(stream) ? connected(stream) : asking(stream, recognised));
    }
    return conversation;
}

/* It was not that protocol after all, or is no longer. */
static void leave(struct eye_replay_stream *stream, const struct eye_cursor *at)
{
    struct eye_conversation *conversation = &stream->followed->conversation;
    eye_end_protocol(&stream->stream, conversation, at);
    eye_forget_requests(conversation);
    if (conversation->troubled) {
        eye_report(conversation);
    }
    forget(stream);
}

/* What a socket would drop is not known of a capture: no segment is a stray. */
static void follow(struct eye_replay_stream *stream, const struct eye_replay_segment *segment)
{
    struct eye_conversation *conversation = &stream->followed->conversation;
    const struct eye_receiver receiver = {.first = segment->first};
    struct eye_cursor at = {
        .side = segment->sent ? EYE_SENT : EYE_RECEIVED,
        .end = segment->size,
        .origin = segment->sequence,
        .acknowledged = segment->acknowledged,
        .opening = segment->opening,
    };
    struct eye_work work = {
        .parser = parsers[conversation->protocol],
        .conversation = conversation,
        .pipeline = &stream->followed->pipeline,
        .reader = {.from = segment->bytes,
                   .time_ns = segment->time_ns,
                   .bytes = segment->size,
                   .source = EYE_SOURCE_MEMORY},
        .at = &at,
    };
    eye_note_whose(conversation, EYE_OWNER_UNKNOWN, service_port(stream));
    if (!eye_is_next(conversation, &at, segment->sequence) &&
        !eye_resolve(conversation, &at, &receiver, segment->sequence)) {
        return;
    }
    eye_advance_to_new(conversation, &at, segment->sequence);
    take_steps(stream, &work);
    if (at.verdict != EYE_VERDICT_GO_ON) {
        leave(stream, &at);
        return;
    }
    eye_exhaust(conversation, &at);
    if (conversation->troubled) {
        eye_report(conversation);
    }
}

void eye_replay_stream_take(struct eye_replay_stream *stream,
                            const struct eye_replay_segment *captured)
{
    struct eye_replay_segment segment = *captured;
    enter(stream, segment.time_ns);
    if (!eye_has_protocol(&stream->stream) && !recognise(stream, &segment)) {
        return;
    }
    __u8 protocol = stream->stream.protocol;
    if (stream->followed == NULL && begin(stream, &segment) == NULL) {
        eye_tell_loss(EYE_OWNER_UNKNOWN, service_port(stream), stream->sink->client_end,
                      EYE_LOSS_OF_PARSER((__u32)protocol) + EYE_LOST_STORAGE, 1);
        return;
    }
    follow(stream, &segment);
}

/* ---- Ends ---- */

static uint32_t multiplexed_waiting(const struct multiplexed *multiplexed)
{
    uint32_t count = 0;
    for (size_t i = 0; i < EYE_HTTP2_SLOTS; i++) {
        count += multiplexed->requests.slots[i].stream != 0;
    }
    for (size_t i = 0; i < EYE_HTTP2_MORE_SLOTS; i++) {
        count += multiplexed->more.slots[i].stream != 0;
    }
    for (size_t i = 0; i < EYE_HTTP2_MOST_SLOTS; i++) {
        count += multiplexed->most.slots[i].stream != 0;
    }
    return count;
}

uint32_t eye_replay_stream_waiting(const struct eye_replay_stream *stream)
{
    uint32_t ordered =
        stream->followed == NULL ? 0 : eye_waiting(&stream->followed->conversation.queue);
    return ordered + (stream->multiplexed == NULL ? 0 : multiplexed_waiting(stream->multiplexed));
}

/* Bytes of responses have passed that the parser has not read. What was taken for a body without an
 * end may have held responses. */
static bool missed_bytes(const struct eye_conversation *conversation,
                         const struct eye_replay_ending *ending)
{
    bool client = conversation->client == EYE_CLIENT_THIS_END;
    const struct eye_half *responses = &conversation->halves[client ? EYE_RECEIVED : EYE_SENT];
    uint32_t end = client ? ending->received_end : ending->sent_end;
    return !responses->synced || responses->phase == EYE_PHASE_IGNORE ||
           eye_is_behind(responses->next_sequence, end);
}

void eye_replay_stream_end(struct eye_replay_stream *stream, const struct eye_replay_ending *ending)
{
    if (stream->followed == NULL) {
        return;
    }
    struct eye_conversation *conversation = &stream->followed->conversation;
    struct multiplexed *multiplexed = stream->multiplexed;
    __u32 error = missed_bytes(conversation, ending) ? 0 : ending->error;
    enter(stream, ending->time_ns);
    stream->stream.recognised |= conversation->confirmed;
    if (error && eye_is_certain(conversation)) {
        eye_end_requests(conversation, &stream->followed->pipeline, error);
    }
    eye_forget_requests(conversation);
    if (multiplexed != NULL) {
        eye_end_streams(conversation, &multiplexed->requests, &multiplexed->more,
                        &multiplexed->most, error);
    }
    if (conversation->troubled) {
        eye_report(conversation);
    }
    forget(stream);
}
