/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Kafka parser of the kernel programs, on the host. Each conversation is played whole, in
 * pieces of every size, and cut at every place; all must give the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "tests/support/http2_host.h"
#include "tests/support/kafka_host.h"
#include "tests/support/kafka_messages.h"
#include "tests/support/random.h"

#define TURNS 64

/* What one end sends at once, and what is known when it has. */
struct turn {
    __u32 side;
    struct kafka_bytes bytes;
};

struct told {
    __u8 key;
    __u8 flags;
    __u16 code;
    const char *name; /* NULL: none; of an id one of its bytes */
};

struct script {
    struct turn turns[TURNS];
    struct told told[TURNS];
    size_t turn_count;
    size_t told_count;
    size_t topics;
};

static struct kafka_bytes *next(struct script *script, __u32 side)
{
    struct turn *turn = &script->turns[script->turn_count++];
    assert_true(script->turn_count <= TURNS);
    turn->side = side;
    turn->bytes.size = 0;
    return &turn->bytes;
}

static struct kafka_bytes *client(struct script *script)
{
    return next(script, 0);
}

static struct kafka_bytes *broker(struct script *script)
{
    return next(script, 1);
}

static void tells(struct script *script, unsigned int key, unsigned int flags, unsigned int code,
                  const char *name)
{
    script->told[script->told_count++] = (struct told){(__u8)key, (__u8)flags, (__u16)code, name};
}

/* A connection begins as all do. */
static void begin(struct script *script)
{
    kafka_ask_other(client(script), EYE_KAFKA_API_VERSIONS, 3, 1);
    kafka_answer_error(broker(script), EYE_KAFKA_API_VERSIONS, 0, 1, false, 35);
    tells(script, EYE_KAFKA_API_VERSIONS, 0, 35, NULL);
    kafka_ask_other(client(script), EYE_KAFKA_API_VERSIONS, 0, 2);
    kafka_answer_error(broker(script), EYE_KAFKA_API_VERSIONS, 0, 2, false, 0);
    tells(script, EYE_KAFKA_API_VERSIONS, 0, 0, NULL);
}

static const struct kafka_topic orders = {"orders", 9};
static const char long_name[] =
    "a-name.of_two-hundred.a-name.of_two-hundred.a-name.of_two-hundred."
    "a-name.of_two-hundred.a-name.of_two-hundred.a-name.of_two-hundred."
    "a-name.of_two-hundred.a-name.of_two-hundred.a-name.of_two-hundred.XX";

static void write_produce(struct script *script, unsigned int version)
{
    const char *name = version >= 13 ? "\x09" : "orders";
    unsigned int flag = version >= 13 ? EYE_KAFKA_HAS_ID : EYE_KAFKA_HAS_NAME;
    begin(script);
    kafka_ask_produce(client(script), version, 3, NULL, -1, orders, 300);
    kafka_answer_produce(broker(script), version, 3, orders, 0);
    tells(script, EYE_KAFKA_PRODUCE, flag, 0, name);
    kafka_ask_produce(client(script), version, 4, "a-transaction", 1, orders, 0);
    kafka_answer_produce(broker(script), version, 4, orders, 3);
    tells(script, EYE_KAFKA_PRODUCE, flag, 3, name);
    /* Two at once. */
    struct kafka_bytes *two = client(script);
    kafka_ask_produce(two, version, 5, NULL, -1, orders, 5000);
    kafka_ask_produce(two, version, 6, NULL, -1, orders, 1);
    two = broker(script);
    kafka_answer_produce(two, version, 5, orders, 0);
    kafka_answer_produce(two, version, 6, orders, -1);
    tells(script, EYE_KAFKA_PRODUCE, flag, 0, name);
    tells(script, EYE_KAFKA_PRODUCE, flag, 0xffff, name);
    /* Nobody answers this, or it is answered all the same. */
    kafka_ask_produce(client(script), version, 7, NULL, 0, orders, 10);
    tells(script, EYE_KAFKA_PRODUCE, flag | EYE_KAFKA_UNACKNOWLEDGED, 0, name);
    kafka_ask_produce(client(script), version, 8, NULL, 0, orders, 10);
    tells(script, EYE_KAFKA_PRODUCE, flag | EYE_KAFKA_UNACKNOWLEDGED, 0, name);
    kafka_answer_produce(broker(script), version, 8, orders, 0);
    kafka_ask_other(client(script), EYE_KAFKA_HEARTBEAT, 4, 9);
    kafka_answer_error(broker(script), EYE_KAFKA_HEARTBEAT, 4, 9, true, 27);
    tells(script, EYE_KAFKA_HEARTBEAT, 0, 27, NULL);
}

static void fetch(struct script *script, unsigned int version, uint32_t number, int error,
                  const struct kafka_part *parts, uint32_t count)
{
    kafka_ask_fetch(client(script), version, number, orders, 1);
    struct kafka_bytes *answer = broker(script);
    size_t start = kafka_begin_fetched(answer, version, number, error, count > 0);
    if (count > 0) {
        kafka_put_fetched(answer, version, orders, parts, count);
    }
    kafka_tags(answer);
    kafka_end(answer, start);
}

static void write_fetch(struct script *script, unsigned int version)
{
    const char *name = version >= 13 ? "\x09" : "orders";
    unsigned int flag = version >= 13 ? EYE_KAFKA_HAS_ID : EYE_KAFKA_HAS_NAME;
    static const struct kafka_part full = {0, 0, 700};
    static const struct kafka_part empty[3];
    static const struct kafka_part late[3] = {{0}, {0, 2, 0}, {0, 30, 200}};
    static const struct kafka_part wrong[2] = {{0}, {6, 0, 0}};
    static const struct kafka_part aborted = {0, 3, 0};
    begin(script);
    fetch(script, version, 3, 0, &full, 1);
    tells(script, EYE_KAFKA_FETCH, flag, 0, name);
    fetch(script, version, 4, 0, empty, 3);
    tells(script, EYE_KAFKA_FETCH, flag | EYE_KAFKA_EMPTY, 0, name);
    fetch(script, version, 5, 0, version >= 4 ? late : wrong, version >= 4 ? 3 : 2);
    tells(script, EYE_KAFKA_FETCH, flag, version >= 4 ? 0 : 6, name);
    fetch(script, version, 6, 0, wrong, 2);
    tells(script, EYE_KAFKA_FETCH, flag, 6, name);
    fetch(script, version, 7, 0, version >= 4 ? &aborted : empty, 1);
    tells(script, EYE_KAFKA_FETCH, flag | EYE_KAFKA_EMPTY, 0, name);
    if (version >= 7) {
        fetch(script, version, 8, 70, NULL, 0);
        tells(script, EYE_KAFKA_FETCH, flag, 70, name);
    }
    fetch(script, version, 9, 0, NULL, 0);
    tells(script, EYE_KAFKA_FETCH, flag | EYE_KAFKA_EMPTY, 0, name);
    /* Of a session that asks for nothing new: the answer tells what it brings. */
    kafka_ask_fetch(client(script), version, 10, orders, 0);
    struct kafka_bytes *answer = broker(script);
    size_t start = kafka_begin_fetched(answer, version, 10, 0, 2);
    kafka_put_fetched(answer, version, orders, empty, 2);
    kafka_put_fetched(answer, version, (struct kafka_topic){"returns", 10}, &full, 1);
    kafka_tags(answer);
    kafka_end(answer, start);
    tells(script, EYE_KAFKA_FETCH, flag, 0, version >= 13 ? "\x0a" : "returns");
    kafka_ask_other(client(script), EYE_KAFKA_OFFSET_COMMIT, 1, 11);
    kafka_answer_produce(broker(script), 1, 11, orders, 25);
    tells(script, EYE_KAFKA_OFFSET_COMMIT, 0, 25, NULL);
}

static void write_metadata(struct script *script, unsigned int version)
{
    static const uint32_t shapes[][3] = {{1, 3, 2}, {0, 1, 1}, {5, 0, 0}, {3, 9, 0}, {2, 2, 40}};
    begin(script);
    for (uint32_t i = 0; i < EYE_ARRAY_LENGTH(shapes); i++) {
        const uint32_t *shape = shapes[i];
        kafka_ask_other(client(script), EYE_KAFKA_METADATA, version, 3 + i);
        kafka_answer_metadata(broker(script), version, 3 + i, shape[0], shape[1], shape[2]);
        tells(script, EYE_KAFKA_METADATA, 0, 0, NULL);
        script->topics += version >= EYE_KAFKA_METADATA_IDS ? shape[1] : 0;
    }
    kafka_ask_other(client(script), EYE_KAFKA_HEARTBEAT, 4, 9);
    kafka_answer_error(broker(script), EYE_KAFKA_HEARTBEAT, 4, 9, true, 0);
    tells(script, EYE_KAFKA_HEARTBEAT, 0, 0, NULL);
}

static void exchange(struct script *script, unsigned int key, unsigned int version, uint32_t number,
                     bool throttles, int error)
{
    kafka_ask_other(client(script), key, version, number);
    kafka_answer_error(broker(script), key, version, number, throttles, error);
    tells(script, key, 0, (unsigned int)error & 0xffff, NULL);
}

/* An error in the first element of an array, behind its name, or in a partition. */
static void exchange_named(struct script *script, unsigned int key, unsigned int version,
                           uint32_t number, const char *name, bool partition)
{
    kafka_ask_other(client(script), key, version, number);
    struct kafka_bytes *answer = broker(script);
    size_t start = kafka_answer(answer, key, version, number);
    kafka_number(answer, 4, 0);
    kafka_count(answer, 2);
    if (name != NULL) {
        kafka_text(answer, name);
    }
    if (partition) {
        kafka_count(answer, 3);
        kafka_number(answer, 4, 2);
    }
    kafka_number(answer, 2, 40);
    kafka_end(answer, start);
    tells(script, key, 0, 40, NULL);
}

static void write_others(struct script *script, unsigned int version)
{
    (void)version;
    begin(script);
    exchange(script, EYE_KAFKA_JOIN_GROUP, 1, 3, false, 79);
    exchange(script, EYE_KAFKA_JOIN_GROUP, 6, 4, true, 79);
    exchange(script, EYE_KAFKA_SYNC_GROUP, 5, 5, true, 0);
    exchange(script, EYE_KAFKA_FIND_COORDINATOR, 0, 6, false, 15);
    exchange(script, EYE_KAFKA_SASL_HANDSHAKE, 1, 7, false, 33);
    exchange(script, EYE_KAFKA_SASL_AUTHENTICATE, 2, 8, false, 58);
    exchange(script, EYE_KAFKA_CONSUMER_GROUP_HEARTBEAT, 0, 9, true, 110);
    exchange(script, EYE_KAFKA_STREAMS_GROUP_HEARTBEAT, 0, 17, true, 130);
    exchange_named(script, EYE_KAFKA_CREATE_TOPICS, 2, 10, "a topic", false);
    exchange_named(script, EYE_KAFKA_DELETE_GROUPS, 2, 11, "a group", false);
    exchange_named(script, EYE_KAFKA_DESCRIBE_GROUPS, 5, 12, NULL, false);
    exchange_named(script, EYE_KAFKA_OFFSET_COMMIT, 8, 13, "a topic", true);
    exchange_named(script, EYE_KAFKA_LIST_OFFSETS, 5, 14, "a topic", true);
    exchange_named(script, EYE_KAFKA_TXN_OFFSET_COMMIT, 3, 15, "a topic", true);
    /* A key of the future, and an answer of nothing but its head. */
    kafka_ask_other(client(script), 120, 0, 16);
    struct kafka_bytes *answer = broker(script);
    kafka_end(answer, kafka_answer(answer, 120, 0, 16));
    tells(script, 120, 0, 0, NULL);
}

/* Keys, versions and numbers beyond what our tables have: the operation, and nothing of what is
 * said. */
static void write_newer(struct script *script, unsigned int version)
{
    static const struct kafka_part full = {0, 0, 700};
    (void)version;
    begin(script);
    static const unsigned int keys[] = {120, 128, 200, 256, 10003, 0x7fff};
    for (uint32_t i = 0; i < EYE_ARRAY_LENGTH(keys); i++) {
        kafka_ask_other(client(script), keys[i], i * 40, 3 + i);
        kafka_answer_error(broker(script), keys[i], i * 40, 3 + i, true, 7);
        tells(script, keys[i] < 128 ? keys[i] : EYE_KAFKA_KEY_OTHER, 0, 0, NULL);
    }
    static const unsigned int versions[] = {21, 127, 128, 255, 256, 0x7fff};
    for (uint32_t i = 0; i < EYE_ARRAY_LENGTH(versions); i++) {
        uint32_t number = 20 + i * 10;
        kafka_ask_produce(client(script), versions[i], number, NULL, i % 2 == 0 ? 0 : -1, orders,
                          300);
        kafka_answer_produce(broker(script), versions[i], number, orders, 3);
        tells(script, EYE_KAFKA_PRODUCE, 0, 0, NULL);
        kafka_ask_fetch(client(script), versions[i], number + 1, orders, 1);
        struct kafka_bytes *answer = broker(script);
        size_t start = kafka_begin_fetched(answer, versions[i], number + 1, 0, 1);
        kafka_put_fetched(answer, versions[i], orders, &full, 1);
        kafka_end(answer, start);
        tells(script, EYE_KAFKA_FETCH, EYE_KAFKA_EMPTY, 0, NULL);
        kafka_ask_other(client(script), EYE_KAFKA_METADATA, versions[i], number + 2);
        kafka_answer_metadata(broker(script), versions[i], number + 2, 1, 2, 3);
        tells(script, EYE_KAFKA_METADATA, 0, 0, NULL);
    }
}

/* A client that counts its requests on. */
static void write_numbers(struct script *script, unsigned int version)
{
    (void)version;
    begin(script);
    exchange(script, EYE_KAFKA_HEARTBEAT, 0, 0x7fffffff, false, 5);
    exchange(script, EYE_KAFKA_HEARTBEAT, 0, 0x80000000, false, 6);
    exchange(script, EYE_KAFKA_HEARTBEAT, 0, 0x80000001, false, 7);
    exchange(script, EYE_KAFKA_HEARTBEAT, 0, 0xffffffff, false, 8);
    exchange(script, EYE_KAFKA_HEARTBEAT, 0, 0, false, 9);
}

static void put_token(struct kafka_bytes *bytes, const char *token, size_t size)
{
    kafka_number(bytes, 4, size);
    kafka_put(bytes, token, size);
}

/* Behind a handshake of version 0 there are tokens without any head. */
static void write_tokens(struct script *script, unsigned int version)
{
    (void)version;
    begin(script);
    exchange(script, EYE_KAFKA_SASL_HANDSHAKE, 0, 3, false, 0);
    put_token(client(script), "\0user\0secret", 12);
    put_token(broker(script), "", 0);
    put_token(client(script), "short", 5);
    put_token(broker(script), "ab", 2);
    put_token(client(script), long_name, sizeof(long_name));
    put_token(broker(script), long_name, sizeof(long_name));
    exchange(script, EYE_KAFKA_HEARTBEAT, 0, 4, false, 0);
    exchange(script, EYE_KAFKA_HEARTBEAT, 0, 5, false, 16);
}

/* Names and clients of any length. */
static void write_long(struct script *script, unsigned int version)
{
    static const struct kafka_topic topic = {long_name, 0};
    begin(script);
    kafka_ask_produce(client(script), version, 3, NULL, 1, topic, 20);
    kafka_answer_produce(broker(script), version, 3, topic, 0);
    tells(script, EYE_KAFKA_PRODUCE, EYE_KAFKA_HAS_NAME, 0, long_name);
    kafka_ask_produce(client(script), version, 4, long_name, 1, orders, 20);
    kafka_answer_produce(broker(script), version, 4, orders, 7);
    tells(script, EYE_KAFKA_PRODUCE, EYE_KAFKA_HAS_NAME, 7, "orders");
    struct kafka_bytes *request = client(script);
    size_t start = kafka_ask(request, EYE_KAFKA_HEARTBEAT, 4, 5, long_name);
    kafka_text(request, long_name);
    kafka_end(request, start);
    kafka_answer_error(broker(script), EYE_KAFKA_HEARTBEAT, 4, 5, true, 0);
    tells(script, EYE_KAFKA_HEARTBEAT, 0, 0, NULL);
}

struct writer {
    const char *name;
    void (*write)(struct script *script, unsigned int version);
    unsigned int first;
    unsigned int last;
};

static const struct writer writers[] = {
    {"produce", write_produce, 0, 13},   {"fetch", write_fetch, 0, 17},
    {"metadata", write_metadata, 9, 12}, {"others", write_others, 0, 0},
    {"tokens", write_tokens, 0, 0},      {"long names", write_long, 3, 12},
    {"newer", write_newer, 0, 0},        {"numbers", write_numbers, 0, 0},
};

static void assert_told(const struct kafka_host *host, const struct script *script,
                        const char *name, unsigned int version)
{
    for (size_t i = 0; i < script->told_count && i < host->record_count; i++) {
        const struct kafka_host_record *record = &host->records[i];
        const struct told *told = &script->told[i];
        size_t length = told->name == NULL                          ? 0
                        : (told->flags & EYE_KAFKA_HAS_ID) != 0     ? EYE_KAFKA_ID_BYTES
                        : strlen(told->name) > EYE_KAFKA_NAME_BYTES ? EYE_KAFKA_NAME_BYTES
                                                                    : strlen(told->name);
        size_t same = (told->flags & EYE_KAFKA_HAS_ID) != 0 ? 1 : length;
        if (record->body.key != told->key || record->body.flags != told->flags ||
            record->head.code != told->code || record->body.length != length ||
            memcmp(record->body.name, told->name == NULL ? "" : told->name, same) != 0 ||
            record->head.body_bytes != EYE_KAFKA_BODY_FIXED + length) {
            fail_msg("%s %u: record %zu is key %u, flags %u, error %u, '%.*s'", name, version, i,
                     record->body.key, record->body.flags, record->head.code, record->body.length,
                     (const char *)record->body.name);
        }
    }
    if (host->record_count != script->told_count || host->topic_count != script->topics) {
        fail_msg("%s %u: %zu records, not %zu; %zu topics, not %zu", name, version,
                 host->record_count, script->told_count, host->topic_count, script->topics);
    }
    for (size_t i = 0; i < host->topic_count; i++) {
        assert_memory_equal(host->topics[i].name, "topic-", 6);
        assert_int_equal(host->topics[i].name[6] - '0' + 1, host->topics[i].id[0]);
        assert_int_equal(host->topics[i].id[0], host->topics[i].id[15]);
    }
    for (size_t i = 0; i < EYE_LOST_COUNT; i++) {
        if (host->losses[i] != 0) {
            fail_msg("%s %u: loss %zu counted", name, version, i);
        }
    }
    assert_int_equal(host->verdict, EYE_VERDICT_GO_ON);
}

static void play(const struct script *script, struct kafka_host *host, size_t piece, size_t first)
{
    kafka_host_reset(host);
    for (size_t i = 0; i < script->turn_count; i++) {
        const struct turn *turn = &script->turns[i];
        kafka_host_send_pieces(host, turn->side, turn->bytes.data, turn->bytes.size, piece, first);
    }
}

static void for_each_script(void (*check)(const struct script *script, struct kafka_host *host,
                                          const char *name, unsigned int version))
{
    struct script *script = malloc(sizeof(*script));
    struct kafka_host *host = kafka_host_new();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(writers); i++) {
        for (unsigned int version = writers[i].first; version <= writers[i].last; version++) {
            memset(script, 0, sizeof(*script));
            writers[i].write(script, version);
            check(script, host, writers[i].name, version);
        }
    }
    free(host);
    free(script);
}

static void check_whole(const struct script *script, struct kafka_host *host, const char *name,
                        unsigned int version)
{
    play(script, host, SIZE_MAX, 0);
    assert_told(host, script, name, version);
}

static void parser__reads_conversations_whole(void **state)
{
    (void)state;
    for_each_script(check_whole);
}

static void check_pieces(const struct script *script, struct kafka_host *host, const char *name,
                         unsigned int version)
{
    for (size_t piece = 1; piece < 100; piece++) {
        play(script, host, piece, 0);
        assert_told(host, script, name, version);
    }
}

static void parser__reads_conversations_in_pieces_of_every_size(void **state)
{
    (void)state;
    for_each_script(check_pieces);
}

static void check_cuts(const struct script *script, struct kafka_host *host, const char *name,
                       unsigned int version)
{
    for (size_t first = 1; first < 600; first++) {
        play(script, host, SIZE_MAX, first);
        assert_told(host, script, name, version);
    }
}

static void parser__reads_conversations_cut_at_every_place(void **state)
{
    (void)state;
    for_each_script(check_cuts);
}

/* ---- What clients and brokers have said ---- */

static const struct {
    const char *name; /* of a file in tests/data/kafka, which are of the form of tests/data/http2 */
    const char *told; /* operations, topics, errors */
} recordings[] = {
    {"kcat-produce", "18.3  35|18.0  0|3.2  0|0.7 orders 0|0.7 orders 0|"},
    {"kcat-consume", "18.3  35|18.0  0|3.2  0|3.2  0|2.2  0|2.2  0|1.11 orders 0|1.11 orders 0|"},
    {"kcat-group", "18.3  35|18.0  0|3.2  0|10.2  0|10.2  0|3.2  0|2.2  0|2.2  0|1.11 orders 0|"},
    {"python",
     "2.1  0|2.1  0|1.4 orders 0|1.4 orders 0|1.4 orders 0|1.4 orders empty 0|1.4 orders empty 0|"},
};

#define DESCRIPTION_BYTES 1024

static void describe(const struct kafka_host *host, char ret_text[static DESCRIPTION_BYTES])
{
    size_t size = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < host->record_count; i++) {
        const struct kafka_host_record *record = &host->records[i];
        size += (size_t)snprintf(
            ret_text + size, DESCRIPTION_BYTES - size, "%u.%u %.*s%s%d|", record->body.key,
            record->body.version, record->body.length, (const char *)record->body.name,
            (record->body.flags & EYE_KAFKA_EMPTY) != 0 ? " empty " : " ", record->head.code);
        assert_true(size < DESCRIPTION_BYTES);
    }
}

static void parser__reads_recorded_conversations(void **state)
{
    static const size_t pieces[] = {1, 7, 50, 1460, SIZE_MAX};
    struct kafka_host *host = kafka_host_new();
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(recordings); i++) {
        struct http2_segment segments[HTTP2_SEGMENTS];
        __u8 bytes[HTTP2_BYTES];
        char told[DESCRIPTION_BYTES];
        size_t count = http2_load_of("kafka", recordings[i].name, bytes, segments);
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(pieces); j++) {
            kafka_host_reset(host);
            for (size_t k = 0; k < count; k++) {
                kafka_host_send_pieces(host, segments[k].direction, segments[k].bytes,
                                       segments[k].size, pieces[j], 0);
            }
            describe(host, told);
            assert_string_equal(told, recordings[i].told);
        }
    }
    free(host);
}

/* ---- Joined late, and what is missed ---- */

/* Request number @number, whose answer has an error that says so. */
static void ask(struct kafka_host *host, uint32_t number)
{
    struct kafka_bytes bytes = {.size = 0};
    kafka_ask_other(&bytes, EYE_KAFKA_HEARTBEAT, 4, number);
    kafka_host_send(host, 0, bytes.data, bytes.size);
}

static void answer(struct kafka_host *host, uint32_t number)
{
    struct kafka_bytes bytes = {.size = 0};
    kafka_answer_error(&bytes, EYE_KAFKA_HEARTBEAT, 4, number, true, (int)(number % 100) + 1);
    kafka_host_send(host, 1, bytes.data, bytes.size);
}

static void assert_paired(const struct kafka_host *host)
{
    for (size_t i = 0; i < host->record_count && i < KAFKA_HOST_RECORDS; i++) {
        assert_int_equal(host->records[i].head.code, host->records[i].number % 100 + 1);
    }
}

static void parser__joins_late(void **state)
{
    (void)state;
    struct kafka_host *host = kafka_host_new();
    host->joins = true;
    ask(host, 100);
    answer(host, 98);
    ask(host, 101);
    answer(host, 99);
    for (uint32_t number = 102; number < 200; number++) {
        ask(host, number);
        answer(host, number - 2);
    }
    assert_paired(host);
    assert_int_equal(host->record_count, 98);
    for (size_t i = 0; i < EYE_LOST_COUNT; i++) {
        assert_int_equal(host->losses[i], 0);
    }
    free(host);
}

/* In the midst of an answer, and of a long batch. */
static void parser__joins_in_the_midst_of_messages(void **state)
{
    (void)state;
    struct kafka_host *host = kafka_host_new();
    struct kafka_bytes batch = {.size = 0};
    kafka_ask_produce(&batch, 7, 50, NULL, 1, orders, 5000);
    host->joins = true;
    kafka_host_send(host, 0, batch.data, 1460);
    kafka_host_send(host, 1, batch.data + 200, 800);
    kafka_host_send(host, 0, batch.data + 1460, batch.size - 1460);
    batch.size = 0;
    kafka_answer_produce(&batch, 7, 50, orders, 10);
    kafka_host_send(host, 1, batch.data, batch.size);
    assert_int_equal(host->record_count, 1);
    assert_int_equal(host->records[0].head.code, 10);
    free(host);
}

static void parser__goes_on_behind_a_gap(void **state)
{
    (void)state;
    for (__u32 side = 0; side < 2; side++) {
        struct kafka_host *host = kafka_host_new();
        ask(host, 1);
        answer(host, 1);
        ask(host, 2);
        ask(host, 3);
        answer(host, 2);
        host->sequence[side] += 47;
        for (uint32_t number = 5; number < 20; number++) {
            ask(host, number);
            answer(host, number - 1 - side);
        }
        assert_paired(host);
        assert_int_equal(host->losses[EYE_LOST_GAP], 1);
        assert_true(host->record_count >= 14);
        assert_true(host->losses[EYE_LOST_UNMATCHED] + host->losses[EYE_LOST_UNANSWERED] <= 2);
        free(host);
    }
}

/* Requests in twos, and behind a gap, or joined late, their answers, too. */
static void parser__finds_answers_that_come_at_once(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct kafka_host *host = kafka_host_new();
        host->joins = late == 1;
        for (uint32_t number = 1; number <= 200; number += 2) {
            struct kafka_bytes bytes = {.size = 0};
            ask(host, number);
            ask(host, number + 1);
            host->sequence[1] += number == 11 ? 47 : 0;
            for (uint32_t i = number; i < number + 2; i++) {
                kafka_answer_error(&bytes, EYE_KAFKA_HEARTBEAT, 4, i, true, (int)(i % 100) + 1);
            }
            kafka_host_send(host, 1, bytes.data, bytes.size);
        }
        assert_paired(host);
        assert_int_equal(host->record_count, 200);
        assert_int_equal(host->losses[EYE_LOST_UNANSWERED], 0);
        free(host);
    }
}

/* Answers that cannot be found for a while leave no connection blind. */
static void parser__makes_room_while_answers_are_lost(void **state)
{
    (void)state;
    struct kafka_host *host = kafka_host_new();
    ask(host, 1);
    answer(host, 1);
    host->sequence[1] += 47;
    for (uint32_t number = 2; number <= 300; number++) {
        struct kafka_bytes bytes = {.size = 0};
        ask(host, number);
        kafka_answer_error(&bytes, EYE_KAFKA_HEARTBEAT, 4, number, true, (int)(number % 100) + 1);
        kafka_put(&bytes, "tail", number < 100 ? 4 : 0); /* as if the next one had begun */
        kafka_host_send(host, 1, bytes.data, bytes.size);
    }
    assert_paired(host);
    assert_int_equal(host->record_count, 1 + 201);
    assert_int_equal(host->losses[EYE_LOST_UNANSWERED], 98);
    assert_int_equal(host->losses[EYE_LOST_PIPELINE], 0);
    free(host);
}

/* Batches that want no answer, and do not show it where we look, fill no queue for ever. */
static void parser__passes_those_that_are_never_answered(void **state)
{
    (void)state;
    struct kafka_host *host = kafka_host_new();
    ask(host, 1);
    answer(host, 1);
    for (uint32_t number = 2; number < 40; number++) {
        struct kafka_bytes bytes = {.size = 0};
        kafka_ask_produce(&bytes, 21, number, NULL, 0, orders, 20);
        kafka_host_send(host, 0, bytes.data, bytes.size);
    }
    for (uint32_t number = 40; number < 60; number++) {
        ask(host, number);
        answer(host, number);
    }
    assert_paired(host);
    assert_int_equal(host->record_count, 1 + 19);
    assert_int_equal(host->losses[EYE_LOST_UNANSWERED], EYE_QUEUE_DEPTH);
    assert_int_equal(host->losses[EYE_LOST_PIPELINE], 38 - EYE_QUEUE_DEPTH + 1);
    assert_int_equal(host->losses[EYE_LOST_UNMATCHED], 0);
    free(host);
}

static void parser__counts_what_is_beyond_the_queue(void **state)
{
    (void)state;
    struct kafka_host *host = kafka_host_new();
    for (uint32_t number = 1; number <= 100; number++) {
        ask(host, number);
    }
    for (uint32_t number = 1; number <= 100; number++) {
        answer(host, number);
    }
    ask(host, 101);
    answer(host, 101);
    assert_paired(host);
    assert_int_equal(host->record_count, EYE_QUEUE_DEPTH + 1);
    assert_int_equal(host->losses[EYE_LOST_PIPELINE], 100 - EYE_QUEUE_DEPTH);
    assert_int_equal(host->losses[EYE_LOST_UNMATCHED], 0);
    free(host);
}

static void parser__tells_nothing_before_an_answer_has_come(void **state)
{
    (void)state;
    struct kafka_host *host = kafka_host_new();
    struct kafka_bytes bytes = {.size = 0};
    kafka_ask_produce(&bytes, 2, 1, NULL, 0, orders, 20);
    kafka_host_send(host, 0, bytes.data, bytes.size);
    ask(host, 2);
    assert_int_equal(host->record_count, 0);
    answer(host, 7);
    assert_int_equal(host->verdict, EYE_VERDICT_NOT_IT);
    assert_int_equal(host->record_count, 0);
    free(host);
}

/* An id of the kind that Kafka gives. */
static void put_random_id(struct kafka_bytes *bytes)
{
    for (size_t i = 0; i + 16 < bytes->size; i++) {
        if (bytes->data[i] == 9 && bytes->data[i + 15] == 9) {
            bytes->data[i + 6] = 0x4a;
            bytes->data[i + 8] = 0x8b;
            return;
        }
    }
}

/* But batches that nobody ever acknowledges, by what they begin with. */
static void parser__tells_batches_of_which_none_is_ever_answered(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < 40; i++) {
        unsigned int version = 3 + i / 2 % 18;
        struct kafka_host *host = kafka_host_new();
        host->joins = i % 2 == 1;
        for (uint32_t number = 1; number <= 20; number++) {
            struct kafka_bytes bytes = {.size = 0};
            kafka_ask_produce(&bytes, version, number, NULL, 0, orders, number * 97);
            put_random_id(&bytes);
            kafka_host_send_pieces(host, 0, bytes.data, bytes.size, 100 + number, 0);
        }
        assert_int_equal(host->record_count, 20);
        assert_int_equal(host->losses[EYE_LOST_UNANSWERED], 0);
        for (size_t j = 0; j < host->record_count; j++) {
            assert_int_equal(host->records[j].body.length, version < 13 ? 6 : 16);
            assert_true((host->records[j].body.flags & EYE_KAFKA_UNACKNOWLEDGED) != 0);
        }
        free(host);
    }
}

/* Not what only resembles them: no name of a topic, an id that is not random, a transaction, no
 * topic, or no client. */
static void parser__tells_no_batch_that_could_be_anything(void **state)
{
    (void)state;
    static const struct {
        unsigned int version;
        const char *transaction;
        const char *topic;
    } batches[] = {{7, NULL, ""},
                   {7, NULL, "\1\2"},
                   {13, NULL, "orders"},
                   {7, "a", "orders"},
                   {10, "a", "orders"}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(batches); i++) {
        struct kafka_host *host = kafka_host_new();
        struct kafka_bytes bytes = {.size = 0};
        const struct kafka_topic topic = {batches[i].topic, 9};
        kafka_ask_produce(&bytes, batches[i].version, 1, batches[i].transaction, 0, topic, 20);
        kafka_host_send(host, 0, bytes.data, bytes.size);
        kafka_host_send(host, 0, bytes.data, bytes.size);
        assert_int_equal(host->record_count, 0);
        assert_false(host->conversation.confirmed);
        free(host);
    }
}

/* Joined late, or behind a gap: a batch of which 40 bytes came first, and several at once. */
static void parser__finds_batches_by_their_beginning(void **state)
{
    (void)state;
    for (unsigned int version = 3; version <= 13; version++) {
        for (int late = 0; late < 2; late++) {
            struct kafka_host *host = kafka_host_new();
            struct kafka_bytes bytes = {.size = 0};
            host->joins = late == 1;
            if (!host->joins) {
                ask(host, 1);
                answer(host, 1);
                host->sequence[0] += 47;
            }
            kafka_ask_produce(&bytes, version, 2, NULL, 1, orders, 500);
            kafka_host_send_pieces(host, 0, bytes.data, bytes.size, 300, 40);
            bytes.size = 0;
            kafka_answer_produce(&bytes, version, 2, orders, 3);
            kafka_host_send(host, 1, bytes.data, bytes.size);
            assert_int_equal(host->record_count, late == 1 ? 1 : 2);
            host->sequence[0] += 47;
            bytes.size = 0;
            kafka_ask_produce(&bytes, version, 7, NULL, 1, orders, 400);
            kafka_ask_produce(&bytes, version, 8, NULL, 1, orders, 400);
            kafka_host_send(host, 0, bytes.data, bytes.size);
            bytes.size = 0;
            kafka_answer_produce(&bytes, version, 7, orders, 8);
            kafka_answer_produce(&bytes, version, 8, orders, 9);
            kafka_host_send(host, 1, bytes.data, bytes.size);
            for (size_t i = 0; i < host->record_count; i++) {
                assert_int_equal(host->records[i].head.code, host->records[i].number + 1);
            }
            assert_int_equal(host->record_count, late == 1 ? 3 : 4);
            free(host);
        }
    }
}

static void parser__gives_up_what_is_malformed(void **state)
{
    (void)state;
    static const struct {
        __u32 side;
        const char *bytes;
        size_t size;
    } wrong[] = {
        {0, "\0\0\0\x09\0\x0c\0\4\0\0\0\3\0\0", 14},
        {0, "\x7f\xff\xff\xff\0\x0c\0\4\0\0\0\3\0\0", 14},
        {0, "\0\0\0\x20\x80\0\0\4\0\0\0\3\0\0", 14},
        {0, "\0\0\0\x20\0\x0c\x80\4\0\0\0\3\0\0", 14},
        {0, "\0\0\0\x20\1\0\0\4\0\0\0\3\0\2a\x1f", 16},
        {0, "\0\0\0\x20\0\x0c\0\4\x80\0\0\3\0\1\7", 15},
        {0, "\0\0\2\x20\1\0\0\4\0\0\0\3\1\1", 14},
        {0, "\0\0\0\x20\0\x0c\0\4\0\0\0\3\1\0", 14},
        {1, "\0\0\0\3\0\0\0\2", 8},
        {1, "\xff\xff\xff\xff\0\0\0\2", 8},
        {1, "HTTP/1.1 200 OK\r\n\r\n", 19},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(wrong); i++) {
        struct kafka_host *host = kafka_host_new();
        ask(host, 1);
        answer(host, 1);
        ask(host, 2);
        kafka_host_send(host, wrong[i].side, wrong[i].bytes, wrong[i].size);
        if (host->losses[EYE_LOST_MALFORMED] != 1) {
            fail_msg("%zu: %llu", i, (unsigned long long)host->losses[EYE_LOST_MALFORMED]);
        }
        ask(host, 3);
        answer(host, 3);
        assert_paired(host);
        assert_int_equal(host->record_count, 2);
        free(host);
    }
}

/* What our tables do not have makes no connection Kafka's, and finds no message behind a gap. */
static void parser__takes_what_is_newer_where_a_request_has_to_begin_alone(void **state)
{
    (void)state;
    struct kafka_bytes newer = {.size = 0};
    kafka_ask_other(&newer, 300, 0, 2);
    for (int late = 0; late < 2; late++) {
        struct kafka_host *host = kafka_host_new();
        host->joins = late == 1;
        kafka_host_send(host, 0, newer.data, newer.size);
        assert_int_equal(host->verdict, EYE_VERDICT_NOT_IT);
        free(host);
    }
    struct kafka_host *host = kafka_host_new();
    ask(host, 1);
    answer(host, 1);
    host->sequence[0] += 47;
    kafka_host_send(host, 0, newer.data, newer.size);
    assert_int_equal(host->conversation.halves[0].phase, EYE_PHASE_LOST);
    assert_int_equal(eye_waiting(&host->conversation.queue), 0);
    ask(host, 3);
    kafka_host_send(host, 0, newer.data, newer.size);
    answer(host, 3);
    answer(host, 2);
    assert_int_equal(host->record_count, 3);
    assert_int_equal(host->records[2].body.key, EYE_KAFKA_KEY_OTHER);
    assert_int_equal(host->losses[EYE_LOST_MALFORMED], 0);
    free(host);
}

/* A partition that has another leader says which, in tags that are no others'. */
static void parser__reads_the_error_of_a_fetch_whose_tags_tell_the_leader(void **state)
{
    (void)state;
    static const __u8 leader[] = {1, 1, 9, 0, 0, 0, 2, 0, 0, 0, 7, 0};
    for (unsigned int version = 12; version <= 18; version++) {
        for (size_t piece = 1; piece < 60; piece++) {
            struct kafka_host *host = kafka_host_new();
            struct kafka_bytes bytes = {.size = 0};
            kafka_ask_fetch(&bytes, version, 1, orders, 1);
            kafka_host_send(host, 0, bytes.data, bytes.size);
            bytes.size = 0;
            size_t start = kafka_begin_fetched(&bytes, version, 1, 0, 1);
            kafka_topic(&bytes, version >= 13, orders);
            kafka_count(&bytes, 2);
            kafka_put_part(&bytes, version, (struct kafka_part){0, 0, 0});
            kafka_put_part(&bytes, version, (struct kafka_part){6, 0, 0});
            bytes.size--;
            kafka_put(&bytes, leader, sizeof(leader));
            kafka_tags(&bytes);
            kafka_tags(&bytes);
            kafka_end(&bytes, start);
            kafka_host_send_pieces(host, 1, bytes.data, bytes.size, piece, 0);
            ask(host, 2);
            answer(host, 2);
            assert_int_equal(host->record_count, 2);
            assert_int_equal(host->records[0].head.code, 6);
            assert_int_equal(host->records[0].body.flags & EYE_KAFKA_EMPTY, 0);
            assert_int_equal(host->records[1].head.code, 3);
            free(host);
        }
    }
}

/* An answer's structures that promise more than there is: what is known is told, and the next
 * message is found. */
static void parser__survives_bodies_that_lie(void **state)
{
    (void)state;
    static const struct {
        unsigned int key;
        unsigned int version;
        const char *bytes;
        size_t size;
    } lies[] = {
        {EYE_KAFKA_FETCH, 11, "\0\0\0\0\0\0\0\0\0\0\x7f\xff\xff\xff", 14},
        {EYE_KAFKA_FETCH, 11, "\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x7f\xff", 16},
        {EYE_KAFKA_FETCH, 11, "\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1a\xff\xff\xff\xf0", 21},
        {EYE_KAFKA_FETCH, 12, "\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff", 17},
        {EYE_KAFKA_FETCH, 12, "\7\0\0\0\0\0\0\0\0\0\0\2", 12},
        {EYE_KAFKA_METADATA, 12, "\0\0\0\0\0\xff\xff\xff\xff\x0f", 10},
        {EYE_KAFKA_METADATA, 12, "\0\0\0\0\0\2\0\0\0\1\xff\x7f", 12},
        {EYE_KAFKA_METADATA, 12, "\0\0\0\0\0\1\1\0\0\0\0\x7f\0\0", 14},
        {EYE_KAFKA_PRODUCE, 7, "\0\0\0\1\x7f\xff", 6},
        {EYE_KAFKA_JOIN_GROUP, 7, "\1\0\0\0\0\0\1", 7},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(lies); i++) {
        for (size_t piece = 1; piece < 20; piece++) {
            struct kafka_host *host = kafka_host_new();
            struct kafka_bytes bytes = {.size = 0};
            ask(host, 1);
            answer(host, 1);
            kafka_ask_other(&bytes, lies[i].key, lies[i].version, 2);
            kafka_host_send(host, 0, bytes.data, bytes.size);
            bytes.size = 0;
            kafka_number(&bytes, 4, lies[i].size + 4);
            kafka_number(&bytes, 4, 2);
            kafka_put(&bytes, lies[i].bytes, lies[i].size);
            kafka_host_send_pieces(host, 1, bytes.data, bytes.size, piece, 0);
            ask(host, 3);
            answer(host, 3);
            if (host->record_count != 3 || host->records[1].head.code != 0 ||
                host->records[2].head.code != 4) {
                fail_msg("lie %zu, pieces of %zu: %zu records", i, piece, host->record_count);
            }
            free(host);
        }
    }
}

/* Segments come late, twice, or are not seen. */
static void bad_wire__never_pairs_wrongly(void **state)
{
    (void)state;
    size_t records = 0;
    size_t asked = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        uint64_t random = seed;
        struct kafka_host *host = kafka_host_new();
        uint32_t answered = 0;
        host->joins = seed % 3 == 0;
        for (uint32_t number = 1; number <= 200;) {
            struct kafka_bytes bytes = {.size = 0};
            bool asks =
                number - answered == 1 || (number - answered < 8 && random_below(&random, 2) == 0);
            __u32 side = asks ? 0 : 1;
            if (asks) {
                kafka_ask_other(&bytes, EYE_KAFKA_HEARTBEAT, 4, number++);
            } else {
                answered++;
                kafka_answer_error(&bytes, EYE_KAFKA_HEARTBEAT, 4, answered, true,
                                   (int)(answered % 100) + 1);
            }
            size_t cut = random_below(&random, 4) == 0 ? random_below(&random, bytes.size) : 0;
            __u32 sequence = host->sequence[side];
            host->sequence[side] += (__u32)bytes.size;
            size_t order = random_below(&random, 20);
            if (order == 0) {
                continue;
            }
            if (order == 1) {
                kafka_host_segment(host, side, sequence + (__u32)cut, bytes.data + cut,
                                   bytes.size - cut);
                kafka_host_segment(host, side, sequence, bytes.data, cut);
                continue;
            }
            kafka_host_segment(host, side, sequence, bytes.data, cut);
            kafka_host_segment(host, side, sequence + (__u32)cut, bytes.data + cut,
                               bytes.size - cut);
            if (order == 2) {
                kafka_host_segment(host, side, sequence, bytes.data, bytes.size);
            }
        }
        assert_paired(host);
        records += host->record_count;
        asked += 200;
        free(host);
    }
    assert_true(records > asked / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parser__reads_conversations_whole),
        cmocka_unit_test(parser__reads_conversations_in_pieces_of_every_size),
        cmocka_unit_test(parser__reads_conversations_cut_at_every_place),
        cmocka_unit_test(parser__reads_recorded_conversations),
        cmocka_unit_test(parser__joins_late),
        cmocka_unit_test(parser__joins_in_the_midst_of_messages),
        cmocka_unit_test(parser__goes_on_behind_a_gap),
        cmocka_unit_test(parser__finds_answers_that_come_at_once),
        cmocka_unit_test(parser__makes_room_while_answers_are_lost),
        cmocka_unit_test(parser__passes_those_that_are_never_answered),
        cmocka_unit_test(parser__counts_what_is_beyond_the_queue),
        cmocka_unit_test(parser__tells_nothing_before_an_answer_has_come),
        cmocka_unit_test(parser__tells_batches_of_which_none_is_ever_answered),
        cmocka_unit_test(parser__tells_no_batch_that_could_be_anything),
        cmocka_unit_test(parser__finds_batches_by_their_beginning),
        cmocka_unit_test(parser__gives_up_what_is_malformed),
        cmocka_unit_test(parser__takes_what_is_newer_where_a_request_has_to_begin_alone),
        cmocka_unit_test(parser__reads_the_error_of_a_fetch_whose_tags_tell_the_leader),
        cmocka_unit_test(parser__survives_bodies_that_lie),
        cmocka_unit_test(bad_wire__never_pairs_wrongly),
    };
    return cmocka_run_group_tests_name("kafka_parser", tests, NULL, NULL);
}
