/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1 framer of the kernel programs on the host: payloads come from memory, records and
 * losses are collected. Included by tests and fuzzers only; one connection at a time.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi.h"

struct http_host;
static __thread struct http_host *http_host_current;
static inline void eye_lose(enum eye_loss loss, __u64 amount);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#include "bpf/usm/http/http.h"
#pragma GCC diagnostic pop

#define HTTP_HOST_RECORDS 4096

struct http_host_record {
    struct eye_request_head head;
    __u8 method;
    char path[EYE_HTTP_PATH_BYTES + 1];
};

struct http_host {
    struct eye_http http;
    struct eye_http_pipeline pipeline;
    const __u8 *payload;
    size_t payload_bytes;
    __u64 clock_ns;
    __u32 sequence[2];
    __u32 acknowledges[2]; /* what the next segment of a direction acknowledges */
    bool joins;            /* the connection is older than the parser */
    bool knows_receiver;   /* what comes in stream 1 is held against `receiver` */
    struct eye_http_receiver receiver;
    __u32 verdict;
    bool stopped; /* given up or ended: later payloads are not looked at */
    __u64 losses[EYE_LOSS_COUNT];
    struct http_host_record records[HTTP_HOST_RECORDS];
    size_t record_count;
};

static inline void eye_lose(enum eye_loss loss, __u64 amount)
{
    http_host_current->losses[loss] += amount;
}

static __always_inline long eye_http_load(struct eye_http_run *run, __u32 offset, void *target,
                                          __u32 bytes)
{
    const struct http_host *host = run->environment;
    if ((size_t)offset + bytes > host->payload_bytes) {
        return -1;
    }
    memcpy(target, host->payload + offset, bytes);
    return 0;
}

static __always_inline __u64 eye_http_time(struct eye_http_run *run)
{
    const struct http_host *host = run->environment;
    return host->clock_ns;
}

static __always_inline struct eye_http_request *eye_http_slot(struct eye_http_run *run, __u32 index)
{
    struct http_host *host = run->environment;
    __u32 place = index % EYE_HTTP_PIPELINE;
    return place == 0 ? &host->http.first : &host->pipeline.slots[place - 1];
}

static __always_inline void eye_http_emit(struct eye_http_run *run,
                                          struct eye_http_request *request)
{
    struct http_host *host = run->environment;
    if (host->record_count < HTTP_HOST_RECORDS) {
        struct http_host_record *kept = &host->records[host->record_count];
        size_t path_bytes = request->head.body_bytes - EYE_HTTP_BODY_FIXED;
        kept->head = request->head;
        kept->method = request->body.method;
        memcpy(kept->path, request->body.path, path_bytes);
        kept->path[path_bytes] = '\0';
    }
    host->record_count++;
}

static __always_inline bool eye_http_is_first(struct eye_http_run *run)
{
    const struct http_host *host = run->environment;
    return !host->joins;
}

static __always_inline bool eye_http_ask_receiver(struct eye_http_run *run,
                                                  struct eye_http_receiver *ret_receiver)
{
    const struct http_host *host = run->environment;
    *ret_receiver = host->receiver;
    return host->knows_receiver && run->at.stream == 1;
}

static __always_inline bool eye_http_place_odd(struct eye_http_run *run, __u32 sequence,
                                               __u32 bytes)
{
    return eye_http_resolve(run, sequence, bytes);
}

static inline void http_host_reset(struct http_host *host)
{
    size_t kept = host->record_count < HTTP_HOST_RECORDS ? host->record_count : HTTP_HOST_RECORDS;
    memset(host->records, 0, kept * sizeof(host->records[0]));
    memset(host, 0, offsetof(struct http_host, records));
    host->record_count = 0;
    host->sequence[0] = 0xfffffff0U; /* wraps early: sequence arithmetic must cope */
    host->sequence[1] = 1000;
    host->acknowledges[0] = host->sequence[1];
    host->acknowledges[1] = host->sequence[0];
}

static inline struct http_host *http_host_new(void)
{
    struct http_host *host = calloc(1, sizeof(*host));
    http_host_reset(host);
    return host;
}

/* A segment at an explicit sequence number, as it passes by. @stream: 0 sent by this end, 1
 * received. */
static inline void http_host_segment(struct http_host *host, __u32 stream, __u32 sequence,
                                     const void *bytes, size_t size)
{
    http_host_current = host;
    if (host->stopped || size == 0) {
        return;
    }
    host->payload = bytes;
    host->payload_bytes = size;
    struct eye_http_run run = {
        .http = &host->http,
        .environment = host,
        .at = {.stream = stream,
               .end = (__u32)size,
               .origin = sequence,
               .acknowledged = host->acknowledges[stream]},
    };
    run.at.offset = eye_http_place(&run, sequence, (__u32)size);
    while (eye_http_step(&run)) {
    }
    host->verdict = run.at.verdict;
    host->stopped = run.at.verdict != EYE_HTTP_GO_ON;
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
