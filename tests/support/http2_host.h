/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of HTTP/2 on the host: the engine and the parser over payloads in memory, driven
 * as the kernel's programs drive them (bpf/http2/http2.bpf.c); requests that have ended, and
 * losses, are collected. And the conversations of tests/data/http2.
 */
#pragma once

#include <stddef.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#include "bpf/usm/engine.h"
#include "bpf/usm/http2/http2.h"
#pragma GCC diagnostic pop

#define HTTP2_HOST_RECORDS 1024
#define HTTP2_SEGMENTS 256
#define HTTP2_BYTES 8192

struct http2_host_record {
    struct eye_request_head head;
    struct eye_http2_body body; /* zero behind its path */
    __u32 stream;
    __u64 started_ns;
    __u64 told_ns; /* when its end was seen */
};

struct http2_host {
    struct eye_conversation conversation;
    struct eye_http2_half halves[2];
    struct eye_http2_requests requests;
    struct eye_http2_more more;
    struct eye_http2_most most;
    bool is_server;   /* this end is: direction 0 is what it receives */
    bool joins;       /* the connection is older than the parser */
    bool has_no_more; /* no memory for slots beyond the usual ones */
    bool has_no_most; /* nor for those beyond these */
    bool stopped;     /* given up or ended: later payloads are not looked at */
    __u8 padding[3];
    __u64 clock_ns;
    __u32 sequence[2]; /* by direction: 0 of the client, 1 of the server */
    __u32 verdict;
    __u64 losses[EYE_LOST_COUNT];
    struct http2_host_record records[HTTP2_HOST_RECORDS];
    size_t record_count;
};

/** One whose first bytes are still to come; owned by the caller, who frees it. */
struct http2_host *http2_host_new(void);

/** As new. */
void http2_host_reset(struct http2_host *host);

/** The next bytes of a direction. */
void http2_host_send(struct http2_host *host, __u32 direction, const void *bytes, size_t size);

/** The same, in segments of @piece bytes. */
void http2_host_send_pieces(struct http2_host *host, __u32 direction, const void *bytes,
                            size_t size, size_t piece);

/** The next bytes of a direction pass by nowhere here. */
void http2_host_miss(struct http2_host *host, __u32 direction, size_t size);

/** What the parser keeps of a direction. */
const struct eye_half *http2_host_half(const struct http2_host *host, __u32 direction);

/* What a record has to say. */
struct http2_told {
    __u32 stream;
    const char *method; /* decoded */
    const char *path;
    unsigned int code;
    int grpc_status;
    unsigned int error; /* of RST_STREAM, plus 1 */
};

/* As http2_told.grpc_status. */
#define HTTP2_NOT_GRPC (-1)
#define HTTP2_UNSAID (-2)
/* As method or path. */
#define HTTP2_UNKNOWN "unknown"

/** Whether it says that; once something was @missed all of it may be unknown. */
bool http2_is_told(const struct http2_host_record *record, const struct http2_told *told,
                   bool missed);

#define HTTP2_DESCRIPTION_BYTES 512

/** What it says, for whoever reads of a test that failed. Returns @ret_text. */
const char *http2_describe(const struct http2_host_record *record,
                           char ret_text[HTTP2_DESCRIPTION_BYTES]);

/* What one end sent at once. */
struct http2_segment {
    const __u8 *bytes;
    size_t size;
    __u32 direction; /* 0 of the client, 1 of the server */
    __u32 padding;
};

/*
 * Segments as they stand in a file: a byte whose lowest bit is the direction, two bytes of their
 * length, the higher one first, then they themselves. Points into @bytes; any bytes make segments.
 * Returns how many.
 */
size_t http2_read_segments(const __u8 *bytes, size_t size, struct http2_segment *ret_segments,
                           size_t room);

/** Reads the segments of tests/data/http2/@name.bin into @bytes, which has HTTP2_BYTES. Returns how
 * many; ends the process when there is none such, or it has more. */
size_t http2_load(const char *name, __u8 *bytes, struct http2_segment segments[HTTP2_SEGMENTS]);

/** The same of tests/data/@folder: those of other protocols are recorded alike. */
size_t http2_load_of(const char *folder, const char *name, __u8 *bytes,
                     struct http2_segment segments[HTTP2_SEGMENTS]);
