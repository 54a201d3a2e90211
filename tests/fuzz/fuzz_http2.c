/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes HTTP/2. The input is a conversation as the recordings are (tests/support/http2_host.h).
 * Properties: however its segments are cut, the same requests are told, with the same losses;
 * memory stays within bounds (address sanitizer), and so do steps (http2_host.c); every record is
 * one that the collector takes.
 */
#include <stdint.h>
#include <string.h>

#include "collector/usm/protocol.h"
#include "tests/fuzz/promise.h"
#include "tests/support/http2_host.h"

static void play(struct http2_host *host, const struct http2_segment *segments, size_t count,
                 size_t piece)
{
    http2_host_reset(host);
    for (size_t i = 0; i < count; i++) {
        host->clock_ns++;
        http2_host_send_pieces(host, segments[i].direction, segments[i].bytes, segments[i].size,
                               piece);
    }
}

static size_t kept(const struct http2_host *host)
{
    return host->record_count < HTTP2_HOST_RECORDS ? host->record_count : HTTP2_HOST_RECORDS;
}

static void check_records(const struct http2_host *host)
{
    for (size_t i = 0; i < kept(host); i++) {
        const struct http2_host_record *record = &host->records[i];
        PROMISE(record->stream != 0);
        PROMISE(record->head.duration_ns <= record->told_ns);
        PROMISE(eye_protocol_http2.is_valid(&record->head, &record->body));
    }
}

static void check_same(const struct http2_host *whole, const struct http2_host *cut)
{
    PROMISE(whole->record_count == cut->record_count);
    PROMISE(memcmp(whole->losses, cut->losses, sizeof(whole->losses)) == 0);
    for (size_t i = 0; i < kept(whole); i++) {
        PROMISE(memcmp(&whole->records[i], &cut->records[i], sizeof(whole->records[i])) == 0);
    }
}

/* Where a frame is looked for behind something that was none depends on where segments begin. */
static bool is_clean(const struct http2_host *host)
{
    return host->verdict != EYE_VERDICT_NOT_IT && !host->stopped &&
           host->conversation.halves[0].phase != EYE_PHASE_LOST &&
           host->conversation.halves[1].phase != EYE_PHASE_LOST &&
           host->conversation.queue.trust == EYE_TRUST_FROM_START;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http2_segment segments[HTTP2_SEGMENTS];
    static struct http2_host *whole;
    static struct http2_host *cut;
    if (whole == NULL) {
        whole = http2_host_new();
        cut = http2_host_new();
    }
    size_t count = http2_read_segments(data, size, segments, HTTP2_SEGMENTS);
    play(whole, segments, count, SIZE_MAX);
    play(cut, segments, count, size % 19 + 1);
    check_records(whole);
    check_records(cut);
    if (is_clean(whole) && is_clean(cut)) {
        check_same(whole, cut);
    }
    return 0;
}
