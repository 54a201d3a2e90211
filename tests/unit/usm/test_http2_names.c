/* SPDX-License-Identifier: Apache-2.0 */
/* Records of HTTP/2 and gRPC: which are valid, and what their requests are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/usm/http2/record.h"
#include "collector/base/base.h"
#include "collector/usm/http2/call.h"
#include "collector/usm/http2/huffman.h"
#include "collector/usm/usm.h"

struct fixture {
    struct eye_config config;
    struct eye_registry *registry;
    struct eye_group *group;
    struct eye_usm usm;
    struct eye_request_name name; /* of the last request */
};

static void keep(void *context, const struct eye_request_sample *sample)
{
    struct fixture *fixture = context;
    fixture->name = (struct eye_request_name){0};
    const struct eye_request_place place = {fixture->group, "shop"};
    sample->protocol->name_request(sample->state, sample, &place, &fixture->name);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    const struct eye_limits limits = {.series_per_metric = 99, .values_per_tag = 99, .idle_ns = 1};
    fixture->registry = eye_registry_new(&limits);
    fixture->group = eye_group_new(fixture->registry, NULL, 0);
    fixture->usm = (struct eye_usm){.on_request = keep, .context = fixture};
    assert_int_equal(eye_usm_open(&fixture->usm, &fixture->config), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    eye_usm_close(&fixture->usm);
    eye_registry_free(fixture->registry);
    free(fixture);
    return 0;
}

/* A record, put together. */
struct record {
    struct eye_request_head head;
    struct eye_http2_body body;
};

static struct record new_record(unsigned int flags, const char *method, const char *path)
{
    struct record record = {
        .head = {.duration_ns = 1500000,
                 .owner = 42,
                 .port = 8080,
                 .code = 200,
                 .protocol = EYE_PROTOCOL_HTTP2},
        .body = {.method_length = (__u8)strlen(method),
                 .flags = (__u8)(flags | EYE_HTTP2_PATH_KNOWN | EYE_HTTP2_METHOD_KNOWN),
                 .path_length = (__u8)strlen(path)},
    };
    memcpy(record.body.method, method, strlen(method));
    memcpy(record.body.path, path, strlen(path));
    record.head.body_bytes = (__u16)(EYE_HTTP2_BODY_FIXED + strlen(path));
    return record;
}

static struct record new_call(const char *path)
{
    return new_record(EYE_HTTP2_GRPC, "POST", path);
}

/* Ends where the record ends, for the address sanitizer. */
static bool is_taken_with_size(struct fixture *fixture, const struct record *record, size_t size)
{
    uint64_t malformed = fixture->usm.malformed;
    uint8_t whole[512] = {0};
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    assert_true(size <= sizeof(whole));
    memcpy(whole, &record->head, sizeof(record->head));
    memcpy(whole + sizeof(record->head), &record->body, sizeof(record->body));
    memcpy(bytes, whole, size);
    eye_usm_take(&fixture->usm, bytes, size);
    free(bytes);
    return fixture->usm.malformed == malformed;
}

static bool is_taken(struct fixture *fixture, const struct record *record)
{
    return is_taken_with_size(fixture, record, sizeof(record->head) + record->head.body_bytes);
}

/* The last request's; NULL when it has none. */
static const char *tag(const struct fixture *fixture, enum eye_tag wanted)
{
    const struct eye_request_name *name = &fixture->name;
    size_t i = 0;
    while (i < name->tag_count && name->tags[i].tag != wanted) {
        i++;
    }
    return i < name->tag_count ? name->tags[i].value : NULL;
}

/* Likewise, but "". */
static const char *text_of_tag(const struct fixture *fixture, enum eye_tag wanted)
{
    const char *value = tag(fixture, wanted);
    return value == NULL ? "" : value;
}

/* NULL: it has none. */
static void assert_tag(const struct fixture *fixture, enum eye_tag wanted, const char *value)
{
    const char *is = tag(fixture, wanted);
    if (value == NULL || is == NULL) {
        assert_ptr_equal(is, value);
    } else {
        assert_string_equal(is, value);
    }
}

/* ---- Huffman's code ---- */

static void assert_decoded(const char *bytes, size_t size, const char *text)
{
    char is[64] = {0};
    assert_int_equal(eye_huffman_decode((const uint8_t *)bytes, size, is, sizeof(is) - 1),
                     strlen(text));
    assert_string_equal(is, text);
}

/* RFC 7541, appendix C.4 and C.6. */
static void huffman_decode__knows_the_examples(void **state)
{
    (void)state;
    assert_decoded("\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", 12, "www.example.com");
    assert_decoded("\xa8\xeb\x10\x64\x9c\xbf", 6, "no-cache");
    assert_decoded("\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f", 8, "custom-key");
    assert_decoded("\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", 9, "custom-value");
    assert_decoded("\x64\x02", 2, "302");
    assert_decoded("\xae\xc3\x77\x1a\x4b", 5, "private");
    assert_decoded("\x64\x0e\xff", 3, "307");
    assert_decoded("\x9b\xd9\xab", 3, "gzip");
    assert_decoded("\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6"
                   "\x2d\x1b\xff",
                   22, "Mon, 21 Oct 2013 20:13:21 GMT");
    assert_decoded("", 0, "");
}

/* All of them in order, as another implementation (python3-hpack) writes them. */
static void huffman_decode__knows_every_symbol(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {
        0xff, 0xc7, 0xff, 0xfd, 0x8f, 0xff, 0xff, 0xe2, 0xff, 0xff, 0xfe, 0x3f, 0xff, 0xff, 0xe4,
        0xff, 0xff, 0xfe, 0x5f, 0xff, 0xff, 0xe6, 0xff, 0xff, 0xfe, 0x7f, 0xff, 0xff, 0xe8, 0xff,
        0xff, 0xea, 0xff, 0xff, 0xff, 0xf3, 0xff, 0xff, 0xfa, 0x7f, 0xff, 0xff, 0xab, 0xff, 0xff,
        0xff, 0xdf, 0xff, 0xff, 0xeb, 0xff, 0xff, 0xfe, 0xcf, 0xff, 0xff, 0xed, 0xff, 0xff, 0xfe,
        0xef, 0xff, 0xff, 0xef, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xf1, 0xff, 0xff, 0xff, 0x2f,
        0xff, 0xff, 0xff, 0xbf, 0xff, 0xff, 0xcf, 0xff, 0xff, 0xfd, 0x3f, 0xff, 0xff, 0xd7, 0xff,
        0xff, 0xfd, 0xbf, 0xff, 0xff, 0xdf, 0xff, 0xff, 0xfe, 0x3f, 0xff, 0xff, 0xe7, 0xff, 0xff,
        0xfe, 0xbf, 0xff, 0xff, 0xed, 0x4f, 0xe3, 0xf9, 0xff, 0xaf, 0xfc, 0xab, 0xf1, 0xfe, 0xbf,
        0xaf, 0xef, 0xe7, 0xfd, 0xfd, 0x2c, 0xbb, 0x00, 0x08, 0x99, 0x69, 0xb7, 0x1d, 0x79, 0xfb,
        0x9f, 0x7f, 0xff, 0x20, 0xff, 0xbf, 0xf3, 0xff, 0x50, 0xdd, 0xbd, 0x7f, 0x06, 0x1c, 0x58,
        0xf2, 0x65, 0xcd, 0x9f, 0x46, 0x9d, 0x5a, 0xf6, 0x6d, 0xdd, 0xbf, 0x87, 0x1e, 0x5f, 0x9c,
        0xff, 0x7f, 0xf7, 0xff, 0xfc, 0x3f, 0xf9, 0xff, 0xe4, 0x5f, 0xff, 0x47, 0x19, 0x24, 0x2c,
        0xb3, 0x4e, 0x6e, 0x9d, 0x68, 0xa6, 0xa3, 0xd7, 0xda, 0xc4, 0x26, 0xde, 0xfe, 0x3c, 0xfa,
        0xf7, 0xff, 0xfb, 0xfe, 0x7f, 0xfb, 0xff, 0xdf, 0xff, 0xff, 0xfc, 0xff, 0xfe, 0x6f, 0xff,
        0xf4, 0xbf, 0xff, 0x9f, 0xff, 0xfa, 0x3f, 0xff, 0xd3, 0xff, 0xff, 0x53, 0xff, 0xfd, 0x5f,
        0xff, 0xfb, 0x3f, 0xff, 0xeb, 0x7f, 0xff, 0xda, 0xff, 0xff, 0xb7, 0xff, 0xff, 0x73, 0xff,
        0xfe, 0xef, 0xff, 0xfd, 0xef, 0xff, 0xfe, 0xbf, 0xff, 0xfb, 0xff, 0xff, 0xfd, 0x9f, 0xff,
        0xfd, 0xbf, 0xff, 0xeb, 0xff, 0xff, 0xe0, 0xff, 0xff, 0xee, 0xff, 0xff, 0xc3, 0xff, 0xff,
        0x8b, 0xff, 0xff, 0x1f, 0xff, 0xfe, 0x4f, 0xff, 0xee, 0x7f, 0xff, 0xb1, 0xff, 0xff, 0x97,
        0xff, 0xfd, 0x9f, 0xff, 0xfc, 0xdf, 0xff, 0xf9, 0xff, 0xff, 0xfb, 0xff, 0xff, 0xda, 0xff,
        0xfe, 0xef, 0xff, 0xf4, 0xff, 0xff, 0xb7, 0xff, 0xfe, 0xe7, 0xff, 0xfe, 0x8f, 0xff, 0xfd,
        0x3f, 0xff, 0xde, 0xff, 0xff, 0xd5, 0xff, 0xfe, 0xef, 0xff, 0xfb, 0xdf, 0xff, 0xfe, 0x1f,
        0xff, 0xdf, 0xff, 0xff, 0x7f, 0xff, 0xff, 0x5f, 0xff, 0xfe, 0xcf, 0xff, 0xf0, 0x7f, 0xff,
        0x87, 0xff, 0xfe, 0x0f, 0xff, 0xf1, 0x7f, 0xff, 0xed, 0xff, 0xff, 0x87, 0xff, 0xff, 0x77,
        0xff, 0xfe, 0xff, 0xff, 0xea, 0xff, 0xff, 0x8b, 0xff, 0xfe, 0x3f, 0xff, 0xf9, 0x3f, 0xff,
        0xf8, 0x7f, 0xff, 0xcb, 0xff, 0xff, 0x37, 0xff, 0xff, 0x1f, 0xff, 0xff, 0x83, 0xff, 0xff,
        0xe1, 0xff, 0xfe, 0xbf, 0xff, 0xe3, 0xff, 0xff, 0x3f, 0xff, 0xff, 0x2f, 0xff, 0xfa, 0x3f,
        0xff, 0xfd, 0x9f, 0xff, 0xff, 0x17, 0xff, 0xff, 0xc7, 0xff, 0xff, 0xf2, 0x7f, 0xff, 0xfd,
        0xef, 0xff, 0xff, 0xbf, 0xff, 0xff, 0xf2, 0xff, 0xff, 0xf8, 0xff, 0xff, 0xfb, 0x7f, 0xff,
        0x97, 0xff, 0xf8, 0xff, 0xff, 0xfe, 0x6f, 0xff, 0xff, 0xc1, 0xff, 0xff, 0xf8, 0x7f, 0xff,
        0xfe, 0x7f, 0xff, 0xff, 0xc5, 0xff, 0xff, 0xe5, 0xff, 0xfe, 0x4f, 0xff, 0xf2, 0xff, 0xff,
        0xfd, 0x1f, 0xff, 0xff, 0x4f, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xfe, 0x3f, 0xff, 0xff, 0xc9,
        0xff, 0xff, 0xf9, 0x7f, 0xff, 0xb3, 0xff, 0xff, 0xcf, 0xff, 0xfb, 0x7f, 0xff, 0xcd, 0xff,
        0xff, 0x4f, 0xff, 0xf9, 0xff, 0xff, 0xd1, 0xff, 0xff, 0xcf, 0xff, 0xfe, 0xaf, 0xff, 0xfa,
        0xff, 0xff, 0xfd, 0xdf, 0xff, 0xfe, 0xff, 0xff, 0xff, 0x4f, 0xff, 0xff, 0x5f, 0xff, 0xff,
        0xab, 0xff, 0xff, 0xa7, 0xff, 0xff, 0xd7, 0xff, 0xff, 0xf9, 0xbf, 0xff, 0xfe, 0xcf, 0xff,
        0xff, 0xb7, 0xff, 0xff, 0xf3, 0xff, 0xff, 0xfe, 0x8f, 0xff, 0xff, 0xd3, 0xff, 0xff, 0xfa,
        0xbf, 0xff, 0xff, 0x5f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xfe, 0xcf, 0xff, 0xff, 0xdb, 0xff,
        0xff, 0xfb, 0xbf, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xf0, 0xff, 0xff, 0xfb, 0xbf,
    };
    char text[300];
    assert_int_equal(eye_huffman_decode(bytes, sizeof(bytes), text, sizeof(text)), 256);
    for (size_t i = 0; i < 256; i++) {
        assert_int_equal((uint8_t)text[i], i);
    }
}

static void huffman_decode__keeps_to_the_room(void **state)
{
    (void)state;
    const uint8_t zeros[40] = {0}; /* 64 times '0' */
    for (size_t room = 0; room < 70; room++) {
        char *text = malloc(room + 1);
        assert_non_null(text);
        text[room] = '!';
        assert_int_equal(eye_huffman_decode(zeros, sizeof(zeros), text, room),
                         room < 64 ? room : 64);
        assert_int_equal(text[room], '!');
        free(text);
    }
}

/* The end of a string is none of its symbols. */
static void huffman_decode__ends_at_what_is_no_code(void **state)
{
    (void)state;
    assert_decoded("\x07\xff\xff\xff\xff\xff\xff\x00\x00", 9, "0");
    assert_decoded("\xff\xff\xff\xfc\x00\x00", 6, "");
}

/* ---- Validity ---- */

static void is_valid__wants_the_length_that_it_says(void **state)
{
    struct fixture *fixture = *state;
    struct record record = new_record(0, "GET", "/a");
    assert_true(is_taken(fixture, &record));
    for (size_t size = 1; size < sizeof(record); size++) {
        if (size != sizeof(struct eye_loss_record)) {
            assert_int_equal(is_taken_with_size(fixture, &record, size),
                             size == sizeof(record.head) + record.head.body_bytes);
        }
    }
    for (unsigned int length = 0; length <= UINT8_MAX; length++) {
        record.body.path_length = (__u8)length;
        assert_int_equal(is_taken(fixture, &record), length == 2);
        record.head.body_bytes = (__u16)(EYE_HTTP2_BODY_FIXED + length);
        assert_int_equal(is_taken(fixture, &record), length <= EYE_HTTP2_PATH_BYTES);
        record.head.body_bytes = EYE_HTTP2_BODY_FIXED + 2;
    }
}

static void is_valid__knows_what_the_kernel_side_writes(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned int length = 0; length <= UINT8_MAX; length++) {
        struct record record = new_record(0, "GET", "/a");
        record.body.method_length = (__u8)length;
        assert_int_equal(is_taken(fixture, &record), length <= sizeof(record.body.method));
    }
    for (unsigned int code = 0; code < 2000; code++) {
        struct record record = new_record(0, "GET", "/a");
        record.head.code = (__u16)code;
        assert_int_equal(is_taken(fixture, &record), code <= 999);
        record.head.flags = EYE_REQUEST_UNANSWERED;
        assert_int_equal(is_taken(fixture, &record), code > 0 && code < EYE_REQUEST_ERROR_COUNT);
    }
}

/* ---- Requests ---- */

static void requests__have_the_names_of_http(void **state)
{
    struct fixture *fixture = *state;
    struct record record = new_record(0, "GET", "/users/7?q");
    assert_true(is_taken(fixture, &record));
    assert_int_equal(fixture->name.metric, EYE_METRIC_HTTP_SERVER_DURATION);
    assert_int_equal(fixture->name.tag_count, 4);
    assert_tag(fixture, EYE_TAG_METHOD, "GET");
    assert_tag(fixture, EYE_TAG_STATUS, "200");
    assert_tag(fixture, EYE_TAG_ROUTE, "/users/*");
    assert_tag(fixture, EYE_TAG_VERSION, "2");
    record.head.flags = EYE_REQUEST_CLIENT;
    assert_true(is_taken(fixture, &record));
    assert_int_equal(fixture->name.metric, EYE_METRIC_HTTP_CLIENT_DURATION);
}

static void requests__are_in_huffmans_code(void **state)
{
    struct fixture *fixture = *state;
    /* PUT /users/7 */
    struct record record = new_record(EYE_HTTP2_HUFFMAN | EYE_HTTP2_METHOD_HUFFMAN, "\xd7\xc3\x7f",
                                      "\x62\xd4\x16\xc4\x30\xef");
    assert_true(is_taken(fixture, &record));
    assert_tag(fixture, EYE_TAG_METHOD, "PUT");
    assert_tag(fixture, EYE_TAG_ROUTE, "/users/*");
}

static void requests__have_methods_that_are_known(void **state)
{
    static const struct {
        const char *method;
        const char *tag;
    } table[] = {{"GET", "GET"},     {"POST", "POST"},       {"PUT", "PUT"},
                 {"HEAD", "HEAD"},   {"DELETE", "DELETE"},   {"OPTIONS", "OPTIONS"},
                 {"PATCH", "PATCH"}, {"TRACE", "TRACE"},     {"CONNECT", "CONNECT"},
                 {"get", "_OTHER"},  {"SEARCH", "_OTHER"},   {"", "_OTHER"},
                 {"GE", "_OTHER"},   {"\x01\xff", "_OTHER"}, {"GETS", "_OTHER"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        struct record record = new_record(0, table[i].method, "/a");
        assert_true(is_taken(fixture, &record));
        assert_tag(fixture, EYE_TAG_METHOD, table[i].tag);
    }
}

static void requests__of_before_are_unknown(void **state)
{
    struct fixture *fixture = *state;
    struct record record = new_record(0, "", "");
    record.body.flags = 0;
    record.head.code = 0;
    assert_true(is_taken(fixture, &record));
    assert_tag(fixture, EYE_TAG_METHOD, "unknown");
    assert_tag(fixture, EYE_TAG_ROUTE, "unknown");
    assert_tag(fixture, EYE_TAG_STATUS, NULL);
    assert_tag(fixture, EYE_TAG_ERROR, NULL);
    assert_int_equal(fixture->name.choice, EYE_CHOICE_OURS);
}

static void requests__without_an_answer_have_an_error(void **state)
{
    static const struct {
        unsigned int error;
        const char *tag;
    } table[] = {{0 + 1, "reset"}, {8 + 1, "cancelled"}, {7 + 1, "reset"}, {255, "reset"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        struct record record = new_record(0, "GET", "/a");
        record.body.error = (__u8)table[i].error;
        assert_true(is_taken(fixture, &record));
        assert_tag(fixture, EYE_TAG_ERROR, NULL); /* it has an answer */
        record.head.code = 0;
        assert_true(is_taken(fixture, &record));
        assert_tag(fixture, EYE_TAG_ERROR, table[i].tag);
        assert_tag(fixture, EYE_TAG_STATUS, NULL);
        record.head.flags = EYE_REQUEST_UNANSWERED;
        record.head.code = EYE_REQUEST_TIMEOUT;
        assert_true(is_taken(fixture, &record));
        assert_tag(fixture, EYE_TAG_ERROR, "timeout");
    }
}

/* Bytes that are no text make no tag that is none, and cut paths are not told as whole. */
static void requests__have_hostile_paths(void **state)
{
    static const char *const paths[] = {"/\x01\x02", "\xff\xfe", "/a\nb", "/\"{}",  "*",
                                        "//",        "/..",      "?",     "/%00%zz"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 2 * EYE_ARRAY_LENGTH(paths); i++) {
        struct record record = new_record(i % 2 == 0 ? 0 : EYE_HTTP2_HUFFMAN, "GET", paths[i / 2]);
        assert_true(is_taken(fixture, &record));
        const char *route = text_of_tag(fixture, EYE_TAG_ROUTE);
        assert_true(*route != '\0');
        for (; *route != '\0'; route++) {
            assert_in_range((unsigned char)*route, ' ', '~');
        }
    }
    struct record cut = new_record(EYE_HTTP2_CUT, "GET", "/users/list");
    assert_true(is_taken(fixture, &cut));
    assert_tag(fixture, EYE_TAG_ROUTE, "/users/*");
}

/* ---- Calls ---- */

static void calls__have_names_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    struct record record = new_call("/shop.Cart/Add");
    record.body.flags |= EYE_HTTP2_STATUS_KNOWN;
    assert_true(is_taken(fixture, &record));
    assert_int_equal(fixture->name.metric, EYE_METRIC_RPC_SERVER_DURATION);
    assert_int_equal(fixture->name.tag_count, 2);
    assert_tag(fixture, EYE_TAG_METHOD, "shop.Cart/Add");
    assert_tag(fixture, EYE_TAG_STATUS, "OK");
    assert_int_equal(fixture->name.chosen, EYE_TAG_METHOD);
    assert_int_equal(fixture->name.choice, EYE_CHOICE_CLIENTS);
    record.head.flags = EYE_REQUEST_CLIENT;
    record.body.grpc_status = 12;
    assert_true(is_taken(fixture, &record));
    assert_int_equal(fixture->name.metric, EYE_METRIC_RPC_CLIENT_DURATION);
    assert_tag(fixture, EYE_TAG_STATUS, "UNIMPLEMENTED");
    assert_int_equal(fixture->name.choice, EYE_CHOICE_REFUSED);
}

static void calls__have_the_names_of_statuses(void **state)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    struct fixture *fixture = *state;
    for (unsigned int status = 0; status <= UINT8_MAX; status++) {
        struct record record = new_call("/a.B/C");
        record.body.flags |= EYE_HTTP2_STATUS_KNOWN;
        record.body.grpc_status = (__u8)status;
        record.body.error = 9; /* it has one of its own: */
        record.head.code = 503;
        assert_true(is_taken(fixture, &record));
        assert_tag(fixture, EYE_TAG_STATUS,
                   status < EYE_ARRAY_LENGTH(names) ? names[status] : "UNKNOWN");
    }
}

/* https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, and http-grpc-status-mapping.md
 */
static void calls__without_status_have_what_libraries_make(void **state)
{
    static const struct {
        unsigned int error; /* of RST_STREAM */
        unsigned int code;
        const char *status;
    } table[] = {
        {0, 0, "INTERNAL"},
        {1, 0, "INTERNAL"},
        {2, 0, "INTERNAL"},
        {3, 0, "INTERNAL"},
        {4, 200, "INTERNAL"},
        {6, 0, "INTERNAL"},
        {7, 0, "UNAVAILABLE"},
        {8, 0, "CANCELLED"},
        {8, 200, "CANCELLED"},
        {9, 0, "INTERNAL"},
        {10, 0, "INTERNAL"},
        {11, 0, "RESOURCE_EXHAUSTED"},
        {12, 0, "PERMISSION_DENIED"},
        {13, 0, "UNKNOWN"},
        {254, 0, "UNKNOWN"},
        {UINT32_MAX, 400, "INTERNAL"},
        {UINT32_MAX, 401, "UNAUTHENTICATED"},
        {UINT32_MAX, 403, "PERMISSION_DENIED"},
        {UINT32_MAX, 404, "UNIMPLEMENTED"},
        {UINT32_MAX, 429, "UNAVAILABLE"},
        {UINT32_MAX, 502, "UNAVAILABLE"},
        {UINT32_MAX, 503, "UNAVAILABLE"},
        {UINT32_MAX, 504, "UNAVAILABLE"},
        {UINT32_MAX, 500, "UNKNOWN"},
        {UINT32_MAX, 302, "UNKNOWN"},
        {UINT32_MAX, 204, "UNKNOWN"},
        {UINT32_MAX, 200, NULL},
        {UINT32_MAX, 0, NULL},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        struct record record = new_call("/a.B/C");
        record.body.error = (__u8)(table[i].error + 1);
        record.head.code = (__u16)table[i].code;
        assert_true(is_taken(fixture, &record));
        assert_tag(fixture, EYE_TAG_STATUS, table[i].status);
        assert_tag(fixture, EYE_TAG_ERROR, NULL);
    }
}

/* An error's text with a status that stood in a table of before: no OK. */
static void calls__with_an_errors_text_are_errors(void **state)
{
    struct fixture *fixture = *state;
    struct record record = new_call("/a.B/C");
    record.body.flags |= EYE_HTTP2_MESSAGE;
    assert_true(is_taken(fixture, &record));
    assert_tag(fixture, EYE_TAG_STATUS, NULL);
    assert_tag(fixture, EYE_TAG_ERROR, "_OTHER");
}

static void calls__without_an_answer_have_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct record record = new_call("/a.B/C");
    record.head.flags = EYE_REQUEST_UNANSWERED;
    record.head.code = EYE_REQUEST_RESET;
    assert_true(is_taken(fixture, &record));
    assert_tag(fixture, EYE_TAG_STATUS, NULL);
    assert_tag(fixture, EYE_TAG_ERROR, "reset");
    assert_int_equal(fixture->name.choice, EYE_CHOICE_REFUSED);
}

/* What is no method's name is nobody's: no word of a stranger becomes a tag. */
static void calls__are_methods_of_services(void **state)
{
    static const char *const others[] = {
        "",      "/",        "//",       "/a",         "/a/",       "a.B/C",    "/a.B/C?x",
        "//a.B", "/a.B/C\n", "/a.B/C D", "/a.B/\xc3x", "/a.B/C%20", "/a\x01/C", "*",
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(others); i++) {
        struct record record = new_call(others[i]);
        assert_true(is_taken(fixture, &record));
        assert_tag(fixture, EYE_TAG_METHOD, "_OTHER");
        assert_int_equal(fixture->name.choice, EYE_CHOICE_OURS);
    }
    struct record cut = new_call("/a.B/C");
    cut.body.flags |= EYE_HTTP2_CUT;
    assert_true(is_taken(fixture, &cut));
    assert_tag(fixture, EYE_TAG_METHOD, "_OTHER");
    struct record unknown = new_call("");
    unknown.body.flags = EYE_HTTP2_GRPC;
    assert_true(is_taken(fixture, &unknown));
    assert_tag(fixture, EYE_TAG_METHOD, "unknown");
}

/* The longest that a record holds, in either code, has room. */
static void calls__have_long_names(void **state)
{
    struct fixture *fixture = *state;
    char path[EYE_HTTP2_PATH_BYTES + 1];
    memset(path, 'm', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    path[0] = '/';
    path[8] = '/';
    struct record record = new_call(path);
    assert_true(is_taken(fixture, &record));
    assert_tag(fixture, EYE_TAG_METHOD, path + 1);
    /* '/' is 011000, '0' is 00000: "/000.../000..." */
    memset(path, 0, sizeof(path));
    path[0] = 0x60;
    path[4] = (char)0xc0;
    struct record huffman = new_call(path);
    huffman.body.flags |= EYE_HTTP2_HUFFMAN;
    memcpy(huffman.body.path, path, EYE_HTTP2_PATH_BYTES);
    huffman.body.path_length = EYE_HTTP2_PATH_BYTES;
    huffman.head.body_bytes = EYE_HTTP2_BODY_FIXED + EYE_HTTP2_PATH_BYTES;
    assert_true(is_taken(fixture, &huffman));
    const char *method = text_of_tag(fixture, EYE_TAG_METHOD);
    assert_true(strlen(method) > EYE_HTTP2_PATH_BYTES);
    assert_int_equal(strspn(method, "0/"), strlen(method));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(huffman_decode__knows_the_examples),
        TEST(huffman_decode__knows_every_symbol),
        TEST(huffman_decode__keeps_to_the_room),
        TEST(huffman_decode__ends_at_what_is_no_code),
        TEST(is_valid__wants_the_length_that_it_says),
        TEST(is_valid__knows_what_the_kernel_side_writes),
        TEST(requests__have_the_names_of_http),
        TEST(requests__are_in_huffmans_code),
        TEST(requests__have_methods_that_are_known),
        TEST(requests__of_before_are_unknown),
        TEST(requests__without_an_answer_have_an_error),
        TEST(requests__have_hostile_paths),
        TEST(calls__have_names_of_their_own),
        TEST(calls__have_the_names_of_statuses),
        TEST(calls__without_status_have_what_libraries_make),
        TEST(calls__with_an_errors_text_are_errors),
        TEST(calls__without_an_answer_have_an_error),
        TEST(calls__are_methods_of_services),
        TEST(calls__have_long_names),
    };
    return cmocka_run_group_tests_name("http2_names", tests, NULL, NULL);
}
