/* SPDX-License-Identifier: Apache-2.0 */
/* Making and freeing, the names of reasons, and waiting no longer than the daemon lives. */
#include "exporters/exporter.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "collector/base/clock.h"
#include "collector/base/text.h"

const char *eye_export_reason_name(enum eye_export_reason reason)
{
    static const char *const names[] = {
#define X(identifier, name) [EYE_EXPORT_##identifier] = (name),
        EYE_EXPORT_REASONS(X)
#undef X
    };
    return names[reason];
}

enum eye_export_reason eye_export_reason_of(int error)
{
    switch (error) {
    case -ECONNREFUSED:
    case -ENOENT:
        return EYE_EXPORT_REFUSED;
    case -ENETUNREACH:
    case -EHOSTUNREACH:
    case -ENETDOWN:
    case -EHOSTDOWN:
    case -EADDRNOTAVAIL:
        return EYE_EXPORT_UNREACHABLE;
    case -ETIMEDOUT:
        return EYE_EXPORT_TIMEOUT;
    case -ECONNRESET:
    case -ECONNABORTED:
    case -EPIPE:
        return EYE_EXPORT_RESET;
    case -EAGAIN:
    case -ENOBUFS:
        return EYE_EXPORT_BUSY;
    case -EMSGSIZE:
        return EYE_EXPORT_TOO_LONG;
    default:
        return EYE_EXPORT_OTHER;
    }
}

int eye_deadline_slice_ms(const struct eye_deadline *deadline, uint64_t until_ns)
{
    if (deadline->meanwhile != NULL) {
        deadline->meanwhile(deadline->context);
    }
    uint64_t end_ns = atomic_load(&deadline->at_ns);
    uint64_t now_ns = eye_clock_monotonic_ns();
    end_ns = until_ns < end_ns ? until_ns : end_ns;
    if (now_ns >= end_ns) {
        return 0;
    }
    uint64_t left_ms = (end_ns - now_ns + EYE_NS_PER_MS - 1) / EYE_NS_PER_MS;
    return left_ms < EYE_WAIT_SLICE_MS ? (int)left_ms : EYE_WAIT_SLICE_MS;
}

int eye_export_fail(struct eye_export_failure *failure, int code, enum eye_export_reason reason,
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    failure->reason = reason;
    eye_format_shown(failure->cause.text, sizeof(failure->cause.text), format, arguments);
    va_end(arguments);
    return code;
}

int eye_exporter_open(const struct eye_exporter_type *type, const struct eye_exporter_setup *setup,
                      void **ret_state, struct eye_error *ret_error)
{
    void *state = calloc(1, type->state_size);
    if (state == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    int result = type->open(state, setup, ret_error);
    if (result != 0) {
        eye_exporter_close(type, state);
        return result;
    }
    *ret_state = state;
    return 0;
}

void eye_exporter_close(const struct eye_exporter_type *type, void *state)
{
    if (state != NULL) {
        type->close(state);
        free(state);
    }
}
