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

/* A payload that @speaks (enum eye_spoke) has sent may tell what the stream speaks. */
static __always_inline bool eye_is_worth_a_look(const struct eye_stream *stream, __u8 speaks)
{
    bool tunnel = stream->protocol == EYE_PROTOCOL_TUNNEL;
    return (stream->protocol != EYE_PROTOCOL_NONE || stream->spoke != speaks) &&
           (!tunnel || stream->looks != EYE_LOOKS_MAX);
}

/* Bits by enum eye_protocol: what a stream that is looked at may turn out to speak. */
static __always_inline __u32 eye_may_speak(const struct eye_stream *stream)
{
    return stream->protocol == EYE_PROTOCOL_TUNNEL ? 1U << EYE_PROTOCOL_HTTP2 : ~0U;
}
