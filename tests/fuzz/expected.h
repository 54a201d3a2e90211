/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What formats should make of hostile texts, written from their documentation and without their
 * code; and a line taken apart into pieces. No state.
 */
#pragma once

#include "collector/snapshot/snapshot.h"
#include "tests/fuzz/hostile.h"

/* ---- Texts ---- */

#define EXPECTED_MAX_BYTES ((size_t)1 << 20)

/** Length of the valid character (RFC 3629, the table of section 4) that @text begins with, and its
 * code point; 0 when it begins with none. */
size_t expected_character(const char *text, uint32_t *ret_code_point);

/** Appends @value with what @replace says instead of each character; a byte that begins none is
 * U+FFFD to it. */
void expected_append(struct eye_text *text, const char *value,
                     const char *(*replace)(uint32_t code_point));

/** U+FFFD for bytes that are no character, everything else as it is. */
const char *expected_utf8(uint32_t code_point);

/** The same, and U+FFFD for controls and for what hides text. */
const char *expected_visible(uint32_t code_point);

/** Appends @value with _ for every byte that @keeps does not hold. */
void expected_append_bytes(struct eye_text *text, const char *value, const char *keeps);

/** Prefix and name, as all formats but the semantic conventions' have it. */
void expected_append_name(struct eye_text *text, const struct hostile *world,
                          const struct eye_metric *metric);

/** The name by the template "{metric}.{tags}" behind @start of @text. */
void expected_append_dotted(struct eye_text *text, const struct hostile *world,
                            const struct eye_point *point);

/** Whether the two are equal, or differ by what @relative allows. */
bool expected_near(double a, double b, double relative);

/** Quantile @q of what @change counts, which is not nothing; the greatest value (1) is no less than
 * the mean. */
double expected_quantile(const struct eye_change *change, double q);

/* ---- Who is who ---- */

/* What the series of a delivery were called, as it was read. */
struct expected_names {
    struct eye_text all[HOSTILE_POINTS_MAX]; /* owned */
    size_t count;
};

/** Makes room for the next name, which the caller appends. */
struct eye_text *expected_next_name(struct expected_names *names);

/** No two series have one name. Frees all of them. */
void expected_finish_names(struct expected_names *names);

/* ---- Pieces ---- */

struct piece {
    const char *start;
    size_t length;
};

/** The part of @rest before @separator, which both lose; all of it when there is none. */
struct piece piece_cut(struct piece *rest, char separator);

/** How many times @byte is in @piece. */
size_t piece_count(struct piece piece, char byte);

bool piece_is(struct piece piece, const char *text);
bool piece_is_text(struct piece piece, const struct eye_text *text);

/** All of @piece as a decimal number. */
double piece_number(struct piece piece);
