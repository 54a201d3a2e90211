/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL parser of the kernel programs, on the host. Each conversation is played at both
 * ends: as written, in pieces of every size, and cut at every place; all must give the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "tests/support/bad_wire.h"
#include "tests/support/postgres_host.h"

#define MESSAGES 40
#define ANSWERS 12
#define TURN_BYTES 4096

/* What one end sends: 'C' the client, 'S' the server. Those of one end in a row are one segment. */
struct message {
    char from;
    char type; /* 0: the bytes are all there is of it */
    const char *bytes;
    size_t size;
};

struct answer {
    __u8 operation;
    const char *state; /* NULL: success */
};

struct conversation {
    const char *name;
    struct message messages[MESSAGES];
    struct answer answers[ANSWERS]; /* the last one stays empty */
    __u64 unanswered;               /* EYE_LOST_UNANSWERED: what the server passed over */
};

/* A text has a NUL behind it, as the protocol's have; bytes have not. */
#define TEXT(from, type, text)                                                                     \
    {                                                                                              \
        from, type, text, sizeof(text)                                                             \
    }
#define BYTES(from, type, bytes)                                                                   \
    {                                                                                              \
        from, type, bytes, sizeof(bytes) - 1                                                       \
    }
#define NONE(from, type)                                                                           \
    {                                                                                              \
        from, type, "", 0                                                                          \
    }
#define DONE(operation)                                                                            \
    {                                                                                              \
        EYE_SQL_##operation, NULL                                                                  \
    }
#define FAILED(operation, state)                                                                   \
    {                                                                                              \
        EYE_SQL_##operation, state                                                                 \
    }

#define START                                                                                      \
    BYTES('C', 0, "\0\0\0\x1f\0\3\0\0user\0me\0database\0db\0x\0\0"), BYTES('S', 'R', "\0\0\0\0"), \
        TEXT('S', 'S',                                                                             \
             "server_version\0"                                                                    \
             "15.18"),                                                                             \
        BYTES('S', 'K', "\0\0\0\1\0\0\0\2"), BYTES('S', 'Z', "I")
#define QUERY(text) TEXT('C', 'Q', text)
#define PARSE(name, text) TEXT('C', 'P', name "\0" text "\0")
#define BIND(name) BYTES('C', 'B', "\0" name "\0\0\0\0\0\0\0")
#define DESCRIBE TEXT('C', 'D', "P")
#define EXECUTE BYTES('C', 'E', "\0\0\0\0\0")
#define SYNC NONE('C', 'S')
#define FLUSH NONE('C', 'H')
#define READY BYTES('S', 'Z', "I")
#define TAG(text) TEXT('S', 'C', text)
#define COLUMNS BYTES('S', 'T', "\0\1?column?\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0")
#define ROW BYTES('S', 'D', "\0\1\0\0\0\1x")
#define ERROR(state) BYTES('S', 'E', "SERROR\0VERROR\0C" state "\0Mit failed\0Fx.c\0L1\0Rf\0\0")
#define NOTICE BYTES('S', 'N', "SNOTICE\0VNOTICE\0C00000\0Mtext\0\0")
#define ASK_SSL BYTES('C', 0, "\0\0\0\x08\x04\xd2\x16\x2f")
#define FIFTY "fifty bytes without any control or other character"
#define SIXTY "a_name_of_sixty_bytes_which_is_as_long_as_names_are_at_most_"
#define LONG FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY

static const struct conversation conversations[] = {
    {"simple queries",
     {START, QUERY("select 1"), COLUMNS, ROW, TAG("SELECT 1"), READY, QUERY(" \n(SELECT 2)"),
      COLUMNS, ROW, ROW, TAG("SELECT 2"), READY, QUERY("insert into t values ('" LONG "')"),
      TAG("INSERT 0 1"), READY, QUERY(""), NONE('S', 'I'), READY},
     {DONE(SELECT), DONE(SELECT), DONE(INSERT), DONE(OTHER)},
     0},
    {"what names the operation is what was done",
     {START, QUERY("/* a comment */ with x as (select 1) update t set a = 1"), TAG("UPDATE 1"),
      READY, QUERY("end"), TAG("COMMIT"), READY, QUERY("refresh materialized view v"),
      TAG("REFRESH MATERIALIZED VIEW"), READY, QUERY("nonsense"), ERROR("42601"), READY},
     {DONE(UPDATE), DONE(COMMIT), DONE(REFRESH), FAILED(OTHER, "42601")},
     0},
    {"several statements in one text",
     {START, QUERY("insert into t values (1); select 1; select nosuch"), TAG("INSERT 0 1"), COLUMNS,
      ROW, TAG("SELECT 1"), ERROR("42703"), READY, QUERY("select 1"), COLUMNS, ROW, TAG("SELECT 1"),
      READY},
     {FAILED(INSERT, "42703"), DONE(SELECT)},
     0},
    {"an extended query",
     {START,
      PARSE("", "select $1"),
      BIND(""),
      DESCRIBE,
      EXECUTE,
      SYNC,
      NONE('S', '1'),
      NONE('S', '2'),
      COLUMNS,
      ROW,
      TAG("SELECT 1"),
      READY,
      PARSE("", "update t set a = $1"),
      BIND(""),
      DESCRIBE,
      EXECUTE,
      SYNC,
      NONE('S', '1'),
      NONE('S', '2'),
      NONE('S', 'n'),
      TAG("UPDATE 9"),
      READY},
     {DONE(SELECT), DONE(UPDATE)},
     0},
    {"a prepared statement",
     {START,
      PARSE("stmt_0", "delete from t where a = $1"),
      SYNC,
      NONE('S', '1'),
      READY,
      BIND("stmt_0"),
      EXECUTE,
      SYNC,
      NONE('S', '2'),
      TAG("DELETE 1"),
      READY,
      BIND("stmt_0"),
      EXECUTE,
      SYNC,
      ERROR("23503"),
      READY,
      TEXT('C', 'C', "Sstmt_0"),
      SYNC,
      NONE('S', '3'),
      READY},
     {DONE(DELETE), FAILED(DELETE, "23503")},
     0},
    {"a statement that cannot be prepared shifts nothing",
     {START,
      PARSE("a", "select nosuch"),
      SYNC,
      ERROR("42703"),
      READY,
      QUERY("select 1"),
      COLUMNS,
      ROW,
      TAG("SELECT 1"),
      READY,
      PARSE("", "selec"),
      BIND(""),
      DESCRIBE,
      EXECUTE,
      SYNC,
      ERROR("42601"),
      READY,
      QUERY("begin"),
      TAG("BEGIN"),
      READY},
     {FAILED(SELECT, "42703"), DONE(SELECT), FAILED(OTHER, "42601"), DONE(BEGIN)},
     0},
    {"what is prepared alone counts when it fails",
     {START,
      PARSE("a", "select 1"),
      DESCRIBE,
      FLUSH,
      NONE('S', '1'),
      COLUMNS,
      BIND("a"),
      EXECUTE,
      PARSE("b", "delete from t"),
      SYNC,
      NONE('S', '2'),
      TAG("SELECT 1"),
      NONE('S', '1'),
      READY,
      PARSE("", "update nosuch set a = 1"),
      FLUSH,
      ERROR("42P01"),
      SYNC,
      READY,
      PARSE("c", "begin"),
      FLUSH,
      NONE('S', '1'),
      PARSE("d", "commit"),
      FLUSH,
      NONE('S', '1'),
      SYNC,
      READY,
      QUERY("select 1"),
      TAG("SELECT 1"),
      READY},
     {DONE(SELECT), FAILED(UPDATE, "42P01"), DONE(SELECT)},
     0},
    {"behind an error the rest of a pipeline is passed over",
     {START,
      PARSE("", "insert into t values (1)"),
      BIND(""),
      EXECUTE,
      PARSE("", "select 1 / 0"),
      BIND(""),
      EXECUTE,
      PARSE("", "select 2"),
      BIND(""),
      EXECUTE,
      SYNC,
      BIND("x"),
      EXECUTE,
      SYNC,
      NONE('S', '1'),
      NONE('S', '2'),
      TAG("INSERT 0 1"),
      NONE('S', '1'),
      NONE('S', '2'),
      ERROR("22012"),
      READY,
      NONE('S', '2'),
      TAG("UPDATE 1"),
      READY},
     {DONE(INSERT), FAILED(SELECT, "22012"), DONE(UPDATE)},
     1},
    {"a pipeline that fails at once",
     {START, PARSE("", "slect"), BIND(""), EXECUTE, BIND("b"), EXECUTE, BIND("c"), EXECUTE, SYNC,
      ERROR("42601"), READY, QUERY("select 1"), TAG("SELECT 0"), READY},
     {FAILED(OTHER, "42601"), DONE(SELECT)},
     2},
    {"which of several statements is bound is known by its name",
     {START, PARSE("a", "select 1 / 0"), PARSE("b", "delete from t"), PARSE("c", "begin"),
      BIND("a"), EXECUTE, SYNC, NONE('S', '1'), NONE('S', '1'), NONE('S', '1'), NONE('S', '2'),
      ERROR("22012"), READY, BIND("b"), EXECUTE, SYNC, NONE('S', '2'), TAG("DELETE 0"), READY},
     {FAILED(SELECT, "22012"), DONE(DELETE)},
     0},
    {"a cursor by portions, flushed",
     {START,
      PARSE("", "select * from t"),
      BIND(""),
      DESCRIBE,
      EXECUTE,
      NONE('C', 'H'),
      NONE('S', '1'),
      NONE('S', '2'),
      COLUMNS,
      ROW,
      NONE('S', 's'),
      EXECUTE,
      NONE('C', 'H'),
      ROW,
      NONE('S', 's'),
      EXECUTE,
      NONE('C', 'H'),
      TAG("SELECT 1"),
      SYNC,
      READY,
      QUERY("commit"),
      TAG("COMMIT"),
      READY},
     {DONE(SELECT), DONE(SELECT), DONE(SELECT), DONE(COMMIT)},
     0},
    {"copies in and out",
     {START,
      QUERY("copy t from stdin"),
      BYTES('S', 'G', "\0\0\1\0\0"),
      BYTES('C', 'd', "1\n"),
      BYTES('C', 'd', LONG "\n"),
      NONE('C', 'c'),
      TAG("COPY 2"),
      READY,
      QUERY("copy t to stdout"),
      BYTES('S', 'H', "\0\0\1\0\0"),
      BYTES('S', 'd', "1\n"),
      BYTES('S', 'd', LONG "\n"),
      NONE('S', 'c'),
      TAG("COPY 2"),
      READY,
      QUERY("copy t from stdin"),
      BYTES('S', 'G', "\0\0\1\0\0"),
      TEXT('C', 'f', "no more"),
      ERROR("57014"),
      READY},
     {DONE(COPY), DONE(COPY), FAILED(COPY, "57014")},
     0},
    {"a copy by an extended query, whose first Sync is passed over",
     {START, PARSE("", "copy t from stdin"), BIND(""), DESCRIBE, EXECUTE, SYNC, NONE('S', '1'),
      NONE('S', '2'), NONE('S', 'n'), BYTES('S', 'G', "\0\0\1\0\0"), BYTES('C', 'd', "1\n"),
      NONE('C', 'c'), SYNC, TAG("COPY 1"), READY, QUERY("select 1"), TAG("SELECT 1"), READY},
     {DONE(COPY), DONE(SELECT)},
     0},
    {"a copy by an extended query that the client gives up",
     {START, PARSE("", "copy t from stdin"), BIND(""), EXECUTE, SYNC, NONE('S', '1'),
      NONE('S', '2'), BYTES('S', 'G', "\0\0\1\0\0"), BYTES('C', 'd', "1\n"), TEXT('C', 'f', "no"),
      SYNC, ERROR("57014"), READY, QUERY("select 1"), TAG("SELECT 1"), READY},
     {FAILED(COPY, "57014"), DONE(SELECT)},
     0},
    {"what comes unasked",
     {START, TEXT('S', 'A', "\0\0\0\1channel\0payload"), QUERY("listen channel"), TAG("LISTEN"),
      READY, TEXT('S', 'A', "\0\0\0\1channel\0payload"), TEXT('S', 'S', "TimeZone\0UTC"),
      BYTES('S', 'N', "SNOTICE\0VNOTICE\0C00000\0Mtext\0\0"), QUERY("select 1"),
      BYTES('S', 'N', "SNOTICE\0VNOTICE\0C00000\0Mtext\0\0"), TAG("SELECT 1"),
      TEXT('S', 'A', "\0\0\0\1channel\0payload"), READY, QUERY("show all"), TAG("SHOW"), READY},
     {DONE(LISTEN), DONE(SELECT), DONE(SHOW)},
     0},
    {"encryption that the server has not",
     {BYTES('C', 0, "\0\0\0\x08\x04\xd2\x16\x30"), BYTES('S', 0, "N"),
      BYTES('C', 0, "\0\0\0\x08\x04\xd2\x16\x2f"), BYTES('S', 0, "N"), START, QUERY("select 1"),
      TAG("SELECT 1"), READY},
     {DONE(SELECT)},
     0},
    {"encryption that was refused once, and notices, which begin like that",
     {ASK_SSL,
      BYTES('S', 0, "N"),
      START,
      NOTICE,
      QUERY("select 1"),
      NOTICE,
      TAG("SELECT 1"),
      READY,
      PARSE("", "update t"),
      FLUSH,
      NOTICE,
      NONE('S', '1'),
      BIND(""),
      EXECUTE,
      SYNC,
      NOTICE,
      NONE('S', '2'),
      TAG("UPDATE 1"),
      READY,
      PARSE("a", "begin"),
      SYNC,
      NOTICE,
      NONE('S', '1'),
      READY,
      QUERY("commit"),
      TAG("COMMIT"),
      READY},
     {DONE(SELECT), DONE(UPDATE), DONE(COMMIT)},
     0},
    {"portals that were bound before",
     {START,
      DESCRIBE,
      EXECUTE,
      EXECUTE,
      SYNC,
      NONE('S', 'n'),
      TAG("UPDATE 1"),
      TAG("DELETE 1"),
      READY,
      DESCRIBE,
      EXECUTE,
      EXECUTE,
      SYNC,
      BYTES('S', 't', "\0\0"),
      TAG("INSERT 1"),
      TAG("DELETE 1"),
      READY,
      EXECUTE,
      EXECUTE,
      EXECUTE,
      SYNC,
      NONE('S', 's'),
      TAG("SELECT 1"),
      TAG("DELETE 1"),
      READY},
     {DONE(UPDATE), DONE(DELETE), DONE(INSERT), DONE(DELETE), DONE(UNKNOWN), DONE(SELECT),
      DONE(DELETE)},
     0},
    {"several statements in one text, behind a batch",
     {START, BIND("a"), EXECUTE, SYNC, NONE('S', '2'), TAG("UPDATE 1"), READY,
      QUERY("insert into t values (1); select nosuch"), TAG("INSERT 0 1"), ERROR("42703"), READY},
     {DONE(UPDATE), FAILED(INSERT, "42703")},
     0},
    {"what was prepared is bound behind a Flush, not behind a Sync",
     {START, PARSE("a", "begin"), FLUSH, NONE('S', '1'), SYNC, READY, BIND("b"), EXECUTE, SYNC,
      ERROR("23505"), READY, PARSE("c", "update t"), FLUSH, NONE('S', '1'), BIND("c"), EXECUTE,
      SYNC, ERROR("40001"), READY},
     {FAILED(UNKNOWN, "23505"), FAILED(UPDATE, "40001")},
     0},
    {"the longest name, and a long severity",
     {START, PARSE(SIXTY "abc", "delete from t"), BIND(SIXTY "abc"), EXECUTE, SYNC,
      BYTES('S', 'E', "SCabcdefghijabcdefghijabcdefgh\0VERROR\0C22012\0Mx\0\0"), READY},
     {FAILED(DELETE, "22012")},
     0},
    {"a password, and what it may look like",
     {BYTES('C', 0, "\0\0\0\x1f\0\3\0\0user\0me\0database\0db\0x\0\0"),
      BYTES('S', 'v', "\0\3\0\0\0\0\0\0"), BYTES('S', 'R', "\0\0\0\5salt"),
      TEXT('C', 'p', "md5Q\0\0\0\x0fselect 1"), BYTES('S', 'R', "\0\0\0\0"), READY,
      QUERY("select 1"), TAG("SELECT 1"), READY},
     {DONE(SELECT)},
     0},
    {"a function call, and an error in another language",
     {START, BYTES('C', 'F', "\0\0\0\1\0\0\0\0\0\0"), TEXT('S', 'V', "\xff\xff\xff\xff"), READY,
      QUERY("select 1"), BYTES('S', 'E', "SFEHLER\0VERROR\0C22012\0MDivision durch Null\0\0"),
      READY, QUERY("select 1"), BYTES('S', 'E', "SERROR\0C0A000\0Mof an old server\0\0"), READY,
      QUERY("select 1"), BYTES('S', 'E', "SERROR\0Mwithout a code\0\0"), NOTICE, READY,
      QUERY("select 1"), BYTES('S', 'E', "SERROR\0Mbefore it " LONG "\0C42601\0\0"), READY},
     {DONE(OTHER), FAILED(SELECT, "22012"), FAILED(SELECT, "0A000"), FAILED(SELECT, "?"),
      FAILED(SELECT, "?")},
     0},
};

static size_t put(uint8_t *target, const struct message *message)
{
    size_t head = 0;
    if (message->type != 0) {
        uint32_t length = (uint32_t)message->size + 4;
        target[0] = (uint8_t)message->type;
        target[1] = (uint8_t)(length >> 24);
        target[2] = (uint8_t)(length >> 16);
        target[3] = (uint8_t)(length >> 8);
        target[4] = (uint8_t)length;
        head = EYE_POSTGRES_HEAD_BYTES;
    }
    memcpy(target + head, message->bytes, message->size);
    return head + message->size;
}

static void assert_answers(const struct http_host *host, const struct conversation *conversation)
{
    size_t expected = 0;
    while (conversation->answers[expected].operation != 0 ||
           conversation->answers[expected].state != NULL ||
           conversation->answers[expected + 1].operation != 0) {
        expected++;
    }
    if (host->record_count != expected) {
        fail_msg("%s: %zu records, expected %zu", conversation->name, host->record_count, expected);
    }
    for (size_t i = 0; i < expected; i++) {
        const struct answer *answer = &conversation->answers[i];
        struct eye_postgres_body body;
        char state[EYE_POSTGRES_STATE_BYTES + 1] = {0};
        memcpy(&body, host->records[i].body, sizeof(body));
        memcpy(state, body.state, sizeof(body.state));
        assert_int_equal(host->records[i].head.body_bytes, sizeof(body));
        if (body.operation != answer->operation ||
            strcmp(state, answer->state == NULL ? "" : answer->state) != 0) {
            fail_msg("%s: record %zu is %u, '%s'", conversation->name, i, body.operation, state);
        }
    }
    for (size_t i = 0; i < EYE_LOSS_COUNT; i++) {
        __u64 lost = i == EYE_LOSS_POSTGRES_UNANSWERED ? conversation->unanswered : 0;
        if (host->losses[i] != lost) {
            fail_msg("%s: loss %zu counted %llu times", conversation->name, i,
                     (unsigned long long)host->losses[i]);
        }
    }
}

static void send_pieces(struct http_host *host, __u32 stream, const uint8_t *bytes, size_t size,
                        size_t piece, size_t first)
{
    size_t next = first > 0 && first < size ? first : piece;
    while (size > 0) {
        size_t sent = next < size ? next : size;
        http_host_send(host, stream, bytes, sent);
        bytes += sent;
        size -= sent;
        next = piece;
    }
}

/* @client: at which end we listen. */
static void play(const struct conversation *conversation, bool client, size_t piece, size_t first)
{
    struct http_host *host = postgres_host_new(client);
    uint8_t turn[TURN_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < MESSAGES && conversation->messages[i].bytes != NULL; i++) {
        const struct message *message = &conversation->messages[i];
        size += put(turn + size, message);
        if (i + 1 == MESSAGES || message[1].from != message->from) {
            __u32 stream = (message->from == 'C') == client ? 0 : 1;
            send_pieces(host, stream, turn, size, piece, first);
            size = 0;
        }
    }
    assert_answers(host, conversation);
    free(host);
}

static void parser__reads_conversations_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(conversations); i++) {
        play(&conversations[i], true, SIZE_MAX, 0);
        play(&conversations[i], false, SIZE_MAX, 0);
    }
}

static void parser__reads_conversations_in_pieces_of_every_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(conversations); i++) {
        for (size_t piece = 1; piece < 100; piece++) {
            play(&conversations[i], piece % 2 == 0, piece, 0);
        }
    }
}

static void parser__reads_conversations_cut_at_every_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(conversations); i++) {
        for (size_t first = 1; first < 600; first++) {
            play(&conversations[i], true, SIZE_MAX, first);
        }
    }
}

static void send_messages(struct http_host *host, const struct message *messages, size_t count)
{
    uint8_t turn[TURN_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += put(turn + size, &messages[i]);
    }
    http_host_send(host, messages[0].from == 'C' ? 0 : 1, turn, size);
}

#define SEND(host, ...)                                                                            \
    do {                                                                                           \
        const struct message sent[] = {__VA_ARGS__};                                               \
        send_messages(host, sent, EYE_ARRAY_LENGTH(sent));                                         \
    } while (0)

static __u8 operation_of(const struct http_host *host, size_t index)
{
    return host->records[index].body[0];
}

static void parser__counts_what_is_pipelined_beyond_the_queue(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 300; i++) {
            SEND(host, BIND("s"), EXECUTE);
        }
        SEND(host, SYNC);
        for (int i = 0; i < 300; i++) {
            SEND(host, NONE('S', '2'), TAG("UPDATE 1"));
        }
        SEND(host, READY);
        SEND(host, QUERY("select 1"));
        SEND(host, TAG("SELECT 1"), READY);
    }
    assert_int_equal(host->record_count, 3 * (EYE_QUEUE_DEPTH + 1));
    assert_int_equal(operation_of(host, EYE_QUEUE_DEPTH), EYE_SQL_SELECT);
    assert_int_equal(host->losses[EYE_LOSS_POSTGRES_PIPELINE], 3 * (300 - EYE_QUEUE_DEPTH));
    assert_int_equal(host->losses[EYE_LOSS_POSTGRES_UNMATCHED], 0);
    assert_int_equal(host->losses[EYE_LOSS_POSTGRES_UNANSWERED], 0);
    free(host);
}

/* An error in a batch that was longer than the queue: what follows is paired. */
static void parser__goes_on_behind_a_long_batch_that_failed(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    for (int i = 0; i < 300; i++) {
        SEND(host, BIND("s"), EXECUTE);
    }
    SEND(host, SYNC);
    SEND(host, NONE('S', '2'), TAG("UPDATE 1"), NONE('S', '2'), ERROR("23505"), READY);
    SEND(host, QUERY("select 1"));
    SEND(host, TAG("SELECT 1"), READY);
    assert_int_equal(host->record_count, 3);
    assert_int_equal(operation_of(host, 0), EYE_SQL_UPDATE);
    assert_int_equal(operation_of(host, 2), EYE_SQL_SELECT);
    free(host);
}

static void parser__joins_prepared_statements(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    host->joins = true;
    for (int i = 0; i < 5; i++) {
        SEND(host, BIND("s"), EXECUTE, BIND("t"), EXECUTE, SYNC);
        SEND(host, NONE('S', '2'), TAG("UPDATE 1"), NONE('S', '2'), TAG("SELECT 1"), READY);
    }
    assert_int_equal(host->record_count, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(operation_of(host, i), i % 2 == 0 ? EYE_SQL_UPDATE : EYE_SQL_SELECT);
    }
    free(host);
}

/* In the midst of a result: it belongs to nobody, and the next query proves itself. */
static void parser__joins_in_the_midst_of_an_answer(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    host->joins = true;
    SEND(host, ROW, ROW, TAG("SELECT 2"), READY);
    for (int i = 0; i < 3; i++) {
        SEND(host, QUERY("update t set a = 1"));
        SEND(host, TAG("UPDATE 1"), READY);
    }
    assert_int_equal(host->record_count, 3);
    assert_int_equal(operation_of(host, 0), EYE_SQL_UPDATE);
    free(host);
}

/* Whatever is lost, answers are never another request's. */
static void parser__comes_back_after_a_gap(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        struct http_host *host = postgres_host_new(true);
        SEND(host, QUERY("update t set a = 1"));
        SEND(host, TAG("UPDATE 1"), READY);
        if (lost == 0) {
            http_host_skip(host, 0, 100); /* a query */
            SEND(host, TAG("DELETE 1"), READY);
        } else {
            SEND(host, QUERY("delete from t"));
            http_host_skip(host, 1, 100); /* the answer */
        }
        for (int i = 0; i < 5; i++) {
            SEND(host, QUERY("select 1"));
            SEND(host, COLUMNS, ROW, TAG("SELECT 1"), READY);
        }
        assert_int_equal(host->losses[EYE_LOSS_POSTGRES_GAP], 1);
        assert_true(host->record_count >= 4);
        assert_int_equal(operation_of(host, 0), EYE_SQL_UPDATE);
        for (size_t i = 1; i < host->record_count; i++) {
            assert_int_equal(operation_of(host, i), EYE_SQL_SELECT);
        }
        free(host);
    }
}

/* Behind a gap, of a client that does not wait: the answer under way is another query's. */
static void parser__proves_nothing_while_an_answer_is_under_way(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct http_host *host = postgres_host_new(true);
        SEND(host, QUERY("update t set a = 1"));
        SEND(host, TAG("UPDATE 1"), READY);
        http_host_skip(host, 0, 100); /* a query */
        SEND(host, QUERY("select 1"));
        SEND(host, QUERY("select 2"));
        SEND(host, TAG("SELECT 1"), READY);
        __u32 received = host->acknowledges[0];
        if (way == 0) {
            SEND(host, COLUMNS, ROW);
        } else if (way == 1) {
            SEND(host, TAG("SELECT 1"));
        } else {
            SEND(host, TAG("SELECT 1"), READY);
            host->acknowledges[0] = received; /* sent before that came */
        }
        SEND(host, QUERY("delete from t"));
        if (way < 2) {
            SEND(host, ERROR("22012"), READY);
        }
        SEND(host, ERROR("22012"), READY);
        SEND(host, ERROR("23503"), READY);
        assert_int_equal(host->record_count, 1);
        SEND(host, NOTICE, TEXT('S', 'A', "\0\0\0\1channel\0payload"));
        SEND(host, TEXT('S', 'S', "TimeZone\0UTC"));
        SEND(host, QUERY("insert into t"));
        SEND(host, ERROR("23505"), READY);
        assert_int_equal(host->record_count, 2);
        assert_int_equal(operation_of(host, 1), EYE_SQL_INSERT);
        free(host);
    }
}

/* Which statement is bound behind a gap is not known, even if one was prepared before it. */
static void parser__forgets_what_was_prepared_before_a_gap(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    SEND(host, QUERY("select 1"));
    SEND(host, TAG("SELECT 1"), READY);
    SEND(host, PARSE("a", "delete from t"));
    http_host_skip(host, 0, 40);
    SEND(host, NONE('S', '1'), NONE('S', '2'), TAG("DELETE 1"), READY);
    for (int i = 0; i < 2; i++) {
        SEND(host, BIND("s"), EXECUTE, SYNC);
        SEND(host, NONE('S', '2'), ERROR("23505"), READY);
    }
    assert_int_equal(host->record_count, 3);
    assert_int_equal(operation_of(host, 1), EYE_SQL_UNKNOWN);
    assert_int_equal(operation_of(host, 2), EYE_SQL_UNKNOWN);
    free(host);
}

static void parser__ends_with_replication_and_encryption(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    SEND(host, QUERY("IDENTIFY_SYSTEM"));
    SEND(host, TAG("IDENTIFY_SYSTEM"), READY);
    SEND(host, QUERY("START_REPLICATION 0/0"));
    SEND(host, BYTES('S', 'W', "\0\0\0"));
    assert_int_equal(host->record_count, 1);
    assert_int_equal(host->verdict, EYE_VERDICT_ENDED);
    postgres_host_reset(host, true);
    SEND(host, BYTES('C', 0, "\0\0\0\x08\x04\xd2\x16\x2f"));
    SEND(host, BYTES('S', 0, "S"));
    assert_int_equal(host->verdict, EYE_VERDICT_ENDED);
    postgres_host_reset(host, true);
    SEND(host, BYTES('C', 0, "\0\0\0\x08\x04\xd2\x16\x30"));
    SEND(host, BYTES('S', 0, "G"));
    assert_int_equal(host->verdict, EYE_VERDICT_ENDED);
    free(host);
}

static void parser__gives_up_what_is_malformed(void **state)
{
    (void)state;
    static const struct message answers[] = {
        BYTES('S', 0, "C\0\0\0\3"),         BYTES('S', 0, "Z\0\0\0\4x"),
        BYTES('S', 0, "Z\0\0\0\6II"),       BYTES('S', 0, "\xc3\0\0\0\5x"),
        BYTES('S', 0, "\4\0\0\0\5x"),       BYTES('S', 0, "D\x80\0\0\0"),
        BYTES('S', 0, "?\0\0\0\4"),         BYTES('S', 0, "1\0\0\0\5x"),
        BYTES('S', 0, "T\xff\xff\xff\xff"), BYTES('S', 0, "Q\0\0\0\4"),
        BYTES('S', 0, "\0\0\0\0\0\0"),      BYTES('S', 0, "HTTP/1.1 200"),
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(answers); i++) {
        struct http_host *host = postgres_host_new(true);
        SEND(host, QUERY("select 1"));
        SEND(host, TAG("SELECT 1"), READY);
        SEND(host, QUERY("delete from t"));
        send_messages(host, &answers[i], 1);
        if (host->losses[EYE_LOSS_POSTGRES_MALFORMED] != 1) {
            fail_msg("answer %zu: %llu", i,
                     (unsigned long long)host->losses[EYE_LOSS_POSTGRES_MALFORMED]);
        }
        SEND(host, TAG("DELETE 1"), READY);
        SEND(host, QUERY("update t set a = 1"));
        SEND(host, TAG("UPDATE 1"), READY);
        assert_int_equal(operation_of(host, host->record_count - 1), EYE_SQL_UPDATE);
        free(host);
    }
}

/* Which are of lengths; those that may carry data have no other one. */
static void parser__takes_messages_up_to_their_limits(void **state)
{
    (void)state;
    static const struct {
        struct message message;
        __u64 malformed;
    } cases[] = {
        {BYTES('S', 0, "D\x40\0\0\0"), 0},        {BYTES('S', 0, "D\x40\0\0\1"), 1},
        {BYTES('C', 0, "D\0\0\x27\x10"), 0},      {BYTES('C', 0, "D\0\0\x27\x11"), 1},
        {BYTES('C', 0, "E\0\0\x27\x11"), 1},      {BYTES('C', 0, "B\0\1\0\0"), 0},
        {BYTES('C', 0, "F\0\1\0\0"), 0},          {BYTES('C', 0, "P\0\1\0\0"), 0},
        {BYTES('C', 0, "Q\0\1\0\0"), 0},          {BYTES('C', 0, "d\0\1\0\0"), 0},
        {BYTES('C', 0, "f\0\1\0\0"), 0},          {BYTES('C', 0, "p\0\1\0\0"), 0},
        {BYTES('C', 0, "d\x40\0\0\0"), 0},        {BYTES('C', 0, "d\x40\0\0\1"), 1},
        {BYTES('C', 0, "X\0\0\0\4"), 0},          {BYTES('C', 0, "X\0\0\0\5x"), 1},
        {BYTES('C', 0, "\0\0\0\x08\0\3\0\0"), 1},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct http_host *host = postgres_host_new(true);
        SEND(host, QUERY("select 1"));
        SEND(host, TAG("SELECT 1"), READY);
        send_messages(host, &cases[i].message, 1);
        if (host->losses[EYE_LOSS_POSTGRES_MALFORMED] != cases[i].malformed) {
            fail_msg("case %zu: %llu", i,
                     (unsigned long long)host->losses[EYE_LOSS_POSTGRES_MALFORMED]);
        }
        free(host);
    }
}

/* Behind a gap a message may begin with each segment, if it looks like one; however it is cut. */
static void parser__is_strict_behind_a_gap(void **state)
{
    (void)state;
    static const struct {
        struct message message;
        bool taken;
    } cases[] = {
        {BYTES('S', 'Z', "T"), true},
        {BYTES('S', 'Z', "E"), true},
        {BYTES('S', 'Z', "x"), false},
        {TAG("SELECT 1"), true},
        {TAG("select 1"), false},
        {BYTES('S', 'C', "A" LONG), false},
        {ERROR("22012"), true},
        {BYTES('S', 'E', "text of something else"), false},
        {BYTES('S', 0, "E\0\x40\0\1SERROR"), false},
        {COLUMNS, true},
        {BYTES('S', 'T', "\0\2?column?\0\0\0\0\0\0\0\0\0\0\x17"), false},
        {BYTES('S', 0, "T\0\0\x7b\x86\6\x80_name"), true},
        {BYTES('S', 0, "T\0\0\x7b\x99\6\x81_name"), false},
        {ROW, true},
        {BYTES('S', 'D', "\0\1\xff\xff\xff\xff"), true},
        {BYTES('S', 'D', "\0\1\0\0\0\2x"), false},
        {BYTES('S', 'D', "\0\0"), true},
        {BYTES('S', 'D', "\0\0x"), false},
        {NONE('S', '1'), true},
        {TEXT('S', 'S', "a\0b"), false},
        {DESCRIBE, true},
        {TEXT('C', 'D', "x"), false},
        {EXECUTE, true},
        {BYTES('C', 'E', "\0\0\0\0"), false},
        {QUERY("select 1"), true},
        {BYTES('C', 'Q', "\1select 1"), false},
        {BIND("a"), true},
        {SYNC, true},
        {BYTES('C', 'd', "data"), false},
        {BYTES('C', 0, "\0\0\0\x1f\0\3\0\0user\0me\0database\0db\0x\0\0"), false},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        uint8_t bytes[TURN_BYTES];
        __u32 stream = cases[i].message.from == 'C' ? 0 : 1;
        size_t size = put(bytes, &cases[i].message);
        for (size_t first = cases[i].taken ? 1 : size; first <= size; first++) {
            struct http_host *host = postgres_host_new(true);
            SEND(host, QUERY("update t"));
            SEND(host, TAG("UPDATE 1"), READY);
            http_host_skip(host, stream, 100);
            send_pieces(host, stream, bytes, size, SIZE_MAX, first);
            if ((host->conversation.halves[stream].phase != EYE_PHASE_LOST) != cases[i].taken) {
                fail_msg("case %zu, cut at %zu", i, first);
            }
            free(host);
        }
    }
}

/* What was asked before it is known to be answered. */
static void parser__remembers_behind_a_gap_that_encryption_was_refused(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    SEND(host, ASK_SSL);
    SEND(host, BYTES('S', 0, "N"));
    SEND(host, QUERY("update t"));
    SEND(host, TAG("UPDATE 1"), READY);
    http_host_skip(host, 0, 100);
    SEND(host, TAG("DELETE 1"), READY);
    for (int i = 0; i < 3; i++) {
        SEND(host, QUERY("select 1"));
        SEND(host, NOTICE);
        SEND(host, TAG("SELECT 1"), READY);
    }
    assert_int_equal(host->losses[EYE_LOSS_POSTGRES_MALFORMED], 0);
    assert_int_equal(host->record_count, 4);
    free(host);
}

/* Each fails in a way of its own, so what is told shows whose answer it is. */
static const struct {
    struct message asked[5];
    struct message answered[5];
    struct answer answer;
} pairs[] = {
    {{QUERY("update t set a = 'Q\n'")}, {ERROR("23502"), READY}, FAILED(UPDATE, "23502")},
    {{QUERY("delete from t where a = '" FIFTY "'")},
     {ERROR("23503"), READY},
     FAILED(DELETE, "23503")},
    {{QUERY(" \n(select 1 / a from t)")},
     {COLUMNS, ROW, ERROR("22012"), READY},
     FAILED(SELECT, "22012")},
    {{PARSE("", "insert into t values ($1)"), BIND(""), DESCRIBE, EXECUTE, SYNC},
     {NONE('S', '1'), NONE('S', '2'), NONE('S', 'n'), ERROR("23505"), READY},
     FAILED(INSERT, "23505")},
    {{BIND("s"), EXECUTE, SYNC}, {NONE('S', '2'), ERROR("40001"), READY}, FAILED(UNKNOWN, "40001")},
    {{PARSE("a", "begin"), SYNC}, {ERROR("42601"), READY}, FAILED(BEGIN, "42601")},
    {{PARSE("a", "commit"), DESCRIBE, SYNC}, {NONE('S', '1'), COLUMNS, READY}, {0, NULL}},
};
#define EXCHANGES 2000

static size_t put_all(uint8_t *target, const struct message *messages)
{
    size_t size = 0;
    for (size_t i = 0; i < 5 && messages[i].bytes != NULL; i++) {
        size += put(target + size, &messages[i]);
    }
    return size;
}

static void assert_true_pairs(const struct http_host *host)
{
    for (size_t i = 0; i < host->record_count; i++) {
        struct eye_postgres_body body;
        size_t kind = 0;
        memcpy(&body, host->records[i].body, sizeof(body));
        while (pairs[kind].answer.state != NULL &&
               memcmp(body.state, pairs[kind].answer.state, sizeof(body.state)) != 0) {
            kind++;
        }
        bool unknown = body.operation == EYE_SQL_UNKNOWN && pairs[kind].asked[1].bytes != NULL;
        if (pairs[kind].answer.state == NULL ||
            (body.operation != pairs[kind].answer.operation && !unknown)) {
            fail_msg("record %zu is %u, '%.5s'", i, body.operation, (const char *)body.state);
        }
    }
}

static void exchange_badly(struct http_host *host, uint64_t *random, __u32 client, size_t most)
{
    uint8_t bytes[TURN_BYTES];
    size_t kinds[8];
    size_t count = 1 + random_below(random, most);
    for (size_t i = 0; i < count; i++) {
        kinds[i] = random_below(random, EYE_ARRAY_LENGTH(pairs));
        size_t size = put_all(bytes, pairs[kinds[i]].asked);
        send_bytes_badly(host, random, client, bytes, size);
    }
    for (size_t i = 0; i < count; i++) {
        size_t size = put_all(bytes, pairs[kinds[i]].answered);
        send_bytes_badly(host, random, client ^ 1, bytes, size);
    }
}

/* Of a client that waits for each answer, and of one that does not. */
static void bad_wire__never_pairs_wrongly(void **state)
{
    (void)state;
    for (size_t most = 1; most <= 8; most += 7) {
        struct http_host *host = postgres_host_new(true);
        size_t seen = 0;
        for (unsigned seed = 1; seed <= 50; seed++) {
            uint64_t random = seed;
            postgres_host_reset(host, seed % 2 == 0);
            for (unsigned i = 0; i < EXCHANGES / most && !host->stopped; i++) {
                exchange_badly(host, &random, seed % 2, most);
            }
            assert_true_pairs(host);
            seen += host->record_count;
        }
        print_message("%zu of %d exchanges seen\n", seen, 50 * EXCHANGES);
        free(host);
    }
}

static int looks_like(const struct message *message, size_t *ret_size)
{
    struct eye_glance glance = {0};
    uint8_t bytes[TURN_BYTES];
    *ret_size = put(bytes, message);
    *ret_size = *ret_size < EYE_LOOK_BYTES ? *ret_size : EYE_LOOK_BYTES;
    memcpy(glance.bytes, bytes, *ret_size);
    return eye_postgres_looks_like(&glance, (__u32)*ret_size);
}

static void looks_like__takes_its_own_beginnings_alone(void **state)
{
    (void)state;
    static const struct message own[] = {
        BYTES('C', 0, "\0\0\0\x1f\0\3\0\0user\0me\0database\0db\0x\0\0"),
        BYTES('C', 0, "\0\0\0\x08\x04\xd2\x16\x2f"),
        BYTES('C', 0, "\0\0\0\x08\x04\xd2\x16\x30"),
        BYTES('C', 0, "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\1\0\0\0\2"),
        QUERY("SELECT 1"),
        QUERY("insert into t values ('" LONG "')"),
        PARSE("S_1", "select 1"),
        PARSE("", "begin"),
        BYTES('C', 0, "B\0\0\0\x0d\0s\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\4"),
        BYTES('C', 'B', "\0s\0\0\0\0\1\0\0\1\x90" LONG "\0\0"),
        BYTES('C', 0, "\0\0\0\x1f\0\3\0\2user\0me\0database\0db\0x\0\0"),
        BYTES('C', 0, "B\0\0\0\x0d\0s\0\0\0\0\0\0\0D\0\0\0\6P\0"),
    };
    static const struct message others[] = {
        BYTES('C', 0, "POST / HTTP/1.1\r\n\r\n"),
        BYTES('C', 0, "PUT / HTTP/1.1\r\n\r\n"),
        BYTES('C', 0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        BYTES('C', 0, "PING\r\n"),
        BYTES('C', 0, "QUIT\r\n\r\n"),
        BYTES('C', 0, "*1\r\n$4\r\nPING\r\n"),
        /* HTTP/2's SETTINGS, MySQL's COM_STMT_PREPARE and COM_QUERY, TLS, DNS, Kafka. */
        BYTES('C', 0, "\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x64"),
        BYTES('C', 0, "P\0\0\0\x16" LONG),
        BYTES('C', 0, "Q\0\0\0\3" LONG),
        BYTES('C', 0, "\x16\3\1\0\xf5\1\0\0\xf1\3\3"),
        BYTES('C', 0, "\0\x1d\x12\x34\1\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1"),
        BYTES('C', 0, "\0\0\0\x14\0\3\0\0\0\0\0\1\0\4test\0\0\0\0"),
        BYTES('S', 'Z', "I"),
        TEXT('S', 'C', "SELECT 1"),
        QUERY("hello"),
        BYTES('C', 0, "\0\0\0\x1f\0\3\0\3user\0me\0database\0db\0x\0\0"),
        BYTES('C', 0, "\0\0\0\x1e\0\3\0\0user\0me\0database\0db\0x\0\0"),
        BYTES('C', 0, "\0\0\x27\x11\0\3\0\0user" LONG),
        BYTES('C', 0, "\0\0\1\x0d\x04\xd2\x16\x2e" LONG),
        BYTES('C', 0, "P\0\0\0\6abc\0select 1"),
        BYTES('C', 0, "C\0\0\0\x0d\0s\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\4"),
        BYTES('C', 'B', "\0s\0\0\0\0\0\0\0"),
    };
    size_t size;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(own); i++) {
        if (!looks_like(&own[i], &size)) {
            fail_msg("own %zu", i);
        }
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(others); i++) {
        if (looks_like(&others[i], &size)) {
            fail_msg("other %zu", i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parser__reads_conversations_whole),
        cmocka_unit_test(parser__reads_conversations_in_pieces_of_every_size),
        cmocka_unit_test(parser__reads_conversations_cut_at_every_place),
        cmocka_unit_test(parser__counts_what_is_pipelined_beyond_the_queue),
        cmocka_unit_test(parser__goes_on_behind_a_long_batch_that_failed),
        cmocka_unit_test(parser__joins_prepared_statements),
        cmocka_unit_test(parser__joins_in_the_midst_of_an_answer),
        cmocka_unit_test(parser__comes_back_after_a_gap),
        cmocka_unit_test(parser__proves_nothing_while_an_answer_is_under_way),
        cmocka_unit_test(parser__forgets_what_was_prepared_before_a_gap),
        cmocka_unit_test(parser__ends_with_replication_and_encryption),
        cmocka_unit_test(parser__gives_up_what_is_malformed),
        cmocka_unit_test(parser__takes_messages_up_to_their_limits),
        cmocka_unit_test(parser__is_strict_behind_a_gap),
        cmocka_unit_test(parser__remembers_behind_a_gap_that_encryption_was_refused),
        cmocka_unit_test(bad_wire__never_pairs_wrongly),
        cmocka_unit_test(looks_like__takes_its_own_beginnings_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
