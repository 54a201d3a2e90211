/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as one direction of DNS over TCP. The first two say into how large pieces they are cut.
 * Properties: memory stays within bounds (address sanitizer), steps as well; whole and in pieces
 * they have the same messages until the first that is none.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#include "bpf/usm/dns/dns.h"
#include "bpf/usm/engine.h"
#pragma GCC diagnostic pop
#include "tests/fuzz/promise.h"

#define MESSAGES_MAX 4096

struct stream {
    struct eye_conversation conversation;
    uint32_t sequence;
    uint32_t verdict;
    size_t count;
    uint64_t sums[MESSAGES_MAX];
};

static void take(struct stream *stream)
{
    struct eye_dns_message message = {0};
    struct eye_half *half = &stream->conversation.halves[EYE_SENT];
    if (half->mark == EYE_DNS_FOUND && stream->count < MESSAGES_MAX) {
        int named = eye_dns_take_message(half, &message);
        stream->sums[stream->count++] =
            (message.name ^ (uint64_t)message.id << 16 ^ message.type) * 2 + (uint64_t)named;
    }
    half->mark = 0;
}

static void send_bytes(struct stream *stream, const uint8_t *bytes, size_t size)
{
    struct eye_receiver receiver = {.first = true};
    struct eye_cursor at = {.side = EYE_SENT, .end = (__u32)size, .origin = stream->sequence};
    struct eye_work work = {
        .parser = &eye_dns_parser,
        .conversation = &stream->conversation,
        .reader = {.from = bytes, .bytes = (__u32)size, .source = EYE_SOURCE_MEMORY},
        .at = &at,
    };
    struct eye_request *answered;
    bool more = true;
    size_t steps = 0;
    eye_resolve(&stream->conversation, &at, &receiver, stream->sequence);
    eye_advance_to_new(&stream->conversation, &at, stream->sequence);
    while (more) {
        more = eye_step(&work, &answered);
        PROMISE(answered == NULL && steps++ <= size);
        take(stream);
    }
    stream->sequence += (uint32_t)size;
    stream->verdict = at.verdict;
}

static struct stream *play(const uint8_t *bytes, size_t size, size_t piece)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    PROMISE(stream != NULL);
    eye_begin_conversation(&stream->conversation, EYE_PROTOCOL_DNS);
    for (size_t at = 0; at < size && stream->verdict == EYE_VERDICT_GO_ON; at += piece) {
        send_bytes(stream, bytes + at, piece < size - at ? piece : size - at);
    }
    return stream;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 65536) {
        return 0;
    }
    size_t piece = 1 + ((size_t)data[0] << 8 | data[1]) % 2000;
    struct stream *whole = play(data + 2, size - 2, size);
    struct stream *pieces = play(data + 2, size - 2, piece);
    PROMISE(whole->verdict == pieces->verdict && whole->count == pieces->count);
    PROMISE(memcmp(whole->sums, pieces->sums, whole->count * sizeof(whole->sums[0])) == 0);
    free(whole);
    free(pieces);
    return 0;
}
