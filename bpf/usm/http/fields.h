/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1: lines and header fields, as far as they tell where a message ends (RFC 9112 section 6).
 */
#pragma once

#include "bpf/usm/http/first_line.h"

/* The rest of the line is " HTTP/1.1\r\n", as almost always: no search is needed. */
static __always_inline bool eye_http_rest_is_usual(const struct eye_http_stream *stream, __u32 from,
                                                   __u32 filled)
{
    eye_pin(from);
    if (from >= EYE_HTTP_WINDOW_BYTES || from + EYE_HTTP_USUAL_REST > filled) {
        return false;
    }
    const __u8 *rest = stream->window + from;
    return rest[0] == ' ' && eye_http_is_version(eye_load_word(rest + 1), 7) && rest[8] != '\n' &&
           rest[9] == '\r' && rest[10] == '\n';
}

static __always_inline __u32 eye_http_request_rest(struct eye_http_run *run,
                                                   struct eye_http_stream *stream, __u32 from,
                                                   __u32 filled)
{
    __u32 end = from + EYE_HTTP_USUAL_REST - 1;
    if (!eye_http_rest_is_usual(stream, from, filled)) {
        end = eye_http_find_line_end(stream, from, filled);
        if (end == filled) {
            if (filled - from < EYE_HTTP_LINE_REST) {
                return from;
            }
            stream->flags |= EYE_HTTP_LONG;
            return filled;
        }
        /* A line that ends with the target has no version, whatever the target says. */
        if ((end == from && !(stream->flags & EYE_HTTP_LONG)) ||
            !eye_http_version_before(stream, end)) {
            eye_http_mismatch(run, stream);
            return 0;
        }
    }
    run->http->confirmed = 1;
    eye_http_push(run);
    stream->phase = EYE_HTTP_HEADERS;
    return end + 1;
}

static __always_inline __u32 eye_http_skip_line(struct eye_http_stream *stream, __u32 from,
                                                __u32 filled)
{
    __u32 end = eye_http_find_line_end(stream, from, filled);
    if (end == filled) {
        return filled;
    }
    stream->phase = EYE_HTTP_HEADERS;
    return end + 1;
}

/* Digits of a length that count; a number of more is as far from any body as one of these. */
#define EYE_HTTP_LENGTH_DIGITS 18

/* Where the value's first digit that counts is: behind blanks and zeros, of which *@zeros tells. */
static __always_inline __u32 eye_http_skip_zeros(const struct eye_http_stream *stream, __u32 from,
                                                 bool *zeros)
{
    __u8 byte = 0;
    for (int i = 0; i < EYE_HTTP_WINDOW_BYTES; i++) {
        from = eye_forget(from);
        if (from >= EYE_HTTP_WINDOW_BYTES) {
            break;
        }
        byte = stream->window[from];
        if (byte != '0' && byte != ' ' && byte != '\t') {
            break;
        }
        from++;
    }
    __u32 before = from - 1;
    eye_pin(before);
    *zeros = stream->window[before & (EYE_HTTP_WINDOW_BYTES - 1)] == '0';
    return from;
}

EYE_PART int eye_http_read_length(struct eye_http_stream *stream, __u32 from)
{
    if (!stream) {
        return 0;
    }
    bool digits;
    __u64 value = 0;
    from = eye_http_skip_zeros(stream, from, &digits);
    for (int i = 0; i < EYE_HTTP_LENGTH_DIGITS; i++) {
        from = eye_forget(from);
        value = eye_forget(value);
        if (from >= EYE_HTTP_WINDOW_BYTES) {
            break;
        }
        __u32 digit = (__u32)stream->window[from++] - '0';
        if (digit > 9) {
            break;
        }
        value = value * 10 + digit;
        digits = true;
    }
    if (digits) {
        stream->body = value;
        stream->flags |= EYE_HTTP_LENGTH;
    }
    return 0; /* a global function of a kernel program returns a number */
}

/* Bytes of CR and white space behind a value that are passed over; a mask, too. */
#define EYE_HTTP_PADDING_MAX 3

/* One to seven digits behind at most one space, eight bytes at once; false: none, or more. */
static __always_inline bool eye_http_read_short_length(struct eye_http_stream *stream, __u32 from)
{
    if (from >= EYE_HTTP_WINDOW_BYTES) {
        return false;
    }
    from += stream->window[from] == ' ' ? 1 : 0;
    eye_pin(from);
    if (from > EYE_HTTP_WINDOW_BYTES) {
        return false;
    }
    __u64 word = eye_load_word(stream->window + from) ^ EYE_EACH_BYTE('0');
    /* The top bit of the first byte that is no digit, and perhaps of later ones. */
    __u64 marks = ((word + EYE_EACH_BYTE(0x7f - 9)) | word) & EYE_EACH_BYTE(0x80);
    __u32 digits = marks ? eye_first_index(marks) : 0;
    if (digits == 0) {
        return false;
    }
    word <<= (8 - digits) * 8;
    /* The first digit is the lowest byte: joins bytes to pairs, pairs to fours, fours to the sum.
     */
    word = (word * (1 + (10 << 8))) >> 8;
    word = ((word & 0x00ff00ff00ff00ffULL) * (1 + (100ULL << 16))) >> 16;
    stream->body = ((word & 0x0000ffff0000ffffULL) * (1 + (10000ULL << 32))) >> 32;
    stream->flags |= EYE_HTTP_LENGTH;
    return true;
}

/* "chunked" is always the last coding (RFC 9112 section 6.1); @end is the LF. */
static __always_inline bool eye_http_ends_chunked(const struct eye_http_stream *stream, __u32 end)
{
    eye_pin(end);
    if (end < 8 + EYE_HTTP_PADDING_MAX || end >= EYE_HTTP_WINDOW_BYTES) {
        return false;
    }
    __u32 padding = 0;
    for (int i = 1; i <= EYE_HTTP_PADDING_MAX; i++) {
        __u8 byte = stream->window[end - i];
        bool blank = byte == '\r' || byte == ' ' || byte == '\t';
        padding += blank && padding == (__u32)i - 1 ? 1 : 0;
    }
    eye_pin(padding); /* clang 19 makes it a negative mask, whose bounds 6.12 does not see */
    padding &= EYE_HTTP_PADDING_MAX;
    __u64 word = eye_lower(eye_load_word(stream->window + (end - padding - 8))) >> 8;
    return word == EYE_WORD('c', 'h', 'u', 'n', 'k', 'e', 'd', 0);
}

/* A whole header line, LF at @end. */
static __always_inline void eye_http_header(struct eye_http_stream *stream, __u32 line, __u32 end)
{
    if (line >= EYE_HTTP_WINDOW_BYTES || stream->flags & EYE_HTTP_TRAILERS) {
        return;
    }
    __u64 name = eye_lower(eye_load_word(stream->window + line));
    if (name == EYE_WORD('c', 'o', 'n', 't', 'e', 'n', 't', '-')) {
        __u64 rest = eye_first_bytes(eye_lower(eye_load_word(stream->window + line + 8)), 7);
        if (rest == EYE_WORD('l', 'e', 'n', 'g', 't', 'h', ':', 0)) {
            if (!eye_http_read_short_length(stream, line + 15)) {
                eye_http_read_length(stream, line + 15);
            }
        }
    } else if (name == EYE_WORD('t', 'r', 'a', 'n', 's', 'f', 'e', 'r')) {
        __u64 rest = eye_lower(eye_load_word(stream->window + line + 8));
        if (rest == EYE_WORD('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n') &&
            stream->window[line + 17] == ':' && eye_http_ends_chunked(stream, end)) {
            stream->flags |= EYE_HTTP_CHUNKED;
        }
    }
}

/* Message body length, RFC 9112 section 6.3. */
static __always_inline void eye_http_end_headers(struct eye_http_run *run,
                                                 struct eye_http_stream *stream)
{
    __u16 flags = stream->flags;
    stream->phase = EYE_HTTP_START;
    if (flags & EYE_HTTP_TUNNEL) {
        run->at.verdict = EYE_HTTP_ENDED;
        eye_http_lost(run, stream);
    } else if (flags & (EYE_HTTP_TRAILERS | EYE_HTTP_BODYLESS)) {
        return;
    } else if (flags & EYE_HTTP_CHUNKED) {
        stream->phase = EYE_HTTP_CHUNK_SIZE;
    } else if (flags & EYE_HTTP_LENGTH) {
        stream->phase = stream->body > 0 ? EYE_HTTP_BODY : EYE_HTTP_START;
    } else if (flags & EYE_HTTP_UNBOUNDED) {
        stream->phase = EYE_HTTP_IGNORE;
    }
}

static __always_inline bool eye_http_line_is_empty(const struct eye_http_stream *stream, __u32 line,
                                                   __u32 end)
{
    return end == line ||
           (end == line + 1 && line < EYE_HTTP_WINDOW_BYTES && stream->window[line] == '\r');
}

#define EYE_HTTP_HEADERS_COMPLETE (1U << 31)

/*
 * Reads whole header lines from @line on. Returns where the first incomplete one starts, or
 * behind the empty line with EYE_HTTP_HEADERS_COMPLETE.
 */
EYE_PART __u32 eye_http_scan_headers(struct eye_http_stream *stream, __u32 line, __u32 filled)
{
    __u32 from = line;
    if (!stream) {
        return filled;
    }
    for (int i = 0; i < EYE_HTTP_SCAN_LOOPS; i++) {
        from = eye_forget(from);
        line = eye_forget(line);
        if (from >= filled || from > EYE_HTTP_WINDOW_BYTES + EYE_HTTP_REFILL_BYTES - 8) {
            break;
        }
        __u64 marks = eye_find_byte(eye_load_word(stream->window + from), '\n');
        if (!marks) {
            from += 8;
            continue;
        }
        __u32 end = from + eye_first_index(marks);
        if (end >= filled) {
            break;
        }
        if (eye_http_line_is_empty(stream, line, end)) {
            return (end + 1) | EYE_HTTP_HEADERS_COMPLETE;
        }
        eye_http_header(stream, line, end);
        line = end + 1;
        from = line;
    }
    return line;
}

static __always_inline __u32 eye_http_headers(struct eye_http_run *run,
                                              struct eye_http_stream *stream, __u32 from,
                                              __u32 filled)
{
    __u32 line = eye_http_scan_headers(stream, from, filled);
    if (line & EYE_HTTP_HEADERS_COMPLETE) {
        eye_http_end_headers(run, stream);
        return line & ~EYE_HTTP_HEADERS_COMPLETE;
    }
    if (line == 0 && filled >= EYE_HTTP_WINDOW_BYTES) {
        stream->phase = EYE_HTTP_SKIP_LINE; /* longer than any header that matters */
        return filled;
    }
    return line;
}
