/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says what a token is. Which of both databases speaks is not known: what only one
 * of them takes for a comment is one, so that nothing of it becomes a name.
 */
#include "collector/usm/sql_token.h"

#include <string.h>
#include <strings.h>

#include "collector/base/utf8.h"

enum byte {
    BYTE_MARK, /* controls, too */
    BYTE_BLANK,
    BYTE_WORD,
    BYTE_DIGIT,
    BYTE_QUOTE,
};

static const unsigned char bytes[256] = {
    ['\t' ... '\r'] = BYTE_BLANK,
    [' '] = BYTE_BLANK,
    ['"'] = BYTE_QUOTE,
    ['$'] = BYTE_WORD,
    ['0' ... '9'] = BYTE_DIGIT,
    ['A' ... 'Z'] = BYTE_WORD,
    ['_'] = BYTE_WORD,
    ['`'] = BYTE_QUOTE,
    ['a' ... 'z'] = BYTE_WORD,
    [0x80 ... 0xff] = BYTE_WORD,
};

/* "a.from", "@from", ":from", "DEFINER=user". */
static const char binding[] = ".@:=";

static enum byte byte_at(const struct eye_sql_reader *reader, size_t at)
{
    return (enum byte)bytes[(unsigned char)reader->text[at]];
}

static bool has(const struct eye_sql_reader *reader, const char *text)
{
    size_t length = strlen(text);
    return reader->bytes - reader->at >= length &&
           memcmp(reader->text + reader->at, text, length) == 0;
}

static bool skip(struct eye_sql_reader *reader, const char *text)
{
    bool found = has(reader, text);
    reader->at += found ? strlen(text) : 0;
    return found;
}

static void skip_line(struct eye_sql_reader *reader)
{
    const char *start = reader->text + reader->at;
    const char *end = memchr(start, '\n', reader->bytes - reader->at);
    reader->at = end != NULL ? (size_t)(end - reader->text) : reader->bytes;
}

/* PostgreSQL's nest. */
static void skip_comment(struct eye_sql_reader *reader)
{
    size_t depth = 0;
    do {
        if (skip(reader, "/*")) {
            depth++;
        } else if (skip(reader, "*/")) {
            depth--;
        } else {
            reader->at++;
        }
    } while (depth > 0 && reader->at < reader->bytes);
}

/* The version from which on MySQL reads it. */
static void skip_version(struct eye_sql_reader *reader)
{
    while (reader->at < reader->bytes && byte_at(reader, reader->at) == BYTE_DIGIT) {
        reader->at++;
    }
}

/* Of one kind; false when there is none. "#>" and "#>>" are operators of PostgreSQL. */
static bool skip_between(struct eye_sql_reader *reader)
{
    if (byte_at(reader, reader->at) == BYTE_BLANK) {
        reader->at++;
    } else if (has(reader, "--") || (has(reader, "#") && !has(reader, "#>"))) {
        skip_line(reader);
    } else if (skip(reader, "/*!") || skip(reader, "/*M!")) {
        reader->counting = true;
        skip_version(reader);
    } else if (has(reader, "/*")) {
        skip_comment(reader);
    } else if (reader->counting && skip(reader, "*/")) {
        reader->counting = false;
    } else {
        return false;
    }
    return true;
}

/* Characters that can be shown, and not too many of them. */
static bool is_name(const char *text, size_t length)
{
    size_t characters = 0;
    for (size_t at = 0; at < length; characters++) {
        uint32_t code_point = 0;
        size_t step = eye_utf8_decode(text + at, length - at, &code_point);
        if (step == 0 || eye_utf8_is_control(code_point)) {
            return false;
        }
        at += step;
    }
    return characters > 0 && characters <= EYE_SQL_NAME_CHARACTERS;
}

/* "$1" is a parameter's place. */
static bool begins_number(const struct eye_sql_reader *reader)
{
    size_t at = reader->at + has(reader, "$");
    return at < reader->bytes && byte_at(reader, at) == BYTE_DIGIT;
}

static void skip_number(struct eye_sql_reader *reader)
{
    while (reader->at < reader->bytes &&
           (byte_at(reader, reader->at) == BYTE_DIGIT || byte_at(reader, reader->at) == BYTE_WORD ||
            has(reader, "."))) {
        reader->at++;
    }
}

static void read_word(struct eye_sql_reader *reader, struct eye_sql_token *token)
{
    size_t start = reader->at;
    while (reader->at < reader->bytes && (byte_at(reader, reader->at) == BYTE_DIGIT ||
                                          byte_at(reader, reader->at) == BYTE_WORD)) {
        reader->at++;
    }
    if (is_name(token->start, reader->at - start)) {
        token->kind = reader->binding ? EYE_SQL_TOKEN_NAME : EYE_SQL_TOKEN_WORD;
    }
}

/* A doubled quote is one of the name's. */
static void read_quoted(struct eye_sql_reader *reader, struct eye_sql_token *token)
{
    const char quote[] = {reader->text[reader->at], '\0'};
    const char twice[] = {quote[0], quote[0], '\0'};
    size_t name = ++reader->at;
    while (reader->at < reader->bytes) {
        if (!skip(reader, twice)) {
            if (has(reader, quote)) {
                break;
            }
            reader->at++;
        }
    }
    size_t length = reader->at - name;
    if (skip(reader, quote) && is_name(reader->text + name, length)) {
        token->kind = EYE_SQL_TOKEN_NAME;
    }
}

static void read_token(struct eye_sql_reader *reader, struct eye_sql_token *token)
{
    enum byte first = byte_at(reader, reader->at);
    token->kind = EYE_SQL_TOKEN_NONE;
    if (first == BYTE_QUOTE) {
        read_quoted(reader, token);
    } else if (begins_number(reader)) {
        skip_number(reader);
    } else if (first == BYTE_WORD) {
        read_word(reader, token);
    } else {
        token->kind = EYE_SQL_TOKEN_MARK;
        reader->at++;
    }
}

struct eye_sql_token eye_sql_read(struct eye_sql_reader *reader)
{
    while (reader->at < reader->bytes && skip_between(reader)) {
    }
    struct eye_sql_token token = {.kind = EYE_SQL_TOKEN_END, .start = reader->text + reader->at};
    size_t start = reader->at;
    if (start < reader->bytes) {
        read_token(reader, &token);
    }
    token.length = reader->at - start;
    if (reader->cut && reader->at == reader->bytes) {
        token.kind = EYE_SQL_TOKEN_END;
    }
    reader->binding = token.kind == EYE_SQL_TOKEN_MARK && strchr(binding, token.start[0]) != NULL;
    return token;
}

bool eye_sql_is_word(const struct eye_sql_token *token, const char *word)
{
    return token->kind == EYE_SQL_TOKEN_WORD && token->length == strlen(word) &&
           strncasecmp(token->start, word, token->length) == 0;
}

bool eye_sql_is_mark(const struct eye_sql_token *token, char mark)
{
    return token->kind == EYE_SQL_TOKEN_MARK && token->start[0] == mark;
}
