/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parsers of all protocols (parser.h), each by its enum eye_protocol. */
#pragma once

#include "bpf/usm/parser.h"
/* Made by bpf/CMakeLists.txt: bpf/usm/<name>/<name>.h of every folder. */
#include "bpf/usm/folders.h"

/* The first protocol of bpf/protocols.h that a payload may begin with, of those that are @wanted
 * (bits by enum eye_protocol); or EYE_PROTOCOL_UNKNOWN. */
static __always_inline __u8 eye_parser_recognise(const struct eye_glance *glance, __u32 bytes,
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

static __always_inline void eye_parser_read(const struct eye_stream *stream,
                                            struct eye_conversation *conversation, __u32 side,
                                            __u32 filled, struct eye_found *found)
{
    switch (conversation->protocol) {
#define X(identifier, name)                                                                        \
    case EYE_PROTOCOL_##identifier:                                                                \
        eye_##name##_read(stream, conversation, side, filled, found);                              \
        break;
        EYE_PROTOCOLS(X)
#undef X
    }
}

static __always_inline void eye_parser_note(struct eye_conversation *conversation, __u32 side,
                                            struct eye_request *request, __u32 filled,
                                            struct eye_found *found)
{
    switch (conversation->protocol) {
#define X(identifier, name)                                                                        \
    case EYE_PROTOCOL_##identifier:                                                                \
        eye_##name##_note(conversation, side, request, filled, found);                             \
        break;
        EYE_PROTOCOLS(X)
#undef X
    }
}

static __always_inline void eye_parser_go_on(struct eye_conversation *conversation, __u32 side,
                                             __u32 filled, struct eye_found *found)
{
    switch (conversation->protocol) {
#define X(identifier, name)                                                                        \
    case EYE_PROTOCOL_##identifier:                                                                \
        eye_##name##_go_on(conversation, side, filled, found);                                     \
        break;
        EYE_PROTOCOLS(X)
#undef X
    }
}
