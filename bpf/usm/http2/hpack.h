/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HPACK (RFC 7541), as far as who listens in needs it: which field of a header block is one of
 * ours, and its value as it stands on the wire; Huffman's code is for user space.
 *
 * The dynamic table is a queue, and evictions take its oldest: what is in it is always the newest
 * part of all that was ever inserted, and an index counts from the newest. So nothing of sizes and
 * evictions is followed. Who counts insertions resolves every index that is valid, also when the
 * connection is older than the counting: what was inserted before stays unknown, never wrong. An
 * entry too large for the table empties it, and is counted like any other: all that is older is
 * gone then, and all that is newer is counted from the other end.
 */
#pragma once

#include "bpf/usm/conversation.h"

/* The usual table (4096 bytes, 32 of them for each entry's overhead) holds no more. */
#define EYE_HPACK_ENTRIES 128
#define EYE_HPACK_STATIC 61
/* Of a name: the longest of ours. */
#define EYE_HPACK_NAME_BYTES 16
/* Of a value. */
#define EYE_HPACK_TEXT_BYTES 128
/* Paths that are remembered in full, of those in the table. */
#define EYE_HPACK_PATHS 16
/* An integer has at most so many bytes behind its prefix: 2^28 and more is none of a header's. */
#define EYE_HPACK_SHIFT_MAX 28

/* Which field it is. */
enum eye_hpack_class {
    EYE_HPACK_OTHER,
    EYE_HPACK_METHOD,
    EYE_HPACK_PATH,
    EYE_HPACK_STATUS,
    EYE_HPACK_CONTENT_TYPE,
    EYE_HPACK_GRPC_TYPE, /* a content type of gRPC's */
    EYE_HPACK_GRPC_STATUS,
    EYE_HPACK_GRPC_MESSAGE,
    EYE_HPACK_UNKNOWN, /* its name was inserted before the counting began */
};

/* What comes next. */
enum eye_hpack_state {
    EYE_HPACK_FIELD, /* the first byte of a representation */
    EYE_HPACK_INTEGER,
    EYE_HPACK_LENGTH, /* the first byte of a string */
    EYE_HPACK_STRING,
};

/* What the integer is, or the string. */
enum eye_hpack_part { EYE_HPACK_INDEX, EYE_HPACK_NAME, EYE_HPACK_VALUE };

/* A representation, by its first byte. */
enum eye_hpack_kind {
    EYE_HPACK_INDEXED,
    EYE_HPACK_INSERTED,
    EYE_HPACK_LITERAL,
    EYE_HPACK_RESIZED,
};

/* Bytes on the wire, of one string. */
struct eye_hpack_text {
    __u8 bytes[EYE_HPACK_TEXT_BYTES + 8]; /* whole words are stored */
    __u16 length;                         /* kept */
    __u8 huffman;
    __u8 cut; /* it was longer */
};

/* A path in the table. */
struct eye_hpack_path {
    __u32 insertion; /* its number, from 1 on; 0: none */
    __u32 padding;
    struct eye_hpack_text text;
};

/* What a field was. */
struct eye_hpack_found {
    __u8 class;    /* enum eye_hpack_class */
    __u8 complete; /* a field has ended here */
    __u8 resolved; /* its value is known: `index`, or `text` */
    __u8 index;    /* in the static table; 0: it is in `text` */
    __u32 path; /* of a path that stands in the table: its place in `paths`, plus 1; 0: in `text` */
    __u64 word; /* in the table, of what is no path: as eye_hpack_word() made it; 0: `text` */
};

/* One direction. */
struct eye_hpack {
    struct eye_hpack_text text; /* the string that is being read, or was read last */
    struct eye_hpack_found found;
    /* Values, by insertion modulo the entries; of a path how many paths were inserted before. */
    __u64 words[EYE_HPACK_ENTRIES];
    __u8 classes[EYE_HPACK_ENTRIES];
    struct eye_hpack_path paths[EYE_HPACK_PATHS];
    __u32 inserted; /* in all */
    __u32 since;    /* so many when the counting began */
    __u32 path_count;
    __u32 integer;
    __u32 left; /* bytes of the string that are still to come */
    __u8 name[EYE_HPACK_NAME_BYTES + 8];
    __u8 state; /* enum eye_hpack_state */
    __u8 part;  /* enum eye_hpack_part */
    __u8 kind;  /* enum eye_hpack_kind */
    __u8 shift; /* of the integer's next byte */
    __u8 class; /* of the field that is being read */
    __u8 huffman;
    __u8 name_length;
    __u8 broken; /* what stands here is no HPACK */
};

/* Bytes of a header block: the window, or a part of it. */
struct eye_hpack_bytes {
    __u8 bytes[EYE_WINDOW_BYTES + EYE_WINDOW_SLACK];
};

static __always_inline __u8 eye_hpack_byte(const struct eye_hpack_bytes *bytes, __u32 at)
{
    __u64 index = at;
    eye_pin(index);
    return bytes->bytes[index & 255];
}

/* Up to seven bytes as a number, their length and code in the eighth; a longer text is as none. */
static __always_inline __u64 eye_hpack_word(const struct eye_hpack_text *text)
{
    if (text->length > 7) {
        return (__u64)0x40 << 56;
    }
    __u64 tail = 0x40 | (text->huffman ? 0x80 : 0) | text->length;
    return eye_first_bytes(eye_load_word(text->bytes), text->length) | tail << 56;
}

static __always_inline __u8 eye_hpack_static_class(__u32 index)
{
    switch (index) {
    case 2:
    case 3:
        return EYE_HPACK_METHOD;
    case 4:
    case 5:
        return EYE_HPACK_PATH;
    case 8 ... 14:
        return EYE_HPACK_STATUS;
    case 31:
        return EYE_HPACK_CONTENT_TYPE;
    default:
        return EYE_HPACK_OTHER;
    }
}

/* Insertion number, from 0 on, of an index into the dynamic table; false: it is older than the
 * counting, or than what is kept. */
static __always_inline bool eye_hpack_number(const struct eye_hpack *table, __u32 index,
                                             __u32 *ret_number)
{
    __u32 depth = index - EYE_HPACK_STATIC - 1;
    *ret_number = table->inserted - 1 - depth;
    return depth < table->inserted - table->since && depth < EYE_HPACK_ENTRIES;
}

static __always_inline __u8 eye_hpack_class_of(const struct eye_hpack *table, __u32 index)
{
    __u32 number;
    if (index <= EYE_HPACK_STATIC) {
        return eye_hpack_static_class(index);
    }
    return eye_hpack_number(table, index, &number)
               ? table->classes[number & (EYE_HPACK_ENTRIES - 1)]
               : EYE_HPACK_UNKNOWN;
}

/* Names that are spelled out, as they are or in Huffman's code. Some spell even those that the
 * static table has. */
static __always_inline __u8 eye_hpack_class_named(const struct eye_hpack *table)
{
    __u64 a = eye_load_word(table->name);
    __u64 b = eye_load_word(table->name + 8);
    __u32 length = table->name_length;
    __u64 first = eye_first_bytes(a, length < 8 ? length : 8);
    __u64 second = length > 8 ? eye_first_bytes(b, length - 8) : 0;
#define NAMED(size, one, two, which)                                                               \
    if (length == (size) && first == (one) && second == (two)) {                                   \
        return which;                                                                              \
    }
    if (table->huffman) {
        NAMED(4, EYE_WORD(0xb9, 0x58, 0xd3, 0x3f, 0, 0, 0, 0), 0, EYE_HPACK_PATH)
        NAMED(5, EYE_WORD(0xb9, 0x49, 0x53, 0x39, 0xe4, 0, 0, 0), 0, EYE_HPACK_METHOD)
        NAMED(5, EYE_WORD(0xb8, 0x84, 0x8d, 0x36, 0xa3, 0, 0, 0), 0, EYE_HPACK_STATUS)
        NAMED(9, EYE_WORD(0x21, 0xea, 0x49, 0x6a, 0x4a, 0xc9, 0xf5, 0x59), 0x7f,
              EYE_HPACK_CONTENT_TYPE)
        NAMED(8, EYE_WORD(0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f), 0, EYE_HPACK_GRPC_STATUS)
        NAMED(9, EYE_WORD(0x9a, 0xca, 0xc8, 0xb5, 0x25, 0x42, 0x07, 0x31), 0x7f,
              EYE_HPACK_GRPC_MESSAGE)
        return EYE_HPACK_OTHER;
    }
    NAMED(5, EYE_WORD(':', 'p', 'a', 't', 'h', 0, 0, 0), 0, EYE_HPACK_PATH)
    NAMED(7, EYE_WORD(':', 'm', 'e', 't', 'h', 'o', 'd', 0), 0, EYE_HPACK_METHOD)
    NAMED(7, EYE_WORD(':', 's', 't', 'a', 't', 'u', 's', 0), 0, EYE_HPACK_STATUS)
    NAMED(12, EYE_WORD('c', 'o', 'n', 't', 'e', 'n', 't', '-'),
          EYE_WORD('t', 'y', 'p', 'e', 0, 0, 0, 0), EYE_HPACK_CONTENT_TYPE)
    NAMED(11, EYE_WORD('g', 'r', 'p', 'c', '-', 's', 't', 'a'),
          EYE_WORD('t', 'u', 's', 0, 0, 0, 0, 0), EYE_HPACK_GRPC_STATUS)
    NAMED(12, EYE_WORD('g', 'r', 'p', 'c', '-', 'm', 'e', 's'),
          EYE_WORD('s', 'a', 'g', 'e', 0, 0, 0, 0), EYE_HPACK_GRPC_MESSAGE)
#undef NAMED
    return EYE_HPACK_OTHER;
}

/* ---- Fields that are complete ---- */

static __always_inline void eye_hpack_end_indexed(struct eye_hpack *table, __u32 index)
{
    struct eye_hpack_found *found = &table->found;
    __u32 number;
    __builtin_memset(found, 0, sizeof(*found));
    found->complete = 1;
    found->class = eye_hpack_class_of(table, index);
    if (index <= EYE_HPACK_STATIC) {
        found->index = (__u8)index;
        found->resolved = 1;
        return;
    }
    if (!eye_hpack_number(table, index, &number)) {
        return;
    }
    if (found->class == EYE_HPACK_PATH) {
        __u64 place = table->words[number & (EYE_HPACK_ENTRIES - 1)] & (EYE_HPACK_PATHS - 1);
        found->resolved = table->paths[place].insertion == number + 1;
        found->path = (__u32)place + 1;
        return;
    }
    found->word = table->words[number & (EYE_HPACK_ENTRIES - 1)];
    found->resolved = found->word != 0;
}

static __always_inline void eye_hpack_insert(struct eye_hpack *table)
{
    __u32 number = table->inserted++;
    table->classes[number & (EYE_HPACK_ENTRIES - 1)] = table->class;
    table->words[number & (EYE_HPACK_ENTRIES - 1)] = eye_hpack_word(&table->text);
    if (table->class == EYE_HPACK_PATH) {
        __u64 place = table->path_count++ & (EYE_HPACK_PATHS - 1);
        struct eye_hpack_path *path = &table->paths[place];
        table->words[number & (EYE_HPACK_ENTRIES - 1)] = place;
        path->insertion = number + 1;
        path->text = table->text;
    }
}

/* "application/grpc", as it is or in Huffman's code, and whatever follows but the '-' of gRPC-Web:
 * that is requests, whose status is in the body. */
static __always_inline bool eye_hpack_is_grpc(const struct eye_hpack_text *text)
{
    __u64 first = eye_load_word(text->bytes);
    __u64 second = eye_load_word(text->bytes + 8);
    if (text->huffman) {
        return text->length >= 11 &&
               first == EYE_WORD(0x1d, 0x75, 0xd0, 0x62, 0x0d, 0x26, 0x3d, 0x4c) &&
               eye_first_bytes(second, 3) == EYE_WORD(0x4d, 0x65, 0x64, 0, 0, 0, 0, 0) &&
               (text->length == 11 || text->bytes[11] >> 2 != 0x16);
    }
    return text->length >= 16 && first == EYE_WORD('a', 'p', 'p', 'l', 'i', 'c', 'a', 't') &&
           second == EYE_WORD('i', 'o', 'n', '/', 'g', 'r', 'p', 'c') &&
           (text->length == 16 || text->bytes[16] != '-');
}

static __always_inline void eye_hpack_end_literal(struct eye_hpack *table)
{
    __builtin_memset(&table->found, 0, sizeof(table->found));
    if (table->class == EYE_HPACK_CONTENT_TYPE && eye_hpack_is_grpc(&table->text)) {
        table->class = EYE_HPACK_GRPC_TYPE;
    }
    table->found.complete = 1;
    table->found.class = table->class;
    table->found.resolved = 1;
    table->state = EYE_HPACK_FIELD;
    if (table->kind == EYE_HPACK_INSERTED) {
        eye_hpack_insert(table);
    }
}

/* ---- Bytes ---- */

/* A string has ended. */
static __always_inline void eye_hpack_end_string(struct eye_hpack *table)
{
    if (table->part == EYE_HPACK_VALUE) {
        eye_hpack_end_literal(table);
        return;
    }
    table->class = eye_hpack_class_named(table);
    table->part = EYE_HPACK_VALUE;
    table->state = EYE_HPACK_LENGTH;
}

static __always_inline void eye_hpack_begin_string(struct eye_hpack *table)
{
    table->left = table->integer;
    table->state = EYE_HPACK_STRING;
    if (table->part == EYE_HPACK_NAME) {
        table->name_length = 0;
    } else {
        table->text.length = 0;
        table->text.huffman = table->huffman;
        table->text.cut = 0;
    }
    if (table->left == 0) {
        eye_hpack_end_string(table);
    }
}

static __always_inline void eye_hpack_end_index(struct eye_hpack *table)
{
    __u32 index = table->integer;
    table->state = EYE_HPACK_FIELD;
    if (table->kind == EYE_HPACK_RESIZED) {
        return;
    }
    if (table->kind == EYE_HPACK_INDEXED) {
        table->broken |= index == 0;
        eye_hpack_end_indexed(table, index);
        return;
    }
    table->class = index == 0 ? EYE_HPACK_OTHER : eye_hpack_class_of(table, index);
    if (table->class == EYE_HPACK_GRPC_TYPE) {
        table->class = EYE_HPACK_CONTENT_TYPE; /* the name is the entry's, the value is not */
    }
    table->part = index == 0 ? EYE_HPACK_NAME : EYE_HPACK_VALUE;
    table->state = EYE_HPACK_LENGTH;
}

static __always_inline void eye_hpack_end_integer(struct eye_hpack *table)
{
    if (table->part == EYE_HPACK_INDEX) {
        eye_hpack_end_index(table);
    } else {
        eye_hpack_begin_string(table);
    }
}

/* The first byte of an integer, behind what else is in it. */
static __always_inline void eye_hpack_begin_integer(struct eye_hpack *table, __u8 byte, __u8 mask)
{
    table->integer = byte & mask;
    table->shift = 0;
    table->state = EYE_HPACK_INTEGER;
    if (table->integer < mask) {
        eye_hpack_end_integer(table);
    }
}

static __always_inline void eye_hpack_begin_field(struct eye_hpack *table, __u8 byte)
{
    table->part = EYE_HPACK_INDEX;
    table->kind = byte & 0x80   ? EYE_HPACK_INDEXED
                  : byte & 0x40 ? EYE_HPACK_INSERTED
                  : byte & 0x20 ? EYE_HPACK_RESIZED
                                : EYE_HPACK_LITERAL;
    __u8 mask = byte & 0x80 ? 0x7f : byte & 0x40 ? 0x3f : byte & 0x20 ? 0x1f : 0x0f;
    eye_hpack_begin_integer(table, byte, mask);
}

static __always_inline void eye_hpack_go_on_integer(struct eye_hpack *table, __u8 byte)
{
    if (table->shift >= EYE_HPACK_SHIFT_MAX) {
        table->broken = 1;
        return;
    }
    table->integer += (__u32)(byte & 0x7f) << (table->shift & 31);
    table->shift += 7;
    if (!(byte & 0x80)) {
        eye_hpack_end_integer(table);
    }
}

/* Keeps @count bytes at @at as far as there is room, in whole words. */
static __always_inline void eye_hpack_keep(struct eye_hpack *table,
                                           const struct eye_hpack_bytes *bytes, __u32 at,
                                           __u32 count)
{
    bool name = table->part == EYE_HPACK_NAME;
    __u32 kept = name ? table->name_length : table->text.length;
    __u32 room = (name ? EYE_HPACK_NAME_BYTES : EYE_HPACK_TEXT_BYTES) - kept;
    __u32 taken = count < room ? count : room;
    for (__u32 i = 0; i < EYE_HPACK_TEXT_BYTES; i += 8) {
        __u64 to = kept + i;
        __u64 from = at + i;
        eye_pin(to);
        eye_pin(from);
        if (i >= taken || to > EYE_HPACK_TEXT_BYTES || from > 255) {
            break;
        }
        __u64 word = eye_load_word(bytes->bytes + from);
        if (!name) {
            eye_store_word(table->text.bytes + to, word);
        } else if (to <= EYE_HPACK_NAME_BYTES) {
            eye_store_word(table->name + to, word);
        }
    }
    if (name) {
        /* One that fills the room, or is longer, is none of ours: its length says so. */
        table->name_length = (__u8)(kept + taken);
    } else {
        table->text.length = (__u16)(kept + taken);
        table->text.cut |= count > room;
    }
}

/* Values of fields that are none of ours are passed over. */
static __always_inline __u32 eye_hpack_go_on_string(struct eye_hpack *table,
                                                    const struct eye_hpack_bytes *bytes, __u32 at,
                                                    __u32 filled)
{
    __u32 there = filled - at;
    __u32 count = table->left < there ? table->left : there;
    if (table->part == EYE_HPACK_NAME || table->class != EYE_HPACK_OTHER) {
        eye_hpack_keep(table, bytes, at, count);
    }
    table->left -= count;
    if (table->left == 0) {
        eye_hpack_end_string(table);
    }
    return count;
}

/*
 * Takes a byte, or as many of a string as there are, of a header block: @at .. @filled of @bytes.
 * Returns how many. `found` is of the field that has ended with them, if it is complete.
 */
EYE_PART __u32 eye_hpack_take(struct eye_hpack *table, const struct eye_hpack_bytes *bytes,
                              __u32 at, __u32 filled)
{
    if (!table || !bytes || at >= filled || filled > 256) {
        return 0;
    }
    table->found.complete = 0;
    __u8 byte = eye_hpack_byte(bytes, at);
    switch (table->state) {
    case EYE_HPACK_FIELD:
        eye_hpack_begin_field(table, byte);
        return 1;
    case EYE_HPACK_INTEGER:
        eye_hpack_go_on_integer(table, byte);
        return 1;
    case EYE_HPACK_LENGTH:
        table->huffman = byte >> 7;
        eye_hpack_begin_integer(table, byte, 0x7f);
        return 1;
    default:
        return eye_hpack_go_on_string(table, bytes, at, filled);
    }
}

/* A block begins. One that did not end well leaves nothing behind. */
static __always_inline void eye_hpack_begin(struct eye_hpack *table)
{
    table->state = EYE_HPACK_FIELD;
    table->broken = 0;
}

/* Bytes that may have inserted something were missed. */
static __always_inline void eye_hpack_reset(struct eye_hpack *table)
{
    table->since = table->inserted;
    eye_hpack_begin(table);
}
