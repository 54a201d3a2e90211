/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Redis: what a command is called, and those that change what is answered. Nothing is read of a
 * command but its name and, where that is no key, its second and third word. */
#pragma once

#include "bpf/usm/redis/elements.h"

enum eye_redis_kind {
    EYE_REDIS_USUAL,
    EYE_REDIS_CONTAINER,  /* the second word is a part of its name */
    EYE_REDIS_SUBSCRIBES, /* answered by messages of their own, or by one for each channel */
    EYE_REDIS_FEED,       /* from here on the server tells all that it does */
    EYE_REDIS_REPLICA,    /* of a replica: with ACK it is one that has begun to replicate */
    EYE_REDIS_RESETS,     /* turns replies on, and is answered */
    EYE_REDIS_FOLLOWS,    /* from here on the server's commands follow */
};

/* https://redis.io/docs/latest/commands */
#define EYE_REDIS_SPECIAL_COMMANDS(X)                                                              \
    X("ACL", EYE_REDIS_CONTAINER)                                                                  \
    X("CLIENT", EYE_REDIS_CONTAINER)                                                               \
    X("CLUSTER", EYE_REDIS_CONTAINER)                                                              \
    X("COMMAND", EYE_REDIS_CONTAINER)                                                              \
    X("CONFIG", EYE_REDIS_CONTAINER)                                                               \
    X("FUNCTION", EYE_REDIS_CONTAINER)                                                             \
    X("LATENCY", EYE_REDIS_CONTAINER)                                                              \
    X("MEMORY", EYE_REDIS_CONTAINER)                                                               \
    X("MODULE", EYE_REDIS_CONTAINER)                                                               \
    X("OBJECT", EYE_REDIS_CONTAINER)                                                               \
    X("PUBSUB", EYE_REDIS_CONTAINER)                                                               \
    X("SCRIPT", EYE_REDIS_CONTAINER)                                                               \
    X("SENTINEL", EYE_REDIS_CONTAINER)                                                             \
    X("SLOWLOG", EYE_REDIS_CONTAINER)                                                              \
    X("XGROUP", EYE_REDIS_CONTAINER)                                                               \
    X("XINFO", EYE_REDIS_CONTAINER)                                                                \
    X("SUBSCRIBE", EYE_REDIS_SUBSCRIBES)                                                           \
    X("PSUBSCRIBE", EYE_REDIS_SUBSCRIBES)                                                          \
    X("SSUBSCRIBE", EYE_REDIS_SUBSCRIBES)                                                          \
    X("UNSUBSCRIBE", EYE_REDIS_SUBSCRIBES)                                                         \
    X("PUNSUBSCRIBE", EYE_REDIS_SUBSCRIBES)                                                        \
    X("SUNSUBSCRIBE", EYE_REDIS_SUBSCRIBES)                                                        \
    X("MONITOR", EYE_REDIS_FEED)                                                                   \
    X("RESET", EYE_REDIS_RESETS)                                                                   \
    X("REPLCONF", EYE_REDIS_REPLICA)                                                               \
    X("PSYNC", EYE_REDIS_FOLLOWS)                                                                  \
    X("SYNC", EYE_REDIS_FOLLOWS)

/* What those begin with, as bits 0 .. 25; but for ACL they have four letters or more. */
#define EYE_REDIS_LETTER(letter) (1U << ((letter) - 'A'))
#define EYE_REDIS_SPECIAL_LETTERS                                                                  \
    (EYE_REDIS_LETTER('A') | EYE_REDIS_LETTER('C') | EYE_REDIS_LETTER('F') |                       \
     EYE_REDIS_LETTER('L') | EYE_REDIS_LETTER('M') | EYE_REDIS_LETTER('O') |                       \
     EYE_REDIS_LETTER('P') | EYE_REDIS_LETTER('R') | EYE_REDIS_LETTER('S') |                       \
     EYE_REDIS_LETTER('U') | EYE_REDIS_LETTER('X'))

/* Where a word of a command stands: position, and length where it is no longer than a name. The
 * position is EYE_REDIS_WAIT when more has to come. */
struct eye_redis_word {
    __u32 from;
    __u32 length; /* 0: it is none of ours */
};

/* As they are handed from one function of a parser to the next (eye_found.scratch). */
#define EYE_REDIS_INLINE (1U << 31) /* the command is a line */
#define EYE_REDIS_LENGTH_SHIFT 16
#define EYE_REDIS_LENGTH_MASK 31

static __always_inline __u32 eye_redis_pack(struct eye_redis_word word)
{
    return word.from | word.length << EYE_REDIS_LENGTH_SHIFT;
}

static __always_inline struct eye_redis_word eye_redis_unpack(__u32 packed)
{
    struct eye_redis_word word = {
        .from = packed & 0xffff,
        .length = packed >> EYE_REDIS_LENGTH_SHIFT & EYE_REDIS_LENGTH_MASK,
    };
    return word;
}

static __always_inline bool eye_redis_is_letter(__u8 byte)
{
    return ((__u32)byte | 0x20) - 'a' < 26;
}

/* Bytes @at .. @at + 7 of a word of @half in capital letters, zeros behind its end. */
static __always_inline __u64 eye_redis_part(const struct eye_half *half, struct eye_redis_word word,
                                            __u32 at)
{
    __u32 from = word.from + at;
    __u64 part = 0;
    eye_pin(from);
    if (word.length > at && from <= EYE_WINDOW_BYTES) {
        part = eye_capitals(eye_first_bytes(eye_load_word(half->window + from), word.length - at));
    }
    return eye_forget(part); /* the same for the verifier, whichever way it came about */
}

/* The name, if there is a @request to note. */
static __always_inline void eye_redis_note_name(const struct eye_half *half,
                                                struct eye_request *request,
                                                struct eye_redis_word word, __u64 first)
{
    if (!request) {
        return;
    }
    struct eye_request *checked = request;
    eye_pin(checked); /* else clang 19 does its arithmetic before the check */
    checked->head.flags = 0;
    checked->head.body_bytes = EYE_REDIS_NAME_BYTES;
    eye_store_word(checked->body, first);
    eye_store_word(checked->body + 8, eye_redis_part(half, word, 8));
    eye_store_word(checked->body + 16, eye_redis_part(half, word, 16));
}

/* The bulk string at @from as a word: without a length, and there, when it is none, or empty, or
 * longer than a name. */
static __always_inline struct eye_redis_word eye_redis_bulk(struct eye_half *half, __u32 from,
                                                            __u32 filled)
{
    struct eye_redis_word word = {.from = EYE_REDIS_WAIT};
    __u64 length = 0;
    eye_pin(from);
    if (from >= filled || from >= EYE_WINDOW_BYTES) {
        return word;
    }
    __u32 behind = half->window[from] == '$'
                       ? eye_redis_read_short_length(half, from + 1, filled, &length)
                       : EYE_REDIS_BROKEN;
    if (behind == EYE_REDIS_WAIT) {
        return word;
    }
    if (behind == EYE_REDIS_BROKEN || length == 0 || length > EYE_REDIS_NAME_BYTES) {
        word.from = from;
    } else if (behind + length + 2 <= filled) {
        word.from = behind;
        word.length = (__u32)length;
    }
    return word;
}

/* Bytes of a line that are looked at for a word: blanks before it, and one behind it. */
#define EYE_REDIS_LINE_WORD_BYTES 32

/* The word of a line at @from or behind, packed: without a length when there is none, or it is too
 * long. All of the line that matters is here. */
static __always_inline __u32 eye_redis_line_word(const struct eye_half *half, __u32 from,
                                                 __u32 filled)
{
    __u32 length = 0;
    for (int i = 0; i < EYE_REDIS_LINE_WORD_BYTES; i++) {
        from = eye_forget(from);
        length = eye_forget(length);
        __u32 at = from + length;
        eye_pin(at);
        if (at >= filled || at >= EYE_WINDOW_BYTES || length > EYE_REDIS_NAME_BYTES) {
            break;
        }
        __u8 byte = half->window[at];
        if (byte == '\r' || byte == '\n' || (byte == ' ' && length > 0)) {
            break;
        }
        if (byte == ' ') {
            from++;
        } else {
            length++;
        }
    }
    struct eye_redis_word word = {
        .from = from,
        .length = length <= EYE_REDIS_NAME_BYTES ? length : 0,
    };
    return eye_redis_pack(word);
}

/* The next word, behind @before (as packed, perhaps EYE_REDIS_INLINE); packed, or EYE_REDIS_WAIT.
 */
EYE_PART __u32 eye_redis_next_word(struct eye_half *half, __u32 before, __u32 filled)
{
    if (!half) {
        return 0;
    }
    struct eye_redis_word word = eye_redis_unpack(before);
    __u32 from = word.from + word.length;
    if (before & EYE_REDIS_INLINE) {
        return eye_redis_line_word(half, from, filled);
    }
    word = eye_redis_bulk(half, from + 2, filled);
    return word.from == EYE_REDIS_WAIT ? EYE_REDIS_WAIT : eye_redis_pack(word);
}

/* What a command that has @word as name is, if it is one of those. */
EYE_PART int eye_redis_kind_of(const struct eye_half *half, __u32 packed)
{
    if (!half) {
        return EYE_REDIS_USUAL;
    }
    struct eye_redis_word word = eye_redis_unpack(packed);
    __u64 first = eye_redis_part(half, word, 0);
    __u64 second = eye_redis_part(half, word, 8);
#define X(text, kind)                                                                              \
    if (first == EYE_TEXT_WORD(text, 0) && second == EYE_TEXT_WORD(text, 8)) {                     \
        return kind;                                                                               \
    }
    EYE_REDIS_SPECIAL_COMMANDS(X)
#undef X
    return EYE_REDIS_USUAL;
}

/* Cheap, for most commands are none of those. @first: their first eight bytes. */
static __always_inline bool eye_redis_may_be_special(__u64 first, __u32 length)
{
    __u32 letter = (__u32)((__u8)first - 'A');
    return (length > 3 || first == EYE_TEXT_WORD("ACL", 0)) && letter < 26 &&
           (EYE_REDIS_SPECIAL_LETTERS >> (letter & 31) & 1);
}

/* What a command does beyond being answered. */
enum eye_redis_effect {
    EYE_REDIS_IS_ANSWERED,
    EYE_REDIS_IS_AWAITED, /* more of it has to come */
    EYE_REDIS_IS_SILENT,  /* it is not answered in its turn */
    EYE_REDIS_TURNS_ON,   /* CLIENT REPLY ... */
    EYE_REDIS_TURNS_OFF,
    EYE_REDIS_SKIPS,
    EYE_REDIS_ENDS, /* what follows is no request and no answer */
};

/* CLIENT REPLY ...: @packed is REPLY. */
static __always_inline int eye_redis_reply_effect(struct eye_half *half, __u32 packed, __u32 filled)
{
    __u32 mode = eye_redis_next_word(half, packed, filled);
    if (mode == EYE_REDIS_WAIT) {
        return EYE_REDIS_IS_AWAITED;
    }
    __u64 text = eye_redis_part(half, eye_redis_unpack(mode), 0);
    return text == EYE_TEXT_WORD("OFF", 0)    ? EYE_REDIS_TURNS_OFF
           : text == EYE_TEXT_WORD("SKIP", 0) ? EYE_REDIS_SKIPS
           : text == EYE_TEXT_WORD("ON", 0)   ? EYE_REDIS_TURNS_ON
                                              : EYE_REDIS_IS_ANSWERED;
}

/* The second word of a command: a part of its name, if there is a @request to note. */
static __always_inline void eye_redis_note_second(const struct eye_half *half,
                                                  struct eye_request *request,
                                                  struct eye_redis_word word)
{
    if (!request) {
        return;
    }
    struct eye_request *checked = request;
    eye_pin(checked); /* else clang 19 does its arithmetic before the check */
    __u8 *subcommand = checked->body + EYE_REDIS_NAME_BYTES;
    for (__u32 at = 0; at < EYE_REDIS_NAME_BYTES; at += 8) {
        eye_store_word(subcommand + at, eye_redis_part(half, word, at));
    }
    checked->head.body_bytes = 2 * EYE_REDIS_NAME_BYTES;
}

/* What a command with @packed as name and @left words behind it does, if it is one of those. */
static __always_inline int eye_redis_own_effect(struct eye_half *half, struct eye_request *request,
                                                __u32 packed, __u32 left, __u32 filled)
{
    int kind = eye_redis_kind_of(half, packed);
    if (kind == EYE_REDIS_SUBSCRIBES) {
        half->flags |= EYE_REDIS_SUBSCRIBED;
        return EYE_REDIS_IS_SILENT;
    }
    if (kind == EYE_REDIS_FEED) {
        half->flags |= EYE_REDIS_MONITORS;
        return EYE_REDIS_IS_ANSWERED;
    }
    if (kind == EYE_REDIS_RESETS) {
        return EYE_REDIS_TURNS_ON; /* what comes unasked may be under way still */
    }
    if (kind == EYE_REDIS_FOLLOWS) {
        return EYE_REDIS_ENDS;
    }
    if (kind == EYE_REDIS_USUAL || (left == 0 && !(packed & EYE_REDIS_INLINE))) {
        return EYE_REDIS_IS_ANSWERED;
    }
    __u32 next = eye_redis_next_word(half, packed, filled);
    if (next == EYE_REDIS_WAIT) {
        return EYE_REDIS_IS_AWAITED;
    }
    struct eye_redis_word word = eye_redis_unpack(next);
    __u64 text = eye_redis_part(half, word, 0);
    if (kind == EYE_REDIS_REPLICA) {
        return text == EYE_TEXT_WORD("ACK", 0) ? EYE_REDIS_ENDS : EYE_REDIS_IS_ANSWERED;
    }
    if (word.length > 0) {
        eye_redis_note_second(half, request, word);
    }
    bool replies = text == EYE_TEXT_WORD("REPLY", 0) && (left > 1 || packed & EYE_REDIS_INLINE) &&
                   eye_redis_part(half, eye_redis_unpack(packed), 0) == EYE_TEXT_WORD("CLIENT", 0);
    return replies ? eye_redis_reply_effect(half, next | (packed & EYE_REDIS_INLINE), filled)
                   : EYE_REDIS_IS_ANSWERED;
}

/* What comes of a command that has @effect, after those before it. */
static __always_inline int eye_redis_take_effect(struct eye_half *half, int effect)
{
    if (half->phase == EYE_PHASE_LOST) {
        half->flags &= (__u16) ~(EYE_REDIS_REPLY_OFF | EYE_REDIS_REPLY_SKIP);
    }
    bool off = half->flags & EYE_REDIS_REPLY_OFF;
    bool silent = off || half->flags & EYE_REDIS_REPLY_SKIP;
    half->flags &= (__u16)~EYE_REDIS_REPLY_SKIP;
    switch (effect) {
    case EYE_REDIS_TURNS_ON:
        half->flags &= (__u16)~EYE_REDIS_REPLY_OFF;
        return EYE_REDIS_IS_ANSWERED;
    case EYE_REDIS_TURNS_OFF:
        half->flags |= EYE_REDIS_REPLY_OFF;
        return EYE_REDIS_IS_SILENT;
    case EYE_REDIS_SKIPS:
        half->flags |= off ? 0 : EYE_REDIS_REPLY_SKIP;
        return EYE_REDIS_IS_SILENT;
    default:
        return silent ? EYE_REDIS_IS_SILENT : effect;
    }
}

/* IS_ANSWERED, IS_AWAITED, IS_SILENT or ENDS. A part, since most commands do nothing of it. */
EYE_PART int eye_redis_effect_of(struct eye_half *half, struct eye_request *request, __u32 packed,
                                 __u32 left, __u32 filled)
{
    if (!half) {
        return EYE_REDIS_IS_ANSWERED;
    }
    int effect = eye_redis_own_effect(half, request, packed, left, filled);
    return effect == EYE_REDIS_IS_AWAITED || effect == EYE_REDIS_ENDS
               ? effect
               : eye_redis_take_effect(half, effect);
}
