/* SPDX-License-Identifier: Apache-2.0 */
/* Takes records of the ring "requests" apart. */
#include "collector/usm/usm.h"

#include <string.h>

#include "collector/base/base.h"
#include "collector/base/hash.h"

static const char *const methods[EYE_HTTP_METHOD_COUNT] = {
    [EYE_HTTP_METHOD_OTHER] = "_OTHER", [EYE_HTTP_GET] = "GET",
    [EYE_HTTP_POST] = "POST",           [EYE_HTTP_PUT] = "PUT",
    [EYE_HTTP_HEAD] = "HEAD",           [EYE_HTTP_DELETE] = "DELETE",
    [EYE_HTTP_OPTIONS] = "OPTIONS",     [EYE_HTTP_PATCH] = "PATCH",
    [EYE_HTTP_TRACE] = "TRACE",         [EYE_HTTP_CONNECT] = "CONNECT",
};

static const char *const errors[EYE_REQUEST_ERROR_COUNT] = {
    [EYE_REQUEST_CANCELLED] = "cancelled", [EYE_REQUEST_CLOSED] = "closed",
    [EYE_REQUEST_RESET] = "reset",         [EYE_REQUEST_TIMEOUT] = "timeout",
    [EYE_REQUEST_FAILED] = "_OTHER",
};

static const char *const loss_reasons[EYE_LOSS_COUNT] = {
#define X(identifier, program, reason) reason,
    EYE_LOSSES(X)
#undef X
};

static bool is_answered(const struct eye_request_record *record)
{
    return record->status >= 100;
}

/* A status of three digits, or the error in its place. */
static bool has_outcome(const struct eye_request_record *record)
{
    return is_answered(record) ? record->status <= 999
                               : record->status > 0 && record->status < EYE_REQUEST_ERROR_COUNT;
}

/* Length that the header promises must be what came; the ring rounds nothing. */
static bool is_valid(const struct eye_request_record *record, size_t bytes)
{
    size_t expected = sizeof(*record) + record->path_bytes;
    return bytes == expected && record->path_bytes <= EYE_HTTP_PATH_BYTES &&
           record->method < EYE_HTTP_METHOD_COUNT && has_outcome(record);
}

/* Everything that decides the series: the record behind its duration. */
static uint64_t fingerprint(const struct eye_request_record *record)
{
    uint8_t identity[sizeof(*record) + EYE_HTTP_PATH_BYTES];
    struct eye_request_record head = *record;
    head.duration_ns = 0;
    memcpy(identity, &head, sizeof(head));
    memcpy(identity + sizeof(head), record + 1, record->path_bytes);
    return eye_hash_bytes(identity, sizeof(head) + record->path_bytes);
}

static void take_loss(struct eye_usm *usm, const struct eye_loss_record *record)
{
    if (record->amount == 0 || record->loss >= EYE_LOSS_COUNT || record->client > 1) {
        usm->malformed++;
        return;
    }
    const struct eye_loss_sample sample = {
        .amount = record->amount,
        .owner = record->owner,
        .port = record->port,
        .client = record->client != 0,
        .reason = loss_reasons[record->loss],
    };
    usm->samples++;
    usm->on_loss(usm->context, &sample);
}

static void take_request(struct eye_usm *usm, const struct eye_request_record *record)
{
    const char *path = (const char *)(record + 1);
    const struct eye_request_sample sample = {
        .duration_ns = record->duration_ns,
        .fingerprint = fingerprint(record),
        .owner = record->owner,
        .port = record->port,
        .status = is_answered(record) ? record->status : 0,
        .client = (record->flags & EYE_REQUEST_CLIENT) != 0,
        .truncated = (record->flags & EYE_REQUEST_TRUNCATED) != 0,
        .method = methods[record->method],
        .error = is_answered(record) ? "" : errors[record->status],
        .path = path,
        .path_bytes = record->path_bytes,
    };
    usm->samples++;
    usm->on_request(usm->context, &sample);
}

void eye_usm_take(void *context, const void *bytes, size_t size)
{
    struct eye_usm *usm = context;
    const struct eye_request_record *record = bytes;
    if (size == sizeof(struct eye_loss_record)) {
        take_loss(usm, bytes);
    } else if (size < sizeof(*record) || !is_valid(record, size)) {
        usm->malformed++;
    } else {
        take_request(usm, record);
    }
}
