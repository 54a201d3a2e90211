/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as code: the first one says what is asked of it. Property: nothing outside of them is
 * read, the search ends, and each site is an instruction that is emulated unless it says that it is
 * not.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "collector/tls/go_sites.h"

#define BASE 0x10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *data;
    size_t size;
};

static size_t read_code(void *context, uint64_t address, const uint8_t **ret_bytes)
{
    const struct bytes *bytes = context;
    uint64_t at = address - BASE;
    if (at >= bytes->size) {
        return 0;
    }
    *ret_bytes = bytes->data + at;
    return bytes->size - (size_t)at;
}

static size_t copy(void *context, uint64_t address, void *target, size_t length)
{
    const uint8_t *from;
    size_t known = read_code(context, address, &from);
    length = known < length ? known : length;
    if (length > 0) {
        memcpy(target, from, length);
    }
    return length;
}

static void check(const struct eye_code *code, const struct eye_site *site)
{
    struct eye_instruction item;
    const uint8_t *bytes;
    size_t length = code->read(code->context, site->address, &bytes);
    assert(length > 0);
    assert(eye_decode(code->machine, bytes, length, site->address, &item));
    assert(item.emulated != site->stepped);
    assert(!site->stepped || item.flow == EYE_FLOW_RETURN);
    assert(site->condition == EYE_SITE_ALWAYS || item.flow == EYE_FLOW_BRANCH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eye_sites sites;
    if (size < 2 || eye_decoder_open(EYE_MACHINE_X86_64, NULL) != 0) {
        return 0;
    }
    struct bytes bytes = {data + 1, size - 1};
    const uint64_t starts[] = {BASE, BASE + size / 2, BASE + size - 1};
    const struct eye_code code = {
        .machine = data[0] & 1 ? EYE_MACHINE_ARM64 : EYE_MACHINE_X86_64,
        .read = read_code,
        .copy = copy,
        .context = &bytes,
        .starts = starts,
        .start_count = data[0] & 2 ? 3 : 0,
    };
    const struct eye_asked asked = {
        .address = BASE,
        .argument_count = data[0] >> 2 & 3,
        .arguments = {0, 1, 2},
        .half = data[0] & 16,
        .succeeds_by_1 = data[0] & 32,
        .no_result = data[0] & 64,
    };
    if (eye_sites_find(&code, &asked, data[0] & 128, &sites, NULL) == 0) {
        check(&code, &sites.entry);
        for (uint32_t i = 0; i < sites.exit_count; i++) {
            check(&code, &sites.exits[i]);
        }
    }
    const struct eye_go_function go = {.name = "go", .begin = BASE, .end = BASE + size};
    struct eye_site site;
    if (eye_go_entry_find(&code, &go, asked.arguments, asked.argument_count, &site, NULL) == 0) {
        check(&code, &site);
    }
    if (eye_go_call_find(&code, &go, BASE, asked.arguments, asked.argument_count, &site, NULL) ==
        0) {
        check(&code, &site);
    }
    return 0;
}
