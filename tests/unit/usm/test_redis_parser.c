/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis parser of the kernel programs, on the host. Each conversation is played at both ends:
 * as written, in pieces of every size, and cut at every place; all must give the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "tests/support/bad_wire.h"
#include "tests/support/redis_host.h"

#define PARTS 12
#define ANSWERS 20

/* What one end sees: 'C' bytes of the client, 'S' of the server. */
struct part {
    char from;
    const char *bytes;
};

struct answer {
    const char *command;
    const char *subcommand; /* NULL: it has none */
    __u16 code;
};

struct conversation {
    const char *name;
    struct part parts[PARTS];
    struct answer answers[ANSWERS]; /* the last one stays empty */
    __u64 unanswered;               /* EYE_LOST_UNANSWERED: what is known not to be answered */
};

#define GET_A "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
#define PING "*1\r\n$4\r\nPING\r\n"
#define GET ANSWERED("GET")
#define ANSWERED(command)                                                                          \
    {                                                                                              \
        command, NULL, EYE_REDIS_SUCCESS                                                           \
    }
#define FAILED(command, error)                                                                     \
    {                                                                                              \
        command, NULL, EYE_REDIS_ERROR_##error                                                     \
    }
/* 300 bytes, which no window holds, and which look like messages. */
#define TEN "$3\r\n+OK\r\n*"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define LONG HUNDRED HUNDRED HUNDRED
#define FIFTY "fifty bytes without any control or other character"
#define SEVENTY FIFTY "and twenty bytes more"
#define TEXT FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY

static const struct conversation conversations[] = {
    {"plain",
     {{'C', "*3\r\n$3\r\nset\r\n$1\r\na\r\n$2\r\n12\r\n"},
      {'S', "+OK\r\n"},
      {'C', GET_A},
      {'S', "$2\r\n12\r\n"},
      {'C', "*2\r\n$4\r\nInCr\r\n$1\r\na\r\n"},
      {'S', ":13\r\n"},
      {'C', GET_A},
      {'S', "$-1\r\n"},
      {'C', GET_A},
      {'S', "+13 of no monitor\r\n"}},
     {ANSWERED("SET"), GET, ANSWERED("INCR"), GET, GET},
     0},
    {"every type of RESP3",
     {{'C', "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"},
      {'S', "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n+proto\r\n:3\r\n"},
      {'C', GET_A GET_A GET_A GET_A GET_A GET_A GET_A GET_A GET_A GET_A},
      {'S', "_\r\n#t\r\n,-1.5e3\r\n(3492890328409238509324850943850943825024385\r\n"
            "=7\r\ntxt:abc\r\n~2\r\n+a\r\n:1\r\n*-1\r\n%0\r\n~0\r\n*0\r\n"}},
     {ANSWERED("HELLO"), GET, GET, GET, GET, GET, GET, GET, GET, GET, GET},
     0},
    {"nested arrays",
     {{'C', GET_A GET_A},
      {'S', "*3\r\n*2\r\n:1\r\n*1\r\n*1\r\n%1\r\n+k\r\n*2\r\n$-1\r\n_\r\n"
            "*0\r\n|1\r\n+ttl\r\n:9\r\n$3\r\n\r\n+\r\n+OK\r\n"}},
     {GET, GET},
     0},
    {"values that look like messages",
     {{'C', "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$300\r\n" LONG "\r\n" GET_A},
      {'S', "+OK\r\n$300\r\n" LONG "\r\n"},
      {'C', GET_A},
      {'S', "*2\r\n$300\r\n" LONG "\r\n$0\r\n\r\n"}},
     {ANSWERED("SET"), GET, GET},
     0},
    {"errors",
     {{'C', GET_A GET_A GET_A GET_A GET_A GET_A GET_A GET_A},
      {'S', "-LOADING\n-WRONGTYPE Operation against a key\r\n-ERR\r\n-MOVED 3999 127.0.0.1:6381\r\n"
            "-MYERR made up\r\n-MADEUPANDTOOLONGTOKNOW x\r\n!21\r\nSYNTAX invalid syntax\r\n"
            "-CLUSTERDOWN " TEXT "\r\n"}},
     {FAILED("GET", LOADING), FAILED("GET", WRONGTYPE), FAILED("GET", ERR), FAILED("GET", MOVED),
      FAILED("GET", OTHER), FAILED("GET", OTHER), FAILED("GET", SYNTAX),
      FAILED("GET", CLUSTERDOWN)},
     0},
    {"containers",
     {{'C', "*4\r\n$6\r\nclient\r\n$7\r\nsetname\r\n$1\r\nx\r\n$1\r\ny\r\n"
            "*2\r\n$6\r\nCONFIG\r\n$9\r\nREWRITING\r\n*1\r\n$7\r\nCOMMAND\r\n"
            "*2\r\n$3\r\nacl\r\n$6\r\nwhoami\r\n*3\r\n$6\r\nOBJECT\r\n$40\r\n"
            "0123456789012345678901234567890123456789\r\n$1\r\nk\r\n"},
      {'S', "-ERR x\r\n+OK\r\n*0\r\n$7\r\ndefault\r\n-ERR x\r\n"}},
     {{"CLIENT", "SETNAME", EYE_REDIS_ERROR_ERR},
      {"CONFIG", "REWRITING", EYE_REDIS_SUCCESS},
      ANSWERED("COMMAND"),
      {"ACL", "WHOAMI", EYE_REDIS_SUCCESS},
      FAILED("OBJECT", ERR)},
     0},
    {"what only looks like a container's word",
     {{'C', "*3\r\n$6\r\nCONFIG\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n"
            "*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n6380\r\n"},
      {'S', "-ERR x\r\n+OK\r\n"}},
     {{"CONFIG", "REPLY", EYE_REDIS_ERROR_ERR}, ANSWERED("REPLCONF")},
     0},
    {"a length that is cut, before the digits of an earlier message",
     {{'C', PING},
      {'S', "+PONG\r\n"},
      {'C', "get 123456789012345678901234567890\r\n"},
      {'S', "$-1\r\n"},
      {'C', "*2\r\n$6\r\nCONFIG\r\n$9\r\nREWRITING\r\n"},
      {'S', "+OK\r\n"}},
     {ANSWERED("PING"), GET, {"CONFIG", "REWRITING", EYE_REDIS_SUCCESS}},
     0},
    {"the longest names, and longer ones",
     {{'C', "*1\r\n$24\r\nABCDEFGHIJKLMNOPQRSTUVWX\r\n*1\r\n$25\r\nABCDEFGHIJKLMNOPQRSTUVWXY\r\n"},
      {'S', "-ERR\r\n-ERR\r\n"},
      {'C', "abcdefghijklmnopqrstuvwx\r\nabcdefghijklmnopqrstuvwxy\r\n"},
      {'S', "-ERR\r\n-ERR\r\n"}},
     {FAILED("ABCDEFGHIJKLMNOPQRSTUVWX", ERR), FAILED("", ERR),
      FAILED("ABCDEFGHIJKLMNOPQRSTUVWX", ERR), FAILED("", ERR)},
     0},
    {"names that are none",
     {{'C', PING "*2\r\n$30\r\n012345678901234567890123456789\r\n$1\r\na\r\n*1\r\n$0\r\n\r\n"
                 "*1\r\n$300\r\n" LONG "\r\n*1\r\n$5\r\n\t[1}\"\r\n"},
      {'S', "+PONG\r\n-ERR\r\n-ERR\r\n-ERR\r\n-ERR\r\n"}},
     {ANSWERED("PING"), FAILED("", ERR), FAILED("", ERR), FAILED("", ERR), FAILED("\t[1}\"", ERR)},
     0},
    {"empty commands",
     {{'C', "*0\r\n*-1\r\n\r\n\n" PING},
      {'S', "+PONG\r\n"},
      {'C', "\r\n*0\r\n" PING "\r\n"},
      {'S', "+PONG\r\n"}},
     {ANSWERED("PING"), ANSWERED("PING")},
     0},
    {"lines",
     {{'C', PING},
      {'S', "+PONG\r\n"},
      {'C', "ping\nget  a\nCLIENT   getname \r\nconfig\r\nset k " TEXT},
      {'C', TEXT "\r\n"},
      {'S', "+PONG\r\n$-1\r\n$-1\r\n-ERR\r\n+OK\r\n"},
      {'C', "NOCOMMANDHASANAMETHATISSOLONG x\r\n"},
      {'S', "-ERR\r\n"}},
     {ANSWERED("PING"),
      ANSWERED("PING"),
      GET,
      {"CLIENT", "GETNAME", EYE_REDIS_SUCCESS},
      FAILED("CONFIG", ERR),
      ANSWERED("SET"),
      FAILED("", ERR)},
     0},
    {"transactions",
     {{'C', "*1\r\n$5\r\nMULTI\r\n" GET_A GET_A "*1\r\n$4\r\nEXEC\r\n"},
      {'S', "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$1\r\nx\r\n-ERR y\r\n"},
      {'C', "*1\r\n$5\r\nMULTI\r\n*1\r\n$3\r\nbad\r\n*1\r\n$4\r\nEXEC\r\n"},
      {'S', "+OK\r\n-ERR unknown\r\n-EXECABORT Transaction discarded\r\n"}},
     {ANSWERED("MULTI"), GET, GET, ANSWERED("EXEC"), ANSWERED("MULTI"), FAILED("BAD", ERR),
      FAILED("EXEC", EXECABORT)},
     0},
    {"messages of RESP2",
     {{'C', "*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n"},
      {'S', "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
            "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n"},
      {'C', PING "*2\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n"},
      {'S', "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$300\r\n" LONG "\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n"
            "*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:3\r\n"
            "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\nx\r\n"},
      {'C', "*1\r\n$11\r\nUNSUBSCRIBE\r\n*1\r\n$12\r\nPUNSUBSCRIBE\r\n"},
      {'S', "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1"
            "\r\n*3\r\n$12\r\npunsubscribe\r\n$1\r\n*\r\n:0\r\n"},
      {'C', GET_A},
      {'S', "*3\r\n$3\r\nmes\r\n$1\r\na\r\n:0\r\n"}},
     {ANSWERED("PING"), GET},
     4},
    {"messages of shards",
     {{'C', "*2\r\n$10\r\nSSUBSCRIBE\r\n$1\r\na\r\n"},
      {'S', "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n"},
      {'C', PING "*1\r\n$12\r\nSUNSUBSCRIBE\r\n"},
      {'S', "*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nx\r\n+PONG\r\n"
            "*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n"},
      {'C', GET_A},
      {'S', "$-1\r\n"}},
     {ANSWERED("PING"), GET},
     2},
    {"a push alone shows that arrays are answers",
     {{'C', "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n"},
      {'S', ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"},
      {'C', GET_A},
      {'S', "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n"}},
     {GET},
     1},
    {"a map alone shows that arrays are answers",
     {{'C', "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n" GET_A},
      {'S', "%1\r\n+proto\r\n:3\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n"}},
     {ANSWERED("HELLO"), GET},
     1},
    {"attributes stand before their answers",
     {{'C', GET_A GET_A GET_A},
      {'S', "|1\r\n+ttl\r\n:9\r\n-OOM x\r\n|0\r\n-ERR x\r\n>0\r\n-BUSY x\r\n>0\r\n"}},
     {FAILED("GET", OOM), FAILED("GET", ERR), FAILED("GET", BUSY)},
     0},
    {"pushes",
     {{'C', "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n"},
      {'S', "%1\r\n+proto\r\n:3\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"},
      {'C', GET_A GET_A GET_A},
      {'S', "$1\r\nx\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n*3\r\n$7\r\nmessage\r\n$1\r\na"
            "\r\n$1\r\nb\r\n>3\r\n+message\r\n+a\r\n%1\r\n:1\r\n:2\r\n:7\r\n"}},
     {ANSWERED("HELLO"), GET, GET, GET},
     1},
    {"monitor",
     {{'C', "*1\r\n$7\r\nMONITOR\r\n"},
      {'S', "+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n"},
      {'C', PING},
      {'S', "+1339518087.877697 [0 127.0.0.1:60866] \"" TEXT "\"\r\n+PONG\r\n"
            "+1339518090.420270 [0 127.0.0.1:60866] \"x\"\r\n"},
      {'C', GET_A},
      {'S', "+:no time\r\n"}},
     {ANSWERED("MONITOR"), ANSWERED("PING"), GET},
     0},
    {"all that comes unasked at once, while replies are off and on again",
     {{'C', "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n*1\r\n$7\r\nMONITOR\r\n"
            "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nb\r\n*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$"
            "3\r\nOFF\r\n" GET_A},
      {'S', "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n+OK\r\n"
            "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"},
      {'C', "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n" PING},
      {'S', "+1339518083.107412 [0 x] \"keys\"\r\n+OK\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx"
            "\r\n+1339518083.107412 [0 x] \"keys\"\r\n-LOADING x\r\n"}},
     {ANSWERED("MONITOR"), {"CLIENT", "REPLY", EYE_REDIS_SUCCESS}, FAILED("PING", LOADING)},
     4},
    {"replies that stay off, whatever may come unasked",
     {{'C', "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n*1\r\n$7\r\nMONITOR\r\n"
            "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n" GET_A
            "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n"},
      {'S', "+OK\r\n"}},
     {{"CLIENT", "REPLY", EYE_REDIS_SUCCESS}},
     4},
    {"replies off",
     {{'C', PING "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n" GET_A GET_A
                 "*3\r\n$6\r\nclient\r\n$5\r\nreply\r\n$4\r\nskip\r\n" GET_A},
      {'S', "+PONG\r\n"},
      {'C', "*3\r\n$6\r\nclient\r\n$5\r\nreply\r\n$2\r\non\r\n" GET_A},
      {'S', "+OK\r\n$1\r\na\r\n"},
      {'C', "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n" GET_A PING},
      {'S', "+PONG\r\n"},
      {'C', "client reply skip\r\n" GET_A GET_A},
      {'S', "-WRONGTYPE x\r\n"},
      {'C', "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nELSE\r\n"},
      {'S', "-ERR syntax\r\n"}},
     {ANSWERED("PING"),
      {"CLIENT", "REPLY", EYE_REDIS_SUCCESS},
      GET,
      ANSWERED("PING"),
      FAILED("GET", WRONGTYPE),
      {"CLIENT", "REPLY", EYE_REDIS_ERROR_ERR}},
     9},
    {"replies off, which skipping does not turn on",
     {{'C', PING "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n"
                 "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n"
                 "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n" GET_A},
      {'S', "+PONG\r\n+OK\r\n$-1\r\n"},
      {'C', "*2\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n" GET_A},
      {'S', "-ERR x\r\n$-1\r\n"}},
     {ANSWERED("PING"),
      {"CLIENT", "REPLY", EYE_REDIS_SUCCESS},
      GET,
      {"CLIENT", "REPLY", EYE_REDIS_ERROR_ERR},
      GET},
     2},
    {"a reset, which turns replies on",
     {{'C', PING "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n" GET_A
                 "*1\r\n$5\r\nRESET\r\n" GET_A},
      {'S', "+PONG\r\n+RESET\r\n$1\r\na\r\n"},
      {'C', "*1\r\n$7\r\nMONITOR\r\nreset\r\n" GET_A},
      {'S', "+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n+RESET\r\n$-1\r\n"}},
     {ANSWERED("PING"), ANSWERED("RESET"), GET, ANSWERED("MONITOR"), ANSWERED("RESET"), GET},
     2},
};

static void assert_name(const char *conversation, const __u8 *name, const char *expected)
{
    char text[EYE_REDIS_NAME_BYTES + 1] = "";
    memcpy(text, name, EYE_REDIS_NAME_BYTES);
    if (strcmp(text, expected) != 0) {
        fail_msg("%s: %s instead of %s", conversation, text, expected);
    }
}

static void assert_answers(const struct http_host *host, const struct conversation *conversation)
{
    size_t expected = 0;
    while (expected < ANSWERS && conversation->answers[expected].command != NULL) {
        expected++;
    }
    if (host->record_count != expected) {
        fail_msg("%s: %zu records, expected %zu", conversation->name, host->record_count, expected);
    }
    for (size_t i = 0; i < expected; i++) {
        const struct answer *answer = &conversation->answers[i];
        const struct http_host_record *record = &host->records[i];
        bool contained = record->head.body_bytes == sizeof(struct eye_redis_body);
        assert_name(conversation->name, record->body, answer->command);
        assert_int_equal(contained, answer->subcommand != NULL);
        if (answer->subcommand != NULL) {
            assert_name(conversation->name, record->body + EYE_REDIS_NAME_BYTES,
                        answer->subcommand);
        }
        assert_int_equal(record->head.code, answer->code);
        assert_int_equal(record->head.flags, 0);
    }
    for (size_t i = 0; i < EYE_LOSS_COUNT; i++) {
        __u64 lost = i == EYE_LOSS_REDIS_UNANSWERED ? conversation->unanswered : 0;
        if (host->losses[i] != lost) {
            fail_msg("%s: loss %zu counted %llu times", conversation->name, i,
                     (unsigned long long)host->losses[i]);
        }
    }
}

/* @client: at which end we listen. */
static void play(const struct conversation *conversation, bool client, size_t piece, size_t first)
{
    struct http_host *host = redis_host_new(client);
    host->conversation.queue.first.head.flags = EYE_REQUEST_CLIENT; /* of another connection */
    for (size_t i = 0; i < PARTS; i++) {
        const struct part *part = &conversation->parts[i];
        if (part->bytes == NULL) {
            break;
        }
        __u32 stream = (part->from == 'C') == client ? 0 : 1;
        size_t left = strlen(part->bytes);
        const char *cursor = part->bytes;
        size_t next = first > 0 && first < left ? first : piece;
        while (left > 0) {
            size_t size = next < left ? next : left;
            http_host_send(host, stream, cursor, size);
            cursor += size;
            left -= size;
            next = piece;
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
        for (size_t first = 1; first < 700; first++) {
            play(&conversations[i], true, SIZE_MAX, first);
        }
    }
}

static void send_text(struct http_host *host, __u32 stream, const char *text)
{
    http_host_send(host, stream, text, strlen(text));
}

static void parser__counts_what_is_pipelined_beyond_the_queue(void **state)
{
    (void)state;
    struct http_host *host = redis_host_new(true);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            send_text(host, 0, GET_A);
        }
        for (int i = 0; i < 1000; i++) {
            send_text(host, 1, i % 2 == 0 ? "$1\r\nx\r\n" : "*2\r\n:1\r\n:2\r\n");
        }
    }
    assert_int_equal(host->record_count, 3 * EYE_QUEUE_DEPTH);
    assert_int_equal(host->losses[EYE_LOSS_REDIS_PIPELINE], 3 * (1000 - EYE_QUEUE_DEPTH));
    assert_int_equal(host->losses[EYE_LOSS_REDIS_UNMATCHED], 0);
    assert_int_equal(host->losses[EYE_LOSS_REDIS_UNANSWERED], 0);
    free(host);
}

/* Pairs in one segment, of every length around what a window and the queue hold. */
static void parser__takes_bursts_as_it_takes_steps(void **state)
{
    (void)state;
    static const char persisted[] = "*2\r\n$9\r\nPERSISTED\r\n$71\r\n" SEVENTY "\r\n";
    static const char set[] = "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\nb\r\n";
    static const char six[] =
        "*6\r\n$6\r\nDBSIZE\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n";
    static const char *const commands[] = {GET_A, PING, set, six, persisted};
    static const char *const answers[] = {"$1\r\nx\r\n", "+PONG\r\n", "-OOM x\r\n", ":12\r\n",
                                          "$-1\r\n"};
    static const char *const names[] = {"GET", "PING", "SET", "DBSIZE", "PERSISTED"};
    static struct eye_parser steps;
    steps = eye_redis_parser;
    steps.simple_request = NULL;
    for (size_t count = 1; count <= (size_t)2 * EYE_QUEUE_DEPTH; count++) {
        for (size_t variant = 0; variant < 5; variant++) {
            struct http_host *host = redis_host_new(variant % 2 == 0);
            host->parser = count % 3 == 0 ? &steps : &eye_redis_parser;
            __u32 client = variant % 2 == 0 ? 0 : 1;
            char asked[4096] = "";
            char answered[4096] = "";
            for (size_t i = 0; i < count; i++) {
                size_t kind = (i * (variant + 1)) % 5;
                snprintf(asked + strlen(asked), sizeof(asked) - strlen(asked), "%s",
                         commands[kind]);
                snprintf(answered + strlen(answered), sizeof(answered) - strlen(answered), "%s",
                         answers[kind]);
            }
            send_text(host, client, asked);
            send_text(host, client ^ 1, answered);
            size_t kept = count < EYE_QUEUE_DEPTH ? count : EYE_QUEUE_DEPTH;
            assert_int_equal(host->record_count, kept);
            assert_int_equal(host->losses[EYE_LOSS_REDIS_PIPELINE], count - kept);
            for (size_t i = 0; i < kept; i++) {
                size_t kind = (i * (variant + 1)) % 5;
                assert_name("burst", host->records[i].body, names[kind]);
                assert_int_equal(host->records[i].head.code, kind == 2 ? EYE_REDIS_ERROR_OOM : 0);
            }
            free(host);
        }
    }
}

/* Neighbours that ask for the same, and are answered at once: one record, but for the first of a
 * payload, which is a step of its own. */
static void parser__tells_neighbours_alike_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *asked, *answered;
        size_t requests, told;
    } cases[] = {
        {GET_A GET_A GET_A GET_A, "$1\r\nx\r\n$-1\r\n$1\r\nx\r\n:1\r\n", 4, 2},
        {GET_A GET_A PING PING GET_A, "$1\r\nx\r\n$1\r\nx\r\n+PONG\r\n+PONG\r\n$-1\r\n", 5, 4},
        {GET_A GET_A GET_A, "$1\r\nx\r\n-ERR x\r\n$1\r\nx\r\n", 3, 3},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct http_host *host = redis_host_new(true);
        send_text(host, 0, GET_A); /* nothing is taken at once before both ends are known */
        send_text(host, 1, "$1\r\nx\r\n");
        send_text(host, 0, cases[i].asked);
        host->clock_ns += 1000;
        send_text(host, 1, cases[i].answered);
        assert_int_equal(host->record_count, 1 + cases[i].requests);
        assert_int_equal(host->told, 1 + cases[i].told);
        assert_int_equal(host->records[1].head.duration_ns, 1000);
        free(host);
    }
}

/* What was asked at two times took two times. */
static void parser__tells_neighbours_of_two_segments_apart(void **state)
{
    (void)state;
    struct http_host *host = redis_host_new(true);
    send_text(host, 0, GET_A);
    send_text(host, 1, "$1\r\nx\r\n");
    send_text(host, 0, GET_A);
    host->clock_ns += 1000;
    send_text(host, 0, GET_A);
    host->clock_ns += 1000;
    send_text(host, 1, "$1\r\nx\r\n$1\r\nx\r\n");
    assert_int_equal(host->told, 3);
    assert_int_equal(host->records[1].head.duration_ns, 2000);
    assert_int_equal(host->records[2].head.duration_ns, 1000);
    free(host);
}

/* Who asks is known, so an answer that has the form of a command is none. */
static void parser__joins_by_what_the_socket_says(void **state)
{
    (void)state;
    struct http_host *host = redis_host_new(true);
    host->joins = true;
    send_text(host, 1, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    assert_int_equal(host->conversation.client, EYE_CLIENT_THIS_END);
    assert_int_equal(host->losses[EYE_LOSS_REDIS_UNMATCHED], 1);
    send_text(host, 0, GET_A);
    send_text(host, 1, "*1\r\n$4\r\nPING\r\n");
    send_text(host, 0, PING);
    send_text(host, 1, "+PONG\r\n");
    assert_int_equal(host->record_count, 2);
    free(host);
}

static void parser__comes_back_after_a_gap(void **state)
{
    (void)state;
    struct http_host *host = redis_host_new(true);
    send_text(host, 0, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$9\r\n12345");
    http_host_skip(host, 0, 1000);
    send_text(host, 1, "+OK\r\n");
    send_text(host, 0, "junk that is the rest of something\r\n");
    for (int i = 0; i < 5; i++) {
        send_text(host, 0, GET_A);
        send_text(host, 1, "$1\r\nx\r\n");
    }
    assert_true(host->losses[EYE_LOSS_REDIS_GAP] == 1);
    assert_true(host->record_count >= 4);
    for (size_t i = 0; i < host->record_count; i++) {
        assert_name("gap", host->records[i].body, "GET");
    }
    free(host);
}

/* What turned replies on again may be among what was missed. */
static void parser__forgets_at_a_gap_that_replies_are_off(void **state)
{
    (void)state;
    static const char *const modes[] = {"client reply off\r\n", "client reply skip\r\n"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(modes); i++) {
        struct http_host *host = redis_host_new(true);
        send_text(host, 0, PING);
        send_text(host, 1, "+PONG\r\n");
        send_text(host, 0, modes[i]);
        http_host_skip(host, 0, 100);
        send_text(host, 1, "+OK\r\n"); /* to a command that was missed */
        for (int j = 0; j < 3; j++) {
            send_text(host, 0, GET_A);
            send_text(host, 1, "$1\r\nx\r\n");
        }
        assert_int_equal(host->losses[EYE_LOSS_REDIS_UNANSWERED], 1);
        assert_int_equal(host->record_count, 4);
        free(host);
    }
}

/* Behind a gap a payload begins with a command, or is not looked at. */
static void parser__takes_only_commands_behind_a_gap(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        const char *answered; /* NULL: it was none */
    } cases[] = {
        {"*0\r\nincr a\r\n", "INCR"},
        {"\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n", NULL},
        {"*1\r\n$1\r\n1\r\n", NULL},
        {"incr a\r\n", NULL},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct http_host *host = redis_host_new(true);
        size_t answered = cases[i].answered == NULL ? 0 : 1;
        send_text(host, 0, PING);
        send_text(host, 1, "+PONG\r\n");
        send_text(host, 0, "*5\r\n$3\r\nSET\r\n$1\r\n");
        http_host_skip(host, 0, 100);
        send_text(host, 1, "+OK\r\n");
        send_text(host, 0, cases[i].payload);
        send_text(host, 1, ":1\r\n");
        send_text(host, 0, GET_A);
        send_text(host, 1, "$-1\r\n");
        if (host->record_count != 2 + answered) {
            fail_msg("case %zu: %zu", i, host->record_count);
        }
        assert_name("behind", host->records[1].body, answered ? "INCR" : "GET");
        assert_name("behind", host->records[1 + answered].body, "GET");
        free(host);
    }
}

/* An answer has begun there, so what breaks it is no rest of another one. */
static void parser__counts_an_answer_that_breaks_behind_a_gap(void **state)
{
    (void)state;
    struct http_host *host = redis_host_new(true);
    send_text(host, 0, GET_A);
    http_host_skip(host, 1, 100);
    send_text(host, 1, "*1\r\n?\r\n");
    assert_int_equal(host->losses[EYE_LOSS_REDIS_MALFORMED], 1);
    free(host);
}

/* A first array that has no word is nobody's command. */
static void parser__is_not_sure_without_a_name(void **state)
{
    (void)state;
    struct http_host *host = redis_host_new(true);
    send_text(host, 0, "*1\r\n$1\r\n1\r\n");
    assert_int_equal(host->verdict, EYE_VERDICT_NOT_IT);
    free(host);
}

static void parser__ends_with_replication(void **state)
{
    (void)state;
    static const char *const beginnings[] = {
        "*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n",
        "*1\r\n$4\r\nSYNC\r\n",
        "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n",
        "sync\r\n",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(beginnings); i++) {
        struct http_host *host = redis_host_new(true);
        send_text(host, 0, PING);
        send_text(host, 1, "+PONG\r\n");
        send_text(host, 0, beginnings[i]);
        assert_int_equal(host->record_count, 1);
        assert_int_equal(host->verdict, EYE_VERDICT_ENDED);
        free(host);
    }
}

static void parser__gives_up_what_is_malformed(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "x\r",
        "x-1\r\n",
        "$\r\n",
        "$x\r\n",
        "$1x\r\n",
        "*99999999999\r\n",
        "*2000000000\r\n",
        "$12345678901\r\n",
        "%1073741824\r\n",
        "?\r\n",
        "\r\n",
        "*1\r\n?\r\n",
        "*1\r\n*1\r\nOK\r\n",
        "$1\n1\r\n",
        "$1\rx\r\n",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(answers); i++) {
        struct http_host *host = redis_host_new(true);
        send_text(host, 0, PING);
        send_text(host, 1, "+PONG\r\n");
        send_text(host, 0, GET_A);
        send_text(host, 1, answers[i]);
        if (host->losses[EYE_LOSS_REDIS_MALFORMED] != 1) {
            fail_msg("answer %zu: %llu", i,
                     (unsigned long long)host->losses[EYE_LOSS_REDIS_MALFORMED]);
        }
        /* The next pair proves itself. */
        send_text(host, 0, PING);
        send_text(host, 1, "+PONG\r\n");
        assert_name("malformed", host->records[host->record_count - 1].body, "PING");
        free(host);
    }
}

/* Behind a command that is right, so that it is a burst, too. */
static void parser__gives_up_commands_that_are_malformed(void **state)
{
    (void)state;
    static const char *const commands[] = {
        PING "*1\r\n$4\rxPING\r\n",
        PING "*1\r\n$4x\nPING\r\n",
        PING "*2\r\n$3\r\nGET\r\n$\r\n\r\n",
        PING "*2\r\n$3\r\nGET\r\n$1\rxa\r\n",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(commands); i++) {
        struct http_host *host = redis_host_new(true);
        send_text(host, 0, PING);
        send_text(host, 1, "+PONG\r\n");
        send_text(host, 0, commands[i]);
        if (host->losses[EYE_LOSS_REDIS_MALFORMED] != 1) {
            fail_msg("command %zu: %llu", i,
                     (unsigned long long)host->losses[EYE_LOSS_REDIS_MALFORMED]);
        }
        free(host);
    }
}

/* Of elements to come, as many as the limit and one more. */
static void parser__takes_messages_up_to_their_limits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        __u32 stream;
        __u64 malformed;
    } cases[] = {
        {"*1073741824\r\n", 1, 0},
        {"*1073741825\r\n", 1, 1},
        {"*2\r\n*1073741823\r\n", 1, 0},
        {"*2\r\n*1073741824\r\n", 1, 1},
        {"%536870912\r\n", 1, 0},
        {"%536870913\r\n", 1, 1},
        {">536870912\r\n", 1, 0},
        {">536870913\r\n", 1, 1},
        {"|536870912\r\n", 1, 0},
        {"|536870913\r\n", 1, 1},
        {"$9999999999\r\n", 1, 0},
        {"*1073741824\r\n$3\r\nGET\r\n", 0, 0},
        {"*1073741825\r\n$3\r\nGET\r\n", 0, 1},
        {"*4294967297\r\n$3\r\nGET\r\n", 0, 1},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct http_host *host = redis_host_new(true);
        send_text(host, 0, PING);
        send_text(host, 1, "+PONG\r\n");
        send_text(host, 0, GET_A);
        send_text(host, cases[i].stream, cases[i].text);
        if (host->losses[EYE_LOSS_REDIS_MALFORMED] != cases[i].malformed) {
            fail_msg("%s", cases[i].text);
        }
        free(host);
    }
}

/* The second word of each of them is told. */
static void parser__knows_the_containers(void **state)
{
    (void)state;
#define X(text, kind) {text, kind},
    static const struct {
        const char *name;
        int kind;
    } commands[] = {EYE_REDIS_SPECIAL_COMMANDS(X)};
#undef X
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(commands); i++) {
        if (commands[i].kind == EYE_REDIS_CONTAINER) {
            char text[64];
            struct http_host *host = redis_host_new(true);
            snprintf(text, sizeof(text), "*2\r\n$%zu\r\n%s\r\n$4\r\nhelp\r\n",
                     strlen(commands[i].name), commands[i].name);
            send_text(host, 0, PING);
            send_text(host, 1, "+PONG\r\n");
            send_text(host, 0, text);
            send_text(host, 1, "+OK\r\n");
            assert_int_equal(host->record_count, 2);
            assert_name(text, host->records[1].body, commands[i].name);
            assert_name(text, host->records[1].body + EYE_REDIS_NAME_BYTES, "HELP");
            free(host);
        }
    }
}

/* Each has an answer of its own; their values look like other ones. */
static const struct {
    const char *command;
    const char *name;
    const char *answer;
    __u16 code;
} pairs[] = {
    {GET_A, "GET", "$17\r\n-MOVED x\r\n+OK\r\n:1\r\n", EYE_REDIS_SUCCESS},
    {"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$29\r\nx\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\nx\r\n", "SET",
     "-OOM *1\r\n", EYE_REDIS_ERROR_OOM},
    {PING, "PING", "-LOADING x\r\n", EYE_REDIS_ERROR_LOADING},
    {"*2\r\n$4\r\nINCR\r\n$18\r\n*1\r\n$4\r\nPING\r\n-OK\r\n", "INCR", "-WRONGTYPE $1\r\n",
     EYE_REDIS_ERROR_WRONGTYPE},
    {"*2\r\n$5\r\nLPUSH\r\n$1\r\nk\r\n", "LPUSH", "-READONLY x\r\n", EYE_REDIS_ERROR_READONLY},
};
#define EXCHANGES 2000

static void assert_true_pairs(const struct http_host *host)
{
    for (size_t i = 0; i < host->record_count; i++) {
        size_t kind = 0;
        while (kind < EYE_ARRAY_LENGTH(pairs) && pairs[kind].code != host->records[i].head.code) {
            kind++;
        }
        assert_true(kind < EYE_ARRAY_LENGTH(pairs));
        assert_name("pair", host->records[i].body, pairs[kind].name);
    }
}

/* Of a client that waits for each answer. Nearly every other exchange suffers, and what is left of
 * a value looks like a message. */
static void bad_wire__never_pairs_wrongly(void **state)
{
    (void)state;
    struct http_host *host = redis_host_new(true);
    size_t seen = 0;
    for (unsigned seed = 1; seed <= 50; seed++) {
        uint64_t random = seed;
        redis_host_reset(host, seed % 2 == 0);
        __u32 client = seed % 2;
        send_text(host, client, pairs[0].command);
        send_text(host, client ^ 1, pairs[0].answer);
        for (unsigned i = 0; i < EXCHANGES && !host->stopped; i++) {
            size_t kind = random_below(&random, EYE_ARRAY_LENGTH(pairs));
            send_badly(host, &random, client, pairs[kind].command);
            send_badly(host, &random, client ^ 1, pairs[kind].answer);
        }
        assert_true_pairs(host);
        seen += host->record_count;
    }
    print_message("%zu of %d exchanges seen\n", seen, 50 * EXCHANGES);
    assert_true(seen > (size_t)15 * EXCHANGES);
    free(host);
}

/* Of one that does not, nothing is paired once anything was missed. */
static void bad_wire__never_pairs_a_pipelining_client_wrongly(void **state)
{
    (void)state;
    struct http_host *host = redis_host_new(true);
    for (unsigned seed = 1; seed <= 200; seed++) {
        uint64_t random = seed;
        redis_host_reset(host, true);
        for (unsigned i = 0; i < 50 && !host->stopped; i++) {
            size_t kinds[8];
            size_t count = 2 + random_below(&random, 7);
            for (size_t j = 0; j < count; j++) {
                kinds[j] = random_below(&random, EYE_ARRAY_LENGTH(pairs));
                send_badly(host, &random, 0, pairs[kinds[j]].command);
            }
            for (size_t j = 0; j < count; j++) {
                send_badly(host, &random, 1, pairs[kinds[j]].answer);
            }
        }
        assert_true_pairs(host);
    }
    free(host);
}

static int looks_like(const char *text, size_t bytes)
{
    struct eye_glance glance = {0};
    bytes = bytes < EYE_LOOK_BYTES ? bytes : EYE_LOOK_BYTES;
    memcpy(glance.bytes, text, bytes);
    return eye_redis_looks_like(&glance, (__u32)bytes);
}

static void looks_like__takes_arrays_of_words_alone(void **state)
{
    (void)state;
    static const char *const others[] = {
        "PING\r\n",
        "+OK\r\n",
        "-ERR x\r\n",
        "+PONG\r\n",
        "PONG\r\n",
        "INFO {}\r\n",
        "GET a\r\n",
        "CONNECT {\"verbose\":false}\r\n",
        "GET / HTTP/1.1\r\n",
        "*\r\n$1\r\n",
        "**\r\n",
        "*1\n$",
        "*12345678\r\n$3\r\nGET",
        "*1\r\n:1\r\n",
        "*1\r\n$\r\n",
        "*1\r\n$123\r\n",
        "*1\r\n$1\r\n1",
        "*1\r\n$1\n",
        "$1\r\na\r\n",
        "* OK IMAP4 ready\r\n",
        "*2 x",
        ":1\r\n",
        "\r\n",
        "",
    };
    static const char *const own[] = {
        "*1\r\n$4\r\nPING\r\n",
        "*1234567\r\n$12\r\npunsubscribe\r\n",
        "*2\r\n$3\r\nget\r\n",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(others); i++) {
        if (looks_like(others[i], strlen(others[i]))) {
            fail_msg("%s", others[i]);
        }
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(own); i++) {
        for (size_t bytes = 1; bytes <= strlen(own[i]); bytes++) {
            if (looks_like(own[i], bytes) != (bytes >= EYE_REDIS_LOOK_BYTES)) {
                fail_msg("%zu bytes of %s", bytes, own[i]);
            }
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
        cmocka_unit_test(parser__takes_bursts_as_it_takes_steps),
        cmocka_unit_test(parser__tells_neighbours_alike_at_once),
        cmocka_unit_test(parser__tells_neighbours_of_two_segments_apart),
        cmocka_unit_test(parser__joins_by_what_the_socket_says),
        cmocka_unit_test(parser__comes_back_after_a_gap),
        cmocka_unit_test(parser__forgets_at_a_gap_that_replies_are_off),
        cmocka_unit_test(parser__takes_only_commands_behind_a_gap),
        cmocka_unit_test(parser__counts_an_answer_that_breaks_behind_a_gap),
        cmocka_unit_test(parser__is_not_sure_without_a_name),
        cmocka_unit_test(parser__ends_with_replication),
        cmocka_unit_test(parser__gives_up_what_is_malformed),
        cmocka_unit_test(parser__gives_up_commands_that_are_malformed),
        cmocka_unit_test(parser__takes_messages_up_to_their_limits),
        cmocka_unit_test(parser__knows_the_containers),
        cmocka_unit_test(bad_wire__never_pairs_wrongly),
        cmocka_unit_test(bad_wire__never_pairs_a_pipelining_client_wrongly),
        cmocka_unit_test(looks_like__takes_arrays_of_words_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
