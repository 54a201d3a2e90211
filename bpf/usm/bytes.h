/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looking at bytes eight at a time: the same C for kernel programs and for the host. Words are
 * little endian, as on every architecture we build for.
 */
#pragma once

#include "bpf/either.h"

/*
 * A function of its own in the kernel program: verified once, for any arguments, instead of at
 * every call. Pointer arguments then may be NULL as far as the verifier knows.
 */
#ifdef __bpf__
#define EYE_PART __attribute__((noinline))
#else
#define EYE_PART static __attribute__((unused)) /* not every includer calls every one */
#endif

/*
 * The same value, but the verifier forgets what it knew of it. At the head of a loop this makes
 * the states of all paths equal, so they are explored once per round instead of once per history.
 */
#ifdef __bpf__
volatile __u32 eye_unknown_zero;
#define eye_forget(value) ((value) + eye_unknown_zero)
#else
#define eye_forget(value) (value)
#endif

/* What eye_forget() adds, for loops whose rounds are many: asked for once, before them. */
static __always_inline __u32 eye_nothing(void)
{
#ifdef __bpf__
    return eye_unknown_zero;
#else
    return 0;
#endif
}

/* Makes the compiler use one register from here on, so that a check of the value binds every use.
 */
#ifdef __bpf__
#define eye_pin(value) asm volatile("" : "+r"(value))
#else
#define eye_pin(value) (void)(value)
#endif

/*
 * @n, which is 1 .. 256, in a form whose bounds every verifier follows: before kernel 6.8 a
 * comparison with zero did not raise a value's lower bound.
 */
static __always_inline __u64 eye_1_to_256(__u64 n)
{
    eye_pin(n);
    n = (n - 1) & 255;
    eye_pin(n);
    return n + 1;
}

/* "ABCDEFGH" as the word that loading these eight bytes gives. */
#define EYE_WORD(a, b, c, d, e, f, g, h)                                                           \
    ((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |       \
     (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

/* Eight bytes of a literal from @from on, 0 or 8 or 16; zeros behind its end. */
#define EYE_TEXT_BYTE(text, at) ((__u8)(text "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")[at])
#define EYE_TEXT_WORD(text, from)                                                                  \
    EYE_WORD(EYE_TEXT_BYTE(text, from), EYE_TEXT_BYTE(text, (from) + 1),                           \
             EYE_TEXT_BYTE(text, (from) + 2), EYE_TEXT_BYTE(text, (from) + 3),                     \
             EYE_TEXT_BYTE(text, (from) + 4), EYE_TEXT_BYTE(text, (from) + 5),                     \
             EYE_TEXT_BYTE(text, (from) + 6), EYE_TEXT_BYTE(text, (from) + 7))

/* The same byte eight times. */
#define EYE_EACH_BYTE(byte) (0x0101010101010101ULL * (byte))

/* Keeps the first @n (0 .. 8) bytes of a word. */
static __always_inline __u64 eye_first_bytes(__u64 word, __u32 n)
{
    return n >= 8 ? word : word & (((__u64)1 << (n * 8)) - 1);
}

/*
 * Eight bytes at any address. The BPF target has no unaligned access as far as clang knows, and
 * makes eight loads and fourteen shifts of a memcpy(); the kernel allows it wherever the machine
 * does (CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS: x86, arm64).
 */
static __always_inline __u64 eye_load_word(const __u8 *bytes)
{
#ifdef __bpf__
    return *(const __u64 *)(const void *)bytes;
#else
    __u64 word;
    __builtin_memcpy(&word, bytes, sizeof(word));
    return word;
#endif
}

static __always_inline void eye_store_word(__u8 *bytes, __u64 word)
{
#ifdef __bpf__
    *(__u64 *)(void *)bytes = word;
#else
    __builtin_memcpy(bytes, &word, sizeof(word));
#endif
}

/* Letters to lower case; '-', ':', digits and space stay what they are. */
static __always_inline __u64 eye_lower(__u64 word)
{
    return word | 0x2020202020202020ULL;
}

/* The top bit of the first byte equal to @byte, and perhaps of later ones; 0 when there is none. */
static __always_inline __u64 eye_find_byte(__u64 word, __u8 byte)
{
    __u64 x = word ^ (0x0101010101010101ULL * byte);
    return (x - 0x0101010101010101ULL) & ~x & 0x8080808080808080ULL;
}

/* Index of the lowest byte marked by eye_find_byte(): a multiplication instead of a bit count,
 * which BPF does not have. */
static __always_inline __u32 eye_first_index(__u64 marks)
{
    return (__u32)((((marks & -marks) >> 7) * 0x0001020304050607ULL) >> 56);
}

/*
 * Looking for control characters, for whoever passes over much text. Of a word of ASCII without
 * any, eye_text_bits() has this bit of each byte; where it has not there is one, or a byte above
 * 0x7f.
 */
#define EYE_TEXT_BITS EYE_EACH_BYTE(0x20)

static __always_inline __u64 eye_text_bits(__u64 word)
{
    return word | word >> 1;
}

/* Index of the first control character of two words, by their bits; 16: there is none. */
static __always_inline __u32 eye_first_control(__u64 first, __u64 second)
{
    __u64 marks = ~(first | first >> 1) & EYE_TEXT_BITS;
    __u32 before = 0;
    if (!marks) {
        marks = ~(second | second >> 1) & EYE_TEXT_BITS;
        before = 8;
    }
    return marks ? before + eye_first_index(marks << 2) : 16;
}

/* The number that a word begins with, of one to seven digits. Returns how many; 0: none, or more.
 */
static __always_inline __u32 eye_read_digits(__u64 word, __u64 *ret_value)
{
    word ^= EYE_EACH_BYTE('0');
    /* The top bit of the first byte that is no digit, and perhaps of later ones. */
    __u64 marks = ((word + EYE_EACH_BYTE(0x7f - 9)) | word) & EYE_EACH_BYTE(0x80);
    __u32 digits = marks ? eye_first_index(marks) & 7 : 0;
    if (digits == 0) {
        return 0;
    }
    word <<= (8 - digits) * 8;
    /* The first digit is the lowest byte: joins bytes to pairs, pairs to fours, fours to the sum.
     */
    word = (word * (1 + (10 << 8))) >> 8;
    word = ((word & 0x00ff00ff00ff00ffULL) * (1 + (100ULL << 16))) >> 16;
    *ret_value = ((word & 0x0000ffff0000ffffULL) * (1 + (10000ULL << 32))) >> 32;
    return digits;
}

/* Small letters to capital ones; all other bytes stay what they are. */
static __always_inline __u64 eye_capitals(__u64 word)
{
    __u64 low = word & EYE_EACH_BYTE(0x7f);
    __u64 from_a = low + EYE_EACH_BYTE(0x80 - 'a');
    __u64 behind_z = low + EYE_EACH_BYTE(0x7f - 'z');
    return word - (((from_a ^ behind_z) & ~word & EYE_EACH_BYTE(0x80)) >> 2);
}
