/* SPDX-License-Identifier: Apache-2.0 */
/* Reading ExportMetricsServiceResponse. */
#include "exporters/otlp/answer.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "collector/base/parse.h"
#include "collector/base/text.h"
#include "exporters/otlp/otlp.pb-c.h"

/* Of the receiver's message. */
#define MESSAGE_BYTES 200

static void append_message(struct eye_text *text, const char *message)
{
    char start[MESSAGE_BYTES + 1];
    eye_copy_shown(start, sizeof(start), message, strlen(message));
    eye_text_append(text, start);
}

static void cleanup_response(EyeOtlp__ExportMetricsServiceResponse **response)
{
    eye_otlp__export_metrics_service_response__free_unpacked(*response, NULL);
}

int eye_otlp_read_protobuf(const void *body, size_t length, uint64_t *ret_rejected,
                           struct eye_text *ret_message)
{
    EYE_CLEANUP(cleanup_response)
    EyeOtlp__ExportMetricsServiceResponse *response =
        eye_otlp__export_metrics_service_response__unpack(NULL, length, body);
    if (response == NULL) {
        return -EBADMSG;
    }
    const EyeOtlp__ExportMetricsPartialSuccess *partial = response->partial_success;
    bool rejected = partial != NULL && partial->rejected_data_points > 0;
    *ret_rejected = rejected ? (uint64_t)partial->rejected_data_points : 0;
    if (partial != NULL && partial->error_message != NULL) {
        append_message(ret_message, partial->error_message);
    }
    return 0;
}

static void cleanup_json(json_t **json)
{
    json_decref(*json);
}

/* A string by the specification; receivers write numbers too. */
static uint64_t read_count(const json_t *json)
{
    uint64_t count = 0;
    if (json_is_integer(json) && json_integer_value(json) > 0) {
        return (uint64_t)json_integer_value(json);
    }
    if (json_is_string(json) && eye_parse_u64(json_string_value(json), &count) == 0) {
        return count;
    }
    return 0;
}

int eye_otlp_read_json(const void *body, size_t length, uint64_t *ret_rejected,
                       struct eye_text *ret_message)
{
    if (length == 0) {
        *ret_rejected = 0;
        return 0;
    }
    EYE_CLEANUP(cleanup_json) json_t *response = json_loadb(body, length, 0, NULL);
    if (!json_is_object(response)) {
        return -EBADMSG;
    }
    const json_t *partial = json_object_get(response, "partialSuccess");
    *ret_rejected = read_count(json_object_get(partial, "rejectedDataPoints"));
    const char *message = json_string_value(json_object_get(partial, "errorMessage"));
    if (message != NULL) {
        append_message(ret_message, message);
    }
    return 0;
}
