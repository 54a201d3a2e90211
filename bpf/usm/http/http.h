/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HTTP/1 (RFC 9112), the framing half: finds where messages start and end in the two directions
 * of one connection, pairs requests with responses, takes the time. Plain C over bytes: compiled
 * into the kernel programs, and on the host for tests and fuzzers.
 *
 * A direction is read through a small window kept with the socket. Bodies are never looked at:
 * their length is known before they come. What a step cannot use yet (an incomplete line) stays
 * in the window until more bytes come, so a message may arrive in pieces of any size.
 *
 * The file that includes this one supplies:
 *   long eye_http_load(struct eye_http_run *, __u32 offset, void *target, __u32 bytes);
 *   __u64 eye_http_time(struct eye_http_run *);
 *   struct eye_http_request *eye_http_slot(struct eye_http_run *, __u32 index);
 *   void eye_http_emit(struct eye_http_run *, struct eye_http_request *);
 *   void eye_lose(enum eye_loss, __u64 amount);
 */
#pragma once

#include "bpf/abi.h"
#include "bpf/usm/bytes.h"

/* More than the longest line that must be seen whole: method, EYE_HTTP_PATH_BYTES, a space. */
#define EYE_HTTP_WINDOW_BYTES 256
/* Added to an incomplete line at once; also slack for loading whole words at the end. */
#define EYE_HTTP_REFILL_BYTES 64
/* Requests in flight on one connection; the usual client benchmarks pipeline 16. */
#define EYE_HTTP_PIPELINE 16
/* Lines and words looked at in one step; the next step goes on. */
#define EYE_HTTP_SCAN_LOOPS 96
/* The rest of a request line after the target is " HTTP/1.1\r\n"; longer is a long target's tail.
 */
#define EYE_HTTP_LINE_REST 64
#define EYE_HTTP_USUAL_REST 11

enum eye_http_phase {
    EYE_HTTP_START,        /* before the first byte of a message, or within its first line */
    EYE_HTTP_REQUEST_REST, /* behind the request target, looking for the version and LF */
    EYE_HTTP_SKIP_LINE,    /* within a line of no interest */
    EYE_HTTP_HEADERS,      /* at the start of a header (or trailer) line */
    EYE_HTTP_CHUNK_SIZE,   /* at the start of a chunk-size line */
    EYE_HTTP_BODY,         /* `body` bytes to skip */
    EYE_HTTP_IGNORE,       /* body until the connection closes */
    EYE_HTTP_LOST,         /* a message may start at the next segment */
};

enum eye_http_flag {
    EYE_HTTP_SYNCED = 1, /* next_sequence is known */
    EYE_HTTP_CHUNKED = 2,
    EYE_HTTP_LENGTH = 4, /* Content-Length was given */
    EYE_HTTP_TRAILERS = 8,
    EYE_HTTP_BODYLESS = 16, /* no body whatever the header says */
    EYE_HTTP_RESPONSE = 32, /* the message is a response */
    EYE_HTTP_TUNNEL = 64,   /* the header's end is the end of HTTP */
    EYE_HTTP_LONG = 128,    /* part of the request line has left the window */
};
/* What belongs to one message only. */
#define EYE_HTTP_MESSAGE_FLAGS                                                                     \
    (EYE_HTTP_CHUNKED | EYE_HTTP_LENGTH | EYE_HTTP_TRAILERS | EYE_HTTP_BODYLESS |                  \
     EYE_HTTP_RESPONSE | EYE_HTTP_TUNNEL | EYE_HTTP_LONG)

/* One direction of a connection. */
struct eye_http_stream {
    __u64 first_ns;      /* first byte of the present message */
    __u64 body;          /* bytes of a body or chunk still to come */
    __u32 next_sequence; /* TCP sequence number of the next byte */
    __u16 held;          /* bytes of an incomplete line in the window */
    __u8 phase;          /* enum eye_http_phase */
    __u8 flags;          /* enum eye_http_flag */
    __u8 window[EYE_HTTP_WINDOW_BYTES + EYE_HTTP_REFILL_BYTES];
};

/* A request waiting for its response; record and bytes together are what the ring gets. */
struct eye_http_request {
    __u64 started_ns;
    struct eye_request_record record;
    __u8 bytes[EYE_HTTP_PATH_BYTES + EYE_COMM_BYTES];
};

enum eye_http_requests_in {
    EYE_HTTP_REQUESTS_UNKNOWN,
    EYE_HTTP_REQUESTS_SENT,     /* this end is the client */
    EYE_HTTP_REQUESTS_RECEIVED, /* this end is the server */
};

/* One connection. Requests `popped` .. `pushed` wait; slot i holds request number i modulo the
 * depth. */
struct eye_http {
    struct eye_http_stream streams[2]; /* sent by this end, received by it */
    __u32 pushed;
    __u32 popped;
    __u32 overflow; /* requests beyond the pipeline, whose responses come last */
    __u8 requests_in;
    __u8 confirmed; /* a whole first line was valid */
    __u8 announced; /* a record with the command name was sent */
    __u8 padding;
    struct eye_http_request first;
};

/* The slots that only a pipelining connection needs. */
struct eye_http_pipeline {
    struct eye_http_request slots[EYE_HTTP_PIPELINE - 1];
};

enum eye_http_verdict {
    EYE_HTTP_GO_ON,
    EYE_HTTP_NOT_HTTP, /* never was */
    EYE_HTTP_ENDED,    /* upgraded or tunnelled */
};

/* One payload in work. */
struct eye_http_run {
    struct eye_http *http;
    void *environment;
    __u64 now_ns;  /* 0: not read yet */
    __u32 stream;  /* index into http->streams */
    __u32 offset;  /* next byte to load */
    __u32 end;     /* behind the last byte */
    __u32 verdict; /* enum eye_http_verdict */
};

/* ---- supplied by the includer ---- */
static __always_inline long eye_http_load(struct eye_http_run *run, __u32 offset, void *target,
                                          __u32 bytes);
static __always_inline __u64 eye_http_time(struct eye_http_run *run);
static __always_inline struct eye_http_request *eye_http_slot(struct eye_http_run *run,
                                                              __u32 index);
static __always_inline void eye_http_emit(struct eye_http_run *run,
                                          struct eye_http_request *request);

/* ---- recognising a first line ---- */

#define EYE_HTTP_TOKEN_MAX 8

/* Method and space (RFC 9110 section 9, RFC 5789); 8 bytes tell them apart. */
#define EYE_HTTP_TOKENS(X)                                                                         \
    X(EYE_WORD('G', 'E', 'T', ' ', 0, 0, 0, 0), 4, EYE_HTTP_GET)                                   \
    X(EYE_WORD('P', 'O', 'S', 'T', ' ', 0, 0, 0), 5, EYE_HTTP_POST)                                \
    X(EYE_WORD('P', 'U', 'T', ' ', 0, 0, 0, 0), 4, EYE_HTTP_PUT)                                   \
    X(EYE_WORD('H', 'E', 'A', 'D', ' ', 0, 0, 0), 5, EYE_HTTP_HEAD)                                \
    X(EYE_WORD('D', 'E', 'L', 'E', 'T', 'E', ' ', 0), 7, EYE_HTTP_DELETE)                          \
    X(EYE_WORD('O', 'P', 'T', 'I', 'O', 'N', 'S', ' '), 8, EYE_HTTP_OPTIONS)                       \
    X(EYE_WORD('P', 'A', 'T', 'C', 'H', ' ', 0, 0), 6, EYE_HTTP_PATCH)                             \
    X(EYE_WORD('T', 'R', 'A', 'C', 'E', ' ', 0, 0), 6, EYE_HTTP_TRACE)                             \
    X(EYE_WORD('C', 'O', 'N', 'N', 'E', 'C', 'T', ' '), 8, EYE_HTTP_CONNECT)

#define EYE_HTTP_VERSION EYE_WORD('H', 'T', 'T', 'P', '/', '1', '.', 0)

/* The method whose token stands at the start of @word, of which @bytes are valid; 0: none.
 * *ret_bytes: length of the token. *ret_partial: what there is could still become one. */
static __always_inline __u8 eye_http_match_method(__u64 word, __u32 bytes, __u32 *ret_bytes,
                                                  bool *ret_partial)
{
#define X(token, length, method)                                                                   \
    if (bytes >= (length)) {                                                                       \
        if (eye_first_bytes(word, length) == (token)) {                                            \
            *ret_bytes = (length);                                                                 \
            return method;                                                                         \
        }                                                                                          \
    } else if (eye_first_bytes(word, bytes) == eye_first_bytes(token, bytes)) {                    \
        *ret_partial = true;                                                                       \
    }
    EYE_HTTP_TOKENS(X)
#undef X
    return 0;
}

static __always_inline bool eye_http_is_version(__u64 word, __u32 bytes)
{
    __u32 compared = bytes < 7 ? bytes : 7;
    return eye_first_bytes(word, compared) == eye_first_bytes(EYE_HTTP_VERSION, compared);
}

/* Could the first @bytes (1 or more) of a direction be HTTP/1? Cheap: asked before any state is
 * made. */
static __always_inline bool eye_http_looks_like(__u64 word, __u32 bytes)
{
    bool partial = false;
    __u32 length;
    return eye_http_match_method(word, bytes, &length, &partial) != 0 || partial ||
           eye_http_is_version(word, bytes);
}

/* ---- the queue of requests ---- */

static __always_inline __u32 eye_http_waiting(const struct eye_http *http)
{
    return http->pushed - http->popped;
}

/* Requests whose responses can no longer be told apart. */
static __always_inline void eye_http_forget_requests(struct eye_http *http)
{
    __u32 waiting = eye_http_waiting(http);
    if (waiting > 0) {
        eye_lose(EYE_LOSS_HTTP_UNANSWERED, waiting);
    }
    http->popped = http->pushed;
    http->overflow = 0;
}

/* The slot for the next request, NULL when the pipeline is full or has no memory. */
static __always_inline struct eye_http_request *eye_http_next_slot(struct eye_http_run *run)
{
    struct eye_http *http = run->http;
    if (http->overflow > 0 || eye_http_waiting(http) >= EYE_HTTP_PIPELINE) {
        return NULL;
    }
    if (http->pushed == http->popped) {
        /* Nothing waits: start over, so that traffic without pipelining needs the first slot only.
         */
        http->popped = 0;
        http->pushed = 0;
    }
    return eye_http_slot(run, http->pushed);
}

static __always_inline void eye_http_push(struct eye_http_run *run)
{
    struct eye_http *http = run->http;
    if (http->overflow > 0 || eye_http_waiting(http) >= EYE_HTTP_PIPELINE ||
        !eye_http_slot(run, http->pushed)) {
        http->overflow++;
        eye_lose(EYE_LOSS_HTTP_PIPELINE, 1);
        return;
    }
    http->pushed++;
}

/* ---- first lines ---- */

static __always_inline void eye_http_lost(struct eye_http_run *run, struct eye_http_stream *stream)
{
    stream->phase = EYE_HTTP_LOST;
    stream->held = 0;
    run->offset = run->end;
}

/* What stands here is no message. */
static __always_inline void eye_http_mismatch(struct eye_http_run *run,
                                              struct eye_http_stream *stream)
{
    if (!run->http->confirmed) {
        run->verdict = EYE_HTTP_NOT_HTTP;
    } else if (stream->phase != EYE_HTTP_LOST) {
        eye_lose(EYE_LOSS_HTTP_MALFORMED, 1);
        eye_http_forget_requests(run->http);
    }
    eye_http_lost(run, stream);
}

#define EYE_HTTP_TARGET_COMPLETE (1U << 31)

/*
 * Length of the request target at @from: up to a space or line end, at most EYE_HTTP_PATH_BYTES;
 * with EYE_HTTP_TARGET_COMPLETE when its end was seen. Copied to @request (or nowhere) on the way.
 */
EYE_PART __u32 eye_http_copy_target(const struct eye_http_stream *stream,
                                    struct eye_http_request *request, __u32 from, __u32 filled)
{
    __u32 length = 0;
    if (!stream || from > EYE_HTTP_TOKEN_MAX) {
        return 0;
    }
    for (int i = 0; i < EYE_HTTP_PATH_BYTES / 8; i++) {
        length = eye_forget(length);
        if (from + length >= filled || length > EYE_HTTP_PATH_BYTES - 8) {
            break;
        }
        __u64 word = eye_load_word(stream->window + from + length);
        if (request) {
            eye_store_word(request->bytes + length, word);
        }
        /* Two searches: each one's lowest mark is right, so the lower of both is. */
        __u64 end = eye_find_byte(word, ' ') | eye_find_byte(word, '\n');
        if (end) {
            length += eye_first_index(end);
            return from + length < filled ? length | EYE_HTTP_TARGET_COMPLETE : length;
        }
        length += 8;
    }
    return length;
}

static __always_inline __u32 eye_http_start_request(struct eye_http_run *run,
                                                    struct eye_http_stream *stream, __u32 filled,
                                                    __u8 method, __u32 token_bytes)
{
    struct eye_http_request *request = eye_http_next_slot(run);
    __u32 length = eye_http_copy_target(stream, request, token_bytes, filled);
    bool complete = length & EYE_HTTP_TARGET_COMPLETE;
    length &= ~EYE_HTTP_TARGET_COMPLETE;
    if (!complete && filled < token_bytes + EYE_HTTP_PATH_BYTES) {
        return 0; /* wait for the rest of the target */
    }
    if (length == 0 || length > EYE_HTTP_PATH_BYTES) {
        eye_http_mismatch(run, stream);
        return 0;
    }
    if (request) {
        request->started_ns = stream->first_ns;
        request->record.method = method;
        request->record.flags = complete ? 0 : EYE_REQUEST_TRUNCATED;
        request->record.path_bytes = (__u16)length;
    }
    stream->flags &= (__u8)~EYE_HTTP_MESSAGE_FLAGS;
    stream->phase = EYE_HTTP_REQUEST_REST;
    return token_bytes + length;
}

/* Pairs a final response with its request and sends the record. Returns the request's method. */
static __always_inline __u8 eye_http_answer(struct eye_http_run *run,
                                            const struct eye_http_stream *stream, __u16 status)
{
    struct eye_http *http = run->http;
    if (eye_http_waiting(http) == 0) {
        if (http->overflow > 0) {
            http->overflow--; /* its request is among the lost */
        } else {
            eye_lose(EYE_LOSS_HTTP_UNMATCHED, 1);
        }
        return EYE_HTTP_METHOD_OTHER;
    }
    struct eye_http_request *request = eye_http_slot(run, http->popped);
    if (!request) {
        http->popped++;
        return EYE_HTTP_METHOD_OTHER;
    }
    __u8 method = request->record.method;
    __u64 duration = stream->first_ns - request->started_ns;
    /* Two clocks readings on two CPUs may disagree by some nanoseconds. */
    request->record.duration_ns = (__s64)duration < 0 ? 0 : duration;
    request->record.status = status;
    eye_http_emit(run, request);
    http->popped++; /* now the other direction, perhaps on another CPU, may use the slot again */
    return method;
}

/* "HTTP/1.1 200" (RFC 9112 section 4). */
#define EYE_HTTP_STATUS_BYTES 12

static __always_inline __u16 eye_http_parse_status(const __u8 *digits)
{
    __u32 a = (__u32)digits[0] - '0';
    __u32 b = (__u32)digits[1] - '0';
    __u32 c = (__u32)digits[2] - '0';
    return a >= 1 && a <= 9 && b <= 9 && c <= 9 ? (__u16)(a * 100 + b * 10 + c) : 0;
}

static __always_inline __u32 eye_http_start_response(struct eye_http_run *run,
                                                     struct eye_http_stream *stream, __u32 filled)
{
    __u16 status = eye_http_parse_status(stream->window + 9);
    if (status == 0 || stream->window[8] != ' ') {
        eye_http_mismatch(run, stream);
        return 0;
    }
    run->http->confirmed = 1;
    __u8 flags = EYE_HTTP_RESPONSE;
    if (status == 101) {
        eye_http_answer(run, stream, status);
        flags |= EYE_HTTP_TUNNEL;
    } else if (status < 200) {
        flags |= EYE_HTTP_BODYLESS; /* an interim response: the final one is still to come */
    } else {
        __u8 method = eye_http_answer(run, stream, status);
        flags |= method == EYE_HTTP_HEAD || status == 204 || status == 304 ? EYE_HTTP_BODYLESS : 0;
        flags |= method == EYE_HTTP_CONNECT && status < 300 ? EYE_HTTP_TUNNEL : 0;
    }
    stream->flags = (__u8)((stream->flags & ~EYE_HTTP_MESSAGE_FLAGS) | flags);
    /* The reason phrase begins with a space, so it passes for a header line of no interest. */
    bool reason = filled > EYE_HTTP_STATUS_BYTES && stream->window[EYE_HTTP_STATUS_BYTES] == ' ';
    stream->phase = reason ? EYE_HTTP_HEADERS : EYE_HTTP_SKIP_LINE;
    return EYE_HTTP_STATUS_BYTES;
}

/* What the stream carries, once the first message has told which end is the client. */
static __always_inline bool eye_http_may_carry(const struct eye_http *http, __u32 stream,
                                               bool requests)
{
    __u8 wanted = requests == (stream == 0) ? EYE_HTTP_REQUESTS_SENT : EYE_HTTP_REQUESTS_RECEIVED;
    return http->requests_in == EYE_HTTP_REQUESTS_UNKNOWN || http->requests_in == wanted;
}

static __always_inline void eye_http_fix_carrier(struct eye_http *http, __u32 stream, bool requests)
{
    http->requests_in =
        requests == (stream == 0) ? EYE_HTTP_REQUESTS_SENT : EYE_HTTP_REQUESTS_RECEIVED;
}

/* Returns the bytes used; 0: more are needed, or this is no message. */
static __always_inline __u32 eye_http_start(struct eye_http_run *run,
                                            struct eye_http_stream *stream, __u32 filled)
{
    if (stream->held == 0) {
        stream->first_ns = eye_http_time(run);
    }
    __u64 word = eye_load_word(stream->window);
    if (stream->window[0] == '\r' || stream->window[0] == '\n') {
        return 1; /* RFC 9112 section 2.2: empty lines before a request line */
    }
    bool partial = false;
    if (eye_http_may_carry(run->http, run->stream, false) && eye_http_is_version(word, filled)) {
        if (filled >= EYE_HTTP_STATUS_BYTES) {
            eye_http_fix_carrier(run->http, run->stream, false);
            return eye_http_start_response(run, stream, filled);
        }
        partial = true;
    }
    if (eye_http_may_carry(run->http, run->stream, true)) {
        __u32 token_bytes = 0;
        __u8 method = eye_http_match_method(word, filled, &token_bytes, &partial);
        if (method) {
            eye_http_fix_carrier(run->http, run->stream, true);
            return eye_http_start_request(run, stream, filled, method, token_bytes);
        }
    }
    if (!partial) {
        eye_http_mismatch(run, stream);
    }
    return 0;
}

/* ---- lines ---- */

/* Position of the next LF at @from or behind, or @filled. */
EYE_PART __u32 eye_http_find_line_end(const struct eye_http_stream *stream, __u32 from,
                                      __u32 filled)
{
    if (!stream) {
        return filled;
    }
    for (int i = 0; i < (EYE_HTTP_WINDOW_BYTES + EYE_HTTP_REFILL_BYTES) / 8; i++) {
        from = eye_forget(from);
        if (from >= filled || from > EYE_HTTP_WINDOW_BYTES + EYE_HTTP_REFILL_BYTES - 8) {
            break;
        }
        __u64 marks = eye_find_byte(eye_load_word(stream->window + from), '\n');
        if (marks) {
            from += eye_first_index(marks);
            break;
        }
        from += 8;
    }
    return from < filled ? from : filled;
}

/* " HTTP/1.1\r\n" ends a request line; @end is the LF. A bare LF is tolerated (section 2.2). Of a
 * long line the version may have left the window in part: then the method must do. */
static __always_inline bool eye_http_version_before(const struct eye_http_stream *stream, __u32 end)
{
    eye_pin(end);
    if (end < 9 || end >= EYE_HTTP_WINDOW_BYTES) {
        return (stream->flags & EYE_HTTP_LONG) != 0;
    }
    __u32 last = stream->window[end - 1] == '\r' ? 1 : 0;
    return eye_http_is_version(eye_load_word(stream->window + (end - last - 8)), 7);
}

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
        if (!eye_http_version_before(stream, end)) {
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

/* ---- headers ---- */

EYE_PART int eye_http_read_length(struct eye_http_stream *stream, __u32 from)
{
    if (!stream) {
        return 0;
    }
    __u64 value = 0;
    bool digits = false;
    for (int i = 0; i < 24; i++) {
        from = eye_forget(from);
        value = eye_forget(value);
        if (from >= EYE_HTTP_WINDOW_BYTES) {
            break;
        }
        __u8 byte = stream->window[from++];
        if (byte >= '0' && byte <= '9') {
            value = value * 10 + (byte - '0');
            digits = true;
        } else if (digits || (byte != ' ' && byte != '\t')) {
            break;
        }
    }
    if (digits) {
        stream->body = value;
        stream->flags |= EYE_HTTP_LENGTH;
    }
    return 0; /* a global function of a kernel program returns a number */
}

/* Bytes of CR and white space behind a value that are passed over. */
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
    __u8 flags = stream->flags;
    stream->phase = EYE_HTTP_START;
    if (flags & EYE_HTTP_TUNNEL) {
        run->verdict = EYE_HTTP_ENDED;
        eye_http_lost(run, stream);
    } else if (flags & (EYE_HTTP_TRAILERS | EYE_HTTP_BODYLESS)) {
        return;
    } else if (flags & EYE_HTTP_CHUNKED) {
        stream->phase = EYE_HTTP_CHUNK_SIZE;
    } else if (flags & EYE_HTTP_LENGTH) {
        stream->phase = stream->body > 0 ? EYE_HTTP_BODY : EYE_HTTP_START;
    } else if (flags & EYE_HTTP_RESPONSE) {
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

/* ---- chunks, RFC 9112 section 7.1 ---- */

static __always_inline __u32 eye_http_hex_digit(__u8 byte)
{
    if (byte >= '0' && byte <= '9') {
        return (__u32)byte - '0';
    }
    __u32 letter = ((__u32)byte | 0x20) - 'a';
    return letter < 6 ? letter + 10 : 16;
}

static __always_inline __u32 eye_http_chunk_size(struct eye_http_run *run,
                                                 struct eye_http_stream *stream, __u32 filled)
{
    __u32 end = eye_http_find_line_end(stream, 0, filled);
    if (end == filled && filled < EYE_HTTP_WINDOW_BYTES) {
        return 0;
    }
    __u64 size = 0;
    bool digits = false;
    for (int i = 0; i < 16; i++) {
        size = eye_forget(size);
        __u32 digit = eye_http_hex_digit(stream->window[i]);
        if (digit == 16) {
            break;
        }
        size = size << 4 | digit;
        digits = true;
    }
    if (!digits || end == filled) {
        eye_http_mismatch(run, stream);
        return 0;
    }
    stream->body = size + 2; /* CR LF behind the data */
    stream->phase = EYE_HTTP_BODY;
    if (size == 0) {
        stream->phase = EYE_HTTP_HEADERS;
        stream->flags |= EYE_HTTP_TRAILERS;
    }
    return end + 1;
}

/* ---- steps ---- */

static __always_inline void eye_http_skip_body(struct eye_http_run *run,
                                               struct eye_http_stream *stream)
{
    __u64 left = run->end - run->offset;
    __u64 skipped = stream->body < left ? stream->body : left;
    stream->body -= skipped;
    run->offset += (__u32)skipped;
    if (stream->body == 0) {
        stream->phase = stream->flags & EYE_HTTP_CHUNKED ? EYE_HTTP_CHUNK_SIZE : EYE_HTTP_START;
    }
}

/* Uses what the window holds; returns the bytes used. */
static __always_inline __u32 eye_http_use_window(struct eye_http_run *run,
                                                 struct eye_http_stream *stream, __u32 filled)
{
    __u32 used = 0;
    if (stream->phase == EYE_HTTP_CHUNK_SIZE) {
        return eye_http_chunk_size(run, stream, filled);
    }
    if (stream->phase == EYE_HTTP_START || stream->phase == EYE_HTTP_LOST) {
        used = eye_http_start(run, stream, filled);
    }
    if (stream->phase == EYE_HTTP_REQUEST_REST) {
        used = eye_http_request_rest(run, stream, used, filled);
    }
    if (stream->phase == EYE_HTTP_SKIP_LINE) {
        used = eye_http_skip_line(stream, used, filled);
    }
    if (stream->phase == EYE_HTTP_HEADERS) {
        used = eye_http_headers(run, stream, used, filled);
    }
    return used;
}

/* One step: a body skipped, or one window's worth of lines and the body behind them; so a message
 * in one payload is one step. False: the payload is used up. */
static __always_inline bool eye_http_step(struct eye_http_run *run)
{
    struct eye_http_stream *stream = &run->http->streams[run->stream & 1];
    if (run->offset >= run->end || run->verdict != EYE_HTTP_GO_ON ||
        stream->phase == EYE_HTTP_IGNORE) {
        return false;
    }
    if (stream->phase == EYE_HTTP_BODY) {
        eye_http_skip_body(run, stream);
        return run->offset < run->end;
    }
    __u32 held = stream->held;
    if (held >= EYE_HTTP_WINDOW_BYTES) {
        eye_http_mismatch(run, stream);
        return false;
    }
    /* Never beyond the window's size: every line in it can be read whole. */
    __u32 room = EYE_HTTP_WINDOW_BYTES - held;
    if (held > 0 && room > EYE_HTTP_REFILL_BYTES) {
        room = EYE_HTTP_REFILL_BYTES;
    }
    __u32 bytes = run->end - run->offset;
    eye_pin(bytes);
    bytes = bytes < room ? bytes : room;
    if (bytes == 0 || eye_http_load(run, run->offset, stream->window + held, bytes) != 0) {
        eye_http_mismatch(run, stream);
        return false;
    }
    __u32 used = eye_http_use_window(run, stream, held + bytes);
    if (run->offset >= run->end) {
        return false; /* given up */
    }
    if (used > held) {
        stream->held = 0;
        run->offset += used - held;
    } else {
        stream->held = (__u16)(held + bytes);
        run->offset += bytes;
    }
    if (stream->phase == EYE_HTTP_BODY) {
        eye_http_skip_body(run, stream);
    }
    return run->offset < run->end;
}

/*
 * Bytes were missed before the present payload (a gap of @missing): nothing is lost when they
 * belong to a body that is being skipped.
 */
static __always_inline void eye_http_gap(struct eye_http *http, struct eye_http_stream *stream,
                                         __u32 missing)
{
    if (stream->phase == EYE_HTTP_IGNORE || stream->phase == EYE_HTTP_LOST) {
        return;
    }
    if (stream->phase == EYE_HTTP_BODY && stream->body > missing) {
        stream->body -= missing;
        return;
    }
    eye_lose(EYE_LOSS_HTTP_GAP, 1);
    eye_http_forget_requests(http);
    stream->phase = EYE_HTTP_LOST;
    stream->held = 0;
}

/*
 * Places a segment of @bytes at TCP sequence number @sequence in its stream. Returns how many of
 * its first bytes were seen before: @bytes when it is a retransmission.
 */
static __always_inline __u32 eye_http_place(struct eye_http *http, __u32 stream_index,
                                            __u32 sequence, __u32 bytes)
{
    struct eye_http_stream *stream = &http->streams[stream_index & 1];
    if (!(stream->flags & EYE_HTTP_SYNCED)) {
        stream->flags |= EYE_HTTP_SYNCED;
        stream->next_sequence = sequence;
    }
    __s32 ahead = (__s32)(sequence - stream->next_sequence);
    __u32 seen = 0;
    if (ahead > 0) {
        eye_http_gap(http, stream, (__u32)ahead);
    } else {
        seen = (__u32)-ahead;
        if (seen >= bytes) {
            return bytes;
        }
    }
    stream->next_sequence = sequence + bytes;
    return seen;
}
