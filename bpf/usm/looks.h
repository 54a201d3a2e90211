/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which protocol a payload begins like: each is asked in the order of bpf/protocols.h. */
#pragma once

#include "bpf/usm/parser.h"
/* Made by bpf/CMakeLists.txt: bpf/usm/<name>/<name>.h of every folder. */
#include "bpf/usm/folders.h"

/* The first one of those that are @wanted (bits by enum eye_protocol), or EYE_PROTOCOL_UNKNOWN. */
static __always_inline __u8 eye_recognise_glance(const struct eye_glance *glance, __u32 bytes,
                                                 __u32 wanted)
{
#define X(identifier, name)                                                                        \
    if (wanted & 1U << EYE_PROTOCOL_##identifier && eye_##name##_looks_like(glance, bytes)) {      \
        return EYE_PROTOCOL_##identifier;                                                          \
    }
    EYE_PROTOCOLS(X)
#undef X
    return EYE_PROTOCOL_UNKNOWN;
}
