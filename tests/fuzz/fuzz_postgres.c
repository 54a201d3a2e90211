/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the PostgreSQL parser. The input is a conversation: segments of one direction or the
 * other. Properties: however the bytes are cut into segments, the same operations come out with the
 * same errors; memory stays within bounds (address sanitizer); every record keeps what it promises.
 */
#include "tests/fuzz/conversation.h"
#include "tests/fuzz/statement_text.h"
#include "tests/support/postgres_host.h"

static void check_records(const struct http_host *host)
{
    check_text(host, "'");
    for (size_t i = 0; i < kept_of(host); i++) {
        const struct eye_request_head *head = &host->records[i].head;
        PROMISE(head->code == 0);
        PROMISE(head->body_bytes == sizeof(struct eye_postgres_body));
        PROMISE(host->records[i].body[0] < EYE_SQL_OPERATION_COUNT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct conversation_fuzzer fuzzer = {postgres_host_new, postgres_host_reset,
                                                      check_records, EYE_LOSS_POSTGRES_MALFORMED};
    fuzz_conversation(&fuzzer, data, size);
    return 0;
}
