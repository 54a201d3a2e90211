/* SPDX-License-Identifier: Apache-2.0 */
/* What commands of MySQL and their errors are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/usm/mysql/record.h"
#include "collector/base/base.h"
#include "collector/usm/protocol.h"

struct record {
    struct eye_request_head head;
    struct eye_mysql_body body;
};

static struct record record_of(uint8_t operation, uint8_t system, uint16_t code)
{
    return (struct record){.head = {.body_bytes = sizeof(struct eye_mysql_body), .code = code},
                           .body = {.operation = operation, .system = system}};
}

static const char *tag_of(const struct eye_request_name *name, enum eye_tag tag)
{
    for (size_t i = 0; i < name->tag_count; i++) {
        if (name->tags[i].tag == tag) {
            return name->tags[i].value;
        }
    }
    return "";
}

static void assert_named(const struct record *record, const char *system, const char *operation,
                         const char *status, const char *error)
{
    const struct eye_request_sample sample = {
        .protocol = &eye_protocol_mysql, .head = &record->head, .body = &record->body};
    struct eye_request_name name = {0};
    assert_true(eye_protocol_mysql.is_valid(&record->head, &record->body));
    eye_protocol_mysql.name_request(NULL, &sample, NULL, &name);
    assert_string_equal(tag_of(&name, EYE_TAG_DB_SYSTEM), system);
    assert_string_equal(tag_of(&name, EYE_TAG_OPERATION), operation);
    assert_string_equal(tag_of(&name, EYE_TAG_STATUS), status);
    assert_string_equal(tag_of(&name, EYE_TAG_ERROR), error);
    assert_int_equal(name.metric, record->head.flags & EYE_REQUEST_CLIENT
                                      ? EYE_METRIC_DB_CLIENT_DURATION
                                      : EYE_METRIC_DB_SERVER_DURATION);
    assert_int_equal(name.choice, status[0] == '\0' ? EYE_CHOICE_OURS : EYE_CHOICE_REFUSED);
}

static void names__are_those_of_the_tables(void **state)
{
    (void)state;
    struct record record = record_of(EYE_SQL_SELECT, EYE_MYSQL_ANY, 0);
    assert_named(&record, "mysql", "SELECT", "", "");
    record = record_of(EYE_SQL_UNKNOWN, EYE_MYSQL_MARIADB, 0);
    record.head.flags = EYE_REQUEST_CLIENT;
    assert_named(&record, "mariadb", "unknown", "", "");
    record = record_of(EYE_SQL_OTHER, EYE_MYSQL_ANY, 1064);
    assert_named(&record, "mysql", "_OTHER", "1064", "");
    record = record_of(EYE_MYSQL_COMMAND + 0x0e, EYE_MYSQL_MARIADB, 0);
    assert_named(&record, "mariadb", "PING", "", "");
    record = record_of(EYE_MYSQL_COMMAND + 0x1f, EYE_MYSQL_ANY, UINT16_MAX - 1);
    assert_named(&record, "mysql", "RESET_CONNECTION", "65534", "");
}

static void status__of_what_was_not_answered_is_none(void **state)
{
    (void)state;
    struct record record = record_of(EYE_SQL_SELECT, EYE_MYSQL_ANY, EYE_REQUEST_RESET);
    record.head.flags = EYE_REQUEST_UNANSWERED;
    assert_named(&record, "mysql", "SELECT", "", "reset");
}

static void records__of_another_kind_are_refused(void **state)
{
    (void)state;
    static const uint8_t operations[] = {EYE_SQL_OPERATION_COUNT, EYE_MYSQL_COMMAND,
                                         EYE_MYSQL_COMMAND + 0x03, EYE_MYSQL_COMMAND + 0x20,
                                         UINT8_MAX};
    struct record record = record_of(EYE_SQL_SELECT, EYE_MYSQL_SYSTEM_COUNT, 0);
    assert_false(eye_protocol_mysql.is_valid(&record.head, &record.body));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(operations); i++) {
        record = record_of(operations[i], EYE_MYSQL_ANY, 0);
        assert_false(eye_protocol_mysql.is_valid(&record.head, &record.body));
    }
    record = record_of(EYE_SQL_SELECT, EYE_MYSQL_ANY, 0);
    record.head.body_bytes--;
    assert_false(eye_protocol_mysql.is_valid(&record.head, &record.body));
}

static void assert_summary(void *statements, struct record *record, uint64_t statement,
                           const char *summary, bool fleeting)
{
    record->body.statement = statement;
    const struct eye_request_sample sample = {
        .protocol = &eye_protocol_mysql, .head = &record->head, .body = &record->body};
    struct eye_request_name name = {0};
    eye_protocol_mysql.name_request(statements, &sample, NULL, &name);
    assert_string_equal(tag_of(&name, EYE_TAG_SUMMARY), summary);
    assert_int_equal(name.fleeting, fleeting);
    if (summary[0] == '\0') {
        assert_int_equal(name.chosen, EYE_TAG_STATUS);
    } else {
        assert_int_equal(name.chosen, EYE_TAG_SUMMARY);
        assert_int_equal(name.choice, EYE_CHOICE_CLIENTS);
    }
}

/* What was told of a statement names its records; a text that is another one does not. */
static void summaries__are_of_the_statement_that_was_told(void **state)
{
    (void)state;
    void *statements = eye_protocol_mysql.open(NULL);
    assert_non_null(statements);
    struct eye_statement_text told = {.statement = 0x700 + EYE_SQL_SELECT};
    memcpy(told.text, "select a from t", 15);
    size_t bytes = offsetof(struct eye_statement_text, text) + 15;
    const uint8_t *message = (const uint8_t *)&told;
    struct record record = record_of(EYE_SQL_SELECT, EYE_MYSQL_ANY, 0);
    assert_summary(statements, &record, 0x700 + EYE_SQL_SELECT, "", true);
    assert_true(eye_protocol_mysql.learn(statements, message, bytes));
    assert_summary(statements, &record, 0x700 + EYE_SQL_SELECT, "SELECT t", false);
    assert_summary(statements, &record, 0x800 + EYE_SQL_SELECT, "", true);
    assert_summary(statements, &record, EYE_SQL_OTHER, "", false);
    assert_summary(statements, &record, 0, "", false);
    told.cut = 1;
    assert_true(eye_protocol_mysql.learn(statements, message, bytes));
    assert_summary(statements, &record, 0x700 + EYE_SQL_SELECT, "SELECT", false);
    told.cut = 2;
    assert_false(eye_protocol_mysql.learn(statements, message, bytes));
    told.cut = 0;
    assert_false(eye_protocol_mysql.learn(statements, message, 15));
    assert_false(eye_protocol_mysql.learn(statements, message, sizeof(told) + 1));
    assert_summary(statements, &record, 0x700 + EYE_SQL_SELECT, "SELECT", false);
    /* A text without a word has nothing to say, for good. */
    assert_true(eye_protocol_mysql.learn(statements, message, 16));
    assert_summary(statements, &record, 0x700 + EYE_SQL_SELECT, "", false);
    told.text[0] = 0xff;
    memset(told.text, 'a', sizeof(told.text));
    assert_true(eye_protocol_mysql.learn(statements, message, sizeof(told)));
    assert_int_equal(eye_protocol_mysql.forgotten(statements), 0);
    for (uint64_t i = 1; i <= 8192 + 5; i++) {
        told.statement = i << 8;
        assert_true(eye_protocol_mysql.learn(statements, message, sizeof(told)));
    }
    assert_int_equal(eye_protocol_mysql.forgotten(statements), 6);
    eye_protocol_mysql.close(statements);
    eye_protocol_mysql.close(NULL);
}

/* What commands ask for is no statement of theirs; who raises errors is known to choose more. */
static void summaries__are_none_of_commands(void **state)
{
    (void)state;
    void *statements = eye_protocol_mysql.open(NULL);
    struct eye_statement_text told = {.statement = 0x796};
    memcpy(told.text, "select a from t", 15);
    assert_true(eye_protocol_mysql.learn(statements, (const uint8_t *)&told, 16 + 15));
    struct record record = record_of(EYE_MYSQL_COMMAND + 0x16, EYE_MYSQL_ANY, 0);
    assert_summary(statements, &record, 0x796, "", false);
    record = record_of(EYE_SQL_SELECT, EYE_MYSQL_ANY, 1064);
    record.body.statement = 0x796;
    const struct eye_request_sample sample = {
        .protocol = &eye_protocol_mysql, .head = &record.head, .body = &record.body};
    struct eye_request_name name = {0};
    eye_protocol_mysql.name_request(statements, &sample, NULL, &name);
    assert_string_equal(tag_of(&name, EYE_TAG_SUMMARY), "SELECT t");
    assert_int_equal(name.chosen, EYE_TAG_SUMMARY);
    assert_int_equal(name.choice, EYE_CHOICE_REFUSED);
    eye_protocol_mysql.close(statements);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names__are_those_of_the_tables),
        cmocka_unit_test(status__of_what_was_not_answered_is_none),
        cmocka_unit_test(records__of_another_kind_are_refused),
        cmocka_unit_test(summaries__are_of_the_statement_that_was_told),
        cmocka_unit_test(summaries__are_none_of_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
