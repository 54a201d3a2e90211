/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzzer's input as a conversation of a protocol whose answers come in order: it is played whole
 * and cut into small segments, and both must give the same. Included once by a fuzzer.
 */
#pragma once

#include <stdint.h>

#include "tests/fuzz/promise.h"
#include "tests/support/http_host.h"

/* Input: a byte per turn, its top bit the direction, the rest the length; then the bytes. */
static void play(struct http_host *host, const uint8_t *data, size_t size, size_t piece)
{
    while (size > 0) {
        __u32 stream = data[0] >> 7;
        size_t length = data[0] & 0x7f;
        data++;
        size--;
        length = length < size ? length : size;
        for (size_t sent = 0; sent < length; sent += piece) {
            size_t left = length - sent;
            http_host_send(host, stream, data + sent, left < piece ? left : piece);
        }
        data += length;
        size -= length;
    }
}

static size_t kept_of(const struct http_host *host)
{
    return host->record_count < HTTP_HOST_RECORDS ? host->record_count : HTTP_HOST_RECORDS;
}

static void check_same(const struct http_host *whole, const struct http_host *cut)
{
    PROMISE(whole->record_count == cut->record_count);
    for (size_t i = 0; i < kept_of(whole); i++) {
        const struct http_host_record *a = &whole->records[i];
        const struct http_host_record *b = &cut->records[i];
        PROMISE(a->head.code == b->head.code && a->head.body_bytes == b->head.body_bytes);
        PROMISE(memcmp(a->body, b->body, a->head.body_bytes) == 0);
    }
}

/* Once a stream is malformed, where the next message is looked for depends on where segments start.
 * Until then cuts change nothing. @malformed: the loss that counts it. */
static bool is_clean(const struct http_host *host, enum eye_loss malformed)
{
    return host->losses[malformed] == 0 && host->verdict == EYE_VERDICT_GO_ON &&
           host->conversation.queue.trust == EYE_TRUST_FROM_START;
}

struct conversation_fuzzer {
    struct http_host *(*new_host)(bool client);
    void (*reset_host)(struct http_host *host, bool client);
    void (*check_records)(const struct http_host *host); /* what each of them promises */
    enum eye_loss malformed;
};

static void fuzz_conversation(const struct conversation_fuzzer *fuzzer, const uint8_t *data,
                              size_t size)
{
    static struct http_host *whole;
    static struct http_host *cut;
    if (whole == NULL) {
        whole = fuzzer->new_host(true);
        cut = fuzzer->new_host(true);
    }
    fuzzer->reset_host(whole, true);
    fuzzer->reset_host(cut, true);
    play(whole, data, size, SIZE_MAX);
    play(cut, data, size, size % 7 + 1);
    fuzzer->check_records(whole);
    fuzzer->check_records(cut);
    if (is_clean(whole, fuzzer->malformed) && is_clean(cut, fuzzer->malformed)) {
        check_same(whole, cut);
    }
}
