/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parsers of SQL tell of statements, on the host: their texts without literals, each of
 * them once, and which one is executed by a name or a number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "tests/support/mysql_host.h"
#include "tests/support/postgres_host.h"

#define SECOND 1000000000ULL
#define FIFTY "fifty_bytes_without_any_blank_digit_or_other_thing"
#define COUNT 1000

/* Bytes that one end sends as one segment. */
struct bytes {
    char text[1024];
    size_t size;
};

static void add(struct bytes *bytes, const void *more, size_t size)
{
    assert_true(bytes->size + size <= sizeof(bytes->text));
    memcpy(bytes->text + bytes->size, more, size);
    bytes->size += size;
}

/* 0: as one segment. */
static size_t piece_bytes;

static void send_bytes(struct http_host *host, __u32 stream, const struct bytes *bytes)
{
    host->clock_ns += 1000;
    size_t piece = piece_bytes > 0 ? piece_bytes : bytes->size;
    for (size_t at = 0; at < bytes->size; at += piece) {
        size_t size = bytes->size - at < piece ? bytes->size - at : piece;
        http_host_send(host, stream, bytes->text + at, size);
    }
}

static __u64 statement_of(const struct http_host *host, size_t index)
{
    __u64 statement;
    assert_true(index < host->record_count && index < HTTP_HOST_RECORDS);
    memcpy(&statement, host->records[index].body + EYE_STATEMENT_AT, sizeof(statement));
    return statement;
}

static __u64 last_statement(const struct http_host *host)
{
    return statement_of(host, host->record_count - 1);
}

/* ---- PostgreSQL ---- */

static void add_message(struct bytes *bytes, char type, const void *body, size_t size)
{
    const uint8_t head[] = {(uint8_t)type, 0, 0, (uint8_t)((size + 4) >> 8), (uint8_t)(size + 4)};
    add(bytes, head, sizeof(head));
    add(bytes, body, size);
}

static void add_parse(struct bytes *bytes, const char *name, const char *text)
{
    struct bytes body = {.size = 0};
    add(&body, name, strlen(name) + 1);
    add(&body, text, strlen(text) + 1);
    add(&body, "\0\0", 2);
    add_message(bytes, 'P', body.text, body.size);
}

static void add_bind(struct bytes *bytes, const char *portal, const char *name)
{
    struct bytes body = {.size = 0};
    add(&body, portal, strlen(portal) + 1);
    add(&body, name, strlen(name) + 1);
    add(&body, "\0\0\0\0\0\0", 6);
    add_message(bytes, 'B', body.text, body.size);
}

static void add_execute(struct bytes *bytes, const char *portal)
{
    struct bytes body = {.size = 0};
    add(&body, portal, strlen(portal) + 1);
    add(&body, "\0\0\0\0", 4);
    add_message(bytes, 'E', body.text, body.size);
}

static void answer_postgres(struct http_host *host)
{
    struct bytes answer = {.size = 0};
    add_message(&answer, 'C', "SELECT 1", 9);
    add_message(&answer, 'Z', "I", 1);
    send_bytes(host, 1, &answer);
}

static void sync_postgres(struct http_host *host, struct bytes *bytes)
{
    add_message(bytes, 'S', "", 0);
    send_bytes(host, 0, bytes);
    answer_postgres(host);
    bytes->size = 0;
}

static __u64 query_postgres(struct http_host *host, const char *text)
{
    struct bytes query = {.size = 0};
    add_message(&query, 'Q', text, strlen(text) + 1);
    send_bytes(host, 0, &query);
    answer_postgres(host);
    return last_statement(host);
}

/* Prepares the text by @name, and waits for the server. */
static void prepare_postgres(struct http_host *host, const char *name, const char *text)
{
    struct bytes bytes = {.size = 0};
    struct bytes answer = {.size = 0};
    add_parse(&bytes, name, text);
    add_message(&bytes, 'S', "", 0);
    send_bytes(host, 0, &bytes);
    add_message(&answer, '1', "", 0);
    add_message(&answer, 'Z', "I", 1);
    send_bytes(host, 1, &answer);
}

static void close_postgres(struct http_host *host, char kind, const char *name)
{
    struct bytes bytes = {.size = 0};
    struct bytes body = {.size = 0};
    add(&body, &kind, 1);
    add(&body, name, strlen(name) + 1);
    add_message(&bytes, 'C', body.text, body.size);
    add_message(&bytes, 'S', "", 0);
    send_bytes(host, 0, &bytes);
    struct bytes answer = {.size = 0};
    add_message(&answer, '3', "", 0);
    add_message(&answer, 'Z', "I", 1);
    send_bytes(host, 1, &answer);
}

static __u64 execute_postgres(struct http_host *host, const char *name)
{
    struct bytes bytes = {.size = 0};
    add_bind(&bytes, "", name);
    add_execute(&bytes, "");
    sync_postgres(host, &bytes);
    return last_statement(host);
}

/* ---- MySQL ---- */

static void send_packet(struct http_host *host, __u32 stream, uint8_t number, const void *body,
                        size_t size)
{
    const uint8_t head[] = {(uint8_t)size, (uint8_t)(size >> 8), 0, number};
    struct bytes bytes = {.size = 0};
    add(&bytes, head, sizeof(head));
    add(&bytes, body, size);
    send_bytes(host, stream, &bytes);
}

static void answer_mysql(struct http_host *host)
{
    send_packet(host, 1, 1, "\0\0\0\2\0\0\0", 7);
}

static void command_mysql(struct http_host *host, char command, const char *text)
{
    struct bytes bytes = {.size = 0};
    add(&bytes, &command, 1);
    add(&bytes, text, strlen(text));
    send_packet(host, 0, 0, bytes.text, bytes.size);
}

static __u64 query_mysql(struct http_host *host, const char *text)
{
    command_mysql(host, 3, text);
    answer_mysql(host);
    return last_statement(host);
}

static void prepare_mysql(struct http_host *host, uint32_t id, const char *text)
{
    uint8_t prepared[12] = {0};
    memcpy(prepared + 1, &id, sizeof(id));
    command_mysql(host, 0x16, text);
    send_packet(host, 1, 1, prepared, sizeof(prepared));
}

static __u64 execute_mysql(struct http_host *host, uint32_t id)
{
    uint8_t execute[10] = {0x17, 0, 0, 0, 0, 0, 1, 0, 0, 0};
    memcpy(execute + 1, &id, sizeof(id));
    send_packet(host, 0, 0, execute, sizeof(execute));
    answer_mysql(host);
    return last_statement(host);
}

/* ---- Texts ---- */

struct text {
    const char *statement;
    const char *told; /* NULL: all of it */
    bool cut;
};

static void assert_told(const struct http_host *host, const struct text *text)
{
    const char *expected = text->told == NULL ? text->statement : text->told;
    const char *told = (const char *)host->text.text;
    if (strlen(expected) > EYE_SQL_TEXT_BYTES || memcmp(told, expected, strlen(expected)) != 0 ||
        (strlen(expected) < EYE_SQL_TEXT_BYTES && told[strlen(expected)] != '\0')) {
        fail_msg("'%s': '%.*s', expected '%s'", text->statement, EYE_SQL_TEXT_BYTES, told,
                 expected);
    }
    if ((host->text.cut != 0) != text->cut || host->text.statement != last_statement(host)) {
        fail_msg("'%s': cut %d", text->statement, (int)host->text.cut);
    }
}

static const struct text texts[] = {
    {"select a, b from t join u using (c)", NULL, false},
    {" \n( (select 1 from t", "select 0 from t", false},
    {"insert into t values ('secret', 17)", "insert into t values (", true},
    {"select * from t where ssn = 123456 limit 10", "select * from t where ssn = 000000 limit 00",
     false},
    {"select 12, 345, 6789 from t", "select 00, 000, ", true},
    {"select 1,2,3,4", "select 0,0,", true},
    {"select t1.a2, x_3 from part_2024_01 where id=$1 and b=$12", NULL, false},
    {"select 12ab, 0x1F from t", "select 0000, 0000 from t", false},
    {"select 1.5e10 from t", "select 0.0000 from t", false},
    {"select 123456789012345678901234567890 from t", "select 000000000000000000000000000000 from t",
     false},
    {"select a1234567890123456789012345678901234567890 from t", NULL, false},
    {"select $$secret$$ from t", "select ", true},
    {"select $tag$secret$tag$ from t", "select ", true},
    {"select $1::text, $2 from t where a = $$b$$", "select $1::text, $2 from t where a = ", true},
    {"update t set a = -17 where b = '' ", "update t set a = -00 where b = ", true},
    {"select \xc3\xa4"
     "9, \xc3\xa4"
     " from t",
     NULL, false},
    {"1234567890", "0000000000", false},
    {"call p(12345678)", "call p(00000000)", false},
    {"call p12345678(12345678,1)", "call p12345678(00000000,0)", false},
    {"select " FIFTY ", " FIFTY ", " FIFTY ", " FIFTY " from t",
     "select " FIFTY ", " FIFTY ", " FIFTY ", fifty_bytes_without_any_blank", true},
};

static void texts__end_before_literals(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(texts); i++) {
        struct http_host *host = postgres_host_new(true);
        query_postgres(host, texts[i].statement);
        assert_int_equal(host->texts, 1);
        assert_told(host, &texts[i]);
        postgres_host_reset(host, true);
        struct bytes bytes = {.size = 0};
        add_parse(&bytes, "", texts[i].statement);
        add_bind(&bytes, "", "");
        add_execute(&bytes, "");
        sync_postgres(host, &bytes);
        assert_told(host, &texts[i]);
        free(host);
    }
}

/* In two segments, cut anywhere; what was in the window before does not matter. */
static void texts__are_the_same_however_they_come(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "select a1, 12, $1 from t1 where b = 3 and c = 'x'",
        "select " FIFTY ", " FIFTY ", " FIFTY ", fifty_bytes_without_any_bl $1 from t",
        "select " FIFTY ", " FIFTY ", " FIFTY ", fifty_bytes_without_any_b 123 from t",
        "call p($",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(statements); i++) {
        struct http_host *host = mysql_host_new(true);
        struct bytes packet = {.size = 5};
        size_t size = strlen(statements[i]);
        memcpy(packet.text, (uint8_t[]){(uint8_t)(size + 1), 0, 0, 0, 3}, 5);
        add(&packet, statements[i], size);
        __u64 whole = query_mysql(host, statements[i]);
        for (size_t cut = 1; cut < packet.size; cut++) {
            query_mysql(host, "select 11111111111111111111111111111111111111111111111111111111111");
            host->clock_ns += 61 * SECOND;
            http_host_send(host, 0, packet.text, cut);
            http_host_send(host, 0, packet.text + cut, packet.size - cut);
            answer_mysql(host);
            assert_true(last_statement(host) == whole);
            assert_true(host->text.statement == whole);
        }
        free(host);
    }
}

static void texts__of_mysql_end_before_double_quotes(void **state)
{
    (void)state;
    static const struct text own[] = {
        {"insert into t values (\"secret\")", "insert into t values (", true},
        {"select `a`.`b`, 12 from `t1` where a = \"x'y\"",
         "select `a`.`b`, 00 from `t1` where a = ", true},
        {"/* traceparent='00-ab' */ select a from t", "select a from t", false},
        {"select 'secret' from t", "select ", true},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(own); i++) {
        struct http_host *host = mysql_host_new(true);
        query_mysql(host, own[i].statement);
        assert_told(host, &own[i]);
        free(host);
    }
    struct http_host *host = mysql_host_new(true);
    static const char zero[] = "\3select a from t\0 b";
    send_packet(host, 0, 0, zero, sizeof(zero) - 1);
    answer_mysql(host);
    const struct text ended = {"select a from t", NULL, false};
    assert_told(host, &ended);
    assert_true(last_statement(host) == query_mysql(host, "select a from t"));
    free(host);
    host = postgres_host_new(true);
    const struct text quoted = {"select \"a\" from \"T\"", NULL, false};
    query_postgres(host, quoted.statement);
    assert_told(host, &quoted);
    free(host);
}

/* Wherever words begin: the same text behind blanks is the same statement. */
static void texts__hide_numbers_at_any_place(void **state)
{
    (void)state;
    for (int before = 0; before < 24; before++) {
        for (int digits = 1; digits < 24; digits++) {
            struct http_host *host = postgres_host_new(true);
            char statement[128];
            char told[128];
            snprintf(statement, sizeof(statement), "select %.*s, %.*s.t9 from a9_9", before,
                     "abcdefghijklmnopqrstuvwxyz", digits, "987654321098765432109876543210");
            snprintf(told, sizeof(told), "select %.*s, %.*s.t9 from a9_9", before,
                     "abcdefghijklmnopqrstuvwxyz", digits, "000000000000000000000000000000");
            const struct text text = {statement, told, false};
            query_postgres(host, statement);
            assert_told(host, &text);
            free(host);
        }
    }
}

/* Before the text of a query stands its length, which may be any byte. */
static void texts__hide_numbers_at_their_start(void **state)
{
    (void)state;
    for (int length = 8; length < 180; length++) {
        struct http_host *host = postgres_host_new(true);
        char statement[256];
        char told[256];
        snprintf(statement, sizeof(statement), "1234567 %0*d", length, 0);
        snprintf(told, sizeof(told), "0000000 %0*d", length, 0);
        const struct text text = {statement, told, false};
        query_postgres(host, statement);
        assert_told(host, &text);
        free(host);
    }
}

/* What ends with a name, and what goes on in it, are about two tables. */
static void statements__differ_by_whether_they_were_cut(void **state)
{
    (void)state;
    char text[EYE_SQL_TEXT_BYTES + 16];
    char longer[sizeof(text) + 4];
    snprintf(text, sizeof(text), "select %0*d from t", EYE_SQL_TEXT_BYTES - 14, 0);
    snprintf(longer, sizeof(longer), "%s_old", text);
    assert_int_equal(strlen(text), EYE_SQL_TEXT_BYTES);
    struct http_host *host = mysql_host_new(true);
    __u64 whole = query_mysql(host, text);
    assert_int_equal(host->text.cut, 0);
    assert_false(query_mysql(host, longer) == whole);
    assert_int_equal(host->text.cut, 1);
    assert_int_equal(host->texts, 2);
    free(host);
    host = postgres_host_new(true);
    whole = query_postgres(host, "select a from v");
    assert_int_equal(host->text.cut, 0);
    assert_false(query_postgres(host, "select a from v$session") == whole);
    assert_int_equal(host->text.cut, 1);
    assert_int_equal(host->texts, 2);
    free(host);
}

static void texts__are_told_once_a_minute(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    host->clock_ns = 5 * SECOND;
    query_postgres(host, "select a from t where b = 1");
    query_postgres(host, "select a from t where b = 2");
    host->clock_ns += 59 * SECOND;
    query_postgres(host, "select a from t where b = 3");
    assert_int_equal(host->texts, 1);
    host->clock_ns += 2 * SECOND;
    query_postgres(host, "select a from t where b = 4");
    assert_int_equal(host->texts, 2);
    query_postgres(host, "select a from u where b = 4");
    assert_int_equal(host->texts, 3);
    query_postgres(host, "");
    query_postgres(host, "  ");
    assert_int_equal(host->texts, 3);
    prepare_postgres(host, "s", "select a from u");
    assert_int_equal(host->texts, 4);
    host->clock_ns += 61 * SECOND;
    execute_postgres(host, "s"); /* whose text is not here */
    assert_int_equal(host->texts, 4);
    free(host);
}

/* Both directions of a connection may be read at the same time, by two CPUs. */
static void texts__are_told_by_the_direction_of_the_client(void **state)
{
    (void)state;
    struct http_host *hosts[] = {postgres_host_new(true), mysql_host_new(true)};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(hosts); i++) {
        struct http_host *host = hosts[i];
        struct eye_sql_kept *kept = eye_sql_kept_of(&host->conversation);
        memcpy(host->conversation.halves[1].window, "a row with a secret", 20);
        *kept = (struct eye_sql_kept){.statement = 7, .from = 2, .end = 20};
        struct eye_postgres_kept *named = eye_postgres_kept_of(&host->conversation);
        named->named = i == 0;
        host->parser->tell(&host->conversation, 1);
        assert_int_equal(kept->end, 20);
        assert_int_equal(kept->statement, 7);
        assert_int_equal(named->unnamed, 0);
        free(host);
    }
}

static void statements__differ_by_what_is_told_of_them(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    __u64 first = query_postgres(host, "select a from t where b = 'x'");
    assert_int_equal((__u8)first, EYE_SQL_SELECT);
    assert_true(query_postgres(host, "select a from t where b = 'y' and c = 1") == first);
    assert_false(query_postgres(host, "select a from t where b = ") == first); /* is not cut */
    assert_false(query_postgres(host, "select a from t1 where b = 'x'") == first);
    assert_false(query_postgres(host, "select a from t2 where b = 'x'") == first);
    assert_false(query_postgres(host, "select a from t where b =") == first);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(texts); i++) {
        first = query_postgres(host, texts[i].statement);
        for (size_t j = 0; j < i; j++) {
            const char *one = texts[i].told == NULL ? texts[i].statement : texts[i].told;
            const char *other = texts[j].told == NULL ? texts[j].statement : texts[j].told;
            __u64 second = query_postgres(host, texts[j].statement);
            bool same = strcmp(one, other) == 0 && texts[i].cut == texts[j].cut;
            assert_int_equal(first == second, same);
        }
    }
    free(host);
}

/* ---- Names ---- */

static void names__find_what_was_prepared(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    __u64 a = query_postgres(host, "select a from t");
    __u64 b = query_postgres(host, "delete from u");
    prepare_postgres(host, "s", "select a from t");
    prepare_postgres(host, "t", "delete from u");
    for (int i = 0; i < 3; i++) {
        assert_true(execute_postgres(host, "s") == a);
        assert_true(execute_postgres(host, "t") == b);
    }
    assert_true(execute_postgres(host, "no") == 0);
    close_postgres(host, 'P', "s");
    assert_true(execute_postgres(host, "s") == a);
    close_postgres(host, 'S', "s");
    assert_true(execute_postgres(host, "s") == 0);
    prepare_postgres(host, "s", "delete from u");
    assert_true(execute_postgres(host, "s") == b);
    struct bytes bytes = {.size = 0}; /* as drivers close what gives way, with what follows */
    add_message(&bytes, 'D', "St", 3);
    add_message(&bytes, 'C', "Ss", 3);
    add_parse(&bytes, "s", "select a from t");
    add_bind(&bytes, "", "s");
    add_execute(&bytes, "");
    sync_postgres(host, &bytes);
    assert_true(last_statement(host) == a);
    free(host);
}

/* A server refuses to prepare by a name that is in use, which keeps its statement then. Or it was
 * closed unseen, and the server takes it. */
static void names__that_are_in_use_may_mean_either(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    __u64 a = query_postgres(host, "select a from t");
    prepare_postgres(host, "s", "select a from t");
    prepare_postgres(host, "s", "select a from t");
    assert_true(execute_postgres(host, "s") == a);
    prepare_postgres(host, "s", "delete from u");
    assert_true(execute_postgres(host, "s") == 0);
    free(host);
}

/* Whoever lends connections prepares others by the same names behind these. */
static void names__are_gone_with_what_discards_all(void **state)
{
    (void)state;
    static const char *const all[] = {"DISCARD ALL", "  discard all", "deallocate ALL",
                                      "DEALLOCATE all;"};
    struct http_host *host = postgres_host_new(true);
    __u64 a = query_postgres(host, "select a from t");
    __u64 b = query_postgres(host, "delete from u");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(all); i++) {
        prepare_postgres(host, "s", "select a from t");
        query_postgres(host, "deallocate other");
        query_postgres(host, "deallocate allofit");
        assert_true(execute_postgres(host, "s") == a);
        query_postgres(host, all[i]);
        assert_true(execute_postgres(host, "s") == 0);
        prepare_postgres(host, "s", "delete from u");
        assert_true(execute_postgres(host, "s") == b);
        struct bytes bytes = {.size = 0};
        add_parse(&bytes, "", "discard all");
        add_bind(&bytes, "", "");
        add_execute(&bytes, "");
        sync_postgres(host, &bytes);
        assert_true(execute_postgres(host, "s") == 0);
    }
    free(host);
}

/* Longer than the server's own: the text is not looked for in what is here of it. */
static void names__that_are_too_long_have_no_text(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    char name[100];
    for (int length = 60; length < 70; length++) {
        snprintf(name, sizeof(name), "%0*d from secret", length, 0);
        name[length] = '\0';
        size_t told = host->texts;
        prepare_postgres(host, name, "select a from t");
        assert_int_equal(host->texts - told, told == 0);
        assert_int_equal(execute_postgres(host, name) >> 8 != 0, length < EYE_POSTGRES_NAME_BYTES);
    }
    free(host);
}

/* What has no name is the last one without a name, until a simple query. */
static void names__may_be_empty(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    __u64 a = query_postgres(host, "select a from t");
    prepare_postgres(host, "", "select a from t");
    prepare_postgres(host, "s", "delete from u");
    assert_true(execute_postgres(host, "") == a);
    assert_true(execute_postgres(host, "") == a);
    query_postgres(host, "begin");
    assert_true(execute_postgres(host, "") == 0);
    struct bytes bytes = {.size = 0};
    add_parse(&bytes, "", "select a from t");
    add_bind(&bytes, "", "");
    sync_postgres(host, &bytes);
    query_postgres(host, "begin");
    add_execute(&bytes, "");
    sync_postgres(host, &bytes);
    assert_true(last_statement(host) == 0);
    prepare_postgres(host, "", "select a from t");
    close_postgres(host, 'S', "s");
    assert_true(execute_postgres(host, "") == a);
    close_postgres(host, 'S', "");
    assert_true(execute_postgres(host, "") == 0);
    free(host);
}

static void names__of_portals_are_heeded(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    __u64 a = query_postgres(host, "select a from t");
    struct bytes bytes = {.size = 0};
    add_parse(&bytes, "", "select a from t");
    add_bind(&bytes, "c1", "");
    add_execute(&bytes, "c1");
    sync_postgres(host, &bytes);
    assert_true(last_statement(host) == a);
    add_execute(&bytes, "c2");
    sync_postgres(host, &bytes);
    assert_true(last_statement(host) == 0);
    free(host);
}

/* Several in one segment, each executed as what it was bound to. */
static void names__are_bound_in_order(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    __u64 a = query_postgres(host, "select a from t");
    __u64 b = query_postgres(host, "update u set a = $1");
    struct bytes bytes = {.size = 0};
    add_parse(&bytes, "a", "select a from t");
    add_parse(&bytes, "", "update u set a = $1");
    add_bind(&bytes, "", "");
    add_execute(&bytes, "");
    add_bind(&bytes, "", "a");
    add_execute(&bytes, "");
    add_message(&bytes, 'S', "", 0);
    send_bytes(host, 0, &bytes);
    struct bytes answer = {.size = 0};
    add_message(&answer, '1', "", 0);
    add_message(&answer, '1', "", 0);
    add_message(&answer, '2', "", 0);
    add_message(&answer, 'C', "UPDATE 1", 9);
    add_message(&answer, '2', "", 0);
    add_message(&answer, 'C', "SELECT 1", 9);
    add_message(&answer, 'Z', "I", 1);
    send_bytes(host, 1, &answer);
    assert_int_equal(host->record_count, 4);
    assert_true(statement_of(host, 2) == b);
    assert_true(statement_of(host, 3) == a);
    free(host);
}

static void miss_some_of_postgres(struct http_host *host)
{
    http_host_skip(host, 0, 100);
    host->acknowledges[0] = host->sequence[1];
}

/* Behind a gap another statement may have been prepared by that name. */
static void names__are_forgotten_behind_a_gap(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    prepare_postgres(host, "s", "select a from t");
    assert_false(execute_postgres(host, "s") == 0);
    miss_some_of_postgres(host);
    for (int i = 0; i < 3; i++) {
        query_postgres(host, "begin");
    }
    assert_true(execute_postgres(host, "s") == 0);
    prepare_postgres(host, "", "select a from t");
    assert_false(execute_postgres(host, "") == 0);
    miss_some_of_postgres(host);
    struct bytes bytes = {.size = 0};
    add_execute(&bytes, "");
    sync_postgres(host, &bytes);
    assert_true(execute_postgres(host, "") == 0);
    prepare_postgres(host, "", "select a from t");
    add_bind(&bytes, "", "");
    sync_postgres(host, &bytes);
    miss_some_of_postgres(host);
    for (int i = 0; i < 3; i++) {
        add_execute(&bytes, "");
        sync_postgres(host, &bytes);
        assert_true(last_statement(host) == 0);
    }
    prepare_postgres(host, "s", "select a from t");
    assert_false(execute_postgres(host, "s") == 0);
    free(host);
}

static void names__of_another_connection_are_its_own(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    prepare_postgres(host, "s", "select a from t");
    __u64 known = execute_postgres(host, "s");
    assert_false(known == 0);
    /* The table stays: another connection begins. */
    struct eye_postgres_kept *kept = eye_postgres_kept_of(&host->conversation);
    kept->sql.names = 0;
    assert_true(execute_postgres(host, "s") == 0);
    prepare_postgres(host, "t", "delete from u");
    assert_true(execute_postgres(host, "s") == 0);
    free(host);
}

/* More than there is room for: what is found is what was prepared. */
static void names__are_never_mistaken(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    __u64 statements[COUNT];
    char name[16];
    char text[64];
    size_t found = 0;
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "s_%d", i);
        snprintf(text, sizeof(text), "select a from t_%d", i);
        statements[i] = query_postgres(host, text);
        prepare_postgres(host, name, text);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "s_%d", i);
        __u64 known = execute_postgres(host, name);
        assert_true(known == 0 || known == statements[i]);
        found += known != 0;
    }
    print_message("%zu of %d found\n", found, COUNT);
    assert_in_range(found, COUNT / 8, COUNT);
    free(host);
}

/* What is cut anywhere means the same. */
static void names__come_in_pieces_of_every_size(void **state)
{
    (void)state;
    static const char statement[] =
        "  select a, b, c from t where " FIFTY " = $1 or " FIFTY " = 17 or " FIFTY " = 'secret'";
    static const char name[] = FIFTY "_long_name";
    __u64 first[2] = {0};
    for (piece_bytes = 0; piece_bytes < 280; piece_bytes++) {
        struct http_host *host = postgres_host_new(true);
        __u64 known = query_postgres(host, statement);
        first[0] = piece_bytes == 0 ? known : first[0];
        assert_true(known == first[0]);
        assert_int_equal(host->text.cut, 1);
        prepare_postgres(host, name, "delete from u");
        __u64 other = execute_postgres(host, name);
        assert_true(query_postgres(host, "delete from u") == other);
        close_postgres(host, 'S', name);
        assert_true(execute_postgres(host, name) == 0);
        prepare_postgres(host, name, statement);
        assert_int_equal(host->text.cut, 1);
        close_postgres(host, 'S', name);
        prepare_postgres(host, name, "update v set a = $1");
        assert_false(execute_postgres(host, name) == 0);
        struct bytes bytes = {.size = 0};
        add_bind(&bytes, name, name);
        add_execute(&bytes, name);
        sync_postgres(host, &bytes);
        assert_int_equal((__u8)last_statement(host), EYE_SQL_UPDATE);
        free(host);
        host = mysql_host_new(true);
        known = query_mysql(host, "/* 60 bytes of what is no statement, and is passed over: */"
                                  "delete from t where a = " FIFTY " or b = " FIFTY " or c = " FIFTY
                                  " or " FIFTY);
        first[1] = piece_bytes == 0 ? known : first[1];
        assert_true(known == first[1]);
        assert_int_equal(host->text.cut, 1);
        free(host);
    }
    piece_bytes = 0;
}

/* The Sync of a preparation that fails has its statement, when there is only one. */
static void names__of_a_preparation_that_fails(void **state)
{
    (void)state;
    struct http_host *host = postgres_host_new(true);
    __u64 a = query_postgres(host, "select a from t");
    for (int parses = 1; parses < 3; parses++) {
        struct bytes bytes = {.size = 0};
        struct bytes answer = {.size = 0};
        for (int i = 0; i < parses; i++) {
            add_parse(&bytes, "", "select a from t");
        }
        add_message(&bytes, 'S', "", 0);
        send_bytes(host, 0, &bytes);
        add_message(&answer, 'E', "SERROR\0C42P01\0\0", 16);
        add_message(&answer, 'Z', "I", 1);
        send_bytes(host, 1, &answer);
        assert_int_equal(host->record_count, 1 + parses);
        assert_true(last_statement(host) == (parses == 1 ? a : 0));
    }
    free(host);
}

/* Setting one again takes nobody else's place. */
static void table__has_room_for_two_of_a_set(void **state)
{
    (void)state;
    eye_statement_set(7ULL << 32 | 1, 10);
    eye_statement_set(7ULL << 32 | 2, 20);
    eye_statement_set(7ULL << 32 | 2, 21);
    assert_int_equal(eye_statement_find(7ULL << 32 | 1), 10);
    assert_int_equal(eye_statement_find(7ULL << 32 | 2), 21);
    eye_statement_set(7ULL << 32 | 1, 0);
    assert_int_equal(eye_statement_find(7ULL << 32 | 1), 0);
    assert_int_equal(eye_statement_find(7ULL << 32 | 2), 21);
}

static void numbers__find_what_was_prepared(void **state)
{
    (void)state;
    struct http_host *host = mysql_host_new(true);
    __u64 a = query_mysql(host, "select a from t");
    __u64 b = query_mysql(host, "delete from u");
    prepare_mysql(host, 1, "select a from t");
    prepare_mysql(host, 2, "delete from u");
    assert_true(execute_mysql(host, 1) == a);
    assert_true(execute_mysql(host, 2) == b);
    assert_true(execute_mysql(host, 3) == 0);
    assert_true(execute_mysql(host, (uint32_t)-1) == b); /* the last one, of MariaDB's clients */
    send_packet(host, 0, 0, "\x19\1\0\0\0", 5);
    assert_true(execute_mysql(host, 1) == 0);
    assert_true(execute_mysql(host, 2) == b);
    send_packet(host, 0, 0, "\x1f", 1);
    answer_mysql(host);
    assert_true(execute_mysql(host, 2) == 0);
    free(host);
}

static void miss_some_of_mysql(struct http_host *host)
{
    http_host_skip(host, 0, 9);
    host->acknowledges[0] = host->sequence[1];
    for (int i = 0; i < 3; i++) {
        query_mysql(host, "begin");
    }
}

/* Behind a gap a proxy may have given the number to another one; a server does not. */
static void numbers__given_again_are_forgotten_behind_a_gap(void **state)
{
    (void)state;
    struct http_host *host = mysql_host_new(true);
    __u64 a = query_mysql(host, "select a from t");
    prepare_mysql(host, 1, "delete from u");
    prepare_mysql(host, 2, "select a from t");
    assert_true(execute_mysql(host, (uint32_t)-1) == a);
    miss_some_of_mysql(host);
    assert_true(execute_mysql(host, 2) == a);
    assert_true(execute_mysql(host, (uint32_t)-1) == 0);
    send_packet(host, 0, 0, "\x19\2\0\0\0", 5);
    prepare_mysql(host, 2, "select a from t");
    assert_true(execute_mysql(host, 2) == a);
    miss_some_of_mysql(host);
    assert_true(execute_mysql(host, 2) == 0);
    prepare_mysql(host, 2, "select a from t");
    assert_true(execute_mysql(host, 2) == a);
    free(host);
}

/* Each answer belongs to the one that waited first, whatever was prepared since. */
static void numbers__of_pipelined_preparations_are_in_order(void **state)
{
    (void)state;
    static const uint8_t prepared[2][12] = {{0, 1}, {0, 2}};
    struct http_host *host = mysql_host_new(true);
    __u64 a = query_mysql(host, "select a from t");
    __u64 b = query_mysql(host, "select b from u");
    command_mysql(host, 0x16, "select a from t");
    command_mysql(host, 0x16, "select b from u");
    send_packet(host, 1, 1, prepared[0], sizeof(prepared[0]));
    send_packet(host, 1, 1, prepared[1], sizeof(prepared[1]));
    assert_true(execute_mysql(host, 1) == a);
    assert_true(execute_mysql(host, 2) == b);
    command_mysql(host, 0x16, "select a from none");
    send_packet(host, 1, 1, "\xff\x7a\4#42S02x", 10);
    assert_true(execute_mysql(host, 2) == b);
    free(host);
}

/* Those that began at nearly the same time, at bytes that differ likewise. */
static void connections__are_told_apart_by_all_of_both_numbers(void **state)
{
    (void)state;
    struct eye_half halves[] = {{.first_ns = 0x1000, .first_sequence = 0x2000},
                                {.first_ns = 0x1001, .first_sequence = 0x2001},
                                {.first_ns = 0x2000, .first_sequence = 0x1000},
                                {.first_ns = 0x1000, .first_sequence = 0x2001},
                                {.first_ns = 0x1001, .first_sequence = 0x2000}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(halves); i++) {
        for (size_t j = 0; j < i; j++) {
            struct eye_sql_kept one = {.names = 0};
            struct eye_sql_kept other = {.names = 0};
            assert_false(eye_statement_key(&one, &halves[i], 1) ==
                         eye_statement_key(&other, &halves[j], 1));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts__end_before_literals),
        cmocka_unit_test(texts__are_the_same_however_they_come),
        cmocka_unit_test(texts__of_mysql_end_before_double_quotes),
        cmocka_unit_test(texts__hide_numbers_at_any_place),
        cmocka_unit_test(texts__hide_numbers_at_their_start),
        cmocka_unit_test(statements__differ_by_whether_they_were_cut),
        cmocka_unit_test(texts__are_told_once_a_minute),
        cmocka_unit_test(texts__are_told_by_the_direction_of_the_client),
        cmocka_unit_test(statements__differ_by_what_is_told_of_them),
        cmocka_unit_test(names__find_what_was_prepared),
        cmocka_unit_test(names__that_are_in_use_may_mean_either),
        cmocka_unit_test(names__are_gone_with_what_discards_all),
        cmocka_unit_test(names__that_are_too_long_have_no_text),
        cmocka_unit_test(names__may_be_empty),
        cmocka_unit_test(names__of_portals_are_heeded),
        cmocka_unit_test(names__are_bound_in_order),
        cmocka_unit_test(names__are_forgotten_behind_a_gap),
        cmocka_unit_test(names__of_another_connection_are_its_own),
        cmocka_unit_test(names__are_never_mistaken),
        cmocka_unit_test(names__come_in_pieces_of_every_size),
        cmocka_unit_test(names__of_a_preparation_that_fails),
        cmocka_unit_test(table__has_room_for_two_of_a_set),
        cmocka_unit_test(numbers__find_what_was_prepared),
        cmocka_unit_test(numbers__given_again_are_forgotten_behind_a_gap),
        cmocka_unit_test(numbers__of_pipelined_preparations_are_in_order),
        cmocka_unit_test(connections__are_told_apart_by_all_of_both_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
