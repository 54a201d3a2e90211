/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No grammar, but the words that names of tables stand behind, and where those words mean something
 * else. Each parenthesis has a place of its own: FROM names a table behind SELECT, not in
 * EXTRACT(year FROM x). A name counts when what follows it is known. Each token is looked at once.
 */
#include "collector/usm/summary.h"

#include <string.h>
#include <strings.h>

#include "bpf/usm/sql.h"
#include "collector/base/base.h"
#include "collector/usm/sql.h"
#include "collector/usm/sql_token.h"
#include "collector/usm/sql_words.h"

/* The summary ends before what is more. */
#define OPERATIONS_MAX 3
#define TARGETS_MAX 4

/* Parentheses in each other: deeper ones end the summary. */
#define DEPTH_MAX 32

/* catalogue.schema.table */
#define PARTS_MAX 3

/* Names that WITH defines: 192 bytes have no room for more. Further ones would be tables. */
#define DEFINED_MAX 16

/* As many digits in a row are a date, or the number of a partition. */
#define DIGITS_MIN 4

struct frame {
    enum eye_sql_place place;
    unsigned traits; /* of its operation */
};

struct name {
    struct eye_sql_token parts[PARTS_MAX];
    size_t count;
};

struct state {
    struct eye_sql_reader reader;
    struct eye_sql_token token; /* is looked at */
    bool distinct;              /* behind this word */
    bool done;
    char *summary;
    size_t used;
    size_t operations;
    size_t targets;
    struct frame frames[DEPTH_MAX];
    size_t depth;
    struct eye_sql_token defined[DEFINED_MAX]; /* by WITH, in this statement */
    size_t defined_count;
};

static struct frame *frame_of(struct state *state)
{
    return &state->frames[state->depth];
}

static void advance(struct state *state)
{
    state->distinct = eye_sql_is_word(&state->token, "DISTINCT");
    state->token = eye_sql_read(&state->reader);
}

static bool is_end(const struct state *state)
{
    return state->token.kind == EYE_SQL_TOKEN_END;
}

static bool is_mark(const struct state *state, char mark)
{
    return eye_sql_is_mark(&state->token, mark);
}

static bool is_word(const struct state *state, const char *word)
{
    return eye_sql_is_word(&state->token, word);
}

static bool is_name(const struct eye_sql_token *token)
{
    return token->kind == EYE_SQL_TOKEN_WORD || token->kind == EYE_SQL_TOKEN_NAME;
}

/* A word or a name behind what is used: it counts when all of it has room. */
struct piece {
    char *text;
    size_t length;
    bool full;
};

static void add_byte(struct piece *piece, char byte)
{
    piece->full |= piece->length + 1 >= EYE_SUMMARY_BYTES;
    if (!piece->full) {
        piece->text[piece->length++] = byte;
    }
}

static size_t digits_at(const char *text, size_t length)
{
    size_t digits = 0;
    while (digits < length && text[digits] >= '0' && text[digits] <= '9') {
        digits++;
    }
    return digits;
}

static void add_text(struct piece *piece, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        size_t digits = digits_at(text + at, length - at);
        bool many = digits >= DIGITS_MIN;
        add_byte(piece, many ? '?' : text[at]);
        at += many ? digits : 1;
    }
}

static struct piece begin_piece(const struct state *state)
{
    struct piece piece = {.text = state->summary, .length = state->used};
    if (state->used > 0) {
        add_byte(&piece, ' ');
    }
    return piece;
}

static void end_piece(struct state *state, const struct piece *piece)
{
    state->done |= piece->full;
    state->used = piece->full ? state->used : piece->length;
}

static void append_word(struct state *state, const char *word)
{
    struct piece piece = begin_piece(state);
    add_text(&piece, word, strlen(word));
    end_piece(state, &piece);
}

static void append_name(struct state *state, const struct name *name)
{
    if (state->targets == TARGETS_MAX) {
        state->done = true;
        return;
    }
    state->targets++;
    struct piece piece = begin_piece(state);
    for (size_t i = 0; i < name->count; i++) {
        if (i > 0) {
            add_byte(&piece, '.');
        }
        add_text(&piece, name->parts[i].start, name->parts[i].length);
    }
    end_piece(state, &piece);
}

static struct eye_sql_token without_quotes(struct eye_sql_token name)
{
    if (name.start[0] == '"' || name.start[0] == '`') {
        name.start++;
        name.length -= 2;
    }
    return name;
}

static bool is_defined(const struct state *state, const struct name *name)
{
    struct eye_sql_token wanted = without_quotes(name->parts[0]);
    for (size_t i = 0; i < state->defined_count && name->count == 1; i++) {
        struct eye_sql_token defined = without_quotes(state->defined[i]);
        if (defined.length == wanted.length &&
            strncasecmp(defined.start, wanted.start, wanted.length) == 0) {
            return true;
        }
    }
    return false;
}

/* From "(" to behind its ")". */
static void skip_parenthesis(struct state *state)
{
    size_t depth = 0;
    do {
        depth += is_mark(state, '(');
        depth -= is_mark(state, ')');
        advance(state);
    } while (depth > 0 && !is_end(state));
}

/* A name, its columns, AS and a parenthesis. False where WITH is another word's: WITH TIES. */
static bool skip_definition(struct state *state)
{
    struct eye_sql_token name = state->token;
    if (!is_name(&name)) {
        return false;
    }
    advance(state);
    if (is_mark(state, '(')) {
        skip_parenthesis(state);
    }
    if (!is_word(state, "AS")) {
        return false;
    }
    advance(state);
    while (is_word(state, "NOT") || is_word(state, "MATERIALIZED")) {
        advance(state);
    }
    if (!is_mark(state, '(')) {
        return false;
    }
    skip_parenthesis(state);
    if (state->defined_count < DEFINED_MAX) {
        state->defined[state->defined_count++] = name;
    }
    return true;
}

static void take_with(struct state *state)
{
    advance(state);
    if (is_word(state, "RECURSIVE")) {
        advance(state);
    }
    while (skip_definition(state)) {
        *frame_of(state) = (struct frame){.place = EYE_PLACE_INNER};
        if (!is_mark(state, ',')) {
            return;
        }
        advance(state);
    }
}

static void take_operation(struct state *state, uint8_t operation)
{
    if (state->operations == OPERATIONS_MAX) {
        state->done = true;
        return;
    }
    state->operations++;
    append_word(state, eye_sql_operation_name(operation));
    const struct eye_sql_behaviour *behaviour = eye_sql_behaviour_of(operation);
    *frame_of(state) = (struct frame){behaviour->place, behaviour->traits};
    advance(state);
}

/* An index that is created has a name of its own before the table's. */
static void take_object(struct state *state, const struct eye_sql_object *object)
{
    struct frame *frame = frame_of(state);
    unsigned traits = (frame->traits & EYE_CREATES) != 0 ? object->traits : 0;
    append_word(state, object->name);
    frame->place = (traits & EYE_HAS_ON) != 0 ? EYE_PLACE_REST : object->place;
    frame->traits |= traits | EYE_SKIPS_IF | EYE_SKIPS_ONLY;
    advance(state);
}

static enum eye_sql_place place_behind(const struct frame *frame)
{
    if (frame->place != EYE_PLACE_TARGET) {
        return EYE_PLACE_SOURCES;
    }
    return (frame->traits & EYE_HAS_LIST) != 0 ? EYE_PLACE_TARGETS : EYE_PLACE_REST;
}

/* False when it is none: it has too many parts, or one that is no name. */
static bool read_name(struct state *state, struct name *ret_name)
{
    struct name name = {.count = 0};
    bool more = true;
    while (more) {
        if (!is_name(&state->token) || name.count == PARTS_MAX) {
            return false;
        }
        name.parts[name.count++] = state->token;
        advance(state);
        more = is_mark(state, '.');
        if (more) {
            advance(state);
        }
    }
    *ret_name = name;
    return true;
}

/* Other marks say that it was none: "a-b", "x=", U&"x". What has parameters is a function, and ROWS
 * FROM a list of such. */
static bool ends_name(const struct state *state, bool source)
{
    if (is_end(state)) {
        return !state->reader.cut;
    }
    if (source && (is_mark(state, '(') || is_word(state, "FROM"))) {
        return false;
    }
    return is_name(&state->token) || is_mark(state, ',') || is_mark(state, ')') ||
           is_mark(state, ';') || is_mark(state, '(');
}

static void take_name(struct state *state)
{
    struct frame *frame = frame_of(state);
    bool source = frame->place != EYE_PLACE_TARGET;
    struct name name;
    bool named = read_name(state, &name) && ends_name(state, source);
    frame->place = place_behind(frame);
    if (named && !(source && is_defined(state, &name))) {
        append_name(state, &name);
    }
    state->done |= (frame->traits & EYE_ENDS_TEXT) != 0;
}

/* Where a name is expected. What is none is looked at again, behind it. */
static void take_expected(struct state *state)
{
    struct frame *frame = frame_of(state);
    unsigned traits = frame->place == EYE_PLACE_TARGET ? frame->traits : EYE_SKIPS_ONLY;
    uint8_t operation =
        (traits & EYE_HAS_INNER) != 0 ? eye_sql_operation_of(&state->token) : EYE_SQL_UNKNOWN;
    if ((eye_sql_behaviour_of(operation)->traits & EYE_IS_INNER) != 0) {
        take_operation(state, operation);
    } else if (eye_sql_is_skipped(&state->token, traits)) {
        advance(state);
    } else if (is_name(&state->token) && eye_sql_meaning_of(&state->token) == EYE_MEANS_NOTHING) {
        take_name(state);
    } else {
        frame->place = place_behind(frame);
    }
}

static void expect(struct frame *frame, enum eye_sql_place place, unsigned trait)
{
    if ((frame->traits & trait) != 0) {
        frame->place = place;
    }
}

static void take_keyword(struct state *state, enum eye_sql_meaning meaning)
{
    struct frame *frame = frame_of(state);
    bool list = frame->place == EYE_PLACE_TARGETS || frame->place == EYE_PLACE_SOURCES;
    if (meaning == EYE_MEANS_FROM && !state->distinct) {
        expect(frame, EYE_PLACE_SOURCE, EYE_HAS_FROM);
    } else if (meaning == EYE_MEANS_INTO) {
        expect(frame, EYE_PLACE_TARGET, EYE_HAS_INTO);
    } else if (meaning == EYE_MEANS_USING) {
        expect(frame, EYE_PLACE_USING, EYE_HAS_USING);
    } else if (meaning == EYE_MEANS_ON) {
        expect(frame, EYE_PLACE_TARGET, EYE_HAS_ON);
    } else if (meaning == EYE_MEANS_JOIN && list) {
        frame->place = EYE_PLACE_SOURCE;
    } else if (meaning == EYE_MEANS_CLAUSE && list) {
        frame->place = EYE_PLACE_REST;
    }
    advance(state);
}

/* Where words of the operation may come. */
static void take_rest(struct state *state)
{
    enum eye_sql_meaning meaning = eye_sql_meaning_of(&state->token);
    if (meaning == EYE_MEANS_SELECT) {
        take_operation(state, EYE_SQL_SELECT);
    } else if (meaning == EYE_MEANS_WITH) {
        take_with(state);
    } else {
        take_keyword(state, meaning);
    }
}

static void take_statement(struct state *state)
{
    uint8_t operation = eye_sql_operation_of(&state->token);
    if (operation == EYE_SQL_WITH) {
        take_with(state);
    } else if (operation != EYE_SQL_UNKNOWN) {
        take_operation(state, operation);
    } else {
        state->done = true;
    }
}

static void take_inner(struct state *state)
{
    uint8_t operation = eye_sql_operation_of(&state->token);
    if ((eye_sql_behaviour_of(operation)->traits & EYE_IS_INNER) != 0) {
        take_operation(state, operation);
    } else {
        take_rest(state);
    }
}

/* TABLE or INDEX, behind adjectives and "DEFINER=user". */
static void take_what_is_created(struct state *state)
{
    const struct eye_sql_object *object = eye_sql_object_of(&state->token);
    if (object != NULL) {
        take_object(state, object);
    } else if (state->token.kind != EYE_SQL_TOKEN_WORD ||
               eye_sql_is_skipped(&state->token, EYE_SKIPS_ADJECTIVE)) {
        advance(state);
    } else {
        frame_of(state)->place = EYE_PLACE_ALONE;
    }
}

static void open_parenthesis(struct state *state)
{
    if (state->depth + 1 == DEPTH_MAX) {
        state->done = true;
        return;
    }
    struct frame *outer = frame_of(state);
    bool same = outer->place == EYE_PLACE_STATEMENT || outer->place == EYE_PLACE_SOURCE;
    enum eye_sql_place inner = same ? outer->place : EYE_PLACE_REST;
    if (outer->place == EYE_PLACE_SOURCE || outer->place == EYE_PLACE_USING) {
        outer->place = EYE_PLACE_SOURCES;
    } else if (outer->place == EYE_PLACE_STATEMENT) {
        outer->place = EYE_PLACE_REST;
    }
    state->frames[++state->depth] = (struct frame){.place = inner};
    advance(state);
}

static void close_parenthesis(struct state *state)
{
    if (state->depth == 0) {
        state->done = true;
        return;
    }
    state->depth--;
    advance(state);
}

static void end_statement(struct state *state)
{
    state->done |= state->depth > 0;
    state->defined_count = 0;
    *frame_of(state) = (struct frame){.place = EYE_PLACE_STATEMENT};
    advance(state);
}

static void take_comma(struct state *state)
{
    struct frame *frame = frame_of(state);
    if (frame->place == EYE_PLACE_TARGETS) {
        frame->place = EYE_PLACE_TARGET;
    } else if (frame->place == EYE_PLACE_SOURCES) {
        frame->place = EYE_PLACE_SOURCE;
    }
    advance(state);
}

static void take_word(struct state *state)
{
    switch (frame_of(state)->place) {
    case EYE_PLACE_ALONE:
        advance(state);
        break;
    case EYE_PLACE_STATEMENT:
        take_statement(state);
        break;
    case EYE_PLACE_INNER:
        take_inner(state);
        break;
    case EYE_PLACE_OBJECT:
        take_what_is_created(state);
        break;
    case EYE_PLACE_TARGET:
    case EYE_PLACE_SOURCE:
    case EYE_PLACE_USING:
        take_expected(state);
        break;
    case EYE_PLACE_TARGETS:
    case EYE_PLACE_SOURCES:
    case EYE_PLACE_REST:
        take_rest(state);
        break;
    }
}

static void take(struct state *state)
{
    if (is_mark(state, ';')) {
        end_statement(state);
    } else if (frame_of(state)->place == EYE_PLACE_ALONE) {
        advance(state);
    } else if (is_mark(state, '(')) {
        open_parenthesis(state);
    } else if (is_mark(state, ')')) {
        close_parenthesis(state);
    } else if (is_mark(state, ',')) {
        take_comma(state);
    } else {
        take_word(state);
    }
}

size_t eye_summarise(const uint8_t *text, size_t bytes, bool cut,
                     char ret_summary[static EYE_SUMMARY_BYTES])
{
    struct state state = {
        .reader = {.text = bytes > 0 ? (const char *)text : "", .bytes = bytes, .cut = cut},
        .summary = ret_summary,
        .frames = {{.place = EYE_PLACE_STATEMENT}},
    };
    state.token = eye_sql_read(&state.reader);
    while (!state.done && !is_end(&state)) {
        take(&state);
    }
    ret_summary[state.used] = '\0';
    return state.used;
}
