/* SPDX-License-Identifier: Apache-2.0 */
/* Operation codes of a stack machine: a mark, points, and the list made of all above the mark. */
#include "exporters/graphite/pickle.h"

#include <endian.h>
#include <string.h>

#define OP_PROTOCOL_2 "\x80\x02"
#define OP_EMPTY_LIST "]"
#define OP_MARK "("
#define OP_UNICODE 'X'             /* 4 bytes little-endian length, UTF-8 */
#define OP_LONG_8_BYTES "\x8a\x08" /* little-endian */
#define OP_FLOAT 'G'               /* 8 bytes big-endian */
#define OP_TUPLE_OF_2 "\x86"
#define OP_APPEND_ALL "e"
#define OP_STOP "."

void eye_pickle_begin(struct eye_text *message)
{
    eye_text_append_bytes(message, "\0\0\0\0", sizeof(uint32_t));
    eye_text_append(message, OP_PROTOCOL_2 OP_EMPTY_LIST OP_MARK);
}

void eye_pickle_begin_point(struct eye_text *message, size_t length)
{
    uint32_t encoded = htole32((uint32_t)length);
    eye_text_append_char(message, OP_UNICODE);
    eye_text_append_bytes(message, &encoded, sizeof(encoded));
}

void eye_pickle_end_point(struct eye_text *message, int64_t time_s, double value)
{
    uint64_t time = htole64((uint64_t)time_s);
    uint64_t number;
    memcpy(&number, &value, sizeof(number));
    number = htobe64(number);
    eye_text_append(message, OP_LONG_8_BYTES);
    eye_text_append_bytes(message, &time, sizeof(time));
    eye_text_append_char(message, OP_FLOAT);
    eye_text_append_bytes(message, &number, sizeof(number));
    eye_text_append(message, OP_TUPLE_OF_2 OP_TUPLE_OF_2);
}

void eye_pickle_end(struct eye_text *message)
{
    eye_text_append(message, OP_APPEND_ALL OP_STOP);
    uint32_t length = htobe32((uint32_t)(message->length - sizeof(length)));
    memcpy(message->data, &length, sizeof(length));
}
