/* SPDX-License-Identifier: Apache-2.0 */
/* What any payload of a protocol's, cut anyhow, is taken for: that protocol or none. A few letters
 * may be HTTP's, whose parser then says that they are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "tests/support/http2_host.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#include "bpf/usm/looks.h"
#pragma GCC diagnostic pop

#include "tests/support/dns_messages.h"
#include "tests/support/http_conversations.h"
#include "tests/support/http_host.h"
#include "tests/support/kafka_messages.h"

static __u8 recognise(const void *bytes, size_t size)
{
    struct eye_glance glance = {0};
    size_t seen = size < EYE_LOOK_BYTES ? size : EYE_LOOK_BYTES;
    memcpy(glance.bytes, bytes, seen);
    glance.payload_bytes = (__u32)size;
    return eye_look_at(&glance, (__u32)seen, ~0U);
}

/* Nothing is sure, nor told, when the rest has passed. */
static void assert_taken_back(const __u8 *bytes, size_t size, size_t piece)
{
    struct http_host *host = http_host_new();
    for (size_t at = 0; at < size;) {
        size_t part = piece < size - at ? piece : size - at;
        http_host_send(host, EYE_SENT, bytes + at, part);
        at += part;
    }
    assert_int_equal(host->record_count, 0);
    assert_false(host->conversation.confirmed);
    free(host);
}

static void assert_none_but(__u8 protocol, const void *bytes, size_t size)
{
    static const size_t pieces[] = {1, 7, 9, 13, 64, 1460, SIZE_MAX};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(pieces); i++) {
        /* Kafka is numbers, and most are small: what of it is as long as the shortest frames of
         * HTTP/2 may look like one. */
        bool frames = pieces[i] == 9 || pieces[i] == 13;
        for (size_t at = frames && protocol == EYE_PROTOCOL_KAFKA ? size : 0; at < size;) {
            size_t part = pieces[i] < size - at ? pieces[i] : size - at;
            __u8 found = recognise((const __u8 *)bytes + at, part);
            if (found == EYE_PROTOCOL_HTTP && protocol != found) {
                assert_taken_back((const __u8 *)bytes + at, size - at, pieces[i]);
            } else if (found != protocol && found != EYE_PROTOCOL_UNKNOWN &&
                       found != EYE_SEEN_PROXY) {
                fail_msg("%u, not %u: %zu bytes at %zu", found, protocol, part, at);
            }
            at += part;
        }
    }
}

static void http_is_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(conversations); i++) {
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(conversations[i].parts); j++) {
            const char *bytes = conversations[i].parts[j].bytes;
            if (bytes != NULL) {
                assert_none_but(EYE_PROTOCOL_HTTP, bytes, strlen(bytes));
            }
        }
    }
    assert_int_equal(recognise("GET / HTTP/1.1\r\n\r\n", 18), EYE_PROTOCOL_HTTP);
}

static void dns_is_nothing_else(void **state)
{
    (void)state;
    __u8 bytes[8192];
    assert_none_but(EYE_PROTOCOL_DNS, bytes, dns_put_all(bytes));
    for (unsigned int id = 0; id <= UINT16_MAX; id++) {
        size_t size = dns_put_message(bytes, (__u16)id, id % 2 == 1, 13, 29);
        __u8 found = recognise(bytes, size);
        assert_true(found == EYE_PROTOCOL_DNS || (id % 2 == 1 && found == EYE_PROTOCOL_UNKNOWN));
    }
}

/* The first payloads of both ends are recognised, too. */
static void http2_is_nothing_else(void **state)
{
    (void)state;
    static const char *const names[] = {"nghttp", "h2load", "curl", "grpc"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(names); i++) {
        struct http2_segment segments[HTTP2_SEGMENTS];
        __u8 bytes[HTTP2_BYTES];
        size_t count = http2_load(names[i], bytes, segments);
        for (size_t j = 0; j < count; j++) {
            assert_none_but(EYE_PROTOCOL_HTTP2, segments[j].bytes, segments[j].size);
        }
        assert_int_equal(recognise(segments[0].bytes, segments[0].size), EYE_PROTOCOL_HTTP2);
        assert_int_equal(recognise(segments[1].bytes, segments[1].size), EYE_PROTOCOL_HTTP2);
    }
}

#define BYTES(text) text, sizeof(text) - 1

/* What may come first of a connection that is older: one frame that ends its payload, or two. */
static void frames_are_http2(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } frames[] = {
        {BYTES("\0\0\1\1\5\0\0\0\1\x82")},
        {BYTES("\0\0\2\0\1\0\0\0\3ab")},
        {BYTES("\0\0\1\1\4\0\0\0\7\x82\0\0\0\0\1\0\0\0\7")},
        {BYTES("\0\0\4\x08\0\0\0\0\0\0\0\1\0\0\0\x08\6\0\0\0\0\0")},
        {BYTES("\0\0\0\4\1\0\0\0\0\0\0\0\4\0\0\0\0\0")},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(frames); i++) {
        assert_int_equal(recognise(frames[i].bytes, frames[i].size), EYE_PROTOCOL_HTTP2);
    }
}

/* Of lines that Redis shares with others none is anybody's; pieces of values are nothing else. */
static void redis_is_nothing_else(void **state)
{
    (void)state;
    static const char *const payloads[] = {
        "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$19\r\n{\"a value\": [12, 7]}\r\n",
        "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n",
        "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n+proto\r\n:3\r\n>2\r\n+a\r\n_\r\n",
        "+OK\r\n-ERR unknown\r\n$-1\r\n:12\r\n,1.5\r\n#t\r\n(123\r\n",
        "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(payloads); i++) {
        assert_none_but(EYE_PROTOCOL_REDIS, payloads[i], strlen(payloads[i]));
    }
    assert_int_equal(recognise(payloads[0], strlen(payloads[0])), EYE_PROTOCOL_REDIS);
    assert_int_equal(recognise(BYTES("PING\r\n")), EYE_PROTOCOL_UNKNOWN);
    assert_int_equal(recognise(BYTES("+PONG\r\n")), EYE_PROTOCOL_UNKNOWN);
    assert_int_equal(recognise(BYTES("INFO {\"server_id\":\"N\"}\r\n")), EYE_CLASS_NATS);
}

/* Any request that ends with its payload. Answers may look like one: that it is none, who connected
 * tells. */
static void kafka_is_nothing_else(void **state)
{
    (void)state;
    static const char *const names[] = {"kcat-produce", "kcat-consume", "kcat-group", "python"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(names); i++) {
        struct http2_segment segments[HTTP2_SEGMENTS];
        __u8 bytes[HTTP2_BYTES];
        size_t count = http2_load_of("kafka", names[i], bytes, segments);
        for (size_t j = 0; j < count; j++) {
            assert_none_but(EYE_PROTOCOL_KAFKA, segments[j].bytes, segments[j].size);
            assert_true(segments[j].direction == 1 ||
                        recognise(segments[j].bytes, segments[j].size) == EYE_PROTOCOL_KAFKA);
        }
    }
}

/* One alone, two at once, and the beginning of one, if what is there is nothing else's: of those
 * that may belong to a transaction. */
static void batches_are_kafka(void **state)
{
    static const struct kafka_topic topic = {"orders", 9};
    (void)state;
    for (unsigned int version = 0; version <= 13; version++) {
        for (int acks = -1; acks <= 1; acks++) {
            struct kafka_bytes bytes = {.size = 0};
            kafka_ask_produce(&bytes, version, 3, NULL, acks, topic, 300);
            size_t whole = bytes.size;
            size_t enough = version < 3 ? whole : 14 + strlen("a client") + 12;
            kafka_ask_produce(&bytes, version, 4, NULL, acks, topic, 3000);
            assert_int_equal(recognise(bytes.data, whole), EYE_PROTOCOL_KAFKA);
            assert_int_equal(recognise(bytes.data, 1460),
                             version < 3 ? EYE_PROTOCOL_UNKNOWN : EYE_PROTOCOL_KAFKA);
            for (size_t size = 1; size < whole; size++) {
                assert_int_equal(recognise(bytes.data, size),
                                 size < enough ? EYE_PROTOCOL_UNKNOWN : EYE_PROTOCOL_KAFKA);
            }
            bytes.size = 0;
            kafka_ask_produce(&bytes, version, 3, "a-transaction", acks, topic, 300);
            assert_int_equal(recognise(bytes.data, bytes.size), EYE_PROTOCOL_KAFKA);
        }
    }
}

/* A client without a name that produces, and without a transaction: ZooKeeper has a path
 * there. */
static void produce_of_nobody_is_kafka(void **state)
{
    (void)state;
    assert_int_equal(
        recognise(BYTES("\0\0\0\x16\0\0\0\3\0\0\0\7\0\0\xff\xff\0\1\0\0\x75\x30\0\0\0\1")),
        EYE_PROTOCOL_KAFKA);
    assert_int_equal(recognise(BYTES("\0\0\0\x14\0\0\0\x09\0\0\0\7\0\0\0\0\0\1\0\0\x75\x30\2\0")),
                     EYE_PROTOCOL_KAFKA);
    assert_int_equal(recognise(BYTES("\0\0\0\x16\0\0\0\3\0\0\0\7\xff\xff\xff\xff\0\1\0\0\x75\x30"
                                     "\0\0\0\1")),
                     EYE_PROTOCOL_KAFKA);
}

/* Statements of any length, too, although the letters of their commands are PostgreSQL's: a length
 * of 80 gives the head of its Parse, one of 67 that of its CommandComplete. */
static void mysql_is_nothing_else(void **state)
{
    (void)state;
    static const char *const names[] = {"mariadb", "pymysql", "prepared", "prepared_eofs"};
    static __u8 text[2004];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(names); i++) {
        struct http2_segment segments[HTTP2_SEGMENTS];
        __u8 bytes[HTTP2_BYTES];
        size_t count = http2_load_of("mysql", names[i], bytes, segments);
        for (size_t j = 0; j < count; j++) {
            assert_none_but(EYE_PROTOCOL_MYSQL, segments[j].bytes, segments[j].size);
        }
        assert_int_equal(recognise(segments[0].bytes, segments[0].size), EYE_PROTOCOL_MYSQL);
    }
    for (size_t length = 10; length < 2000; length++) {
        static const __u8 commands[] = {0x03, 0x16};
        for (size_t i = 0; i < EYE_ARRAY_LENGTH(commands); i++) {
            memset(text, 'x', sizeof(text));
            text[0] = (__u8)length;
            text[1] = (__u8)(length >> 8);
            text[2] = 0;
            text[3] = 0;
            text[4] = commands[i];
            memcpy(text + 5, "SELECT ", 7);
            assert_int_equal(recognise(text, length + 4), EYE_PROTOCOL_MYSQL);
            memcpy(text + 5, "hello", 5);
            assert_int_equal(recognise(text, length + 4), EYE_PROTOCOL_UNKNOWN);
        }
    }
}

/* Not of PostgreSQL's queries of any length, and no random payload. */
static void mysql_takes_nothing_of_others(void **state)
{
    (void)state;
    static __u8 bytes[2008];
    for (__u32 length = 13; length < 2000; length++) {
        static const char types[] = "QP";
        for (size_t i = 0; i < 2; i++) {
            size_t from = i == 0 ? 5 : 6;
            memset(bytes, 'x', sizeof(bytes));
            bytes[0] = (__u8)types[i];
            bytes[1] = 0;
            bytes[2] = 0;
            bytes[3] = (__u8)(length >> 8);
            bytes[4] = (__u8)length;
            bytes[5] = 0; /* of a Parse: its name */
            memcpy(bytes + from, "SELECT ", 7);
            assert_int_equal(recognise(bytes, length + 1), EYE_PROTOCOL_POSTGRES);
        }
    }
    __u64 random = 88172645463325252ULL;
    for (int i = 0; i < 600000; i++) {
        __u8 payload[64];
        for (size_t j = 0; j < sizeof(payload); j += sizeof(random)) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            memcpy(payload + j, &random, sizeof(random));
        }
        assert_int_not_equal(recognise(payload, 5 + random % 60), EYE_PROTOCOL_MYSQL);
    }
}

/* First bytes of others that have lengths and numbers in the same places. */
static void others_are_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        size_t size;
    } others[] = {
        {"Kafka, ApiVersions 3", BYTES("\0\0\0\x1b\0\x12\0\3\0\0\0\1\0\7rdkafka\0\4abc\0012\0")},
        {"Kafka, Produce 0", BYTES("\0\0\0\x14\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0")},
        {"Kafka, an answer", BYTES("\0\0\0\x10\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0")},
        {"MySQL, a greeting", BYTES("\x4a\0\0\0\x0a"
                                    "8.0.36\0\x0b\0\0\0abcdefgh\0")},
        {"MySQL, OK", BYTES("\7\0\0\2\0\0\0\2\0\0\0")},
        {"PostgreSQL, SSLRequest", BYTES("\0\0\0\x08\4\xd2\x16\x2f")},
        {"PostgreSQL, a start", BYTES("\0\0\0\x17\0\3\0\0user\0postgres\0\0")},
        {"TLS, a hello", BYTES("\x16\3\1\2\0\1\0\1\xfc\3\3")},
        {"MQTT, a connection", BYTES("\x10\x10\0\4MQTT\4\2\0\x3c\0\4test")},
        {"AMQP", BYTES("AMQP\0\0\x09\1")},
        {"AMQP, a method", BYTES("\1\0\0\0\0\0\x0c\0\x0a\0\x0b\0\0\0\0\0\0\0\0\xce")},
        {"MongoDB", BYTES("\x30\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0")},
        {"Redis", BYTES("*1\r\n$4\r\nPING\r\n")},
        {"NATS", BYTES("INFO {\"server_id\":\"NA\"}\r\n")},
        {"ZooKeeper, a session", BYTES("\0\0\0\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x75\x30"
                                       "\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0"
                                       "\0\0\0\0\0\0\0\0\0")},
        {"ZooKeeper, the same again", BYTES("\0\0\0\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x75\x30"
                                            "\1\0\0\x2a\x12\x34\0\0\0\0\0\x10\0\0\0\0\0\0\0\0"
                                            "\0\0\0\0\0\0\0\0\0")},
        {"ZooKeeper, a node is made",
         BYTES("\0\0\0\x2f\0\0\0\1\0\0\0\1\0\0\0\4/ids\0\0\0\0"
               "\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone\0\0\0\0")},
        {"ZooKeeper, another one", BYTES("\0\0\0\x2f\0\0\0\3\0\0\0\1\0\0\0\4/ids\0\0\0\0"
                                         "\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone\0\0\0\0")},
        {"ZooKeeper, a node is removed", BYTES("\0\0\0\x14\0\0\0\2\0\0\0\2\0\0\0\4/ids\0\0\0\1")},
        {"ZooKeeper, is it there", BYTES("\0\0\0\x11\0\0\0\3\0\0\0\3\0\0\0\4/ids\0")},
        {"ZooKeeper, what it holds", BYTES("\0\0\0\x11\0\0\0\4\0\0\0\4\0\0\0\4/ids\1")},
        {"ZooKeeper, which are below",
         BYTES("\0\0\0\x18\0\0\0\x0c\0\0\0\x0c\0\0\0\x0b/broker/ids\0")},
        {"SMB", BYTES("\0\0\0\x54\xffSMB\x72\0\0\0\0\x18\1\x28")},
        {"zeros", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
        {"data of an even stream", BYTES("\0\0\2\0\1\0\0\0\2ab")},
        {"data with a flag of nobody's", BYTES("\0\0\2\0\2\0\0\0\1ab")},
        {"an update alone", BYTES("\0\0\4\x08\0\0\0\0\0\0\0\1\0")},
        {"an HTTP/1 beginning", BYTES("PRI / HTTP/1.1\r\n\r\n")},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(others); i++) {
        bool kafka = strncmp(others[i].name, "Kafka", 5) == 0;
        for (size_t size = 1; size <= others[i].size; size++) {
            __u8 found = recognise(others[i].bytes, size);
            if (found == EYE_PROTOCOL_HTTP2 || (found == EYE_PROTOCOL_KAFKA && !kafka)) {
                fail_msg("%s, of %zu bytes", others[i].name, size);
            }
        }
    }
}

/* A record of TLS with @size bytes of something behind its head, at @bytes. */
static size_t put_record(__u8 *bytes, __u8 type, size_t size)
{
    const __u8 head[] = {type, 3, 3, (__u8)(size >> 8), (__u8)size};
    memcpy(bytes, head, sizeof(head));
    for (size_t i = 0; i < size; i++) {
        bytes[sizeof(head) + i] = (__u8)(i * 89 + size);
    }
    return sizeof(head) + size;
}

/* A hello of @size bytes, of a client or a server, as openssl makes it. */
static size_t put_hello(__u8 *bytes, __u8 kind, size_t size)
{
    size_t end = put_record(bytes, 22, size);
    const __u8 head[] = {kind, 0, (__u8)((size - 4) >> 8), (__u8)(size - 4), 3, 3};
    memcpy(bytes + 5, head, sizeof(head));
    bytes[2] = kind == 1 ? 1 : 3;
    return end;
}

/* Hellos of clients with and without large keys, of servers, and what follows them. */
static void tls_is_nothing_else(void **state)
{
    static const size_t hellos[] = {100, 221, 317, 512, 1455, 1800};
    __u8 bytes[8192];
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(hellos); i++) {
        for (__u8 kind = 1; kind <= 2; kind++) {
            size_t size = put_hello(bytes, kind, hellos[i]);
            assert_none_but(EYE_CLASS_TLS, bytes, size);
            assert_int_equal(recognise(bytes, size), EYE_CLASS_TLS);
            assert_int_equal(recognise(bytes, 11), EYE_CLASS_TLS);
            size += put_record(bytes + size, 20, 1);
            size += put_record(bytes + size, 23, 36);
            size += put_record(bytes + size, 23, 1200);
            assert_none_but(EYE_CLASS_TLS, bytes, size);
        }
    }
}

/* Of a connection that is older: what shows that these are records. */
static void records_are_tls(void **state)
{
    __u8 bytes[8192];
    (void)state;
    assert_int_equal(recognise(bytes, put_record(bytes, 23, 36)), EYE_CLASS_TLS);
    assert_int_equal(recognise(bytes, put_record(bytes, 23, 1200)), EYE_CLASS_TLS);
    assert_int_equal(recognise(bytes, put_record(bytes, 21, 2)), EYE_PROTOCOL_UNKNOWN); /* few */
    assert_int_equal(recognise(bytes, put_record(bytes, 21, 26)), EYE_CLASS_TLS);
    assert_int_equal(recognise(bytes, put_record(bytes, 22, 1200)), EYE_PROTOCOL_UNKNOWN);
    size_t size = put_record(bytes, 20, 1);
    put_record(bytes + size, 22, 300);
    assert_int_equal(recognise(bytes, 400), EYE_CLASS_TLS);
    bytes[size] = 24;
    assert_int_equal(recognise(bytes, 400), EYE_PROTOCOL_UNKNOWN);
    put_record(bytes, 23, 60);
    assert_int_equal(recognise(bytes, 40), EYE_PROTOCOL_UNKNOWN);
}

static const struct {
    __u8 class;
    const char *bytes;
    size_t size;
} beginnings[] = {
    {EYE_CLASS_SSH, BYTES("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")},
    {EYE_CLASS_SSH, BYTES("SSH-1.99-Cisco-1.25\n")},
    {EYE_CLASS_AMQP, BYTES("AMQP\0\0\x09\1")},
    {EYE_CLASS_AMQP, BYTES("AMQP\3\1\0\0")},
    {EYE_CLASS_MQTT, BYTES("\x10\x10\0\4MQTT\4\2\0\x3c\0\4test")},
    {EYE_CLASS_MQTT, BYTES("\x10\x8f\1\0\4MQTT\5\xc2\0\x3c\0\4test")},
    {EYE_CLASS_NATS, BYTES("INFO {\"server_id\":\"NA\",\"version\":\"2.9.10\"}\r\n")},
    {EYE_CLASS_MONGODB, BYTES("\x24\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0"
                              "\x10\0\0\0\x10ping\0\1\0\0\0\0")},
};

/* Whole they are known, in pieces they are that or nothing. */
static void classes_are_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(beginnings); i++) {
        assert_int_equal(recognise(beginnings[i].bytes, beginnings[i].size), beginnings[i].class);
        assert_none_but(beginnings[i].class, beginnings[i].bytes, beginnings[i].size);
    }
}

static __u32 next_random(__u32 *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 24;
}

/* Always the same ones. */
static void random_bytes_have_no_class(void **state)
{
    __u32 seed = 7;
    (void)state;
    for (int i = 0; i < 1000000; i++) {
        struct eye_glance glance = {0};
        for (size_t j = 0; j < 24; j++) {
            glance.bytes[j] = (__u8)next_random(&seed);
        }
        assert_int_equal(eye_classify(&glance, 24), 0);
    }
}

static __u32 measured(const void *bytes, size_t size)
{
    struct eye_proxy_window window = {0};
    __u32 seen = size < EYE_PROXY_LINE_MAX ? (__u32)size : EYE_PROXY_LINE_MAX;
    memcpy(window.bytes, bytes, seen);
    return eye_proxy_measure(&window, seen);
}

static void headers_of_load_balancers_are_measured(void **state)
{
    static const char line[] = "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\nGET / HTTP/1.1\r\n";
    static const char header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\1\2";
    char longest[200];
    (void)state;
    for (size_t size = 8; size < sizeof(line); size++) {
        assert_int_equal(measured(line, size), size < 41 ? 0 : 41);
    }
    for (size_t size = 8; size < sizeof(header); size++) {
        assert_int_equal(measured(header, size), size < 16 ? 0 : 16 + 258);
    }
    assert_int_equal(measured(BYTES("PROXY UNKNOWN\r\n")), 15);
    assert_int_equal(measured(BYTES("\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0")), 0);
    assert_int_equal(measured(BYTES("\r\n\r\n\0\r\nQUIET\x21\x11\0\0")), 0);
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, line, 6);
    longest[EYE_PROXY_LINE_MAX - 1] = '\n';
    assert_int_equal(measured(longest, sizeof(longest)), EYE_PROXY_LINE_MAX);
    longest[EYE_PROXY_LINE_MAX - 1] = 'x';
    longest[EYE_PROXY_LINE_MAX] = '\n';
    assert_int_equal(measured(longest, sizeof(longest)), 0);
    assert_int_equal(recognise(line, sizeof(line)), EYE_SEEN_PROXY);
    assert_int_equal(recognise(header, sizeof(header)), EYE_SEEN_PROXY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_is_nothing_else),
        cmocka_unit_test(dns_is_nothing_else),
        cmocka_unit_test(http2_is_nothing_else),
        cmocka_unit_test(frames_are_http2),
        cmocka_unit_test(redis_is_nothing_else),
        cmocka_unit_test(kafka_is_nothing_else),
        cmocka_unit_test(batches_are_kafka),
        cmocka_unit_test(produce_of_nobody_is_kafka),
        cmocka_unit_test(mysql_is_nothing_else),
        cmocka_unit_test(mysql_takes_nothing_of_others),
        cmocka_unit_test(others_are_nothing_else),
        cmocka_unit_test(tls_is_nothing_else),
        cmocka_unit_test(records_are_tls),
        cmocka_unit_test(classes_are_nothing_else),
        cmocka_unit_test(random_bytes_have_no_class),
        cmocka_unit_test(headers_of_load_balancers_are_measured),
    };
    return cmocka_run_group_tests_name("recognise", tests, NULL, NULL);
}
