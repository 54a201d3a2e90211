/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the Kafka parser. The input is a conversation: segments of one direction or the other.
 * Properties: however the bytes are cut into segments, the same operations come out, with the same
 * errors and topics; memory stays within bounds (address sanitizer); every record keeps what it
 * promises.
 */
#include <stdint.h>

#include "tests/fuzz/promise.h"
#include "tests/support/kafka_host.h"

/* Input: as tests/data/kafka has it, a byte whose lowest bit is the direction, two of a length, the
 * higher one first, and so many bytes. */
static void play(struct kafka_host *host, const uint8_t *data, size_t size, size_t piece)
{
    while (size > 3) {
        __u32 side = data[0] & 1;
        size_t length = (size_t)data[1] << 8 | data[2];
        data += 3;
        size -= 3;
        length = length < size ? length : size;
        kafka_host_send_pieces(host, side, data, length, piece, 0);
        data += length;
        size -= length;
    }
}

static size_t kept_of(const struct kafka_host *host)
{
    return host->record_count < KAFKA_HOST_RECORDS ? host->record_count : KAFKA_HOST_RECORDS;
}

static void check_records(const struct kafka_host *host)
{
    for (size_t i = 0; i < kept_of(host); i++) {
        const struct kafka_host_record *record = &host->records[i];
        PROMISE(record->body.key < EYE_KAFKA_KEY_COUNT);
        PROMISE(record->body.length <= EYE_KAFKA_NAME_BYTES);
        PROMISE(record->head.body_bytes == EYE_KAFKA_BODY_FIXED + record->body.length);
        PROMISE(!(record->body.flags & EYE_KAFKA_HAS_ID) ||
                record->body.length == EYE_KAFKA_ID_BYTES);
        PROMISE(!(record->head.flags & EYE_REQUEST_UNANSWERED));
    }
}

static void check_same(const struct kafka_host *whole, const struct kafka_host *cut)
{
    PROMISE(whole->record_count == cut->record_count);
    PROMISE(whole->topic_count == cut->topic_count);
    for (size_t i = 0; i < kept_of(whole); i++) {
        const struct kafka_host_record *a = &whole->records[i];
        const struct kafka_host_record *b = &cut->records[i];
        PROMISE(a->head.code == b->head.code && a->head.body_bytes == b->head.body_bytes);
        PROMISE(memcmp(&a->body, &b->body, a->head.body_bytes) == 0);
    }
}

/* Once a stream is malformed, where the next message is looked for depends on where segments start.
 * Until then cuts change nothing. */
static bool is_clean(const struct kafka_host *host)
{
    return host->losses[EYE_LOST_MALFORMED] == 0 && host->verdict == EYE_VERDICT_GO_ON &&
           host->conversation.queue.trust == EYE_TRUST_FROM_START;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kafka_host *whole;
    static struct kafka_host *cut;
    if (whole == NULL) {
        whole = kafka_host_new();
        cut = kafka_host_new();
    }
    kafka_host_reset(whole);
    kafka_host_reset(cut);
    play(whole, data, size, SIZE_MAX);
    play(cut, data, size, size % 7 + 1);
    check_records(whole);
    check_records(cut);
    if (is_clean(whole) && is_clean(cut)) {
        check_same(whole, cut);
    }
    return 0;
}
