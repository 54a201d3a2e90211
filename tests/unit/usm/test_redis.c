/* SPDX-License-Identifier: Apache-2.0 */
/* What commands of Redis and their errors are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/usm/redis/record.h"
#include "collector/base/base.h"
#include "collector/usm/protocol.h"
#include "collector/usm/redis/commands.h"

struct record {
    struct eye_request_head head;
    struct eye_redis_body body;
};

static struct record record_of(const char *command, const char *subcommand, uint16_t code)
{
    struct record record = {.head = {.body_bytes = EYE_REDIS_NAME_BYTES, .code = code}};
    memcpy(record.body.command, command, strlen(command));
    if (subcommand != NULL) {
        record.head.body_bytes = sizeof(record.body);
        memcpy(record.body.subcommand, subcommand, strlen(subcommand));
    }
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
        .protocol = &eye_protocol_redis, .head = &record->head, .body = &record->body};
    struct eye_request_name name = {0};
    assert_true(eye_protocol_redis.is_valid(&record->head, &record->body));
    eye_protocol_redis.name_request(NULL, &sample, NULL, &name);
    assert_string_equal(tag_of(&name, EYE_TAG_DB_SYSTEM), "redis");
    assert_string_equal(tag_of(&name, EYE_TAG_OPERATION), operation);
    assert_string_equal(tag_of(&name, EYE_TAG_STATUS), status);
    assert_string_equal(tag_of(&name, EYE_TAG_ERROR), error);
    assert_int_equal(name.metric, record->head.flags & EYE_REQUEST_CLIENT
                                      ? EYE_METRIC_DB_CLIENT_DURATION
                                      : EYE_METRIC_DB_SERVER_DURATION);
}

static void names__are_those_of_the_table(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        const char *subcommand;
        const char *operation;
    } inputs[] = {
        {"GET", NULL, "GET"},
        {"ACL", NULL, "ACL"},
        {"ZUNIONSTORE", NULL, "ZUNIONSTORE"},
        {"GEORADIUSBYMEMBER_RO", NULL, "GEORADIUSBYMEMBER_RO"},
        {"JSON.SET", NULL, "JSON.SET"},
        {"CLIENT", "SETNAME", "CLIENT SETNAME"},
        {"CLUSTER", "COUNT-FAILURE-REPORTS", "CLUSTER COUNT-FAILURE-REPORTS"},
        {"CLIENT", "SECRET", "CLIENT"},
        {"CLIENT", "012345678901234567890123", "CLIENT"},
        {"012345678901234567890123", "012345678901234567890123", "_OTHER"},
        {"get", NULL, "_OTHER"},
        {"GET", "KEY", "GET"},
        {"CLIENT SETNAME", NULL, "CLIENT SETNAME"}, /* somebody's own, and of the table */
        {"", NULL, "_OTHER"},
        {"secret", NULL, "_OTHER"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(inputs); i++) {
        struct record record = record_of(inputs[i].command, inputs[i].subcommand, 0);
        assert_named(&record, inputs[i].operation, "", "");
        record.head.flags = EYE_REQUEST_CLIENT;
        assert_named(&record, inputs[i].operation, "", "");
    }
}

static void outcomes__are_errors_or_ends(void **state)
{
    (void)state;
    struct record record = record_of("GET", NULL, EYE_REDIS_ERROR_WRONGTYPE);
    assert_named(&record, "GET", "WRONGTYPE", "");
    record.head.code = EYE_REDIS_ERROR_OTHER;
    assert_named(&record, "GET", "_OTHER", "");
    record.head.code = EYE_REQUEST_CANCELLED;
    record.head.flags = EYE_REQUEST_UNANSWERED;
    assert_named(&record, "GET", "", "cancelled");
}

static void every_error__has_a_name(void **state)
{
    (void)state;
    for (unsigned code = EYE_REDIS_SUCCESS + 1; code < EYE_REDIS_ERROR_COUNT; code++) {
        struct record record = record_of("GET", NULL, (uint16_t)code);
        const struct eye_request_sample sample = {.head = &record.head, .body = &record.body};
        struct eye_request_name name = {0};
        eye_protocol_redis.name_request(NULL, &sample, NULL, &name);
        assert_true(*tag_of(&name, EYE_TAG_STATUS) != '\0');
    }
}

static void records__of_other_lengths_and_codes_are_refused(void **state)
{
    (void)state;
    struct record record = record_of("GET", NULL, EYE_REDIS_ERROR_COUNT);
    assert_false(eye_protocol_redis.is_valid(&record.head, &record.body));
    record = record_of("GET", NULL, 0);
    record.head.body_bytes = EYE_REDIS_NAME_BYTES + 1;
    assert_false(eye_protocol_redis.is_valid(&record.head, &record.body));
}

/* Else some are never found. */
static void table__is_sorted_and_fits_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < eye_redis_command_count(); i++) {
        const char *name = eye_redis_command(i);
        size_t first = strcspn(name, " ");
        assert_true(i == 0 || strcmp(eye_redis_command(i - 1), name) < 0);
        assert_true(first <= EYE_REDIS_NAME_BYTES);
        assert_true(name[first] == '\0' || strlen(name + first + 1) <= EYE_REDIS_NAME_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names__are_those_of_the_table),
        cmocka_unit_test(outcomes__are_errors_or_ends),
        cmocka_unit_test(every_error__has_a_name),
        cmocka_unit_test(records__of_other_lengths_and_codes_are_refused),
        cmocka_unit_test(table__is_sorted_and_fits_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
