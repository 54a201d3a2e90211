/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the HTTP/1 framer. The input is a conversation: segments of one direction or the other.
 * Properties: however the bytes are cut into segments, the same requests come out with the same
 * losses; memory stays within bounds (address sanitizer); every record keeps what abi.h promises.
 */
#include <stdint.h>

#include "tests/fuzz/promise.h"
#include "tests/support/http_host.h"

/* Input: a byte per turn, its top bit the direction, the rest the length; then the bytes. Turns
 * of one direction in a row are one turn: only then is the order of events the same in both runs.
 */
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

static void check_records(const struct http_host *host)
{
    size_t kept = host->record_count < HTTP_HOST_RECORDS ? host->record_count : HTTP_HOST_RECORDS;
    for (size_t i = 0; i < kept; i++) {
        const struct http_host_record *record = &host->records[i];
        PROMISE(record->head.code >= 100 && record->head.code <= 999);
        PROMISE(record->method < EYE_HTTP_METHOD_COUNT);
        PROMISE(record->head.body_bytes > EYE_HTTP_BODY_FIXED &&
                record->head.body_bytes <= sizeof(struct eye_http_body));
    }
}

static void check_same(const struct http_host *whole, const struct http_host *cut)
{
    PROMISE(whole->record_count == cut->record_count);
    size_t kept = whole->record_count < HTTP_HOST_RECORDS ? whole->record_count : HTTP_HOST_RECORDS;
    for (size_t i = 0; i < kept; i++) {
        PROMISE(whole->records[i].head.code == cut->records[i].head.code);
        PROMISE(strcmp(whole->records[i].path, cut->records[i].path) == 0);
    }
}

/* Once a stream is malformed, or went on behind a body that seemed endless, where the next message
 * is looked for depends on where segments start; and what is given up depends on how much was seen.
 * Until then cuts change nothing. */
static bool is_clean(const struct http_host *host)
{
    return host->losses[EYE_LOSS_HTTP_MALFORMED] == 0 && host->verdict != EYE_VERDICT_NOT_IT &&
           host->conversation.queue.trust == EYE_TRUST_FROM_START;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_host *whole;
    static struct http_host *cut;
    if (whole == NULL) {
        whole = http_host_new();
        cut = http_host_new();
    }
    http_host_reset(whole);
    http_host_reset(cut);
    play(whole, data, size, SIZE_MAX);
    play(cut, data, size, size % 7 + 1);
    check_records(whole);
    check_records(cut);
    if (is_clean(whole) && is_clean(cut)) {
        check_same(whole, cut);
    }
    return 0;
}
