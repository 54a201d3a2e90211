/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of addresses ("10.1.0.0/16", "2001:db8::/32") and which of many an address lies in.
 * Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d; a range of IPv6 holds no address
 * of IPv4. No state, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EYE_PREFIX_ADDRESS_BYTES 16

/* Zeroed: none. */
struct eye_prefix {
    uint8_t address[EYE_PREFIX_ADDRESS_BYTES]; /* zero behind its bits */
    uint8_t bits;                              /* of all 128 */
    uint8_t family;                            /* 4 or 6; 0: none */
};

/* The longest text of one, with its NUL. */
#define EYE_PREFIX_TEXT_BYTES 50

/**
 * Reads ADDRESS/LENGTH, or an address that stands for itself. 0, or -EINVAL (no address), -ERANGE
 * (no length from 0 to 32 or 128), -EDOM (there is something behind the length: @ret_prefix is the
 * range that the address lies in). It is untouched by the other failures.
 */
int eye_prefix_parse(const char *text, struct eye_prefix *ret_prefix);

/** As eye_prefix_parse() reads it; without a length where that is the whole address. */
void eye_prefix_format(const struct eye_prefix *prefix,
                       char ret_text[static EYE_PREFIX_TEXT_BYTES]);

bool eye_prefix_equal(const struct eye_prefix *prefix, const struct eye_prefix *other);

/** Whether @address lies in @prefix. */
bool eye_prefix_holds(const struct eye_prefix *prefix,
                      const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES]);

/* What eye_prefix_table_find() says of an address in none of them. */
#define EYE_PREFIX_NONE UINT32_MAX

/*
 * Many of them, sorted, each with the one that it lies in: an address is looked for by halves and
 * then outwards, through ranges that lie within each other. Some 0.1 us among 10 000.
 */
struct eye_prefix_table {
    struct eye_prefix_row *rows; /* owned */
    size_t count;
};

/**
 * Makes a table of the @count prefixes that stand every @stride bytes from @first on; none of those
 * that are zeroed. 0 or -ENOMEM.
 */
int eye_prefix_table_init(struct eye_prefix_table *table, const struct eye_prefix *first,
                          size_t stride, size_t count);

/** Takes a zeroed one. */
void eye_prefix_table_done(struct eye_prefix_table *table);

/** The number (from 0, in their order) of the longest that holds @address; of equal ones any. */
uint32_t eye_prefix_table_find(const struct eye_prefix_table *table,
                               const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES]);

/** True when one stands twice: their numbers, the smaller one first. */
bool eye_prefix_table_repeats(const struct eye_prefix_table *table, uint32_t *ret_first,
                              uint32_t *ret_second);
