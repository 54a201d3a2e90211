/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/http2_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/usm/http2/huffman.h"

struct http2_host *http2_host_new(void)
{
    struct http2_host *host = calloc(1, sizeof(*host));
    if (host == NULL) {
        abort();
    }
    http2_host_reset(host);
    return host;
}

/* What is kept beside the conversation is dirty but for what a new connection clears. */
void http2_host_reset(struct http2_host *host)
{
    memset(host, 0, offsetof(struct http2_host, records));
    host->record_count = 0;
    memset(host->halves, 0xa5, sizeof(host->halves));
    host->sequence[0] = 0xfffffff0U; /* wraps early: sequence arithmetic must cope */
    host->sequence[1] = 1000;
    eye_begin_conversation(&host->conversation, EYE_PROTOCOL_HTTP2);
    host->conversation.queue.by_number = 1;
    eye_http2_clear(&host->halves[0], &host->requests);
    eye_http2_clear(&host->halves[1], &host->requests);
}

static __u32 side_of(const struct http2_host *host, __u32 direction)
{
    return direction ^ (host->is_server ? 1U : 0U);
}

const struct eye_half *http2_host_half(const struct http2_host *host, __u32 direction)
{
    return &host->conversation.halves[side_of(host, direction)];
}

static void keep(struct http2_host *host, struct eye_http2_ended *ended)
{
    struct eye_http2_request *request = ended->request;
    eye_http2_fill_head(&host->conversation, ended);
    if (host->record_count < HTTP2_HOST_RECORDS) {
        struct http2_host_record *record = &host->records[host->record_count];
        memset(record, 0, sizeof(*record));
        record->head = request->head;
        memcpy(&record->body, &request->body, request->head.body_bytes);
        record->stream = ended->stream;
        record->started_ns = request->started_ns;
        record->told_ns = host->clock_ns;
    }
    host->record_count++;
    request->stream = 0;
}

static void take_mark(struct http2_host *host, __u32 side)
{
    struct eye_half *half = eye_half_of(&host->conversation, side);
    struct eye_http2_work work = {
        .conversation = &host->conversation,
        .half = &host->halves[side],
        .requests = &host->requests,
        .more = host->has_no_more ? NULL : &host->more,
        .most = host->has_no_most ? NULL : &host->most,
        .side = side,
    };
    struct eye_http2_frame frame;
    eye_http2_read_mark(half, &frame);
    if (eye_http2_matters(&frame)) {
        struct eye_http2_ended ended = eye_http2_take_mark(&work, &frame);
        if (ended.request) {
            keep(host, &ended);
        }
    }
    half->mark = EYE_HTTP2_NOTHING;
}

static void read_payload(struct http2_host *host, struct eye_work *work)
{
    const struct eye_half *half = eye_half_of(&host->conversation, work->at->side);
    struct eye_request *answered;
    __u32 steps = 0;
    bool more = true;
    while (more) {
        if (half->phase == EYE_PHASE_LOST) {
            __u32 side = work->at->side;
            eye_http2_miss(&host->conversation, &host->halves[side], &host->requests, side);
        }
        more = eye_step(work, &answered);
        /* Each step takes a byte at least; requests are none of the engine's. */
        if (answered || steps++ > work->at->end) {
            abort();
        }
        if (half->mark != EYE_HTTP2_NOTHING) {
            take_mark(host, work->at->side);
        }
    }
}

static void count_losses(struct http2_host *host)
{
    for (size_t i = 0; i < EYE_LOST_COUNT; i++) {
        host->losses[i] += host->conversation.lost[i];
        host->conversation.lost[i] = 0;
    }
}

void http2_host_send(struct http2_host *host, __u32 direction, const void *bytes, size_t size)
{
    __u32 sequence = host->sequence[direction];
    struct eye_receiver receiver = {.first = !host->joins};
    struct eye_cursor at = {
        .side = side_of(host, direction),
        .end = (__u32)size,
        .origin = sequence,
        .acknowledged = host->sequence[direction ^ 1],
    };
    struct eye_work work = {
        .parser = &eye_http2_parser,
        .conversation = &host->conversation,
        .reader = {.from = bytes,
                   .time_ns = host->clock_ns,
                   .bytes = (__u32)size,
                   .source = EYE_SOURCE_MEMORY},
        .at = &at,
    };
    host->sequence[direction] += (__u32)size;
    if (host->stopped || size == 0 ||
        (!eye_is_next(&host->conversation, &at, sequence) &&
         !eye_resolve(&host->conversation, &at, &receiver, sequence))) {
        return;
    }
    eye_advance_to_new(&host->conversation, &at, sequence);
    read_payload(host, &work);
    count_losses(host);
    host->verdict = at.verdict;
    host->stopped = at.verdict != EYE_VERDICT_GO_ON;
}

void http2_host_send_pieces(struct http2_host *host, __u32 direction, const void *bytes,
                            size_t size, size_t piece)
{
    for (size_t at = 0; at < size;) {
        size_t part = piece < size - at ? piece : size - at;
        http2_host_send(host, direction, (const __u8 *)bytes + at, part);
        at += part;
    }
}

void http2_host_miss(struct http2_host *host, __u32 direction, size_t size)
{
    host->sequence[direction] += (__u32)size;
}

/* ---- What was told ---- */

#define TEXT_BYTES 256 /* of a path; its shortest codes have five bits */

static const char *text_of(const __u8 *bytes, size_t length, bool known, bool huffman,
                           char ret_text[static TEXT_BYTES])
{
    size_t decoded = length;
    if (!known) {
        return HTTP2_UNKNOWN;
    }
    if (huffman) {
        decoded = eye_huffman_decode(bytes, length, ret_text, TEXT_BYTES - 1);
    } else {
        memcpy(ret_text, bytes, length);
    }
    ret_text[decoded] = '\0';
    return ret_text;
}

static const char *path_of(const struct http2_host_record *record, char ret_text[static TEXT_BYTES])
{
    const struct eye_http2_body *body = &record->body;
    return text_of(body->path, body->path_length, (body->flags & EYE_HTTP2_PATH_KNOWN) != 0,
                   (body->flags & EYE_HTTP2_HUFFMAN) != 0, ret_text);
}

static const char *method_of(const struct http2_host_record *record,
                             char ret_text[static TEXT_BYTES])
{
    const struct eye_http2_body *body = &record->body;
    return text_of(body->method, body->method_length, (body->flags & EYE_HTTP2_METHOD_KNOWN) != 0,
                   (body->flags & EYE_HTTP2_METHOD_HUFFMAN) != 0, ret_text);
}

static int grpc_status_of(const struct http2_host_record *record)
{
    if ((record->body.flags & EYE_HTTP2_GRPC) == 0) {
        return HTTP2_NOT_GRPC;
    }
    return (record->body.flags & EYE_HTTP2_STATUS_KNOWN) != 0 ? record->body.grpc_status
                                                              : HTTP2_UNSAID;
}

static bool is_text(const char *is, const char *told, bool missed)
{
    return strcmp(is, told) == 0 || (missed && strcmp(is, HTTP2_UNKNOWN) == 0);
}

/* That it is gRPC may be unknown, too, when nothing said so. */
static bool is_grpc_status(int is, int told, bool missed)
{
    return is == told ||
           (missed && told != HTTP2_NOT_GRPC && (is == HTTP2_UNSAID || is == HTTP2_NOT_GRPC));
}

bool http2_is_told(const struct http2_host_record *record, const struct http2_told *told,
                   bool missed)
{
    char method[TEXT_BYTES];
    char path[TEXT_BYTES];
    return told != NULL && is_text(method_of(record, method), told->method, missed) &&
           is_text(path_of(record, path), told->path, missed) &&
           (record->head.code == told->code || (missed && record->head.code == 0)) &&
           (record->body.error == told->error || (missed && record->body.error == 0)) &&
           is_grpc_status(grpc_status_of(record), told->grpc_status, missed);
}

const char *http2_describe(const struct http2_host_record *record,
                           char ret_text[HTTP2_DESCRIPTION_BYTES])
{
    char method[TEXT_BYTES];
    char path[TEXT_BYTES];
    snprintf(ret_text, HTTP2_DESCRIPTION_BYTES, "stream %u: %.16s %.255s: %u, gRPC %d, error %u",
             record->stream, method_of(record, method), path_of(record, path), record->head.code,
             grpc_status_of(record), record->body.error);
    return ret_text;
}

#define SEGMENT_HEAD_BYTES 3

size_t http2_read_segments(const __u8 *bytes, size_t size, struct http2_segment *ret_segments,
                           size_t room)
{
    size_t count = 0;
    size_t at = 0;
    while (count < room && size - at > SEGMENT_HEAD_BYTES) {
        size_t length = (size_t)bytes[at + 1] << 8 | bytes[at + 2];
        size_t left = size - at - SEGMENT_HEAD_BYTES;
        ret_segments[count++] = (struct http2_segment){
            .bytes = bytes + at + SEGMENT_HEAD_BYTES,
            .size = length < left ? length : left,
            .direction = bytes[at] & 1,
        };
        at += SEGMENT_HEAD_BYTES + (length < left ? length : left);
    }
    return count;
}

size_t http2_load_of(const char *folder, const char *name, __u8 *bytes,
                     struct http2_segment segments[HTTP2_SEGMENTS])
{
    char path[512];
    snprintf(path, sizeof(path), EYE_RECORDINGS "/%s/%s.bin", folder, name);
    FILE *file = fopen(path, "rb");
    size_t size = file == NULL ? 0 : fread(bytes, 1, HTTP2_BYTES, file);
    size_t count = http2_read_segments(bytes, size, segments, HTTP2_SEGMENTS);
    if (file != NULL) {
        fclose(file);
    }
    if (count == 0 || count == HTTP2_SEGMENTS || size == HTTP2_BYTES) {
        fprintf(stderr, "%s: cannot be read, or is too large\n", path);
        abort();
    }
    return count;
}

size_t http2_load(const char *name, __u8 *bytes, struct http2_segment segments[HTTP2_SEGMENTS])
{
    return http2_load_of("http2", name, bytes, segments);
}
