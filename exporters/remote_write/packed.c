/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers that protobuf-c packs into. */
#include "exporters/remote_write/packed.h"

#include <assert.h>
#include <string.h>

struct text_buffer {
    ProtobufCBuffer base; /* first: protobuf-c hands its address back */
    struct eye_text *text;
};

static void append_to_text(ProtobufCBuffer *buffer, size_t length, const uint8_t *bytes)
{
    eye_text_append_bytes(((struct text_buffer *)buffer)->text, bytes, length);
}

void eye_packed_append(struct eye_text *text, const ProtobufCMessage *message)
{
    struct text_buffer buffer = {{append_to_text}, text};
    size_t before = text->length;
    protobuf_c_message_pack_to_buffer(message, &buffer.base);
    if (text->failed) {
        eye_text_truncate(text, before);
        text->failed = true;
    }
}

struct head_buffer {
    ProtobufCBuffer base;
    uint8_t *head;
    size_t length;
};

/* Tag and length come in pieces before the content, which is left out. */
static void append_to_head(ProtobufCBuffer *buffer, size_t length, const uint8_t *bytes)
{
    struct head_buffer *head = (struct head_buffer *)buffer;
    if (bytes != NULL) {
        assert(head->length + length <= EYE_PACKED_HEAD_BYTES);
        memcpy(head->head + head->length, bytes, length);
        head->length += length;
    }
}

size_t eye_packed_head(const ProtobufCMessage *message, uint8_t ret_head[EYE_PACKED_HEAD_BYTES])
{
    struct head_buffer buffer = {.base = {append_to_head}, .head = ret_head};
    protobuf_c_message_pack_to_buffer(message, &buffer.base);
    return buffer.length;
}
