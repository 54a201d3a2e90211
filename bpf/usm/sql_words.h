/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Statements of SQL as numbers: their first words (bpf/usm/sql.h), and their texts
 * (bpf/usm/statements.h). */
#pragma once

#include "bpf/usm/statements.h"

/* The letters that @word begins with, in capitals; zeros behind. */
static __always_inline __u64 eye_sql_letters(__u64 word)
{
    word = eye_capitals(word);
    __u64 low = word & EYE_EACH_BYTE(0x7f);
    __u64 from_a = low + EYE_EACH_BYTE(0x80 - 'A');
    __u64 behind_z = low + EYE_EACH_BYTE(0x7f - 'Z');
    __u64 others = (~(from_a ^ behind_z) | word) & EYE_EACH_BYTE(0x80);
    return others ? eye_first_bytes(word, eye_first_index(others)) : word;
}

/* What the letters at the start of sixteen bytes say. */
static __always_inline __u32 eye_sql_operation_of(__u64 first, __u64 second)
{
    first = eye_sql_letters(first);
    second = first >> 56 ? eye_sql_letters(second) : 0;
    first = eye_forget(first);
    second = eye_forget(second);
#define X(name)                                                                                    \
    if (first == EYE_TEXT_WORD(#name, 0) && second == EYE_TEXT_WORD(#name, 8)) {                   \
        return EYE_SQL_##name;                                                                     \
    }
    EYE_SQL_OPERATIONS(X)
#undef X
    return EYE_SQL_OTHER;
}

/* Blanks and '(', of the bytes 0 .. 63. */
#define EYE_SQL_BLANKS (1ULL << ' ' | 1ULL << '\t' | 1ULL << '\n' | 1ULL << '\r' | 1ULL << '(')

static __always_inline bool eye_sql_is_blank(__u8 byte)
{
    __u64 is_low = (__u64)(byte >> 6) == 0;
    return eye_forget(is_low & EYE_SQL_BLANKS >> (byte & 63) & 1);
}

/* The position of the first word of the text at @from, behind blanks and brackets. */
EYE_PART __u32 eye_sql_behind_blanks(const struct eye_half *half, __u32 from, __u32 filled)
{
    if (!half) {
        return from;
    }
    for (int i = 0; i < EYE_SQL_WORD_BYTES - 16; i++) {
        from = eye_forget(from);
        eye_pin(from);
        if (from >= filled || from >= EYE_WINDOW_BYTES || !eye_sql_is_blank(half->window[from])) {
            break;
        }
        from++;
    }
    return from;
}

/* The operation that the text at @from begins with. A comment is no word. */
EYE_PART __u32 eye_sql_operation_at(const struct eye_half *half, __u32 from, __u32 filled)
{
    eye_pin(from);
    if (!half || from >= filled || from >= EYE_WINDOW_BYTES) {
        return EYE_SQL_OTHER;
    }
    __u32 here = filled - from;
    __u64 first = eye_first_bytes(eye_load_word(half->window + from), here);
    __u64 second = here > 8 ? eye_first_bytes(eye_load_word(half->window + from + 8), here - 8) : 0;
    return eye_sql_operation_of(first, second);
}

/* ---- Texts ---- */

/* The top bit of each byte that is @byte. */
static __always_inline __u64 eye_sql_each(__u64 word, __u8 byte)
{
    __u64 other = word ^ EYE_EACH_BYTE(byte);
    return ~((other & EYE_EACH_BYTE(0x7f)) + EYE_EACH_BYTE(0x7f)) & ~other & EYE_EACH_BYTE(0x80);
}

static __always_inline __u64 eye_sql_digits(__u64 word)
{
    __u64 low = word & EYE_EACH_BYTE(0x7f);
    return ((low + EYE_EACH_BYTE(0x80 - '0')) ^ (low + EYE_EACH_BYTE(0x7f - '9'))) & ~word &
           EYE_EACH_BYTE(0x80);
}

/* The top bit of each byte that a name may have. */
static __always_inline __u64 eye_sql_in_names(__u64 word)
{
    __u64 low = eye_lower(word) & EYE_EACH_BYTE(0x7f);
    __u64 letters = (low + EYE_EACH_BYTE(0x80 - 'a')) ^ (low + EYE_EACH_BYTE(0x7f - 'z'));
    return ((letters | word) & EYE_EACH_BYTE(0x80)) | eye_sql_digits(word) |
           eye_sql_each(word, '_') | eye_sql_each(word, '$');
}

/* Of a word with digits or dollars: zeros instead of the digits, and letters, of numbers.
 * *ret_stops: where the text ends, at a number too many or at what may be a quote of dollars. */
static __always_inline __u64 eye_sql_hide_numbers(const struct eye_half *half,
                                                  struct eye_sql_kept *kept, __u32 from, __u64 word,
                                                  __u64 *ret_stops)
{
    struct eye_sql_scan *scan = &kept->scan;
    __u64 digits = eye_sql_digits(word);
    __u64 named = eye_sql_in_names(word);
    /* What stands before the text is the message's. Numbers instead of branches. */
    __u64 begun = ((__u32)kept->from - from) >> 31;
    __u64 within = scan->within;
    __u64 before = eye_sql_in_names(half->window[(from - 1) & (EYE_WINDOW_BYTES - 1)]) & begun << 7;
    __u64 next = eye_sql_digits(half->window[(from + 8) & (EYE_WINDOW_BYTES - 1)]);
    __u64 starts = digits & ~(named << 8 | before);
    __u64 stops = starts;
    stops &= scan->numbers < EYE_SQL_NUMBERS ? stops - 1 : ~(__u64)0;
    stops &= scan->numbers < EYE_SQL_NUMBERS - 1 ? stops - 1 : ~(__u64)0;
    *ret_stops = stops | (eye_sql_each(word, '$') & ~(digits >> 8 | next << 56));
    /* What is added to the first byte of a number runs to its end, and no further. */
    __u64 whole = (named >> 7) * 0xff;
    __u64 first = starts >> 7 | (within & named >> 7);
    __u64 run = ((whole + first) ^ whole) & whole;
    scan->numbers = (__u8)(scan->numbers + ((starts >> 7) * EYE_EACH_BYTE(1) >> 56));
    scan->within = (__u8)(run >> 63);
    return (word & ~run) | (EYE_EACH_BYTE('0') & run);
}

static __always_inline void eye_sql_begin_scan(struct eye_sql_kept *kept)
{
    struct eye_sql_scan *scan = &kept->scan;
    scan->hash = 0;
    scan->from = kept->from;
    scan->numbers = 0;
    scan->within = 0;
    scan->ended = EYE_SQL_GOES_ON;
}

/* Reads the next word of a text. False: it was the last one, or there is none. */
static __always_inline bool eye_sql_scan_word(const struct eye_half *half,
                                              struct eye_sql_kept *kept)
{
    struct eye_sql_scan *scan = &kept->scan;
    __u32 from = scan->from;
    __u32 end = kept->end;
    eye_pin(from);
    scan->word = 0;
    if (from >= end || from >= EYE_WINDOW_BYTES) {
        return false;
    }
    __u32 here = end - from < 8 ? end - from : 8;
    __u64 word = eye_first_bytes(eye_load_word(half->window + from), here);
    __u64 stops =
        eye_find_byte(word, '\'') | eye_find_byte(word, 0) | eye_find_byte(word, kept->quote);
    if (eye_sql_digits(word) | eye_find_byte(word, '$') | scan->within) {
        __u64 numbers;
        word = eye_sql_hide_numbers(half, kept, from, word, &numbers);
        stops |= numbers;
    }
    if (stops) {
        __u32 index = eye_first_index(stops) & 7;
        if (index < here) {
            scan->ended = word >> index * 8 & 0xff ? EYE_SQL_LITERAL : EYE_SQL_NUL;
            here = index;
            word = eye_first_bytes(word, here);
        }
    }
    scan->word = word;
    scan->from = from + here;
    return here == 8;
}

/* 1: more of the text that was read stands behind. */
static __always_inline __u64 eye_sql_is_cut(const struct eye_sql_kept *kept)
{
    __u64 cut = 1U << EYE_SQL_LITERAL | (__u64)kept->goes_on << EYE_SQL_GOES_ON;
    return cut >> (kept->scan.ended & 3) & 1;
}

/* Mixes the words of the text that was noted. */
EYE_PART int eye_sql_hash_text(const struct eye_half *half, struct eye_sql_kept *kept)
{
    if (!half || !kept) {
        return 0;
    }
    __u32 last = (__u32)kept->end - 1;
    eye_pin(last);
    if (last < EYE_WINDOW_BYTES && half->window[last] == '$') {
        kept->end--; /* what follows it is not here, or none of the text */
    }
    eye_sql_begin_scan(kept);
    for (int i = 0; i < EYE_SQL_TEXT_BYTES / 8; i++) {
        bool more = eye_sql_scan_word(half, kept);
        kept->scan.hash = eye_statement_mix(kept->scan.hash, kept->scan.word);
        if (!more) {
            break;
        }
    }
    return 0;
}

/* Notes where a text stands: from @from of the window to @end, its own or that of what is here of
 * it. @goes_on: more of it stands behind. */
static __always_inline void eye_sql_note_text(struct eye_sql_kept *kept, __u32 from, __u32 end,
                                              bool goes_on)
{
    kept->from = (__u16)from;
    kept->end = (__u16)end;
    kept->goes_on = goes_on;
}

/* The number of the statement whose text was noted. A name that its text ends with is another one
 * where it was cut. */
static __always_inline __u64 eye_sql_number_text(const struct eye_half *half,
                                                 struct eye_sql_kept *kept)
{
    __u32 end = kept->end;
    __u32 from = eye_sql_behind_blanks(half, kept->from, end);
    __u32 last = kept->from + EYE_SQL_TEXT_BYTES; /* wherever the segment ends */
    if (last < end) {
        eye_sql_note_text(kept, from, last, true);
    } else {
        kept->from = (__u16)from;
    }
    eye_sql_hash_text(half, kept);
    kept->end = kept->scan.from > from ? kept->end : 0;
    kept->statement =
        (kept->scan.hash ^ eye_sql_is_cut(kept)) << 8 | eye_sql_operation_at(half, from, end);
    return kept->statement;
}

/* Copies the text that was noted. Returns its length. */
static __always_inline __u32 eye_sql_copy_text(const struct eye_half *half,
                                               struct eye_sql_kept *kept,
                                               struct eye_statement_text *ret_text)
{
    eye_sql_begin_scan(kept);
    for (int i = 0; i < EYE_SQL_TEXT_BYTES / 8; i++) {
        bool more = eye_sql_scan_word(half, kept);
        eye_store_word(ret_text->text + i * 8, kept->scan.word);
        if (!more) {
            break;
        }
    }
    ret_text->statement = kept->statement;
    ret_text->cut = eye_sql_is_cut(kept);
    return kept->scan.from - kept->from;
}
