/* SPDX-License-Identifier: Apache-2.0 */
/* Request records: their lengths, ranges and fingerprints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/usm/usm.h"

struct fixture {
    struct eye_usm usm;
    struct eye_request_sample last; /* its texts are below */
    char path[EYE_HTTP_PATH_BYTES];
    uint64_t calls;
    struct eye_loss_sample lost;
    uint64_t losses;
    uint8_t *bytes; /* ends where the record ends, for the address sanitizer */
};

/* A record in parts. */
struct request {
    struct eye_request_record record; /* path_bytes is filled in */
    const char *path;
};

static void keep(void *context, const struct eye_request_sample *sample)
{
    struct fixture *fixture = context;
    fixture->calls++;
    fixture->last = *sample;
    assert_true(sample->path_bytes <= sizeof(fixture->path));
    memcpy(fixture->path, sample->path, sample->path_bytes);
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
    fixture->usm = (struct eye_usm){.on_request = keep, .on_loss = keep_loss, .context = fixture};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    free(((struct fixture *)*state)->bytes);
    free(*state);
    return 0;
}

static struct request good_request(void)
{
    return (struct request){
        .record = {.duration_ns = 1500000,
                   .owner = 42,
                   .port = 8080,
                   .status = 200,
                   .method = EYE_HTTP_GET},
        .path = "/users/7?q",
    };
}

/* Puts the record together, cut or lengthened to @size bytes, and gives it. */
static bool is_taken_with_size(struct fixture *fixture, const struct eye_request_record *record,
                               const struct request *request, size_t size)
{
    uint8_t whole[4096] = {0};
    size_t path_bytes = strlen(request->path);
    memcpy(whole, record, sizeof(*record));
    memcpy(whole + sizeof(*record), request->path, path_bytes);
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
    return sizeof(request->record) + strlen(request->path);
}

static bool is_taken(struct fixture *fixture, const struct request *request)
{
    struct eye_request_record record = request->record;
    record.path_bytes = (uint16_t)strlen(request->path);
    return is_taken_with_size(fixture, &record, request, true_size(request));
}

static void take__hands_every_field_on(void **state)
{
    struct fixture *fixture = *state;
    struct request request = good_request();
    assert_true(is_taken(fixture, &request));
    assert_int_equal(fixture->last.duration_ns, 1500000);
    assert_int_equal(fixture->last.owner, 42);
    assert_int_equal(fixture->last.port, 8080);
    assert_int_equal(fixture->last.status, 200);
    assert_false(fixture->last.client);
    assert_false(fixture->last.truncated);
    assert_string_equal(fixture->last.method, "GET");
    assert_int_equal(fixture->last.path_bytes, 10);
    assert_memory_equal(fixture->path, "/users/7?q", 10);
}

static void take__understands_the_flags(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned flags = 0; flags < 4; flags++) {
        struct request request = good_request();
        request.record.flags = (uint8_t)flags;
        assert_true(is_taken(fixture, &request));
        assert_int_equal(fixture->last.client, (flags & EYE_REQUEST_CLIENT) != 0);
        assert_int_equal(fixture->last.truncated, (flags & EYE_REQUEST_TRUNCATED) != 0);
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
        request.record.method = (uint8_t)method;
        assert_int_equal(is_taken(fixture, &request), method < EYE_HTTP_METHOD_COUNT);
        if (method < EYE_HTTP_METHOD_COUNT) {
            assert_string_equal(fixture->last.method, names[method]);
        }
    }
}

static void take__wants_a_status_of_three_digits(void **state)
{
    for (unsigned status = 0; status <= UINT16_MAX; status += status < 1100 ? 1 : 97) {
        struct request request = good_request();
        request.record.status = (uint16_t)status;
        assert_int_equal(is_taken(*state, &request),
                         (status >= 100 && status <= 999) ||
                             (status > 0 && status < EYE_REQUEST_ERROR_COUNT));
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
    assert_string_equal(fixture->last.error, "");
    for (uint16_t error = 1; error < EYE_REQUEST_ERROR_COUNT; error++) {
        request.record.status = error;
        assert_true(is_taken(fixture, &request));
        assert_int_equal(fixture->last.status, 0);
        assert_string_equal(fixture->last.error, names[error]);
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
    struct eye_request_record record = request.record;
    record.path_bytes = (uint16_t)strlen(request.path);
    for (size_t size = 0; size < 300; size++) {
        if (size == sizeof(struct eye_loss_record)) {
            continue; /* another kind of record */
        }
        assert_int_equal(is_taken_with_size(*state, &record, &request, size),
                         size == true_size(&request));
    }
}

/* What the header promises must fit what came, up to the largest number that it can hold. */
static void take__refuses_every_wrong_path_length(void **state)
{
    struct request request = good_request();
    struct eye_request_record record = request.record;
    for (unsigned promised = 0; promised <= UINT16_MAX; promised++) {
        record.path_bytes = (uint16_t)promised;
        assert_int_equal(is_taken_with_size(*state, &record, &request, true_size(&request)),
                         promised == strlen(request.path));
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
    return fixture->last.fingerprint;
}

static void fingerprint__ignores_the_duration(void **state)
{
    struct request request = good_request();
    uint64_t fingerprint = fingerprint_of(*state, &request);
    assert_int_equal(fingerprint_of(*state, &request), fingerprint);
    request.record.duration_ns = 1;
    assert_int_equal(fingerprint_of(*state, &request), fingerprint);
}

static void fingerprint__differs_with_all_that_decides_the_series(void **state)
{
    struct request requests[10];
    uint64_t fingerprints[EYE_ARRAY_LENGTH(requests)];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(requests); i++) {
        requests[i] = good_request();
    }
    requests[1].record.owner = 43;
    requests[2].record.port = 8081;
    requests[3].record.status = 201;
    requests[4].record.method = EYE_HTTP_POST;
    requests[5].record.flags = EYE_REQUEST_CLIENT;
    requests[6].record.flags = EYE_REQUEST_TRUNCATED;
    requests[7].path = "/users/8?q";
    requests[8].path = "/users/7?";
    requests[9].record.status = EYE_REQUEST_CLOSED;
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
        TEST(take__understands_the_flags),
        TEST(take__knows_every_method),
        TEST(take__wants_a_status_of_three_digits),
        TEST(take__names_the_error_of_a_request_without_answer),
        TEST(take__hands_losses_on),
        TEST(take__refuses_losses_out_of_range),
        TEST(take__refuses_every_wrong_length),
        TEST(take__refuses_every_wrong_path_length),
        TEST(take__refuses_paths_longer_than_the_kernel_sends),
        TEST(fingerprint__ignores_the_duration),
        TEST(fingerprint__differs_with_all_that_decides_the_series),
    };
    return cmocka_run_group_tests_name("usm", tests, NULL, NULL);
}
