/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1: lines and header fields, as far as they tell where a message ends (RFC 9112 section 6).
 */
#pragma once

#include "bpf/usm/http/lines.h"

/* The rest of the line is " HTTP/1.1\r\n", as almost always: no search is needed. */
static __always_inline bool eye_http_rest_is_usual(const struct eye_half *half, __u32 from,
                                                   __u32 filled)
{
    eye_pin(from);
    if (from >= EYE_WINDOW_BYTES || from + EYE_HTTP_USUAL_REST > filled) {
        return false;
    }
    const __u8 *rest = half->window + from;
    return rest[0] == ' ' && eye_http_is_version(eye_load_word(rest + 1), 7) && rest[8] != '\n' &&
           rest[9] == '\r' && rest[10] == '\n';
}

/* Behind the target. Returns the bytes used; found->asked: the line is complete. */
static __always_inline __u32 eye_http_request_rest(struct eye_half *half, __u32 from, __u32 filled,
                                                   struct eye_found *found)
{
    __u32 end = from + EYE_HTTP_USUAL_REST - 1;
    if (!eye_http_rest_is_usual(half, from, filled)) {
        end = eye_find_line_end(half, from, filled);
        if (end == filled) {
            if (filled - from < EYE_HTTP_LINE_REST) {
                return from;
            }
            half->flags |= EYE_HTTP_LONG;
            return filled;
        }
        /* A line that ends with the target has no version, whatever the target says. */
        if ((end == from && !(half->flags & EYE_HTTP_LONG)) ||
            !eye_http_version_before(half, end)) {
            found->what = EYE_FOUND_MISMATCH;
            return 0;
        }
    }
    found->asked = 1;
    half->phase = EYE_HTTP_HEADERS;
    return end + 1;
}

static __always_inline __u32 eye_http_skip_line(struct eye_half *half, __u32 from, __u32 filled)
{
    __u32 end = eye_find_line_end(half, from, filled);
    if (end == filled) {
        return filled;
    }
    half->phase = EYE_HTTP_HEADERS;
    return end + 1;
}

/* Digits of a length that count; a number of more is as far from any body as one of these. */
#define EYE_HTTP_LENGTH_DIGITS 18

/* Where the value's first digit that counts is: behind blanks and zeros, of which *@zeros tells. */
static __always_inline __u32 eye_http_skip_zeros(const struct eye_half *half, __u32 from,
                                                 bool *zeros)
{
    __u8 byte = 0;
    for (int i = 0; i < EYE_WINDOW_BYTES; i++) {
        from = eye_forget(from);
        if (from >= EYE_WINDOW_BYTES) {
            break;
        }
        byte = half->window[from];
        if (byte != '0' && byte != ' ' && byte != '\t') {
            break;
        }
        from++;
    }
    __u32 before = from - 1;
    eye_pin(before);
    *zeros = half->window[before & (EYE_WINDOW_BYTES - 1)] == '0';
    return from;
}

EYE_PART int eye_http_read_length(struct eye_half *half, __u32 from)
{
    if (!half) {
        return 0;
    }
    bool digits;
    __u64 value = 0;
    from = eye_http_skip_zeros(half, from, &digits);
    for (int i = 0; i < EYE_HTTP_LENGTH_DIGITS; i++) {
        from = eye_forget(from);
        value = eye_forget(value);
        if (from >= EYE_WINDOW_BYTES) {
            break;
        }
        __u32 digit = (__u32)half->window[from++] - '0';
        if (digit > 9) {
            break;
        }
        value = value * 10 + digit;
        digits = true;
    }
    if (digits) {
        half->skip = value;
        half->flags |= EYE_HTTP_LENGTH;
    }
    return 0; /* a global function of a kernel program returns a number */
}

/* Bytes of CR and white space behind a value that are passed over; a mask, too. */
#define EYE_HTTP_PADDING_MAX 3

/* One to seven digits behind at most one space, eight bytes at once; false: none, or more. */
static __always_inline bool eye_http_read_short_length(struct eye_half *half, __u32 from)
{
    if (from >= EYE_WINDOW_BYTES) {
        return false;
    }
    from += half->window[from] == ' ' ? 1 : 0;
    eye_pin(from);
    if (from > EYE_WINDOW_BYTES) {
        return false;
    }
    if (eye_read_digits(eye_load_word(half->window + from), &half->skip) == 0) {
        return false;
    }
    half->flags |= EYE_HTTP_LENGTH;
    return true;
}

/* "chunked" is always the last coding (RFC 9112 section 6.1); @end is the LF. */
static __always_inline bool eye_http_ends_chunked(const struct eye_half *half, __u32 end)
{
    eye_pin(end);
    if (end < 8 + EYE_HTTP_PADDING_MAX || end >= EYE_WINDOW_BYTES) {
        return false;
    }
    __u32 padding = 0;
    for (int i = 1; i <= EYE_HTTP_PADDING_MAX; i++) {
        __u8 byte = half->window[end - i];
        bool blank = byte == '\r' || byte == ' ' || byte == '\t';
        padding += blank && padding == (__u32)i - 1 ? 1 : 0;
    }
    eye_pin(padding); /* clang 19 makes it a negative mask, whose bounds 6.12 does not see */
    padding &= EYE_HTTP_PADDING_MAX;
    __u64 word = eye_lower(eye_load_word(half->window + (end - padding - 8))) >> 8;
    return word == EYE_WORD('c', 'h', 'u', 'n', 'k', 'e', 'd', 0);
}

/* What follows a 101, of which @from is behind the field's name. */
EYE_PART int eye_http_note_upgrade(struct eye_half *half, __u32 from)
{
    eye_pin(from);
    if (!half || from >= EYE_WINDOW_BYTES) {
        return 0;
    }
    __u64 word = eye_load_word(half->window + from);
    word = (__u8)word == ' ' ? word >> 8 | (__u64)half->window[from + 8] << 56 : word;
    if (eye_lower(word) == EYE_WORD('w', 'e', 'b', 's', 'o', 'c', 'k', 'e')) {
        half->mark = EYE_CLASS_WEBSOCKET;
    }
    return 0;
}

/* May a field whose name begins with this letter tell where the message ends? Letters by their
 * lowest five bits: C, T and U. */
#define EYE_HTTP_LETTERS (1U << 3 | 1U << 20 | 1U << 21)

static __always_inline bool eye_http_may_matter(__u8 letter)
{
    return EYE_HTTP_LETTERS >> (letter & 31) & 1;
}

/* A whole header line, LF at @end. */
static __always_inline void eye_http_header(struct eye_half *half, __u32 line, __u32 end)
{
    if (line >= EYE_WINDOW_BYTES || !eye_http_may_matter(half->window[line]) ||
        half->flags & EYE_HTTP_TRAILERS) {
        return;
    }
    __u64 name = eye_lower(eye_load_word(half->window + line));
    if (name == EYE_WORD('c', 'o', 'n', 't', 'e', 'n', 't', '-')) {
        __u64 rest = eye_first_bytes(eye_lower(eye_load_word(half->window + line + 8)), 7);
        if (rest == EYE_WORD('l', 'e', 'n', 'g', 't', 'h', ':', 0)) {
            if (!eye_http_read_short_length(half, line + 15)) {
                eye_http_read_length(half, line + 15);
            }
        }
    } else if (name == EYE_WORD('t', 'r', 'a', 'n', 's', 'f', 'e', 'r')) {
        __u64 rest = eye_lower(eye_load_word(half->window + line + 8));
        if (rest == EYE_WORD('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n') &&
            half->window[line + 17] == ':' && eye_http_ends_chunked(half, end)) {
            half->flags |= EYE_HTTP_CHUNKED;
        }
    } else if (name == EYE_WORD('u', 'p', 'g', 'r', 'a', 'd', 'e', ':') &&
               half->flags & EYE_HTTP_TUNNEL) {
        eye_http_note_upgrade(half, line + sizeof(name));
    }
}

/* Message body length, RFC 9112 section 6.3. */
static __always_inline void eye_http_end_headers(struct eye_half *half, struct eye_found *found)
{
    __u16 flags = half->flags;
    half->phase = EYE_PHASE_START;
    if (flags & EYE_HTTP_TUNNEL) {
        found->what = EYE_FOUND_END;
    } else if (flags & (EYE_HTTP_TRAILERS | EYE_HTTP_BODYLESS)) {
        return;
    } else if (flags & EYE_HTTP_CHUNKED) {
        half->phase = EYE_HTTP_CHUNK_SIZE;
    } else if (flags & EYE_HTTP_LENGTH) {
        eye_skip_next(half, half->skip, EYE_PHASE_START);
    } else if (flags & EYE_HTTP_UNBOUNDED) {
        half->phase = EYE_PHASE_IGNORE;
    }
}

/* Bytes of the line's end that a word begins with; 0: it is none. */
static __always_inline __u32 eye_http_line_end_bytes(__u64 word)
{
    return (__u8)word == '\n' ? 1 : (__u16)word == EYE_WORD('\r', '\n', 0, 0, 0, 0, 0, 0) ? 2 : 0;
}

#define EYE_HTTP_HEADERS_COMPLETE (1U << 31)

/*
 * Reads whole header lines from @line on. Returns where the first incomplete one starts, or
 * behind the empty line with EYE_HTTP_HEADERS_COMPLETE.
 */
EYE_PART __u32 eye_http_scan_headers(struct eye_half *half, __u32 line, __u32 filled)
{
    __u32 nothing = eye_nothing();
    __u32 from = line;
    if (!half) {
        return filled;
    }
    for (int i = 0; i < EYE_HTTP_SCAN_LOOPS; i++) {
        from += nothing;
        line += nothing;
        if (from > EYE_WINDOW_BYTES + EYE_WINDOW_SLACK - 16) {
            break;
        }
        __u64 first = eye_text_bits(eye_load_word(half->window + from));
        __u64 second = eye_text_bits(eye_load_word(half->window + from + 8));
        if ((first & second & EYE_TEXT_BITS) == EYE_TEXT_BITS) {
            from += 16;
            continue;
        }
        __u32 end = from + eye_first_control(first, second);
        if (end >= EYE_WINDOW_BYTES) {
            break;
        }
        __u32 ends = eye_http_line_end_bytes(eye_load_word(half->window + end)) + nothing;
        from = end + ends;
        if (from > filled) {
            break; /* what stands there is of an earlier message */
        }
        if (ends == 0) {
            from++;
            continue;
        }
        if (end == line) {
            return from | EYE_HTTP_HEADERS_COMPLETE;
        }
        eye_http_header(half, line, from - 1);
        line = from;
    }
    return line;
}

static __always_inline __u32 eye_http_headers(struct eye_half *half, __u32 from, __u32 filled,
                                              struct eye_found *found)
{
    __u32 line = eye_http_scan_headers(half, from, filled);
    if (line & EYE_HTTP_HEADERS_COMPLETE) {
        eye_http_end_headers(half, found);
        return line & ~EYE_HTTP_HEADERS_COMPLETE;
    }
    if (line == 0 && filled >= EYE_WINDOW_BYTES) {
        half->phase = EYE_HTTP_SKIP_LINE; /* longer than any header that matters */
        return filled;
    }
    return line;
}

/* The lines of a message behind its start, from @from in the window on. */
static __always_inline void eye_http_read_lines(struct eye_half *half, __u32 from, __u32 filled,
                                                struct eye_found *found)
{
    __u32 used = from;
    if (half->phase == EYE_HTTP_REQUEST_REST) {
        used = eye_http_request_rest(half, used, filled, found);
    }
    if (half->phase == EYE_HTTP_SKIP_LINE) {
        used = eye_http_skip_line(half, used, filled);
    }
    if (half->phase == EYE_HTTP_HEADERS) {
        used = eye_http_headers(half, used, filled, found);
    }
    found->used = used;
}
