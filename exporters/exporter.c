/* SPDX-License-Identifier: Apache-2.0 */
/* The names of reasons, and which errno is which. */
#include "exporters/exporter.h"

#include <errno.h>

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
    case -EAGAIN:
    case -ENOBUFS:
    case -ETIMEDOUT:
        return EYE_EXPORT_BUSY;
    case -EMSGSIZE:
        return EYE_EXPORT_TOO_LONG;
    default:
        return EYE_EXPORT_OTHER;
    }
}
