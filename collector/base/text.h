/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing text buffer that knows its maximum, and copying into fixed arrays. A buffer that
 * reached its maximum or ran out of memory turns "failed" and takes no more: callers append freely
 * and ask once. Not shared between threads.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "collector/base/base.h"

struct eye_text {
    char *data;       /* NUL-terminated once anything was appended; owned */
    size_t length;    /* bytes without the NUL */
    size_t capacity;  /* bytes allocated */
    size_t max_bytes; /* length never exceeds this */
    bool failed;      /* an append did not fit; the text is cut at the last one that did */
};

/** An empty buffer that will hold at most @max_bytes. Allocates nothing yet. */
void eye_text_init(struct eye_text *text, size_t max_bytes);

/** Frees the storage. Takes an initialised or zeroed buffer. */
void eye_text_done(struct eye_text *text);

/** Empties the buffer, clears `failed`, keeps the storage. */
void eye_text_clear(struct eye_text *text);

/** Cuts the buffer back to @length bytes (not more than it has) and clears `failed`. */
void eye_text_truncate(struct eye_text *text, size_t length);

/** Appends @length bytes whole, or nothing and sets `failed`. */
void eye_text_append_bytes(struct eye_text *text, const void *bytes, size_t length);
void eye_text_append(struct eye_text *text, const char *string);
void eye_text_append_char(struct eye_text *text, char character);
void eye_text_append_u64(struct eye_text *text, uint64_t value);
void eye_text_appendf(struct eye_text *text, const char *format, ...) EYE_PRINTF(2, 3);

/**
 * Room for @bytes behind the text, to be written by the caller, who says then how far the text
 * goes; NULL and `failed` when there is none. For loops that many calls would slow down.
 */
char *eye_text_room(struct eye_text *text, size_t bytes);
void eye_text_end_at(struct eye_text *text, const char *end);

/**
 * Appends the shortest decimal that reads back as @value, without exponent where 17 digits
 * suffice ("0.25", "3", "1e+300"). Not-a-number and infinities are written as NaN, +Inf, -Inf.
 */
void eye_text_append_double(struct eye_text *text, double value);

/** Appends the finite @value with 15 significant digits, all that is true of a measured sum, so
 * that 0.1 + 0.2 is 0.3. Beyond 1e-7 and 1e14 with an exponent. */
void eye_text_append_rounded(struct eye_text *text, double value);

/**
 * Appends @words, broken at spaces where a line would pass @width characters; each line but the
 * first begins with @indent spaces. The first one goes on where @text stands. No word is broken,
 * and no line break is added at the end.
 */
void eye_text_append_wrapped(struct eye_text *text, const char *words, size_t indent, size_t width);

/** The text, never NULL. Valid until the next append. */
const char *eye_text_string(const struct eye_text *text);

/**
 * Copies @source with its NUL into @target of @size bytes, cut where it does not fit.
 * Returns false when it was cut.
 */
bool eye_copy_string(char *target, size_t size, const char *source);

/**
 * Copies the @length bytes at @bytes, which may be anything, into @target of @size bytes: as far as
 * whole characters fit, NUL-terminated. "_" stands for every byte outside of UTF-8 (RFC 3629), and
 * for every character that is not seen or changes how others are shown: controls, formats,
 * separators but the blank, fillers (Unicode 15: Cc, Cf, Zs, Zl, Zp, Default_Ignorable). So two
 * names that look alike are alike.
 */
void eye_copy_clean(char *target, size_t size, const char *bytes, size_t length);

/** Cuts characters of @blanks off both ends of @text, in place; returns where it begins now. */
char *eye_trim(char *text, const char *blanks);

/** True when @name matches @pattern, in which * stands for any run of characters. */
bool eye_name_matches(const char *pattern, const char *name);

/* Of a message as it is formatted; what is longer is cut. */
#define EYE_MESSAGE_BYTES 2048

/**
 * The same for a person to read, of any outsider: what a receiver answers, a file's name, a name
 * server's word. U+FFFD stands for every byte outside of UTF-8, "?" for every character that a
 * terminal obeys, or that hides or reorders others (eye_utf8_is_control()), a blank for line breaks
 * and tabs. The number of bytes, without the NUL.
 *
 * Log lines, errors and problems of the configuration all go through it, whoever wrote them.
 */
size_t eye_copy_shown(char *target, size_t size, const char *bytes, size_t length);

/** Formats into @target of @size bytes, with all that eye_copy_shown() does. */
size_t eye_format_shown(char *target, size_t size, const char *format, va_list arguments)
    EYE_PRINTF(3, 0);
