/* SPDX-License-Identifier: Apache-2.0 */
/* What operations of Kafka, their topics and their errors are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/usm/kafka/keys.h"
#include "bpf/usm/kafka/record.h"
#include "collector/base/base.h"
#include "collector/usm/kafka/errors.h"
#include "collector/usm/protocol.h"

struct record {
    struct eye_request_head head;
    struct eye_kafka_body body;
};

static struct record record_of(uint8_t key, uint8_t flags, const char *name)
{
    struct record record = {.body = {.key = key, .flags = flags}};
    record.body.length = (uint8_t)strlen(name);
    record.head.body_bytes = EYE_KAFKA_BODY_FIXED + record.body.length;
    record.head.flags = EYE_REQUEST_CLIENT;
    memcpy(record.body.name, name, record.body.length);
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

static void name_record(void *topics, const struct record *record, struct eye_request_name *name)
{
    const struct eye_request_sample sample = {
        .protocol = &eye_protocol_kafka, .head = &record->head, .body = &record->body};
    memset(name, 0, sizeof(*name));
    assert_true(eye_protocol_kafka.is_valid(&record->head, &record->body));
    eye_protocol_kafka.name_request(topics, &sample, NULL, name);
    assert_string_equal(tag_of(name, EYE_TAG_MESSAGING_SYSTEM), "kafka");
    for (size_t i = 0; i < name->tag_count; i++) {
        assert_true(eye_metric_has_tag(eye_metric(name->metric), name->tags[i].tag));
    }
}

static void names__are_those_of_the_conventions(void **state)
{
    void *topics = eye_protocol_kafka.open(NULL);
    struct record record = record_of(EYE_KAFKA_PRODUCE, EYE_KAFKA_HAS_NAME, "orders");
    struct eye_request_name name;
    (void)state;
    name_record(topics, &record, &name);
    assert_int_equal(name.metric, EYE_METRIC_MESSAGING_CLIENT_DURATION);
    assert_string_equal(tag_of(&name, EYE_TAG_OPERATION), "send");
    assert_string_equal(tag_of(&name, EYE_TAG_DESTINATION), "orders");
    assert_string_equal(tag_of(&name, EYE_TAG_ERROR), "");
    assert_int_equal(name.chosen, EYE_TAG_DESTINATION);
    assert_int_equal(name.choice, EYE_CHOICE_CLIENTS);
    record.head.flags = 0;
    record.head.code = 3;
    name_record(topics, &record, &name);
    assert_int_equal(name.metric, EYE_METRIC_MESSAGING_SERVER_DURATION);
    assert_string_equal(tag_of(&name, EYE_TAG_ERROR), "UNKNOWN_TOPIC_OR_PARTITION");
    assert_int_equal(name.choice, EYE_CHOICE_REFUSED);
    record.head.flags = EYE_REQUEST_UNANSWERED;
    record.head.code = EYE_REQUEST_RESET;
    name_record(topics, &record, &name);
    assert_string_equal(tag_of(&name, EYE_TAG_ERROR), "reset");
    assert_int_equal(name.choice, EYE_CHOICE_CLIENTS);
    record = record_of(EYE_KAFKA_OFFSET_COMMIT, 0, "");
    name_record(topics, &record, &name);
    assert_string_equal(tag_of(&name, EYE_TAG_OPERATION), "commit");
    assert_string_equal(tag_of(&name, EYE_TAG_DESTINATION), "");
    assert_int_equal(name.choice, EYE_CHOICE_OURS);
    record = record_of(88, 0, "");
    name_record(topics, &record, &name);
    assert_string_equal(tag_of(&name, EYE_TAG_OPERATION), "streams_group_heartbeat");
    record = record_of(EYE_KAFKA_KEY_OTHER, 0, "");
    name_record(topics, &record, &name);
    assert_string_equal(tag_of(&name, EYE_TAG_OPERATION), "_OTHER");
    eye_protocol_kafka.close(topics);
}

/* What waited for nothing, and what nobody answers, has no duration. */
static void names__keep_waiting_out_of_the_latency(void **state)
{
    void *topics = eye_protocol_kafka.open(NULL);
    struct record record = record_of(EYE_KAFKA_FETCH, EYE_KAFKA_EMPTY, "");
    struct eye_request_name name;
    (void)state;
    name_record(topics, &record, &name);
    assert_int_equal(name.metric, EYE_METRIC_KAFKA_POLLS_EMPTY);
    assert_string_equal(tag_of(&name, EYE_TAG_OPERATION), "poll");
    assert_string_equal(tag_of(&name, EYE_TAG_DIRECTION), "outgoing");
    record = record_of(EYE_KAFKA_FETCH, EYE_KAFKA_HAS_NAME, "orders");
    name_record(topics, &record, &name);
    assert_int_equal(name.metric, EYE_METRIC_MESSAGING_CLIENT_DURATION);
    record.head.flags = EYE_REQUEST_UNANSWERED;
    record.head.code = EYE_REQUEST_CANCELLED;
    name_record(topics, &record, &name);
    assert_int_equal(name.metric, EYE_METRIC_KAFKA_POLLS_EMPTY);
    assert_string_equal(tag_of(&name, EYE_TAG_ERROR), "cancelled");
    assert_string_equal(tag_of(&name, EYE_TAG_DIRECTION), "incoming");
    record = record_of(EYE_KAFKA_PRODUCE, EYE_KAFKA_UNACKNOWLEDGED | EYE_KAFKA_HAS_NAME, "orders");
    name_record(topics, &record, &name);
    assert_int_equal(name.metric, EYE_METRIC_KAFKA_UNACKNOWLEDGED);
    assert_string_equal(tag_of(&name, EYE_TAG_DESTINATION), "orders");
    eye_protocol_kafka.close(topics);
}

static void names__of_hostile_bytes_are_none(void **state)
{
    static const char *const hostile[] = {"a\nb", "caf\xc3\xa9", "a b", "/etc", "\x7f"};
    void *topics = eye_protocol_kafka.open(NULL);
    struct eye_request_name name;
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(hostile); i++) {
        struct record record = record_of(EYE_KAFKA_PRODUCE, EYE_KAFKA_HAS_NAME, hostile[i]);
        name_record(topics, &record, &name);
        assert_string_equal(tag_of(&name, EYE_TAG_DESTINATION), "_OTHER");
    }
    eye_protocol_kafka.close(topics);
}

static void ids__are_unknown_until_they_are_learnt(void **state)
{
    static const char id[] = "0123456789abcdef";
    void *topics = eye_protocol_kafka.open(NULL);
    struct record record = record_of(EYE_KAFKA_FETCH, EYE_KAFKA_HAS_ID, id);
    struct eye_request_name name;
    (void)state;
    name_record(topics, &record, &name);
    assert_string_equal(tag_of(&name, EYE_TAG_DESTINATION), "unknown");
    assert_true(name.fleeting);
    assert_true(eye_protocol_kafka.learn(topics, (const uint8_t *)"0123456789abcdeforders", 22));
    name_record(topics, &record, &name);
    assert_string_equal(tag_of(&name, EYE_TAG_DESTINATION), "orders");
    assert_false(name.fleeting);
    assert_false(eye_protocol_kafka.learn(topics, (const uint8_t *)"0123456789abcdef", 16));
    assert_false(eye_protocol_kafka.learn(topics, (const uint8_t *)"0123456789abcdef\n", 17));
    assert_false(eye_protocol_kafka.learn(topics, (const uint8_t *)"0123", 4));
    static const uint8_t none[] = {[EYE_KAFKA_ID_BYTES] = 'n', 'o', 'n', 'e'};
    assert_false(eye_protocol_kafka.learn(topics, none, sizeof(none)));
    name_record(topics, &record, &name);
    assert_string_equal(tag_of(&name, EYE_TAG_DESTINATION), "orders");
    eye_protocol_kafka.close(topics);
}

static void errors__have_the_names_of_the_protocol(void **state)
{
    (void)state;
    assert_string_equal(eye_kafka_error_name(0xffff), "UNKNOWN_SERVER_ERROR");
    assert_string_equal(eye_kafka_error_name(0), "NONE");
    assert_string_equal(eye_kafka_error_name(35), "UNSUPPORTED_VERSION");
    assert_string_equal(eye_kafka_error_name(79), "MEMBER_ID_REQUIRED");
    assert_string_equal(eye_kafka_error_name(100), "UNKNOWN_TOPIC_ID");
    assert_string_equal(eye_kafka_error_name(120), "TRANSACTION_ABORTABLE");
    assert_string_equal(eye_kafka_error_name(133), "SHARE_SESSION_LIMIT_REACHED");
    assert_string_equal(eye_kafka_error_name(134), "_OTHER");
    assert_string_equal(eye_kafka_error_name(5000), "_OTHER");
    assert_string_equal(eye_kafka_error_name(0xfffe), "_OTHER");
}

static void records__of_another_kind_are_refused(void **state)
{
    (void)state;
    struct record record = record_of(EYE_KAFKA_KEY_COUNT, 0, "");
    assert_false(eye_protocol_kafka.is_valid(&record.head, &record.body));
    record = record_of(EYE_KAFKA_FETCH, EYE_KAFKA_HAS_ID, "short");
    assert_false(eye_protocol_kafka.is_valid(&record.head, &record.body));
    record = record_of(EYE_KAFKA_FETCH, EYE_KAFKA_HAS_NAME, "orders");
    record.body.length++;
    assert_false(eye_protocol_kafka.is_valid(&record.head, &record.body));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names__are_those_of_the_conventions),
        cmocka_unit_test(names__keep_waiting_out_of_the_latency),
        cmocka_unit_test(names__of_hostile_bytes_are_none),
        cmocka_unit_test(ids__are_unknown_until_they_are_learnt),
        cmocka_unit_test(errors__have_the_names_of_the_protocol),
        cmocka_unit_test(records__of_another_kind_are_refused),
    };
    return cmocka_run_group_tests_name("kafka", tests, NULL, NULL);
}
