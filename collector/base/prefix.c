/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges as bits of an address, and many of them in the order of the addresses. */
#include "collector/base/prefix.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/parse.h"

#define ALL_BITS (EYE_PREFIX_ADDRESS_BYTES * 8)
#define MAPPED_BYTES 12
#define MAPPED_BITS (MAPPED_BYTES * 8)

static const uint8_t mapped[MAPPED_BYTES] = {[10] = 0xff, 0xff};

struct eye_prefix_row {
    struct eye_prefix prefix;
    uint32_t number;
    uint32_t outer; /* row of the longest other one that it lies in; EYE_PREFIX_NONE */
};

static bool is_mapped(const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES])
{
    return memcmp(address, mapped, sizeof(mapped)) == 0;
}

/* ---- one ---- */

static bool parse_address(const char *text, struct eye_prefix *ret_prefix)
{
    if (inet_pton(AF_INET, text, ret_prefix->address + MAPPED_BYTES) == 1) {
        memcpy(ret_prefix->address, mapped, sizeof(mapped));
        ret_prefix->family = 4;
        return true;
    }
    ret_prefix->family = 6;
    return inet_pton(AF_INET6, text, ret_prefix->address) == 1;
}

/* @text: behind the slash; NULL without one. Bits of all 128. */
static int parse_length(const char *text, const struct eye_prefix *prefix, uint8_t *ret_bits)
{
    unsigned most = prefix->family == 4 ? ALL_BITS - MAPPED_BITS : ALL_BITS;
    uint64_t length = most;
    if (text != NULL && (eye_parse_u64(text, &length) != 0 || length > most)) {
        return -ERANGE;
    }
    *ret_bits = (uint8_t)(ALL_BITS - most + (unsigned)length);
    return 0;
}

/* True when something was there. */
static bool clear_behind(struct eye_prefix *prefix)
{
    unsigned found = 0;
    for (unsigned byte = prefix->bits / 8; byte < EYE_PREFIX_ADDRESS_BYTES; byte++) {
        unsigned behind = byte == prefix->bits / 8 ? 0xffU >> prefix->bits % 8 : 0xffU;
        found |= prefix->address[byte] & behind;
        prefix->address[byte] = (uint8_t)(prefix->address[byte] & ~behind);
    }
    return found != 0;
}

int eye_prefix_parse(const char *text, struct eye_prefix *ret_prefix)
{
    char address[INET6_ADDRSTRLEN];
    struct eye_prefix prefix = {0};
    const char *slash = strchr(text, '/');
    size_t length = slash == NULL ? strlen(text) : (size_t)(slash - text);
    if (length >= sizeof(address)) {
        return -EINVAL;
    }
    memcpy(address, text, length);
    address[length] = '\0';
    if (!parse_address(address, &prefix)) {
        return -EINVAL;
    }
    int result = parse_length(slash == NULL ? NULL : slash + 1, &prefix, &prefix.bits);
    if (result != 0) {
        return result;
    }
    result = clear_behind(&prefix) ? -EDOM : 0;
    if (prefix.bits >= MAPPED_BITS && is_mapped(prefix.address)) {
        prefix.family = 4;
    }
    *ret_prefix = prefix;
    return result;
}

void eye_prefix_format(const struct eye_prefix *prefix, char ret_text[static EYE_PREFIX_TEXT_BYTES])
{
    char address[INET6_ADDRSTRLEN];
    bool is_ipv4 = prefix->family == 4;
    inet_ntop(is_ipv4 ? AF_INET : AF_INET6, prefix->address + (is_ipv4 ? MAPPED_BYTES : 0), address,
              sizeof(address));
    if (prefix->bits == ALL_BITS) {
        snprintf(ret_text, EYE_PREFIX_TEXT_BYTES, "%s", address);
    } else {
        snprintf(ret_text, EYE_PREFIX_TEXT_BYTES, "%s/%d", address,
                 prefix->bits - (is_ipv4 ? MAPPED_BITS : 0));
    }
}

bool eye_prefix_equal(const struct eye_prefix *prefix, const struct eye_prefix *other)
{
    return memcmp(prefix, other, sizeof(*prefix)) == 0;
}

static int leading_zeros(uint64_t number)
{
    return number == 0 ? 64 : __builtin_clzll(number);
}

/* Words instead of bytes: zones ask this of every record. */
static bool has_bits(const struct eye_prefix *prefix,
                     const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES])
{
    uint64_t words[2];
    uint64_t others[2];
    memcpy(words, address, sizeof(words));
    memcpy(others, prefix->address, sizeof(others));
    int common = leading_zeros(be64toh(words[0] ^ others[0]));
    if (common == 64) {
        common += leading_zeros(be64toh(words[1] ^ others[1]));
    }
    return common >= prefix->bits;
}

bool eye_prefix_holds(const struct eye_prefix *prefix,
                      const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES])
{
    return prefix->family == (is_mapped(address) ? 4 : 6) && has_bits(prefix, address);
}

/* ---- many ---- */

/* By address, what is around before what is within. */
static int compare(const void *left, const void *right)
{
    const struct eye_prefix_row *row = left;
    const struct eye_prefix_row *other = right;
    int order = memcmp(row->prefix.address, other->prefix.address, sizeof(row->prefix.address));
    order = order != 0 ? order : row->prefix.bits - other->prefix.bits;
    return order != 0 ? order : row->number < other->number ? -1 : 1;
}

static void link_rows(struct eye_prefix_table *table)
{
    uint32_t outer = EYE_PREFIX_NONE;
    for (uint32_t i = 0; i < table->count; i++) {
        while (outer != EYE_PREFIX_NONE &&
               !has_bits(&table->rows[outer].prefix, table->rows[i].prefix.address)) {
            outer = table->rows[outer].outer;
        }
        table->rows[i].outer = outer;
        outer = i;
    }
}

int eye_prefix_table_init(struct eye_prefix_table *table, const struct eye_prefix *first,
                          size_t stride, size_t count)
{
    struct eye_prefix_row *rows = calloc(count + 1, sizeof(*rows));
    if (rows == NULL) {
        return -ENOMEM;
    }
    *table = (struct eye_prefix_table){.rows = rows};
    for (size_t i = 0; i < count; i++) {
        const struct eye_prefix *prefix = (const void *)((const char *)first + i * stride);
        if (prefix->family != 0) {
            rows[table->count].prefix = *prefix;
            rows[table->count++].number = (uint32_t)i;
        }
    }
    qsort(rows, table->count, sizeof(*rows), compare);
    link_rows(table);
    return 0;
}

void eye_prefix_table_done(struct eye_prefix_table *table)
{
    free(table->rows);
    *table = (struct eye_prefix_table){0};
}

/* The last row that does not begin behind @address; EYE_PREFIX_NONE: all do. */
static uint32_t find_row(const struct eye_prefix_table *table,
                         const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES])
{
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(table->rows[middle].prefix.address, address, EYE_PREFIX_ADDRESS_BYTES) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? EYE_PREFIX_NONE : (uint32_t)(low - 1);
}

uint32_t eye_prefix_table_find(const struct eye_prefix_table *table,
                               const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES])
{
    uint32_t row = find_row(table, address);
    while (row != EYE_PREFIX_NONE && !eye_prefix_holds(&table->rows[row].prefix, address)) {
        row = table->rows[row].outer;
    }
    return row == EYE_PREFIX_NONE ? EYE_PREFIX_NONE : table->rows[row].number;
}

bool eye_prefix_table_repeats(const struct eye_prefix_table *table, uint32_t *ret_first,
                              uint32_t *ret_second)
{
    for (size_t i = 1; i < table->count; i++) {
        if (eye_prefix_equal(&table->rows[i - 1].prefix, &table->rows[i].prefix)) {
            *ret_first = table->rows[i - 1].number;
            *ret_second = table->rows[i].number;
            return true;
        }
    }
    return false;
}
