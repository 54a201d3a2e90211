/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine and the HTTP/1 parser of the kernel programs on the host, or another parser whose
 * answers come in order: payloads come from memory, records and losses are collected. Included by
 * tests and fuzzers only.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#include "bpf/usm/burst.h"
#include "bpf/usm/engine.h"
#include "bpf/usm/http/http.h"
#include "bpf/usm/statement_texts.h"
#pragma GCC diagnostic pop

#define HTTP_HOST_RECORDS 4096

struct http_host_record {
    struct eye_request_head head;
    __u8 body[EYE_REQUEST_BODY_MAX];
    __u8 method;
    char path[EYE_HTTP_PATH_BYTES + 1];
};

struct http_host {
    struct eye_conversation conversation;
    struct eye_pipeline pipeline;
    __u64 clock_ns;
    __u32 sequence[2];
    __u32 acknowledges[2]; /* what the next segment of a direction acknowledges */
    bool joins;            /* the connection is older than the parser */
    bool knows_receiver;   /* what comes in stream 1 is held against `receiver` */
    struct eye_receiver receiver;
    __u32 verdict;
    bool stopped; /* given up or ended: later payloads are not looked at */
    __u64 losses[EYE_COUNT_COUNT];
    struct http_host_record records[HTTP_HOST_RECORDS]; /* one for each request */
    size_t record_count;
    struct eye_statement_text text; /* the last one that was told */
    size_t texts;
    size_t told; /* as records that may stand for several requests */
    const struct eye_parser *parser;
    __u8 protocol; /* enum eye_protocol */
    __u8 client;   /* enum eye_client: what the socket says */
};

static inline void http_host_keep_one(struct http_host *host, const struct eye_request *request)
{
    if (host->record_count < HTTP_HOST_RECORDS) {
        struct http_host_record *kept = &host->records[host->record_count];
        size_t path_bytes = request->head.body_bytes - EYE_HTTP_BODY_FIXED;
        kept->head = request->head;
        memcpy(kept->body, request->body, request->head.body_bytes);
        kept->method = request->body[0];
        memcpy(kept->path, request->body + EYE_HTTP_BODY_FIXED, path_bytes);
        kept->path[path_bytes] = '\0';
    }
    host->record_count++;
}

static inline void http_host_keep(struct http_host *host, const struct eye_request *request)
{
    for (__u32 i = 0; i <= request->head.more; i++) {
        http_host_keep_one(host, request);
    }
    host->told++;
}

static inline void http_host_reset(struct http_host *host)
{
    size_t kept = host->record_count < HTTP_HOST_RECORDS ? host->record_count : HTTP_HOST_RECORDS;
    memset(host->records, 0, kept * sizeof(host->records[0]));
    memset(host, 0, offsetof(struct http_host, records));
    host->record_count = 0;
    host->texts = 0;
    host->told = 0;
    host->sequence[0] = 0xfffffff0U; /* wraps early: sequence arithmetic must cope */
    host->sequence[1] = 1000;
    host->acknowledges[0] = host->sequence[1];
    host->acknowledges[1] = host->sequence[0];
    memset(eye_host_statements, 0, sizeof(eye_host_statements));
    eye_begin_conversation(&host->conversation, host->protocol);
    host->conversation.client = host->client;
}

static inline struct http_host *http_host_new(void)
{
    struct http_host *host = calloc(1, sizeof(*host));
    host->parser = &eye_http_parser;
    host->protocol = EYE_PROTOCOL_HTTP;
    http_host_reset(host);
    return host;
}

static inline bool http_host_place(struct http_host *host, struct eye_work *work, __u32 sequence)
{
    struct eye_receiver receiver = host->receiver;
    receiver.known = host->knows_receiver && work->at->side == EYE_RECEIVED;
    receiver.first = !host->joins;
    if (!eye_is_next(work->conversation, work->at, sequence) &&
        !eye_resolve(work->conversation, work->at, &receiver, sequence)) {
        return false;
    }
    eye_advance_to_new(work->conversation, work->at, sequence);
    return true;
}

static inline void http_host_tell(void *context, struct eye_conversation *conversation,
                                  struct eye_request *request)
{
    (void)conversation;
    http_host_keep(context, request);
}

static inline void http_host_learn(void *context, const void *record, size_t bytes)
{
    struct http_host *host = context;
    const struct eye_statement_message *message = record;
    memset(&host->text, 0, sizeof(host->text));
    memcpy(&host->text, &message->text, bytes - sizeof(message->head));
    host->texts++;
}

/* As the kernel programs do it: a burst is tried behind the first step. */
static inline void http_host_read(struct http_host *host, struct eye_work *work)
{
    bool more = false;
    do {
        if (more && work->parser->simple_request && eye_may_burst(work) &&
            eye_burst(work, http_host_tell, host)) {
            continue;
        }
        struct eye_request *answered;
        more = eye_step(work, &answered);
        if (answered) {
            http_host_keep(host, answered);
            eye_pop_answered(work);
        }
        if (work->parser->tell) {
            eye_host_ring = (struct eye_host_ring){.take = http_host_learn, .context = host};
            work->parser->tell(work->conversation, work->at->side);
        }
    } while (more);
}

/* A segment at an explicit sequence number, as it passes by. @stream: 0 sent by this end, 1
 * received. */
static inline void http_host_segment(struct http_host *host, __u32 stream, __u32 sequence,
                                     const void *bytes, size_t size)
{
    if (host->stopped || size == 0) {
        return;
    }
    struct eye_cursor at = {
        .side = stream,
        .end = (__u32)size,
        .origin = sequence,
        .acknowledged = host->acknowledges[stream],
    };
    struct eye_work work = {
        .parser = host->parser,
        .conversation = &host->conversation,
        .pipeline = &host->pipeline,
        .reader = {.from = bytes,
                   .time_ns = host->clock_ns,
                   .bytes = (__u32)size,
                   .source = EYE_SOURCE_MEMORY},
        .at = &at,
    };
    memcpy(eye_counts, host->losses, sizeof(eye_counts));
    if (http_host_place(host, &work, sequence)) {
        http_host_read(host, &work);
        host->verdict = at.verdict;
        host->stopped = at.verdict != EYE_VERDICT_GO_ON;
    }
    memcpy(host->losses, eye_counts, sizeof(eye_counts));
}

/* The other end has received all that was sent: its next segment says so. */
static inline void http_host_receive(struct http_host *host, __u32 stream)
{
    host->acknowledges[stream ^ 1] = host->sequence[stream];
}

/* The next bytes of a direction that pass by nowhere here: lost to the parser, not to TCP. */
static inline void http_host_skip(struct http_host *host, __u32 stream, size_t size)
{
    host->sequence[stream] += (__u32)size;
    http_host_receive(host, stream);
}

/* The next bytes of a direction, in order, and received. */
static inline void http_host_send(struct http_host *host, __u32 stream, const void *bytes,
                                  size_t size)
{
    http_host_segment(host, stream, host->sequence[stream], bytes, size);
    http_host_skip(host, stream, size);
}
