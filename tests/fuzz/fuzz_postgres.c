/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the PostgreSQL parser. The input is a conversation: segments of one direction or the
 * other. Properties: however the bytes are cut into segments, the same operations come out with the
 * same errors; memory stays within bounds (address sanitizer); every record keeps what it promises.
 */
#include <stdint.h>

#include "tests/support/postgres_host.h"

#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            __builtin_trap();                                                                      \
        }                                                                                          \
    } while (0)

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

static void check_records(const struct http_host *host)
{
    for (size_t i = 0; i < kept_of(host); i++) {
        const struct eye_request_head *head = &host->records[i].head;
        PROMISE(head->code == 0);
        PROMISE(head->body_bytes == sizeof(struct eye_postgres_body));
        PROMISE(host->records[i].body[0] < EYE_SQL_OPERATION_COUNT);
    }
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
 * Until then cuts change nothing. */
static bool is_clean(const struct http_host *host)
{
    return host->losses[EYE_LOSS_POSTGRES_MALFORMED] == 0 && host->verdict == EYE_VERDICT_GO_ON &&
           host->conversation.queue.trust == EYE_TRUST_FROM_START;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_host *whole;
    static struct http_host *cut;
    if (whole == NULL) {
        whole = postgres_host_new(true);
        cut = postgres_host_new(true);
    }
    postgres_host_reset(whole, true);
    postgres_host_reset(cut, true);
    play(whole, data, size, SIZE_MAX);
    play(cut, data, size, size % 7 + 1);
    check_records(whole);
    check_records(cut);
    if (is_clean(whole) && is_clean(cut)) {
        check_same(whole, cut);
    }
    return 0;
}
