/* SPDX-License-Identifier: Apache-2.0 */
/* What operations of PostgreSQL and their errors are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/usm/postgres/record.h"
#include "collector/base/base.h"
#include "collector/usm/protocol.h"

struct record {
    struct eye_request_head head;
    struct eye_postgres_body body;
};

static struct record record_of(uint8_t operation, const char *state)
{
    struct record record = {.head = {.body_bytes = sizeof(record.body)},
                            .body = {.operation = operation}};
    memcpy(record.body.state, state, strlen(state));
    return record;
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

static void assert_named(const struct record *record, const char *operation, const char *status,
                         const char *error)
{
    const struct eye_request_sample sample = {
        .protocol = &eye_protocol_postgres, .head = &record->head, .body = &record->body};
    struct eye_request_name name = {0};
    assert_true(eye_protocol_postgres.is_valid(&record->head, &record->body));
    eye_protocol_postgres.name_request(NULL, &sample, NULL, &name);
    assert_string_equal(tag_of(&name, EYE_TAG_DB_SYSTEM), "postgresql");
    assert_string_equal(tag_of(&name, EYE_TAG_OPERATION), operation);
    assert_string_equal(tag_of(&name, EYE_TAG_STATUS), status);
    assert_string_equal(tag_of(&name, EYE_TAG_ERROR), error);
    assert_int_equal(name.metric, record->head.flags & EYE_REQUEST_CLIENT
                                      ? EYE_METRIC_DB_CLIENT_DURATION
                                      : EYE_METRIC_DB_SERVER_DURATION);
    assert_int_equal(name.choice, status[0] == '\0' ? EYE_CHOICE_OURS : EYE_CHOICE_REFUSED);
}

static void names__are_those_of_the_table(void **state)
{
    (void)state;
    struct record record = record_of(EYE_SQL_SELECT, "");
    assert_named(&record, "SELECT", "", "");
    record = record_of(EYE_SQL_UNKNOWN, "42P01");
    assert_named(&record, "unknown", "42P01", "");
    record = record_of(EYE_SQL_OTHER, "");
    record.head.flags = EYE_REQUEST_CLIENT;
    assert_named(&record, "_OTHER", "", "");
    record = record_of(EYE_SQL_ABORT, "");
    assert_named(&record, "ABORT", "", "");
}

static void status__is_a_sqlstate_or_none(void **state)
{
    (void)state;
    static const char *const hostile[] = {"42p01", "4", "2201\n", "22-12", "\xff\xff\xff\xff\xff"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(hostile); i++) {
        struct record record = record_of(EYE_SQL_SELECT, hostile[i]);
        assert_named(&record, "SELECT", "_OTHER", "");
    }
}

static void status__of_what_was_not_answered_is_none(void **state)
{
    (void)state;
    struct record record = record_of(EYE_SQL_SELECT, "");
    record.head.flags = EYE_REQUEST_UNANSWERED;
    record.head.code = EYE_REQUEST_RESET;
    assert_named(&record, "SELECT", "", "reset");
}

static void records__of_another_kind_are_refused(void **state)
{
    (void)state;
    struct record record = record_of(EYE_SQL_OPERATION_COUNT, "");
    assert_false(eye_protocol_postgres.is_valid(&record.head, &record.body));
    record = record_of(EYE_SQL_SELECT, "");
    record.head.body_bytes--;
    assert_false(eye_protocol_postgres.is_valid(&record.head, &record.body));
}

static void assert_summary(void *statements, struct record *record, uint64_t statement,
                           const char *summary, bool fleeting)
{
    record->body.statement = statement;
    const struct eye_request_sample sample = {
        .protocol = &eye_protocol_postgres, .head = &record->head, .body = &record->body};
    struct eye_request_name name = {0};
    eye_protocol_postgres.name_request(statements, &sample, NULL, &name);
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
    void *statements = eye_protocol_postgres.open(NULL);
    assert_non_null(statements);
    struct eye_statement_text told = {.statement = 0x700 + EYE_SQL_SELECT};
    memcpy(told.text, "select a from t", 15);
    size_t bytes = offsetof(struct eye_statement_text, text) + 15;
    const uint8_t *message = (const uint8_t *)&told;
    struct record record = record_of(EYE_SQL_SELECT, "");
    assert_summary(statements, &record, 0x700 + EYE_SQL_SELECT, "", true);
    assert_true(eye_protocol_postgres.learn(statements, message, bytes));
    assert_summary(statements, &record, 0x700 + EYE_SQL_SELECT, "SELECT t", false);
    assert_summary(statements, &record, 0x800 + EYE_SQL_SELECT, "", true);
    assert_summary(statements, &record, EYE_SQL_OTHER, "", false);
    assert_summary(statements, &record, 0, "", false);
    told.cut = 1;
    assert_true(eye_protocol_postgres.learn(statements, message, bytes));
    assert_summary(statements, &record, 0x700 + EYE_SQL_SELECT, "SELECT", false);
    told.cut = 2;
    assert_false(eye_protocol_postgres.learn(statements, message, bytes));
    told.cut = 0;
    assert_false(eye_protocol_postgres.learn(statements, message, 15));
    assert_false(eye_protocol_postgres.learn(statements, message, sizeof(told) + 1));
    assert_summary(statements, &record, 0x700 + EYE_SQL_SELECT, "SELECT", false);
    /* A text without a word has nothing to say, for good. */
    assert_true(eye_protocol_postgres.learn(statements, message, 16));
    assert_summary(statements, &record, 0x700 + EYE_SQL_SELECT, "", false);
    told.text[0] = 0xff;
    memset(told.text, 'a', sizeof(told.text));
    assert_true(eye_protocol_postgres.learn(statements, message, sizeof(told)));
    assert_int_equal(eye_protocol_postgres.forgotten(statements), 0);
    for (uint64_t i = 1; i <= 8192 + 5; i++) {
        told.statement = i << 8;
        assert_true(eye_protocol_postgres.learn(statements, message, sizeof(told)));
    }
    assert_int_equal(eye_protocol_postgres.forgotten(statements), 6);
    eye_protocol_postgres.close(statements);
    eye_protocol_postgres.close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names__are_those_of_the_table),
        cmocka_unit_test(status__is_a_sqlstate_or_none),
        cmocka_unit_test(status__of_what_was_not_answered_is_none),
        cmocka_unit_test(records__of_another_kind_are_refused),
        cmocka_unit_test(summaries__are_of_the_statement_that_was_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
