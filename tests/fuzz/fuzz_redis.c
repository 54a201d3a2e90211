/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the Redis parser. The input is a conversation: segments of one direction or the other.
 * Properties: however the bytes are cut into segments, the same commands come out with the same
 * errors; memory stays within bounds (address sanitizer); every record keeps what it promises.
 */
#include "tests/fuzz/conversation.h"
#include "tests/support/redis_host.h"

static void check_records(const struct http_host *host)
{
    for (size_t i = 0; i < kept_of(host); i++) {
        const struct eye_request_head *head = &host->records[i].head;
        PROMISE(head->code < EYE_REDIS_ERROR_COUNT);
        PROMISE(head->body_bytes == EYE_REDIS_NAME_BYTES ||
                head->body_bytes == sizeof(struct eye_redis_body));
        for (size_t j = 0; j < head->body_bytes; j++) {
            PROMISE(host->records[i].body[j] < 'a' || host->records[i].body[j] > 'z');
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct conversation_fuzzer fuzzer = {redis_host_new, redis_host_reset,
                                                      check_records, EYE_LOSS_REDIS_MALFORMED};
    fuzz_conversation(&fuzzer, data, size);
    return 0;
}
