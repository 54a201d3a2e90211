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

/* Length that the header promises must be what came; the ring rounds nothing. */
static bool is_valid(const struct eye_request_record *record, size_t bytes)
{
    size_t expected = sizeof(*record) + record->path_bytes;
    return bytes == expected && record->path_bytes <= EYE_HTTP_PATH_BYTES &&
           record->method < EYE_HTTP_METHOD_COUNT && record->status >= 100 && record->status <= 999;
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

void eye_usm_take(void *context, const void *bytes, size_t size)
{
    struct eye_usm *usm = context;
    const struct eye_request_record *record = bytes;
    if (size < sizeof(*record) || !is_valid(record, size)) {
        usm->malformed++;
        return;
    }
    const char *path = (const char *)(record + 1);
    struct eye_request_sample sample = {
        .duration_ns = record->duration_ns,
        .fingerprint = fingerprint(record),
        .owner = record->owner,
        .port = record->port,
        .status = record->status,
        .client = (record->flags & EYE_REQUEST_CLIENT) != 0,
        .truncated = (record->flags & EYE_REQUEST_TRUNCATED) != 0,
        .method = methods[record->method],
        .path = path,
        .path_bytes = record->path_bytes,
    };
    usm->samples++;
    usm->handler(usm->context, &sample);
}
