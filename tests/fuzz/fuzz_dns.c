/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what the kernel programs read of a DNS message. Properties: memory stays within bounds
 * (address sanitizer); a name is what RFC 1035 says, by another reading of it; letters change
 * nothing; what follows the name changes nothing.
 */
#include <stdint.h>
#include <string.h>

#include "bpf/usm/dns/dns.h"
#include "tests/fuzz/promise.h"

/* Label by label; 0: it is none. */
static uint32_t expected_length(const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (at < size && at < EYE_DNS_NAME_BYTES && bytes[at] != 0) {
        if (bytes[at] > EYE_DNS_LABEL_BYTES) {
            return 0;
        }
        at += 1 + (size_t)bytes[at];
    }
    return at < size && at < EYE_DNS_NAME_BYTES ? (uint32_t)at + 1 : 0;
}

static uint32_t read_name(const uint8_t *bytes, size_t size, __u64 *ret_hash)
{
    struct eye_dns_text text = {0};
    memcpy(text.bytes, bytes, size < sizeof(text) ? size : sizeof(text));
    *ret_hash = 0;
    return eye_dns_read_name(&text, (__u32)size, ret_hash);
}

static void check_name(const uint8_t *bytes, size_t size)
{
    __u64 hash;
    __u64 same;
    uint8_t other[EYE_DNS_NAME_BYTES];
    uint32_t length = read_name(bytes, size, &hash);
    PROMISE(length == expected_length(bytes, size));
    if (length == 0) {
        return;
    }
    for (uint32_t i = 0; i < length; i++) {
        uint8_t lower = bytes[i] | 0x20;
        other[i] = lower >= 'a' && lower <= 'z' && bytes[i] > EYE_DNS_LABEL_BYTES ? bytes[i] ^ 0x20
                                                                                  : bytes[i];
    }
    PROMISE(read_name(other, length, &same) == length);
    PROMISE(same == hash);
}

static void check_header(const struct eye_dns_header *header)
{
    struct eye_dns_message message = {0};
    if (eye_dns_read_header(header, &message)) {
        PROMISE(message.opcode == EYE_DNS_QUERY || message.opcode == EYE_DNS_NOTIFY ||
                message.opcode == EYE_DNS_UPDATE);
        PROMISE(message.code <= EYE_DNS_CODE_MAX && message.answer <= 1 && message.truncated <= 1);
        PROMISE(message.answer || (message.code == 0 && message.truncated == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eye_dns_header header;
    if (size < sizeof(header)) {
        return 0;
    }
    memcpy(header.bytes, data, sizeof(header));
    check_header(&header);
    check_name(data + sizeof(header), size - sizeof(header));
    return 0;
}
