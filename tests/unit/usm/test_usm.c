/* SPDX-License-Identifier: Apache-2.0 */
/* Request records: their lengths, ranges, names and fingerprints; with HTTP for a protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/usm/http/record.h"
#include "bpf/usm/kafka/record.h"
#include "collector/base/base.h"
#include "collector/usm/usm.h"

struct fixture {
    struct eye_config config;
    struct eye_registry *registry;
    struct eye_group *group;
    struct eye_usm usm;
    struct eye_request_head head; /* of the last request */
    struct eye_http_body body;
    struct eye_request_name name;
    uint64_t fingerprint;
    uint64_t calls;
    struct eye_loss_sample lost;
    uint64_t losses;
    uint8_t *bytes; /* ends where the record ends, for the address sanitizer */
};

/* A record in parts. */
struct request {
    struct eye_request_head head; /* body_bytes is filled in */
    enum eye_http_method method;
    const char *path;
};

static void keep(void *context, const struct eye_request_sample *sample)
{
    struct fixture *fixture = context;
    fixture->calls++;
    fixture->head = *sample->head;
    fixture->fingerprint = sample->fingerprint;
    assert_true(sample->head->body_bytes <= sizeof(fixture->body));
    memcpy(&fixture->body, sample->body, sample->head->body_bytes);
    fixture->name = (struct eye_request_name){0};
    const struct eye_request_place place = {fixture->group, "shop"};
    sample->protocol->name_request(sample->state, sample, &place, &fixture->name);
}

/* The last request's; NULL when it has none. */
static const char *tag(const struct fixture *fixture, enum eye_tag wanted)
{
    const struct eye_request_name *name = &fixture->name;
    size_t i = 0;
    while (i < name->tag_count && name->tags[i].tag != wanted) {
        i++;
    }
    return i < name->tag_count ? name->tags[i].value : NULL;
}

static void keep_loss(void *context, const struct eye_loss_sample *sample)
{
    struct fixture *fixture = context;
    fixture->losses++;
    fixture->lost = *sample;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    const struct eye_limits limits = {.series_per_metric = 10, .values_per_tag = 10, .idle_ns = 1};
    fixture->registry = eye_registry_new(&limits);
    fixture->group = eye_group_new(fixture->registry, NULL, 0);
    fixture->usm = (struct eye_usm){.on_request = keep, .on_loss = keep_loss, .context = fixture};
    assert_int_equal(eye_usm_open(&fixture->usm, &fixture->config), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    eye_usm_close(&fixture->usm);
    eye_registry_free(fixture->registry);
    free(fixture->bytes);
    free(fixture);
    return 0;
}

static struct request good_request(void)
{
    return (struct request){
        .head = {.duration_ns = 1500000,
                 .owner = 42,
                 .port = 8080,
                 .code = 200,
                 .protocol = EYE_PROTOCOL_HTTP},
        .method = EYE_HTTP_GET,
        .path = "/users/7?q",
    };
}

/* Puts the record together, cut or lengthened to @size bytes, and gives it. */
static bool is_taken_with_size(struct fixture *fixture, const struct eye_request_head *head,
                               const struct request *request, size_t size)
{
    uint8_t whole[4096] = {0};
    memcpy(whole, head, sizeof(*head));
    whole[sizeof(*head)] = (uint8_t)request->method;
    memcpy(whole + sizeof(*head) + EYE_HTTP_BODY_FIXED, request->path, strlen(request->path));
    assert_true(size <= sizeof(whole));
    free(fixture->bytes);
    fixture->bytes = malloc(size > 0 ? size : 1);
    assert_non_null(fixture->bytes);
    memcpy(fixture->bytes, whole, size);
    struct eye_usm before = fixture->usm;
    uint64_t calls = fixture->calls;
    eye_usm_take(&fixture->usm, fixture->bytes, size);
    bool taken = fixture->usm.samples != before.samples;
    assert_int_equal(fixture->usm.malformed - before.malformed, taken ? 0 : 1);
    assert_int_equal(fixture->calls - calls, taken ? 1 : 0);
    return taken;
}

static size_t true_size(const struct request *request)
{
    return sizeof(request->head) + EYE_HTTP_BODY_FIXED + strlen(request->path);
}

static uint16_t body_bytes(const struct request *request)
{
    return (uint16_t)(EYE_HTTP_BODY_FIXED + strlen(request->path));
}

static bool is_taken(struct fixture *fixture, const struct request *request)
{
    struct eye_request_head head = request->head;
    head.body_bytes = body_bytes(request);
    return is_taken_with_size(fixture, &head, request, true_size(request));
}

static void take__hands_every_field_on(void **state)
{
    struct fixture *fixture = *state;
    struct request request = good_request();
    assert_true(is_taken(fixture, &request));
    assert_int_equal(fixture->head.duration_ns, 1500000);
    assert_int_equal(fixture->head.owner, 42);
    assert_int_equal(fixture->head.port, 8080);
    assert_int_equal(fixture->head.code, 200);
    assert_int_equal(fixture->name.metric, EYE_METRIC_HTTP_SERVER_DURATION);
    assert_int_equal(fixture->name.tag_count, 3);
    assert_string_equal(tag(fixture, EYE_TAG_METHOD), "GET");
    assert_string_equal(tag(fixture, EYE_TAG_STATUS), "200");
    assert_string_equal(tag(fixture, EYE_TAG_ROUTE), "/users/*");
    assert_int_equal(fixture->head.body_bytes, EYE_HTTP_BODY_FIXED + 10);
    assert_memory_equal(fixture->body.path, "/users/7?q", 10);
}

/* Of the same name, whatever it took and how many it stands for. */
static void take__counts_all_that_a_record_stands_for(void **state)
{
    struct fixture *fixture = *state;
    struct request request = good_request();
    assert_true(is_taken(fixture, &request));
    uint64_t fingerprint = fixture->fingerprint;
    uint64_t before = fixture->usm.samples;
    request.head.more = 255;
    assert_true(is_taken(fixture, &request));
    assert_int_equal(fixture->usm.samples, before + 256);
    assert_true(fixture->fingerprint == fingerprint);
}

static void take__understands_the_flags(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned flags = 0; flags < 4; flags++) {
        struct request request = good_request();
        request.head.flags = (uint8_t)flags;
        request.path = "/users/list";
        assert_true(is_taken(fixture, &request));
        assert_int_equal(fixture->name.metric, (flags & EYE_REQUEST_CLIENT) != 0
                                                   ? EYE_METRIC_HTTP_CLIENT_DURATION
                                                   : EYE_METRIC_HTTP_SERVER_DURATION);
        assert_string_equal(tag(fixture, EYE_TAG_ROUTE),
                            (flags & EYE_REQUEST_TRUNCATED) != 0 ? "/users/*" : "/users/list");
    }
}

static void take__knows_every_method(void **state)
{
    static const char *const names[] = {"_OTHER", "GET",     "POST",  "PUT",   "HEAD",
                                        "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"};
    static_assert(EYE_ARRAY_LENGTH(names) == EYE_HTTP_METHOD_COUNT, "one name each");
    struct fixture *fixture = *state;
    for (unsigned method = 0; method < 256; method++) {
        struct request request = good_request();
        request.method = (enum eye_http_method)method;
        assert_int_equal(is_taken(fixture, &request), method < EYE_HTTP_METHOD_COUNT);
        if (method < EYE_HTTP_METHOD_COUNT) {
            assert_string_equal(tag(fixture, EYE_TAG_METHOD), names[method]);
        }
    }
}

static void take__wants_a_status_of_three_digits(void **state)
{
    for (unsigned status = 0; status <= UINT16_MAX; status += status < 1100 ? 1 : 97) {
        struct request request = good_request();
        request.head.code = (uint16_t)status;
        assert_int_equal(is_taken(*state, &request), status >= 100 && status <= 999);
        request.head.flags = EYE_REQUEST_UNANSWERED;
        assert_int_equal(is_taken(*state, &request),
                         status > 0 && status < EYE_REQUEST_ERROR_COUNT);
    }
}

/* In the place of the status. */
static void take__names_the_error_of_a_request_without_answer(void **state)
{
    static const char *const names[] = {NULL, "cancelled", "closed", "reset", "timeout", "_OTHER"};
    static_assert(EYE_ARRAY_LENGTH(names) == EYE_REQUEST_ERROR_COUNT, "one name each");
    struct fixture *fixture = *state;
    struct request request = good_request();
    assert_true(is_taken(fixture, &request));
    assert_null(tag(fixture, EYE_TAG_ERROR));
    request.head.flags = EYE_REQUEST_UNANSWERED;
    for (unsigned error = 1; error < EYE_REQUEST_ERROR_COUNT; error++) {
        request.head.code = (uint16_t)error;
        assert_true(is_taken(fixture, &request));
        assert_null(tag(fixture, EYE_TAG_STATUS));
        assert_string_equal(tag(fixture, EYE_TAG_ERROR), names[error]);
    }
}

static void take__refuses_protocols_that_it_does_not_know(void **state)
{
    for (unsigned protocol = 0; protocol < 256; protocol++) {
        struct request request = good_request();
        request.head.protocol = (uint8_t)protocol;
        assert_int_equal(is_taken(*state, &request), protocol == EYE_PROTOCOL_HTTP);
    }
}

static struct eye_loss_record good_loss(void)
{
    return (struct eye_loss_record){
        .amount = 3, .owner = 42, .port = 8080, .loss = EYE_LOSS_HTTP_GAP, .client = 1};
}

static void take__hands_losses_on(void **state)
{
    struct fixture *fixture = *state;
    struct eye_loss_record record = good_loss();
    eye_usm_take(&fixture->usm, &record, sizeof(record));
    assert_int_equal(fixture->losses, 1);
    assert_int_equal(fixture->usm.samples, 1);
    assert_int_equal(fixture->lost.amount, 3);
    assert_int_equal(fixture->lost.owner, 42);
    assert_int_equal(fixture->lost.port, 8080);
    assert_true(fixture->lost.client);
    assert_string_equal(fixture->lost.reason, "gap");
}

static void take__refuses_losses_out_of_range(void **state)
{
    struct fixture *fixture = *state;
    struct eye_loss_record records[3] = {good_loss(), good_loss(), good_loss()};
    records[0].amount = 0;
    records[1].loss = EYE_LOSS_COUNT;
    records[2].client = 2;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(records); i++) {
        eye_usm_take(&fixture->usm, &records[i], sizeof(records[i]));
        assert_int_equal(fixture->usm.malformed, i + 1);
    }
    assert_int_equal(fixture->losses, 0);
    assert_int_equal(fixture->usm.samples, 0);
}

static void take__refuses_every_wrong_length(void **state)
{
    struct request request = good_request();
    struct eye_request_head head = request.head;
    head.body_bytes = body_bytes(&request);
    for (size_t size = 0; size < 300; size++) {
        if (size == sizeof(struct eye_loss_record)) {
            continue; /* another kind of record */
        }
        assert_int_equal(is_taken_with_size(*state, &head, &request, size),
                         size == true_size(&request));
    }
}

/* What the header promises must fit what came, up to the largest number that it can hold. */
static void take__refuses_every_wrong_body_length(void **state)
{
    struct request request = good_request();
    struct eye_request_head head = request.head;
    for (unsigned promised = 0; promised <= UINT16_MAX; promised++) {
        head.body_bytes = (uint16_t)promised;
        assert_int_equal(is_taken_with_size(*state, &head, &request, true_size(&request)),
                         promised == body_bytes(&request));
    }
}

static void take__refuses_paths_longer_than_the_kernel_sends(void **state)
{
    char path[EYE_HTTP_PATH_BYTES + 2];
    memset(path, 'p', sizeof(path));
    for (size_t length = 0; length < sizeof(path); length++) {
        struct request request = good_request();
        path[length] = '\0';
        request.path = path;
        assert_int_equal(is_taken(*state, &request), length <= EYE_HTTP_PATH_BYTES);
        path[length] = 'p';
    }
}

static uint64_t fingerprint_of(struct fixture *fixture, const struct request *request)
{
    assert_true(is_taken(fixture, request));
    return fixture->fingerprint;
}

/* Other rules name the next record; those before go where these came from. */
static void exchange__names_by_the_other_rules(void **state)
{
    struct fixture *fixture = *state;
    struct eye_route_rule rule = {(char[]){"/users/*"}, (char[]){"user"}};
    const struct eye_config ruled = {.routes = {.rules = &rule, .count = 1}};
    const struct request request = good_request();
    struct eye_usm other = {0};
    assert_int_equal(eye_usm_open(&other, &ruled), 0);
    eye_usm_exchange(&fixture->usm, &other);
    assert_true(is_taken(fixture, &request));
    assert_string_equal(tag(fixture, EYE_TAG_ROUTE), "user");
    eye_usm_exchange(&fixture->usm, &other);
    eye_usm_close(&other);
    assert_true(is_taken(fixture, &request));
    assert_string_equal(tag(fixture, EYE_TAG_ROUTE), "/users/*");
}

#define TOPIC_ID "0123456789abcdef"

/* A poll of the topic with TOPIC_ID. */
static void poll_topic(struct fixture *fixture)
{
    struct {
        struct eye_request_head head;
        uint8_t body[EYE_KAFKA_BODY_FIXED + EYE_KAFKA_ID_BYTES];
    } record = {.head = {.protocol = EYE_PROTOCOL_KAFKA, .body_bytes = sizeof(record.body)},
                .body = {EYE_KAFKA_FETCH, 13, EYE_KAFKA_HAS_ID, EYE_KAFKA_ID_BYTES}};
    memcpy(record.body + EYE_KAFKA_BODY_FIXED, TOPIC_ID, EYE_KAFKA_ID_BYTES);
    eye_usm_take(&fixture->usm, &record, sizeof(record.head) + sizeof(record.body));
}

/* Another configuration, too, knows what the traffic has told. */
static void messages__are_learnt_from_and_kept(void **state)
{
    struct fixture *fixture = *state;
    struct eye_usm other = {.on_request = keep};
    struct {
        struct eye_request_head head;
        uint8_t topic[sizeof(struct eye_kafka_topic)];
    } message = {.head = {.protocol = EYE_PROTOCOL_KAFKA, .flags = EYE_REQUEST_MESSAGE}};
    memcpy(message.topic, TOPIC_ID "orders and what the ring had", 44);
    message.head.body_bytes = EYE_KAFKA_ID_BYTES + 6;
    poll_topic(fixture);
    assert_string_equal(tag(fixture, EYE_TAG_DESTINATION), "unknown");
    eye_usm_take(&fixture->usm, &message, sizeof(message));
    poll_topic(fixture);
    assert_string_equal(tag(fixture, EYE_TAG_DESTINATION), "orders");
    assert_int_equal(eye_usm_open(&other, &fixture->config), 0);
    eye_usm_exchange(&fixture->usm, &other);
    eye_usm_close(&other);
    poll_topic(fixture);
    assert_string_equal(tag(fixture, EYE_TAG_DESTINATION), "orders");
    assert_int_equal(fixture->usm.malformed, 0);
    message.head.body_bytes = sizeof(message.topic) + 1;
    eye_usm_take(&fixture->usm, &message, sizeof(message));
    message.head.body_bytes = EYE_KAFKA_ID_BYTES;
    eye_usm_take(&fixture->usm, &message, sizeof(message));
    assert_int_equal(fixture->usm.malformed, 2);
    assert_int_equal(eye_usm_forgotten(&fixture->usm), 0);
}

static void fingerprint__ignores_the_duration(void **state)
{
    struct request request = good_request();
    uint64_t fingerprint = fingerprint_of(*state, &request);
    assert_int_equal(fingerprint_of(*state, &request), fingerprint);
    request.head.duration_ns = 1;
    assert_int_equal(fingerprint_of(*state, &request), fingerprint);
}

static void fingerprint__differs_with_all_that_decides_the_series(void **state)
{
    struct request requests[10];
    uint64_t fingerprints[EYE_ARRAY_LENGTH(requests)];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(requests); i++) {
        requests[i] = good_request();
    }
    requests[1].head.owner = 43;
    requests[2].head.port = 8081;
    requests[3].head.code = 201;
    requests[4].method = EYE_HTTP_POST;
    requests[5].head.flags = EYE_REQUEST_CLIENT;
    requests[6].head.flags = EYE_REQUEST_TRUNCATED;
    requests[7].path = "/users/8?q";
    requests[8].path = "/users/7?";
    requests[9].head.flags = EYE_REQUEST_UNANSWERED;
    requests[9].head.code = EYE_REQUEST_CLOSED;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(requests); i++) {
        fingerprints[i] = fingerprint_of(*state, &requests[i]);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(fingerprints[i], fingerprints[j]);
        }
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(take__hands_every_field_on),
        TEST(take__counts_all_that_a_record_stands_for),
        TEST(take__understands_the_flags),
        TEST(take__knows_every_method),
        TEST(take__wants_a_status_of_three_digits),
        TEST(take__names_the_error_of_a_request_without_answer),
        TEST(take__refuses_protocols_that_it_does_not_know),
        TEST(take__hands_losses_on),
        TEST(take__refuses_losses_out_of_range),
        TEST(take__refuses_every_wrong_length),
        TEST(take__refuses_every_wrong_body_length),
        TEST(take__refuses_paths_longer_than_the_kernel_sends),
        TEST(exchange__names_by_the_other_rules),
        TEST(messages__are_learnt_from_and_kept),
        TEST(fingerprint__ignores_the_duration),
        TEST(fingerprint__differs_with_all_that_decides_the_series),
    };
    return cmocka_run_group_tests_name("usm", tests, NULL, NULL);
}
