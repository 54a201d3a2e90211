/* SPDX-License-Identifier: Apache-2.0 */
/* Validates connection records. */
#include "collector/tracer/tracer.h"

#include <stdbool.h>

static bool is_valid(const struct eye_connection_record *record)
{
    return record->kind <= EYE_CONNECTION_FAILED && record->failure < EYE_FAILURE_COUNT &&
           (record->direction == EYE_INCOMING || record->direction == EYE_OUTGOING) &&
           (record->family == EYE_IPV4 || record->family == EYE_IPV6);
}

void eye_tracer_take(void *context, const void *bytes, size_t size)
{
    struct eye_tracer *tracer = context;
    const struct eye_connection_record *record = bytes;
    if (size != sizeof(*record) || !is_valid(record)) {
        tracer->malformed++;
        return;
    }
    tracer->samples++;
    tracer->handler(tracer->context, record);
}

const char *eye_failure_name(enum eye_failure failure)
{
    static const char *const names[] = {
        [EYE_FAILURE_NONE] = NULL,
        [EYE_FAILURE_REFUSED] = "refused",
        [EYE_FAILURE_TIMEOUT] = "timeout",
        [EYE_FAILURE_RESET] = "reset",
        [EYE_FAILURE_UNREACHABLE] = "unreachable",
        [EYE_FAILURE_CANCELLED] = "cancelled",
        [EYE_FAILURE_OTHER] = "other",
    };
    return names[failure];
}
