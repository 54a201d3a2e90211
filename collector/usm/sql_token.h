/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words, names and marks of SQL, as PostgreSQL and MySQL read them: "Lexical Structure" of the
 * manual of the one, "Language Structure" of the other's. Blanks and comments stand between; what
 * MySQL alone reads of a comment that begins with "!", or "M!", counts. Hostile bytes.
 * No state but the reader's, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of a name: PostgreSQL's limit (NAMEDATALEN); MySQL has one more. */
#define EYE_SQL_NAME_CHARACTERS 63

enum eye_sql_token_kind {
    EYE_SQL_TOKEN_END,  /* of the text; also what the cut may have left half of */
    EYE_SQL_TOKEN_WORD, /* a keyword, or a name without quotes */
    EYE_SQL_TOKEN_NAME, /* no keyword: in quotes, which it has, or "a.from", "@from", "=user" */
    EYE_SQL_TOKEN_MARK, /* one byte */
    EYE_SQL_TOKEN_NONE, /* a number, a name that is none or has no end */
};

struct eye_sql_token {
    enum eye_sql_token_kind kind;
    const char *start; /* in the text */
    size_t length;
};

/* Begins as {.text = , .bytes = , .cut = }; owned by its user, who keeps the text. */
struct eye_sql_reader {
    const char *text; /* not NUL-terminated */
    size_t bytes;
    bool cut; /* the text goes on: what touches its end is no token */
    size_t at;
    bool counting; /* in a comment that counts */
    bool binding;  /* behind a mark that makes a word a name */
};

/** The next token: from its end on, always EYE_SQL_TOKEN_END. */
struct eye_sql_token eye_sql_read(struct eye_sql_reader *reader);

/** True for the unquoted @word, written in whatever case. */
bool eye_sql_is_word(const struct eye_sql_token *token, const char *word);

/** True for this byte between others. */
bool eye_sql_is_mark(const struct eye_sql_token *token, char mark);
