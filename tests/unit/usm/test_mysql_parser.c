/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MySQL parser of the kernel programs, on the host. Each conversation is played at both ends:
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
#include "tests/support/http2_host.h"
#include "tests/support/mysql_host.h"

#define PACKETS 40
#define ANSWERS 12
#define TURN_BYTES 4096

/* What one end sends: 'C' the client, 'S' the server. Those of one end in a row are one segment. */
struct packet {
    char from;
    uint8_t number;
    const char *bytes;
    size_t size;
};

struct answer {
    __u8 operation;
    __u16 code;
    bool told;
};

struct conversation {
    const char *name;
    struct packet packets[PACKETS];
    struct answer answers[ANSWERS]; /* the last one stays empty */
    __u8 system;
};

#define C(number, bytes)                                                                           \
    {                                                                                              \
        'C', number, bytes, sizeof(bytes) - 1                                                      \
    }
#define S(number, bytes)                                                                           \
    {                                                                                              \
        'S', number, bytes, sizeof(bytes) - 1                                                      \
    }
#define DONE(operation)                                                                            \
    {                                                                                              \
        EYE_SQL_##operation, 0, true                                                               \
    }
#define FAILED(operation, code)                                                                    \
    {                                                                                              \
        EYE_SQL_##operation, code, true                                                            \
    }
#define COMMANDED(command)                                                                         \
    {                                                                                              \
        EYE_MYSQL_COMMAND + EYE_MYSQL_##command, 0, true                                           \
    }

#define ELEVEN "abcdefghijk"
/* Both offer everything but TLS and compression, as far as the second half of the second halves of
 * their words goes: of DEPRECATE_EOF, OMIT_COLUMNS and ATTRIBUTES. */
#define GREETING(version, upper)                                                                   \
    S(0, "\x0a" version "\0\1\0\0\0saltsalt\0\xde\xf7\x2d\2\0\xff" upper                           \
         "\x15\0\0\0\0\0\0\x1d\0\0\0" ELEVEN "\0mysql_native_password\0")
#define ANSWER(upper)                                                                              \
    C(1, "\xcc\xa6\xff" upper "\0\0\0\1\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"         \
         "root\0\0mysql_native_password\0")
/* Behind a greeting and a question for TLS that stood in the clear. */
#define ANSWER_INSIDE(lowest, upper)                                                               \
    C(2, lowest "\xae\xff" upper "\0\0\0\1\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"        \
                "root\0\0mysql_native_password\0")
#define LOGIN(upper) GREETING("5.5.5-10.11.19-MariaDB-0+deb12u1", upper), ANSWER(upper), OK(2)
#define OK(number) S(number, "\0\0\0\2\0\0\0")
#define OK_MORE(number) S(number, "\0\xfc\1\1\xfe\1\1\1\1\1\1\1\1\x0a\0\0\0")
#define ERROR(number, code) S(number, "\xff" code "#42S02Table 'd.t' doesn't exist")
#define PROGRESS(number) S(number, "\xff\xff\xff\1\1\1\0\0\0\5stage")
#define COLUMN(number) S(number, "\3def\1d\1t\1t\1a\1a\x0c\x3f\0\x0b\0\0\0\3\3\x50\0\0\0")
#define EOF_(number) S(number, "\xfe\0\0\2\0")
#define EOF_MORE(number) S(number, "\xfe\0\0\x0a\0")
#define EOF_CURSOR(number) S(number, "\xfe\0\0\x42\0")
#define END(number) S(number, "\xfe\0\0\2\0\0\0")
#define END_MORE(number) S(number, "\xfe\0\0\x0a\0\0\0")
#define ROW(number)                                                                                \
    S(number, "\1"                                                                                 \
              "7")
#define NULL_ROW(number) S(number, "\xfb")
#define BINARY_ROW(number) S(number, "\0\0\7\0\0\0")
#define PREPARED(number, columns, parameters)                                                      \
    S(number, "\0\5\0\0\0" columns "\0" parameters "\0\0\0\0")
#define EXECUTE C(0, "\x17\5\0\0\0\0\1\0\0\0")
#define EXECUTE_LAST C(0, "\x17\xff\xff\xff\xff\0\1\0\0\0")
#define FIFTY "fifty bytes without any control or other character"
#define LONG FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY

static const struct conversation conversations[] = {
    {"statements, with EOFs",
     {LOGIN("\x80"),
      C(0, "\3select 1"),
      S(1, "\1"),
      COLUMN(2),
      EOF_(3),
      ROW(4),
      NULL_ROW(5),
      EOF_(6),
      C(0, "\3 \n(SELECT 2)"),
      S(1, "\1"),
      COLUMN(2),
      EOF_(3),
      EOF_(4),
      C(0, "\3insert into t values ('" LONG "')"),
      OK(1),
      C(0, "\3select a from t"),
      S(1, "\2"),
      COLUMN(2),
      COLUMN(3),
      EOF_(4),
      S(5, "\xfc\x90\1" LONG),
      EOF_(6),
      C(0, "\3nonsense"),
      ERROR(1, "\x28\4"),
      C(0, "\1")},
     {DONE(SELECT), DONE(SELECT), DONE(INSERT), DONE(SELECT), FAILED(OTHER, 1064)},
     EYE_MYSQL_MARIADB},
    {"statements, with OKs at their ends",
     {LOGIN("\x81"), C(0, "\3select 1"), S(1, "\1"), COLUMN(2), ROW(3), NULL_ROW(4), END(5),
      C(0, "\3replace into t select 1"), S(1, "\0\1\0\2\0\0\0\x0bRecords: 10"), C(0, "\3select 2"),
      S(1, "\1"), COLUMN(2), S(3, "\xfe\0\0\2\0\0\0" LONG), C(0, "\3select 1 / a from t"),
      S(1, "\1"), COLUMN(2), ROW(3), ERROR(4, "\x55\5")},
     {DONE(SELECT), DONE(REPLACE), DONE(SELECT), FAILED(SELECT, 1365)},
     EYE_MYSQL_MARIADB},
    {"what stands before a statement",
     {GREETING("8.0.36", "\x8b"),
      ANSWER("\x8b"),
      S(2, "\xfe"
           "caching_sha2_password\0salt"),
      C(3, ELEVEN ELEVEN),
      S(4, "\1\3"),
      OK(5),
      C(0, "\3\0\1select 1"),
      S(1, "\1\1"),
      COLUMN(2),
      ROW(3),
      END(4),
      C(0, "\3\1\1\0\1\xfe\0\4name\5value"
           "delete from t"),
      OK(1),
      C(0, "\3/* " LONG " */ update t"),
      OK(1),
      C(0, "\3/* a * comment **/select 1"),
      S(1, "\0\1"),
      ROW(2),
      END(3),
      C(0, "\3/*!40101 SET names x */"),
      OK(1),
      C(0, "\3-- a line\ndelete from t"),
      OK(1),
      C(0, "\3# another\n  drop table t"),
      OK(1)},
     {DONE(SELECT), DONE(UNKNOWN), DONE(OTHER), DONE(SELECT), DONE(SET), DONE(DELETE), DONE(DROP)},
     EYE_MYSQL_ANY},
    {"several results",
     {LOGIN("\x80"),
      C(0, "\3call p(); select 2"),
      S(1, "\1"),
      COLUMN(2),
      EOF_MORE(3),
      ROW(4),
      EOF_MORE(5),
      OK_MORE(6),
      S(7, "\1"),
      COLUMN(8),
      EOF_(9),
      EOF_(10),
      C(0, "\x0e"),
      OK(1),
      C(0, "\3select 1; select nosuch"),
      S(1, "\1"),
      COLUMN(2),
      EOF_MORE(3),
      ROW(4),
      EOF_MORE(5),
      ERROR(6, "\x1e\4")},
     {DONE(CALL), COMMANDED(PING), FAILED(SELECT, 1054)},
     EYE_MYSQL_MARIADB},
    {"several results, with OKs at their ends",
     {LOGIN("\x81"), C(0, "\3call p()"), S(1, "\1"), COLUMN(2), ROW(3), END_MORE(4), OK_MORE(5),
      S(6, "\1"), COLUMN(7), END_MORE(8), OK(9), C(0, "\2d"), OK(1)},
     {DONE(CALL), {EYE_MYSQL_COMMAND + 2, 0, true}},
     EYE_MYSQL_MARIADB},
    {"prepared statements, with EOFs",
     {LOGIN("\x80"),
      C(0, "\x16select ?, 1"),
      PREPARED(1, "\2", "\1"),
      COLUMN(2),
      EOF_(3),
      COLUMN(4),
      COLUMN(5),
      EOF_(6),
      EXECUTE,
      S(1, "\2"),
      COLUMN(2),
      COLUMN(3),
      EOF_(4),
      BINARY_ROW(5),
      BINARY_ROW(6),
      EOF_(7),
      C(0, "\x18\5\0\0\0\0\0long data"),
      C(0, "\x19\7\0\0\0"),
      EXECUTE,
      ERROR(1, "\x28\4"),
      C(0, "\x1a\5\0\0\0"),
      OK(1),
      C(0, "\x16update t"),
      PREPARED(1, "\0", "\0"),
      EXECUTE_LAST,
      OK(1),
      C(0, "\x17\6\0\0\0\0\1\0\0\0"),
      OK(1)},
     {COMMANDED(STMT_PREPARE), DONE(SELECT), FAILED(SELECT, 1064), COMMANDED(STMT_RESET),
      COMMANDED(STMT_PREPARE), DONE(UPDATE), DONE(UNKNOWN)},
     EYE_MYSQL_MARIADB},
    {"prepared statements, with OKs at their ends, and definitions that are left out",
     {LOGIN("\x81"),
      C(0, "\x16select ?, 1"),
      PREPARED(1, "\2", "\1"),
      COLUMN(2),
      COLUMN(3),
      COLUMN(4),
      EXECUTE,
      S(1, "\2\1"),
      COLUMN(2),
      COLUMN(3),
      BINARY_ROW(4),
      END(5),
      EXECUTE,
      S(1, "\2\0"),
      BINARY_ROW(2),
      END(3),
      EXECUTE,
      S(1, "\2\0"),
      END(2),
      C(0, "\xfa\5\0\0\0\x80\0\3\0\0\1\0\0\0"),
      OK(1)},
     {COMMANDED(STMT_PREPARE), DONE(SELECT), DONE(SELECT), DONE(SELECT), DONE(SELECT)},
     EYE_MYSQL_MARIADB},
    {"a session that has definitions left out",
     {GREETING("8.0.36", "\x8b"), ANSWER("\x8b"), OK(2), C(0, "\x16select ?"),
      S(1, "\0\5\0\0\0\1\0\1\0\0\0\0\0"), EXECUTE, S(1, "\0\1"), BINARY_ROW(2), END(3),
      C(0, "\x16update t"), S(1, "\0\6\0\0\0\0\0\1\0\0\0\0\1"), COLUMN(2), C(0, "\x0e"), OK(1)},
     {COMMANDED(STMT_PREPARE), DONE(SELECT), COMMANDED(STMT_PREPARE), COMMANDED(PING)},
     EYE_MYSQL_ANY},
    {"definitions that are left out, with EOFs",
     {LOGIN("\x80"), C(0, "\x16select 1"), PREPARED(1, "\1", "\0"), COLUMN(2), EOF_(3), EXECUTE,
      S(1, "\1\0"), EOF_(2), BINARY_ROW(3), EOF_(4), EXECUTE, S(1, "\1\0"), EOF_(2), EOF_(3)},
     {COMMANDED(STMT_PREPARE), DONE(SELECT), DONE(SELECT)},
     EYE_MYSQL_MARIADB},
    {"a cursor",
     {LOGIN("\x80"), C(0, "\x16select 1"), PREPARED(1, "\1", "\0"), COLUMN(2), EOF_(3),
      C(0, "\x17\5\0\0\0\1\1\0\0\0"), S(1, "\1"), COLUMN(2), EOF_CURSOR(3),
      C(0, "\x1c\5\0\0\0\2\0\0\0"), BINARY_ROW(1), BINARY_ROW(2), EOF_CURSOR(3),
      C(0, "\x1c\5\0\0\0\2\0\0\0"), S(1, "\xfe\0\0\x82\0"), C(0, "\x1c\5\0\0\0\2\0\0\0"),
      ERROR(1, "\xdb\4")},
     {COMMANDED(STMT_PREPARE),
      DONE(SELECT),
      COMMANDED(STMT_FETCH),
      COMMANDED(STMT_FETCH),
      {EYE_MYSQL_COMMAND + 0x1c, 1243, true}},
     EYE_MYSQL_MARIADB},
    {"a file, and how it goes on",
     {LOGIN("\x81"),
      C(0, "\3load data local infile 'f'"),
      S(1, "\xfb"
           "f"),
      C(2, "1\n\3select 1"),
      C(3, LONG),
      C(0, "\0\0\0\3select"),
      C(4, ""),
      PROGRESS(5),
      PROGRESS(6),
      OK(7),
      C(0, "\3load data local infile 'g'"),
      S(1, "\xfb"
           "g"),
      C(2, ""),
      ERROR(3, "\x28\4"),
      C(0, "\3alter table t"),
      PROGRESS(1),
      PROGRESS(2),
      OK(3),
      C(0, "\3select 1"),
      S(1, "\1"),
      COLUMN(2),
      ROW(3),
      PROGRESS(4),
      ROW(5),
      END(6)},
     {DONE(LOAD), FAILED(LOAD, 1064), DONE(ALTER), DONE(SELECT)},
     EYE_MYSQL_MARIADB},
    {"another user, and what it had prepared",
     {LOGIN("\x80"),
      C(0, "\x16select 1"),
      PREPARED(1, "\1", "\0"),
      COLUMN(2),
      EOF_(3),
      C(0, "\x11me\0\0d\0\x2d\0mysql_native_password\0"),
      S(1, "\xfemysql_native_password\0salt"),
      C(2, ELEVEN),
      S(3, "\1\4"),
      C(4, ELEVEN),
      OK(5),
      EXECUTE,
      ERROR(1, "\xdb\4"),
      C(0, "\x16select 1"),
      PREPARED(1, "\1", "\0"),
      COLUMN(2),
      EOF_(3),
      C(0, "\x1f"),
      OK(1),
      EXECUTE,
      ERROR(1, "\xdb\4"),
      C(0, "\x11me\0\0d\0\x2d\0"),
      ERROR(1, "\x15\4")},
     {COMMANDED(STMT_PREPARE),
      COMMANDED(CHANGE_USER),
      FAILED(UNKNOWN, 1243),
      COMMANDED(STMT_PREPARE),
      COMMANDED(RESET_CONNECTION),
      FAILED(UNKNOWN, 1243),
      {EYE_MYSQL_COMMAND + 0x11, 1045, true}},
     EYE_MYSQL_MARIADB},
    {"answers of their own forms",
     {LOGIN("\x80"), C(0, "\x09"), S(1, "Uptime: 12"), C(0, "\4t\0%"), COLUMN(1), COLUMN(2),
      EOF_(3), C(0, "\x1b\1\0"), EOF_(1), C(0, "\x0e"), OK(1),
      S(0, "\xff\x86\7#HY000Connection was killed")},
     {COMMANDED(STATISTICS),
      COMMANDED(FIELD_LIST),
      {EYE_MYSQL_COMMAND + 0x1b, 0, true},
      COMMANDED(PING)},
     EYE_MYSQL_MARIADB},
    {"commands before their answers",
     {LOGIN("\x81"), C(0, "\x16insert into t"), EXECUTE_LAST, C(0, "\x19\5\0\0\0"),
      C(0, "\3select 1"), C(0, "\3delete from t"), C(0, "\x09"), PREPARED(1, "\0", "\0"), OK(1),
      S(1, "\1"), COLUMN(2), ROW(3), END(4), ERROR(1, "\x7a\4"), S(1, "Uptime"), C(0, "\x0e"),
      OK(1)},
     {COMMANDED(STMT_PREPARE), DONE(INSERT), DONE(SELECT), FAILED(DELETE, 1146),
      COMMANDED(STATISTICS), COMMANDED(PING)},
     EYE_MYSQL_MARIADB},
    {"numbers of every length before a status",
     {LOGIN("\x81"), C(0, "\3call p()"), S(1, "\0\xfa\0\x0a\0\0\0"), S(2, "\0\xfc\0\0\0\x0a\0\0\0"),
      S(3, "\0\xfd\0\0\0\0\x0a\0\0\0"), S(4, "\0\xfe\0\0\0\0\0\0\0\0\0\x0a\0\0\0"),
      S(5, "\0\xfe\0\0\0\0\0\0\0\0\xfe\0\0\0\0\0\0\0\0\x0a\0\0\0"), OK(6), C(0, "\x0e"), OK(1)},
     {DONE(CALL), COMMANDED(PING)},
     EYE_MYSQL_MARIADB},
    {"a client that is able to do less than its server",
     {GREETING("8.0.36", "\x8f"), ANSWER("\x80"), OK(2), C(0, "\3select 1"), S(1, "\1"), COLUMN(2),
      EOF_(3), ROW(4), EOF_(5)},
     {DONE(SELECT)},
     EYE_MYSQL_ANY},
    {"a login by a client that would be able to encrypt",
     {GREETING("8.0.36", "\x81"),
      C(1, "\xcc\xae\xff\x81\0\0\0\1\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0root\0\0"),
      OK(2), C(0, "\x0e"), OK(1)},
     {COMMANDED(PING)},
     EYE_MYSQL_ANY},
    {"inside TLS, of MariaDB, with EOFs",
     {ANSWER_INSIDE("\xcc", "\x80"), OK(3), C(0, "\3select 1"), S(1, "\1"), COLUMN(2), EOF_(3),
      ROW(4), EOF_(5), C(0, "\x0e"), OK(1)},
     {DONE(SELECT), COMMANDED(PING)},
     EYE_MYSQL_MARIADB},
    {"inside TLS, with words about a login, and ends that are learnt",
     {ANSWER_INSIDE("\xcd", "\x81"),
      S(3, "\xfe"
           "caching_sha2_password\0saltsaltsaltsaltsalt"),
      C(4, "\1secret"), S(5, "\1\3"), OK(6), C(0, "\3select 1"), S(1, "\1"), COLUMN(2), ROW(3),
      END(4), C(0, "\x0e"), OK(1)},
     {DONE(SELECT), COMMANDED(PING)},
     EYE_MYSQL_ANY},
    {"comments that are longer than a segment may be",
     {LOGIN("\x81"), C(0, "\3/* " FIFTY FIFTY FIFTY " */ update t"), OK(1),
      C(0, "\3-- " FIFTY FIFTY FIFTY "\ndelete from t"), OK(1),
      C(0, "\3# " FIFTY FIFTY FIFTY "\ndrop table t"), OK(1), C(0, "\3/**/select 1"), OK(1),
      C(0, "\3/*/ no end of it */begin"), OK(1), C(0, "\3\tcommit"), OK(1), C(0, "\3\rrollback"),
      OK(1)},
     {DONE(UPDATE), DONE(DELETE), DONE(DROP), DONE(SELECT), DONE(BEGIN), DONE(COMMIT),
      DONE(ROLLBACK)},
     EYE_MYSQL_MARIADB},
    {"words that end with their text, or with what is no letter",
     {LOGIN("\x81"), C(0, "\3selects"), OK(1), C(0, "\3end"), OK(1), C(0, "\3deallocate"), OK(1),
      C(0, "\3optimize table t"), OK(1), C(0, "\3select\xc1"), OK(1),
      C(0, "\3                               select 1"), OK(1)},
     {DONE(OTHER), DONE(END), DONE(DEALLOCATE), DONE(OPTIMIZE), DONE(SELECT), DONE(SELECT)},
     EYE_MYSQL_MARIADB},
    {"many columns whose definitions are left out",
     {LOGIN("\x81"), EXECUTE, S(1, "\xfc\1\1\0"), BINARY_ROW(2), END(3), C(0, "\x0e"), OK(1)},
     {DONE(UNKNOWN), COMMANDED(PING)},
     EYE_MYSQL_MARIADB},
    {"a session that could leave definitions out, and says nothing of it",
     {GREETING("8.0.360", "\x8b"), ANSWER("\x8b"), OK(2), C(0, "\x16update t"),
      PREPARED(1, "\0", "\1"), COLUMN(2), C(0, "\x0e"), OK(1)},
     {COMMANDED(STMT_PREPARE), COMMANDED(PING)},
     EYE_MYSQL_ANY},
    {"an EOF behind definitions that had none",
     {LOGIN("\x81"), C(0, "\x16select 1"), PREPARED(1, "\1", "\0"), COLUMN(2), C(0, "\x1b\1\0"),
      EOF_(1)},
     {COMMANDED(STMT_PREPARE), {EYE_MYSQL_COMMAND + 0x1b, 0, true}},
     EYE_MYSQL_MARIADB},
    {"an error in the place of the EOF behind definitions",
     {LOGIN("\x80"), C(0, "\3select 1"), S(1, "\1"), COLUMN(2), ERROR(3, "\x25\5"),
      C(0, "\3select 2"), S(1, "\1"), COLUMN(2), EOF_(3), ROW(4), EOF_(5)},
     {FAILED(SELECT, 1317), DONE(SELECT)},
     EYE_MYSQL_MARIADB},
    {"statements whose numbers are large, or that could not be prepared",
     {LOGIN("\x81"), C(0, "\x16select 1"), S(1, "\0\5\0\0\1\0\0\0\0\0\0\0"),
      C(0, "\x17\5\0\0\1\0\1\0\0\0"), OK(1), C(0, "\xfa\5\0\0\1\0\0"), OK(1), C(0, "\x16update t"),
      S(1, "\xff\5\0\0\1nothing"), C(0, "\x17\5\0\0\1\0\1\0\0\0"), OK(1), C(0, "\x1f"), OK(1),
      EXECUTE_LAST, OK(1)},
     {COMMANDED(STMT_PREPARE),
      DONE(SELECT),
      DONE(SELECT),
      {EYE_MYSQL_COMMAND + EYE_MYSQL_STMT_PREPARE, 5, true},
      DONE(SELECT),
      COMMANDED(RESET_CONNECTION),
      DONE(UNKNOWN)},
     EYE_MYSQL_MARIADB},
    {"a login that fails, and one that is refused",
     {GREETING("11.4.2-MariaDB", "\x81"), ANSWER("\x81"), ERROR(2, "\x15\4")},
     {{0}},
     EYE_MYSQL_MARIADB},
};

static size_t put(uint8_t *target, const struct packet *packet)
{
    target[0] = (uint8_t)packet->size;
    target[1] = (uint8_t)(packet->size >> 8);
    target[2] = (uint8_t)(packet->size >> 16);
    target[3] = packet->number;
    memcpy(target + EYE_MYSQL_HEAD_BYTES, packet->bytes, packet->size);
    return EYE_MYSQL_HEAD_BYTES + packet->size;
}

static size_t expected_of(const struct conversation *conversation)
{
    size_t expected = 0;
    while (conversation->answers[expected].told) {
        expected++;
    }
    return expected;
}

static void assert_nothing_lost(const struct http_host *host, const char *name)
{
    for (size_t i = 0; i < EYE_LOSS_COUNT; i++) {
        if (host->losses[i] != 0) {
            fail_msg("%s: loss %zu counted %llu times", name, i,
                     (unsigned long long)host->losses[i]);
        }
    }
    assert_int_equal(host->verdict, EYE_VERDICT_GO_ON);
}

static void assert_answers(const struct http_host *host, const struct conversation *conversation)
{
    size_t expected = expected_of(conversation);
    for (size_t i = 0; i < host->record_count && i < expected; i++) {
        const struct answer *answer = &conversation->answers[i];
        struct eye_mysql_body body;
        memcpy(&body, host->records[i].body, sizeof(body));
        assert_int_equal(host->records[i].head.body_bytes, sizeof(body));
        assert_int_equal(body.system, conversation->system);
        if (body.operation != answer->operation || host->records[i].head.code != answer->code) {
            fail_msg("%s: record %zu is %u, %u", conversation->name, i, body.operation,
                     host->records[i].head.code);
        }
    }
    if (host->record_count != expected) {
        fail_msg("%s: %zu records, expected %zu", conversation->name, host->record_count, expected);
    }
    assert_nothing_lost(host, conversation->name);
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
    struct http_host *host = mysql_host_new(client);
    uint8_t turn[TURN_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < PACKETS && conversation->packets[i].bytes != NULL; i++) {
        const struct packet *packet = &conversation->packets[i];
        size += put(turn + size, packet);
        if (i + 1 == PACKETS || packet[1].from != packet->from) {
            __u32 stream = (packet->from == 'C') == client ? 0 : 1;
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

static const struct conversation recordings[] = {
    {"mariadb",
     {{0}},
     {DONE(SELECT), DONE(INSERT), DONE(SELECT), FAILED(INSERT, 1062)},
     EYE_MYSQL_MARIADB},
    {"pymysql",
     {{0}},
     {COMMANDED(PING), COMMANDED(INIT_DB), DONE(LOAD), DONE(SELECT), FAILED(SELECT, 1054),
      DONE(COMMIT)},
     EYE_MYSQL_MARIADB},
    {"prepared",
     {{0}},
     {COMMANDED(STMT_PREPARE), DONE(SELECT), DONE(SELECT), COMMANDED(STMT_PREPARE), DONE(DELETE),
      COMMANDED(PING), COMMANDED(RESET_CONNECTION)},
     EYE_MYSQL_MARIADB},
    {"prepared_eofs",
     {{0}},
     {COMMANDED(STMT_PREPARE), DONE(SELECT), DONE(SELECT), COMMANDED(STMT_PREPARE), DONE(DELETE),
      COMMANDED(PING), COMMANDED(RESET_CONNECTION)},
     EYE_MYSQL_MARIADB},
};

static void parser__reads_what_was_recorded(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(recordings); i++) {
        struct http2_segment segments[HTTP2_SEGMENTS];
        uint8_t bytes[HTTP2_BYTES];
        size_t count = http2_load_of("mysql", recordings[i].name, bytes, segments);
        for (size_t piece = 1; piece < 300; piece++) {
            struct http_host *host = mysql_host_new(piece % 2 == 0);
            for (size_t j = 0; j < count; j++) {
                send_pieces(host, segments[j].direction ^ (piece % 2), segments[j].bytes,
                            segments[j].size, piece, 0);
            }
            assert_answers(host, &recordings[i]);
            free(host);
        }
    }
}

static void send_packets(struct http_host *host, const struct packet *packets, size_t count)
{
    uint8_t turn[TURN_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += put(turn + size, &packets[i]);
    }
    http_host_send(host, packets[0].from == 'C' ? 0 : 1, turn, size);
}

#define SEND(host, ...)                                                                            \
    do {                                                                                           \
        const struct packet sent[] = {__VA_ARGS__};                                                \
        send_packets(host, sent, EYE_ARRAY_LENGTH(sent));                                          \
    } while (0)

static __u8 operation_of(const struct http_host *host, size_t index)
{
    return host->records[index].body[0];
}

static struct http_host *logged_in(void)
{
    static const struct packet login[] = {LOGIN("\x81")};
    struct http_host *host = mysql_host_new(true);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(login); i++) {
        send_packets(host, &login[i], 1);
    }
    return host;
}

/* Packets of 16 MiB, each with a head, the last one of @last bytes, in segments of 64 KiB. */
static uint8_t send_huge(struct http_host *host, __u32 stream, uint8_t number, const char *begins,
                         size_t begin_bytes, size_t full, size_t last)
{
    static uint8_t segment[65536];
    for (size_t i = 0; i <= full; i++) {
        size_t size = i < full ? EYE_MYSQL_PACKET_MAX : last;
        uint8_t head[EYE_MYSQL_HEAD_BYTES] = {(uint8_t)size, (uint8_t)(size >> 8),
                                              (uint8_t)(size >> 16), number++};
        memset(segment, i % 2 == 0 ? 0xfe : 3, sizeof(segment));
        http_host_send(host, stream, head, sizeof(head));
        for (size_t sent = 0; sent < size;) {
            size_t piece = size - sent < sizeof(segment) ? size - sent : sizeof(segment);
            if (i == 0 && sent == 0) {
                memcpy(segment, begins, begin_bytes);
            }
            http_host_send(host, stream, segment, piece);
            memset(segment, 3, begin_bytes);
            sent += piece;
        }
    }
    return number;
}

static void parser__follows_packets_beyond_their_limit(void **state)
{
    (void)state;
    static const size_t lasts[] = {0, 1, 5, 1000};
    struct http_host *host = logged_in();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(lasts); i++) {
        uint8_t number = send_huge(host, 0, 0, "\3insert into t", 14, 2, lasts[i]);
        SEND(host, OK(number));
        SEND(host, C(0, "\3select b from t"));
        SEND(host, S(1, "\1"), COLUMN(2), ROW(3));
        number = send_huge(host, 1, 4, "\xfe\xff\xff\xff\1\0\0\0\0", 9, 2, lasts[i]);
        SEND(host, ROW(number), END((uint8_t)(number + 1)));
    }
    send_huge(host, 0, 0, "\x18\5\0\0\0\0\0", 7, 1, 1000); /* has no answer */
    SEND(host, C(0, "\3insert into t"));
    SEND(host, OK(1));
    assert_nothing_lost(host, "huge");
    assert_int_equal(host->record_count, 2 * EYE_ARRAY_LENGTH(lasts) + 1);
    for (size_t i = 0; i < host->record_count; i++) {
        assert_int_equal(operation_of(host, i), i % 2 == 0 ? EYE_SQL_INSERT : EYE_SQL_SELECT);
    }
    free(host);
}

/* The shortest rows that there are, 13 107 of them in one segment. */
static void parser__walks_over_rows_of_a_whole_segment(void **state)
{
    (void)state;
    static uint8_t rows[65535];
    struct http_host *host = logged_in();
    uint8_t number = 3;
    SEND(host, C(0, "\3select null"));
    SEND(host, S(1, "\1"), COLUMN(2));
    for (int segment = 0; segment < 3; segment++) {
        for (size_t at = 0; at < sizeof(rows); at += 5) {
            static const struct packet row = NULL_ROW(0);
            put(rows + at, &row);
            rows[at + 3] = number++;
        }
        http_host_send(host, 1, rows, sizeof(rows));
    }
    SEND(host, END(number));
    SEND(host, C(0, "\x0e"));
    SEND(host, OK(1));
    assert_nothing_lost(host, "rows");
    assert_int_equal(host->record_count, 2);
    assert_int_equal(operation_of(host, 0), EYE_SQL_SELECT);
    free(host);
}

/* The time is that to the end of the answer, however long it takes. */
static void parser__times_to_the_end(void **state)
{
    (void)state;
    struct http_host *host = logged_in();
    host->clock_ns = 1000;
    SEND(host, C(0, "\3select 1"));
    host->clock_ns = 1500;
    SEND(host, S(1, "\1"), COLUMN(2));
    host->clock_ns = 4000;
    SEND(host, ROW(3), END(4));
    SEND(host, C(0, "\3select 1"));
    host->clock_ns = 4700;
    SEND(host, S(1, "\1"), COLUMN(2), ROW(3), END(4));
    assert_int_equal(host->record_count, 2);
    assert_int_equal(host->records[0].head.duration_ns, 3000);
    assert_int_equal(host->records[1].head.duration_ns, 700);
    free(host);
}

static void parser__counts_what_is_pipelined_beyond_the_queue(void **state)
{
    (void)state;
    struct http_host *host = logged_in();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 35; i++) {
            SEND(host, C(0, "\x16select ?"), C(0, "\3update t"));
        }
        for (int i = 0; i < 35; i++) {
            SEND(host, PREPARED(1, "\0", "\1"), COLUMN(2));
            if (i < EYE_QUEUE_DEPTH) {
                SEND(host, OK(1));
            } else {
                SEND(host, ERROR(1, "\x28\4"));
            }
        }
        SEND(host, C(0, "\3select 1"));
        SEND(host, S(1, "\1"), COLUMN(2), ROW(3), END(4));
    }
    assert_int_equal(host->record_count, 3 * (EYE_QUEUE_DEPTH + 1));
    assert_int_equal(host->losses[EYE_LOSS_MYSQL_PIPELINE], 3 * (70 - EYE_QUEUE_DEPTH));
    assert_int_equal(host->losses[EYE_LOSS_MYSQL_MALFORMED], 0);
    assert_int_equal(host->losses[EYE_LOSS_MYSQL_UNMATCHED], 0);
    for (size_t i = 0; i < EYE_QUEUE_DEPTH; i++) {
        assert_int_equal(operation_of(host, i),
                         i % 2 == 1 ? EYE_SQL_UPDATE : EYE_MYSQL_COMMAND + EYE_MYSQL_STMT_PREPARE);
    }
    free(host);
}

/* What ends have is learnt from the first result, as is what statements do when they are prepared
 * again. */
static void parser__joins_late(void **state)
{
    (void)state;
    for (int deprecated = 0; deprecated < 2; deprecated++) {
        struct http_host *host = mysql_host_new(true);
        host->joins = true;
        SEND(host, EXECUTE);
        SEND(host, S(1, "\1"), COLUMN(2), ERROR(3, "\x25\5")); /* teaches nothing */
        SEND(host, EXECUTE);
        if (deprecated) {
            SEND(host, S(1, "\1"), COLUMN(2), BINARY_ROW(3), END(4));
            SEND(host, C(0, "\x16select ?"));
            SEND(host, PREPARED(1, "\1", "\1"), COLUMN(2), COLUMN(3));
            SEND(host, EXECUTE);
            SEND(host, S(1, "\1\0"), BINARY_ROW(2), END(3));
        } else {
            SEND(host, S(1, "\1"), COLUMN(2), EOF_(3), BINARY_ROW(4), EOF_(5));
            SEND(host, C(0, "\x16select ?"));
            SEND(host, PREPARED(1, "\1", "\1"), COLUMN(2), EOF_(3), COLUMN(4), EOF_(5));
            SEND(host, EXECUTE);
            SEND(host, S(1, "\1\0"), EOF_(2), BINARY_ROW(3), EOF_(4));
        }
        SEND(host, C(0, "\3update t"));
        SEND(host, OK(1));
        assert_nothing_lost(host, "late");
        assert_int_equal(host->record_count, 5);
        assert_int_equal(operation_of(host, 1), EYE_SQL_UNKNOWN);
        assert_int_equal(operation_of(host, 2), EYE_MYSQL_COMMAND + EYE_MYSQL_STMT_PREPARE);
        assert_int_equal(operation_of(host, 3), EYE_SQL_SELECT);
        assert_int_equal(operation_of(host, 4), EYE_SQL_UPDATE);
        assert_int_equal(host->records[4].body[1], EYE_MYSQL_ANY);
        free(host);
    }
}

/* Each of these shows that there are EOFs; a row in the place of one contradicts. */
static void parser__joins_late_and_learns_of_ends(void **state)
{
    (void)state;
    static const struct {
        struct packet asked, answered[5];
    } cases[] = {
        {EXECUTE, {S(1, "\1"), COLUMN(2), EOF_(3), BINARY_ROW(4), EOF_(5)}},
        {C(0, "\x16select ?"), {PREPARED(1, "\1", "\1"), COLUMN(2), EOF_(3), COLUMN(4)}},
        {C(0, "\x16select 1"), {PREPARED(1, "\1", "\0"), COLUMN(2), EOF_(3)}},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct http_host *host = mysql_host_new(true);
        host->joins = true;
        send_packets(host, &cases[i].asked, 1);
        for (size_t j = 0; j < 5 && cases[i].answered[j].bytes != NULL; j++) {
            send_packets(host, &cases[i].answered[j], 1);
        }
        SEND(host, EXECUTE);
        assert_nothing_lost(host, "ends");
        SEND(host, S(1, "\1"), COLUMN(2), BINARY_ROW(3));
        assert_int_equal(host->losses[EYE_LOSS_MYSQL_MALFORMED], 1);
        free(host);
    }
}

/* In the midst of a result: it belongs to nobody, and the next command proves itself. */
static void parser__joins_in_the_midst_of_an_answer(void **state)
{
    (void)state;
    struct http_host *host = mysql_host_new(true);
    host->joins = true;
    host->conversation.confirmed = 1;
    SEND(host, ROW(17), ROW(18), EOF_(19));
    for (int i = 0; i < 3; i++) {
        SEND(host, C(0, "\3update t set a = 1"));
        SEND(host, OK(1));
    }
    assert_true(host->record_count >= 2);
    assert_int_equal(operation_of(host, 0), EYE_SQL_UPDATE);
    free(host);
}

/* Whatever is lost, answers are never another command's. */
static void parser__comes_back_after_a_gap(void **state)
{
    (void)state;
    for (int lost = 0; lost < 3; lost++) {
        struct http_host *host = logged_in();
        SEND(host, C(0, "\3update t"));
        SEND(host, OK(1));
        if (lost == 0) {
            http_host_skip(host, 0, 100); /* a command */
            SEND(host, OK(1));
        } else {
            SEND(host, C(0, "\3delete from t"));
            if (lost == 2) {
                SEND(host, S(1, "\1"), COLUMN(2), ROW(3));
            }
            http_host_skip(host, 1, 100); /* the answer, or some of it */
        }
        for (int i = 0; i < 5; i++) {
            SEND(host, C(0, "\3select 1"));
            SEND(host, S(1, "\1"), COLUMN(2), ROW(3), END(4));
        }
        assert_int_equal(host->losses[EYE_LOSS_MYSQL_GAP], 1);
        assert_true(host->record_count >= 4);
        assert_int_equal(operation_of(host, 0), EYE_SQL_UPDATE);
        for (size_t i = 1; i < host->record_count; i++) {
            assert_int_equal(operation_of(host, i), EYE_SQL_SELECT);
        }
        free(host);
    }
}

/* The end of a file, or of a long command, may be among what was missed. */
static void parser__waits_for_no_end_that_was_missed(void **state)
{
    (void)state;
    static uint8_t zeros[65536];
    for (int is_file = 0; is_file < 2; is_file++) {
        struct http_host *host = logged_in();
        SEND(host, C(0, "\3update t"));
        SEND(host, OK(1));
        if (is_file) {
            SEND(host, C(0, "\3load data local infile 'f'"));
            SEND(host, S(1, "\xfb"
                            "f"));
            SEND(host, C(2, "1\n2\n"));
        } else {
            http_host_send(host, 0, "\xff\xff\xff\0\3insert into t", 18);
            for (size_t left = EYE_MYSQL_PACKET_MAX - 14; left > 0;) {
                size_t size = left < sizeof(zeros) ? left : sizeof(zeros);
                http_host_send(host, 0, zeros, size);
                left -= size;
            }
        }
        http_host_skip(host, 0, 100);
        SEND(host, OK(4));
        for (int i = 0; i < 5; i++) {
            SEND(host, C(0, "\3select 1"));
            SEND(host, S(1, "\1"), COLUMN(2), ROW(3), END(4));
        }
        assert_int_equal(host->losses[EYE_LOSS_MYSQL_GAP], 1);
        assert_int_equal(host->losses[EYE_LOSS_MYSQL_UNANSWERED], 2);
        assert_int_equal(host->record_count, 5);
        for (size_t i = 1; i < host->record_count; i++) {
            assert_int_equal(operation_of(host, i), EYE_SQL_SELECT);
        }
        free(host);
    }
}

/* A proxy gives the number of a statement that was closed to the next one. */
static void parser__forgets_what_was_closed(void **state)
{
    (void)state;
    struct http_host *host = logged_in();
    SEND(host, C(0, "\x16select 1"));
    SEND(host, PREPARED(1, "\0", "\0"));
    SEND(host, C(0, "\x19\4\0\0\0"), C(0, "\x19\x25\0\0\0"));
    SEND(host, EXECUTE);
    SEND(host, OK(1));
    SEND(host, C(0, "\x19\5\0\0\0"));
    SEND(host, C(0, "\x16"
                    "delete from t"));
    http_host_skip(host, 1, 16);
    for (int i = 0; i < 3; i++) {
        SEND(host, EXECUTE);
        SEND(host, OK(1));
    }
    assert_int_equal(host->record_count, 5);
    assert_int_equal(operation_of(host, 1), EYE_SQL_SELECT);
    for (size_t i = 2; i < host->record_count; i++) {
        assert_int_equal(operation_of(host, i), EYE_SQL_UNKNOWN);
    }
    free(host);
}

static void parser__ends_with_what_it_cannot_follow(void **state)
{
    (void)state;
    static const struct {
        struct packet packets[5];
        __u64 compressed;
        __u8 follows; /* as the direction that ends it says: an enum eye_class, or 0 */
    } ends[] = {
        /* TLS, compression, and replication in its two forms. */
        {{GREETING("8.0.36", "\x81"),
          C(1, "\xcc\xae\xff\x81\0\0\0\1\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
         0,
         EYE_CLASS_TLS},
        {{S(0, "\x0a"
               "5.7.1\0\1\0\0\0saltsalt\0\xfe\xf7\x2d\2\0\xff\x81\x15\0\0\0\0\0\0\0\0\0\0" ELEVEN
               "\0"),
          C(1, "\xec\xa6\xff\x81\0\0\0\1\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0root\0"),
          OK(2)},
         1,
         0},
        {{GREETING("8.0.36", "\x85"), ANSWER("\x85"), OK(2)}, 1, 0},
        {{ANSWER_INSIDE("\xec", "\x81"), OK(3)}, 1, 0},
        {{LOGIN("\x81"), C(0, "\x12\4\0\0\0\0\0\1\0\0\0bin.1")}, 0, 0},
        {{LOGIN("\x80"), C(0, "\x1e\0\0\1\0\0\0\5\0\0\0bin.1")}, 0, 0},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ends); i++) {
        struct http_host *host = mysql_host_new(true);
        struct eye_half *halves = host->conversation.halves;
        halves[0].mark = EYE_CLASS_SSH; /* as a statement that was prepared may have left it */
        halves[1].mark = EYE_CLASS_SSH;
        for (size_t j = 0;
             j < EYE_ARRAY_LENGTH(ends[i].packets) && ends[i].packets[j].bytes != NULL; j++) {
            assert_int_equal(host->verdict, EYE_VERDICT_GO_ON);
            send_packets(host, &ends[i].packets[j], 1);
        }
        assert_int_equal(host->verdict, EYE_VERDICT_ENDED);
        assert_int_equal(host->losses[EYE_LOSS_MYSQL_COMPRESSED], ends[i].compressed);
        assert_int_equal(halves[ends[i].compressed ? 1 : 0].mark, ends[i].follows);
        free(host);
    }
}

static void parser__gives_up_what_is_malformed(void **state)
{
    (void)state;
    static const struct packet answers[] = {
        S(2, "\0\0\0\2\0\0\0"), /* another number */
        S(0, "\0\0\0\2\0\0\0"), S(1, ""),
        S(1, "\0\0"), /* too short, too long, no number of columns */
        S(1, "\1\1\1"),         S(1, "\xfc\xff\xff"),
        S(1, "\xfd\1\0\0"),     GREETING("8.0.36", "\x81"),
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(answers); i++) {
        struct http_host *host = logged_in();
        SEND(host, C(0, "\3select 1"));
        SEND(host, S(1, "\1"), COLUMN(2), ROW(3), END(4));
        SEND(host, C(0, "\3delete from t"));
        send_packets(host, &answers[i], 1);
        if (host->losses[EYE_LOSS_MYSQL_MALFORMED] != 1) {
            fail_msg("answer %zu: %llu", i,
                     (unsigned long long)host->losses[EYE_LOSS_MYSQL_MALFORMED]);
        }
        SEND(host, OK(1));
        SEND(host, C(0, "\3update t"));
        SEND(host, OK(1));
        assert_int_equal(operation_of(host, host->record_count - 1), EYE_SQL_UPDATE);
        free(host);
    }
}

/* What no client sends behind its login. */
static void parser__gives_up_commands_that_are_malformed(void **state)
{
    (void)state;
    static const struct packet commands[] = {
        C(0, ""),           C(0, "\x17\5\0\0\0\0\1\0\0"), C(0, "\x18\5\0\0\0\0"), C(0, "\x0e\0"),
        C(0, "\x1a\5\0\0"), C(0, "\x1c\5\0\0\0\2\0\0"),   C(0, "\x20text"),       C(2, "part"),
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(commands); i++) {
        struct http_host *host = logged_in();
        SEND(host, C(0, "\3select 1"));
        SEND(host, S(1, "\1"), COLUMN(2), ROW(3), END(4));
        send_packets(host, &commands[i], 1);
        if (host->losses[EYE_LOSS_MYSQL_MALFORMED] != 1) {
            fail_msg("command %zu: %llu", i,
                     (unsigned long long)host->losses[EYE_LOSS_MYSQL_MALFORMED]);
        }
        free(host);
    }
}

/* Neither a login nor a change of the user goes on behind its end. */
static void parser__takes_no_part_of_what_is_over(void **state)
{
    (void)state;
    static const struct packet ends[] = {OK(1), ERROR(1, "\x15\4")};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ends); i++) {
        struct http_host *host = logged_in();
        SEND(host, C(0, "\x11me\0\0d\0\x2d\0"));
        send_packets(host, &ends[i], 1);
        assert_nothing_lost(host, "another user");
        SEND(host, C(2, ELEVEN));
        assert_int_equal(host->losses[EYE_LOSS_MYSQL_MALFORMED], 1);
        free(host);
    }
}

/* As many columns as there may be, and what else a set of rows or of definitions begins with. */
static void parser__takes_results_up_to_their_limits(void **state)
{
    (void)state;
    static const struct {
        struct packet asked, answered[3];
        __u64 malformed;
    } cases[] = {
        {C(0, "\3select 1"), {S(1, "\xfa")}, 0},
        {C(0, "\3select 1"), {S(1, "\xfc\0\x10")}, 0},
        {C(0, "\3select 1"), {S(1, "\xfc\1\x10")}, 1},
        {C(0, "\x16select 1"), {S(1, "\1\5\0\0\0\0\0\0\0\0\0\0")}, 1},
        {C(0, "\3select 1"), {S(1, "\1"), COLUMN(2), EOF_(3)}, 0},
        {C(0, "\3select 1"), {S(1, "\1"), COLUMN(2), EOF_(9)}, 1},
        {C(0, "\3select 1"), {S(1, "\1"), COLUMN(2), ROW(3)}, 1},
    };
    static const struct packet login[] = {LOGIN("\x80")};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct http_host *host = mysql_host_new(true);
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(login); j++) {
            send_packets(host, &login[j], 1);
        }
        SEND(host, C(0, "\x0e"));
        SEND(host, OK(1));
        send_packets(host, &cases[i].asked, 1);
        for (size_t j = 0; j < 3 && cases[i].answered[j].bytes != NULL; j++) {
            send_packets(host, &cases[i].answered[j], 1);
        }
        if (host->losses[EYE_LOSS_MYSQL_MALFORMED] != cases[i].malformed) {
            fail_msg("case %zu: %llu", i,
                     (unsigned long long)host->losses[EYE_LOSS_MYSQL_MALFORMED]);
        }
        free(host);
    }
}

/* 256 columns and 256 parameters: both bytes of their numbers count. */
static void parser__walks_over_many_definitions(void **state)
{
    (void)state;
    struct http_host *host = logged_in();
    SEND(host, C(0, "\x16select 1"));
    SEND(host, S(1, "\0\5\0\0\0\0\1\0\1\0\0\0"));
    for (unsigned i = 0; i < 512; i++) {
        SEND(host, COLUMN((uint8_t)(i + 2)));
    }
    SEND(host, C(0, "\x0e"));
    SEND(host, OK(1));
    assert_nothing_lost(host, "definitions");
    assert_int_equal(host->record_count, 2);
    free(host);
}

/* The numbers of packets begin anew behind 255. */
static void parser__follows_a_file_of_many_packets(void **state)
{
    (void)state;
    struct http_host *host = logged_in();
    SEND(host, C(0, "\3load data local infile 'f'"));
    SEND(host, S(1, "\xfb"
                    "f"));
    for (unsigned number = 2; number < 255; number++) {
        SEND(host, C((uint8_t)number, "1\n"));
    }
    SEND(host, C(255, ""));
    SEND(host, OK(0));
    SEND(host, C(0, "\x0e"));
    SEND(host, OK(1));
    assert_nothing_lost(host, "file");
    assert_int_equal(host->record_count, 2);
    free(host);
}

/* As many as a program prepares. */
static void parser__remembers_its_statements(void **state)
{
    (void)state;
    struct http_host *host = logged_in();
    char prepared[] = "\0\0\0\0\0\0\0\0\0\0\0\0";
    char execute[] = "\x17\0\0\0\0\0\1\0\0\0";
    enum { COUNT = 100 };
    for (char id = 0; id < COUNT; id++) {
        prepared[1] = id;
        SEND(host, C(0, "\x16select 1"));
        SEND(host, S(1, prepared));
    }
    for (char id = 0; id < COUNT; id++) {
        execute[1] = id;
        SEND(host, C(0, execute));
        SEND(host, OK(1));
    }
    assert_int_equal(host->record_count, 2 * COUNT);
    for (size_t i = COUNT; i < host->record_count; i++) {
        assert_int_equal(operation_of(host, i), EYE_SQL_SELECT);
    }
    free(host);
}

/* Where an answer may begin behind a gap, what only has its number is none. */
static void parser__takes_only_answers_behind_a_gap(void **state)
{
    (void)state;
    static const struct {
        struct packet asked, answered;
        size_t taken;
    } cases[] = {
        {C(0, "\3select 1"), ERROR(1, "\x28\4"), 1},
        {C(0, "\3select 1"), S(1, "\xff\x28\4no state"), 0},
        {C(0, "\3select 1"), EOF_(1), 1},
        {C(0, "\3select 1"), S(1, "\xfe\0\0"), 0},
        {C(0, "\x09"), S(1, "a t"), 1},
        {C(0, "\x09"), S(1, "text"), 0},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct http_host *host = logged_in();
        SEND(host, C(0, "\3update t"));
        SEND(host, OK(1));
        SEND(host, C(0, "\3delete from t"));
        http_host_skip(host, 1, 100);
        send_packets(host, &cases[i].asked, 1);
        send_packets(host, &cases[i].answered, 1);
        if (host->record_count != 1 + cases[i].taken) {
            fail_msg("case %zu: %zu", i, host->record_count);
        }
        free(host);
    }
}

/* A client older than MySQL 4.1 is none of ours. */
static void parser__is_not_sure_of_a_short_login(void **state)
{
    (void)state;
    struct http_host *host = mysql_host_new(true);
    SEND(host, GREETING("4.0.30", "\x81"));
    SEND(host, C(1, "\x85\xa6\0\0\0root"));
    assert_int_equal(host->verdict, EYE_VERDICT_NOT_IT);
    free(host);
}

/* What only began like it is given back before anything is told. */
static void parser__is_not_sure_before_an_answer(void **state)
{
    (void)state;
    struct http_host *host = mysql_host_new(true);
    host->joins = true;
    SEND(host, C(0, "\3select 1"));
    assert_false(host->conversation.confirmed);
    http_host_send(host, 1, "\x05\0\0\0hello", 9);
    assert_int_equal(host->verdict, EYE_VERDICT_NOT_IT);
    assert_int_equal(host->losses[EYE_LOSS_MYSQL_MALFORMED], 0);
    free(host);
}

/* Each fails in a way of its own, so what is told shows whose answer it is. */
static const struct {
    struct packet asked[3];
    struct packet answered[6];
    struct answer answer;
} pairs[] = {
    {{C(0, "\3update t set a = '\1\0\0\1\x0e'")}, {ERROR(1, "\1\4")}, FAILED(UPDATE, 1025)},
    {{C(0, "\3delete from t where a = '" FIFTY "'")}, {ERROR(1, "\2\4")}, FAILED(DELETE, 1026)},
    {{C(0, "\3 \n(select 1 / a from t)")},
     {S(1, "\1"), COLUMN(2), ROW(3), S(4, "\x0a\7\0\0\1\0\0\0\2\0\0"), ERROR(5, "\3\4")},
     FAILED(SELECT, 1027)},
    {{C(0, "\3insert into t")}, {OK_MORE(1), ERROR(2, "\4\4")}, FAILED(INSERT, 1028)},
    {{C(0, "\x19\7\0\0\0"), EXECUTE}, {ERROR(1, "\5\4")}, FAILED(UNKNOWN, 1029)},
    {{C(0, "\x16"
           "begin")},
     {ERROR(1, "\6\4")},
     {EYE_MYSQL_COMMAND + EYE_MYSQL_STMT_PREPARE, 1030, true}},
};
#define EXCHANGES 2000

static size_t put_all(uint8_t *target, const struct packet *packets, size_t most)
{
    size_t size = 0;
    for (size_t i = 0; i < most && packets[i].bytes != NULL; i++) {
        size += put(target + size, &packets[i]);
    }
    return size;
}

static void send_packets_of(struct http_host *host, __u32 stream, const struct packet *packets,
                            size_t most)
{
    uint8_t bytes[TURN_BYTES];
    http_host_send(host, stream, bytes, put_all(bytes, packets, most));
}

static void assert_true_pairs(const struct http_host *host)
{
    for (size_t i = 0; i < host->record_count; i++) {
        __u16 code = host->records[i].head.code;
        size_t kind = (size_t)code - 1025;
        if (kind >= EYE_ARRAY_LENGTH(pairs) ||
            operation_of(host, i) != pairs[kind].answer.operation) {
            fail_msg("record %zu is %u, %u", i, operation_of(host, i), code);
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
        size_t size = put_all(bytes, pairs[kinds[i]].asked, 3);
        send_bytes_badly(host, random, client, bytes, size);
    }
    for (size_t i = 0; i < count; i++) {
        size_t size = put_all(bytes, pairs[kinds[i]].answered, 6);
        send_bytes_badly(host, random, client ^ 1, bytes, size);
    }
}

/* Of a client that waits for each answer, and of one that does not. */
static void bad_wire__never_pairs_wrongly(void **state)
{
    (void)state;
    for (size_t most = 1; most <= 8; most += 7) {
        struct http_host *host = mysql_host_new(true);
        size_t seen = 0;
        for (unsigned seed = 1; seed <= 50; seed++) {
            uint64_t random = seed;
            mysql_host_reset(host, seed % 2 == 0);
            send_packets_of(host, seed % 2, pairs[0].asked, 1);
            send_packets_of(host, seed % 2 ^ 1, pairs[0].answered, 1);
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

static int looks_like(const struct packet *packet, size_t more)
{
    struct eye_glance glance = {0};
    uint8_t bytes[TURN_BYTES];
    size_t size = put(bytes, packet);
    size_t seen = size < EYE_LOOK_BYTES ? size : EYE_LOOK_BYTES;
    memcpy(glance.bytes, bytes, seen);
    glance.payload_bytes = (__u32)(size + more);
    return eye_mysql_looks_like(&glance, (__u32)seen);
}

static void looks_like__takes_its_own_beginnings_alone(void **state)
{
    (void)state;
    static const struct packet own[] = {
        GREETING("8.0.36", "\x81"),
        GREETING("5.5.5-10.11.19-MariaDB-0+deb12u1", "\x81"),
        C(0, "\3SELECT 1"),
        C(0, "\3insert into t values ('" LONG "')"),
        C(0, "\3\0\1select 1"),
        C(0, "\3/* a comment */ select 1"),
        C(0, "\x16update t"),
        EXECUTE,
        C(0, "\x0e"),
        C(0, "\x1a\1\0\0\0"),
    };
    static const struct packet others[] = {
        C(1, "\3SELECT 1"),
        C(0, "\3hello"),
        C(0, "\4SELECT 1"),
        C(0, "\x0e\0"),
        C(0, "\x17\5\0\0\0\0\2\0\0\0"),
        C(0, "\x1a\1\0\0"),
        S(0, "\x0a"
             "8.0"),
        S(0, "\x0a" LONG),
        S(1, "\0\0\0\2\0\0\0"),
        C(0, "\x17\5\0\0\0\0\1\1\0\0"),
        C(0, "\x17\5\0\0\0\0\1\0\1\0"),
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(own); i++) {
        if (!looks_like(&own[i], 0) || looks_like(&own[i], 1)) {
            fail_msg("own %zu", i);
        }
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(others); i++) {
        if (looks_like(&others[i], 0)) {
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
        cmocka_unit_test(parser__reads_what_was_recorded),
        cmocka_unit_test(parser__follows_packets_beyond_their_limit),
        cmocka_unit_test(parser__walks_over_rows_of_a_whole_segment),
        cmocka_unit_test(parser__times_to_the_end),
        cmocka_unit_test(parser__counts_what_is_pipelined_beyond_the_queue),
        cmocka_unit_test(parser__joins_late),
        cmocka_unit_test(parser__joins_late_and_learns_of_ends),
        cmocka_unit_test(parser__joins_in_the_midst_of_an_answer),
        cmocka_unit_test(parser__comes_back_after_a_gap),
        cmocka_unit_test(parser__waits_for_no_end_that_was_missed),
        cmocka_unit_test(parser__forgets_what_was_closed),
        cmocka_unit_test(parser__ends_with_what_it_cannot_follow),
        cmocka_unit_test(parser__gives_up_what_is_malformed),
        cmocka_unit_test(parser__gives_up_commands_that_are_malformed),
        cmocka_unit_test(parser__takes_no_part_of_what_is_over),
        cmocka_unit_test(parser__takes_results_up_to_their_limits),
        cmocka_unit_test(parser__walks_over_many_definitions),
        cmocka_unit_test(parser__follows_a_file_of_many_packets),
        cmocka_unit_test(parser__remembers_its_statements),
        cmocka_unit_test(parser__takes_only_answers_behind_a_gap),
        cmocka_unit_test(parser__is_not_sure_of_a_short_login),
        cmocka_unit_test(parser__is_not_sure_before_an_answer),
        cmocka_unit_test(bad_wire__never_pairs_wrongly),
        cmocka_unit_test(looks_like__takes_its_own_beginnings_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
