/* SPDX-License-Identifier: Apache-2.0 */
/* Validates the records of sockets. */
#include "collector/tracer/tracer.h"

#include <stdbool.h>

static bool is_valid(uint8_t direction, uint8_t family)
{
    return (direction == EYE_INCOMING || direction == EYE_OUTGOING) &&
           (family == EYE_IPV4 || family == EYE_IPV6);
}

static bool take_connection(struct eye_tracer *tracer, const struct eye_connection_record *record)
{
    if (record->kind > EYE_CONNECTION_LISTENS || record->failure >= EYE_FAILURE_COUNT ||
        record->nat >= EYE_NAT_COUNT || !is_valid(record->direction, record->family)) {
        return false;
    }
    if (record->kind == EYE_CONNECTION_LISTENS) {
        tracer->on_listener(tracer->context, record);
    } else {
        tracer->on_connection(tracer->context, record);
    }
    return true;
}

static bool take_datagrams(struct eye_tracer *tracer, const struct eye_datagram_record *record)
{
    if (record->cast >= EYE_CAST_COUNT || !is_valid(record->direction, record->family)) {
        return false;
    }
    tracer->on_datagrams(tracer->context, record);
    return true;
}

void eye_tracer_take(void *context, const void *bytes, size_t size)
{
    struct eye_tracer *tracer = context;
    bool taken = false;
    if (size == sizeof(struct eye_connection_record)) {
        taken = take_connection(tracer, bytes);
    } else if (size == sizeof(struct eye_datagram_record)) {
        taken = take_datagrams(tracer, bytes);
    }
    tracer->samples += taken;
    tracer->malformed += !taken;
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
        [EYE_FAILURE_LOCAL] = "local",
    };
    return names[failure];
}

const char *eye_nat_name(enum eye_nat nat)
{
    static const char *const names[] = {
        [EYE_NAT_NONE] = "none", [EYE_NAT_SOURCE] = "source", [EYE_NAT_DESTINATION] = "destination",
        [EYE_NAT_BOTH] = "both", [EYE_NAT_UNKNOWN] = "",
    };
    return names[nat];
}

const char *eye_spoken_name(uint8_t spoken)
{
    static const char *const names[EYE_SPOKEN_COUNT] = {[EYE_PROTOCOL_UNKNOWN] = "",
#define X(identifier, name) [EYE_PROTOCOL_##identifier] = #name,
                                                        EYE_PROTOCOLS(X)
#undef X
#define X(identifier, name) [EYE_CLASS_##identifier] = #name,
                                                            EYE_CLASSES(X)
#undef X
    };
    return spoken < EYE_SPOKEN_COUNT ? names[spoken] : "";
}

const char *eye_cast_name(enum eye_cast cast)
{
    static const char *const names[] = {
        [EYE_UNICAST] = "",
        [EYE_MULTICAST] = "multicast",
        [EYE_BROADCAST] = "broadcast",
    };
    return names[cast];
}
