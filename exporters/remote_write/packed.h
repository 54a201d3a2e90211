/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of protobuf-c packed into texts of ours. No state, any thread. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "collector/base/text.h"

/** Appends the packed message, whole or not at all (text->failed). No allocation but the text's. */
void eye_packed_append(struct eye_text *text, const ProtobufCMessage *message);

/* Tag and length of a field: one byte for small field numbers, five for 32 bits. */
#define EYE_PACKED_HEAD_BYTES 6

/**
 * What stands before the content of @message's one field, which is `bytes` with a length and no
 * data: tag and length, into @ret_head. Returns how many bytes.
 */
size_t eye_packed_head(const ProtobufCMessage *message, uint8_t ret_head[EYE_PACKED_HEAD_BYTES]);
