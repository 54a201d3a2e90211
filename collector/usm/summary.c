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

/* What is expected in a parenthesis, or outside of all. */
enum place {
    PLACE_ALONE,     /* nothing, up to ";" */
    PLACE_STATEMENT, /* the first word of one */
    PLACE_INNER,     /* the first word of one, somewhere */
    PLACE_OBJECT,    /* what is created: TABLE, VIEW */
    PLACE_TARGET,    /* a name of what is changed */
    PLACE_TARGETS,   /* behind such: "," and JOIN bring another one */
    PLACE_SOURCE,    /* a name of what is read, or a parenthesis of such */
    PLACE_USING,     /* the same, but a parenthesis is one of columns */
    PLACE_SOURCES,   /* behind such: "," and JOIN bring another one */
    PLACE_REST,      /* nothing but the words of the operation that bring a name */
};

/* Of operations: the words that bring a name, and those before a name that are none. */
enum trait {
    HAS_FROM = 1 << 0,
    HAS_INTO = 1 << 1,
    HAS_USING = 1 << 2,
    HAS_ON = 1 << 3,
    HAS_LIST = 1 << 4,   /* of targets */
    IS_INNER = 1 << 5,   /* may stand behind EXPLAIN and WITH */
    HAS_INNER = 1 << 15, /* where a target may be: DESC t, DESC SELECT */
    CREATES = 1 << 16,
    ENDS_TEXT = 1 << 6,   /* its body may hold ";" */
    SKIPS_INTO = 1 << 7,  /* INSERT [IGNORE] [INTO] t */
    SKIPS_TABLE = 1 << 8, /* TRUNCATE [TABLE] t */
    SKIPS_KIND = 1 << 9,  /* SELECT .. INTO [TEMPORARY] t */
    SKIPS_TASK = 1 << 10, /* VACUUM [FULL] t */
    SKIPS_IF = 1 << 11,   /* DROP TABLE [IF EXISTS] t */
    SKIPS_ONLY = 1 << 12, /* UPDATE [ONLY] t */
    SKIPS_RANK = 1 << 13, /* UPDATE [LOW_PRIORITY] t */
    SKIPS_FORM = 1 << 14, /* COPY [BINARY] t */
};

#define SKIPS_UPKEEP (SKIPS_TABLE | SKIPS_TASK | SKIPS_ONLY)

struct behaviour {
    enum place place; /* behind its word */
    unsigned traits;
};

/* By enum eye_sql_operation. Others are alone: what they name is no table, and may be anything
 * (cursors, channels, users). */
static const struct behaviour operations[EYE_SQL_OPERATION_COUNT] = {
    [EYE_SQL_SELECT] = {PLACE_REST, HAS_FROM | HAS_INTO | IS_INNER | SKIPS_TABLE | SKIPS_KIND},
    [EYE_SQL_INSERT] = {PLACE_TARGET, IS_INNER | SKIPS_INTO | SKIPS_RANK},
    [EYE_SQL_REPLACE] = {PLACE_TARGET, IS_INNER | SKIPS_INTO | SKIPS_RANK},
    [EYE_SQL_UPDATE] = {PLACE_TARGET, HAS_FROM | HAS_LIST | IS_INNER | SKIPS_ONLY | SKIPS_RANK},
    [EYE_SQL_DELETE] = {PLACE_REST, HAS_FROM | HAS_USING | IS_INNER},
    [EYE_SQL_MERGE] = {PLACE_TARGET, HAS_USING | IS_INNER | SKIPS_INTO | SKIPS_ONLY},
    [EYE_SQL_VALUES] = {PLACE_ALONE, IS_INNER},
    [EYE_SQL_EXECUTE] = {PLACE_ALONE, IS_INNER},
    [EYE_SQL_TABLE] = {PLACE_TARGET, SKIPS_ONLY},
    [EYE_SQL_COPY] = {PLACE_TARGET, SKIPS_FORM},
    [EYE_SQL_CALL] = {PLACE_TARGET, 0},
    [EYE_SQL_LOCK] = {PLACE_TARGET, HAS_LIST | SKIPS_TABLE | SKIPS_ONLY},
    [EYE_SQL_TRUNCATE] = {PLACE_TARGET, HAS_LIST | SKIPS_TABLE | SKIPS_ONLY},
    [EYE_SQL_CREATE] = {PLACE_OBJECT, IS_INNER | CREATES},
    [EYE_SQL_ALTER] = {PLACE_OBJECT, 0},
    [EYE_SQL_DROP] = {PLACE_OBJECT, HAS_LIST},
    [EYE_SQL_EXPLAIN] = {PLACE_INNER, 0},
    [EYE_SQL_PREPARE] = {PLACE_INNER, 0},
    [EYE_SQL_DECLARE] = {PLACE_INNER, 0},
    [EYE_SQL_DESCRIBE] = {PLACE_TARGET, HAS_INNER},
    [EYE_SQL_DESC] = {PLACE_TARGET, HAS_INNER},
    [EYE_SQL_LOAD] = {PLACE_REST, HAS_INTO | SKIPS_TABLE},
    [EYE_SQL_VACUUM] = {PLACE_TARGET, HAS_LIST | SKIPS_UPKEEP},
    [EYE_SQL_ANALYZE] = {PLACE_TARGET, HAS_LIST | HAS_INNER | SKIPS_UPKEEP},
    [EYE_SQL_CLUSTER] = {PLACE_TARGET, SKIPS_UPKEEP},
    [EYE_SQL_REINDEX] = {PLACE_TARGET, SKIPS_UPKEEP | SKIPS_IF},
    [EYE_SQL_REFRESH] = {PLACE_TARGET, SKIPS_UPKEEP | SKIPS_IF},
    [EYE_SQL_OPTIMIZE] = {PLACE_TARGET, HAS_LIST | SKIPS_UPKEEP},
    [EYE_SQL_CHECK] = {PLACE_TARGET, HAS_LIST | SKIPS_UPKEEP},
    [EYE_SQL_REPAIR] = {PLACE_TARGET, HAS_LIST | SKIPS_UPKEEP},
    [EYE_SQL_RENAME] = {PLACE_TARGET, SKIPS_TABLE},
};

struct object {
    const char *name;
    struct behaviour created;
    enum place changed; /* altered or dropped */
};

/* What is found in a session of its owner's (users, rights) has no name here. The first that is
 * found: FOREIGN TABLE is a table. */
static const struct object objects[] = {
    {"TABLE", {PLACE_TARGET, 0}, PLACE_TARGET},
    {"INDEX", {PLACE_REST, HAS_ON}, PLACE_TARGET},
    {"VIEW", {PLACE_TARGET, 0}, PLACE_TARGET},
    {"DATABASE", {PLACE_TARGET, 0}, PLACE_TARGET},
    {"SCHEMA", {PLACE_TARGET, 0}, PLACE_TARGET},
    {"SEQUENCE", {PLACE_TARGET, 0}, PLACE_TARGET},
    {"TYPE", {PLACE_TARGET, 0}, PLACE_TARGET},
    {"DOMAIN", {PLACE_TARGET, 0}, PLACE_TARGET},
    {"EXTENSION", {PLACE_TARGET, 0}, PLACE_TARGET},
    {"TABLESPACE", {PLACE_TARGET, 0}, PLACE_TARGET},
    {"FUNCTION", {PLACE_TARGET, ENDS_TEXT}, PLACE_TARGET},
    {"PROCEDURE", {PLACE_TARGET, ENDS_TEXT}, PLACE_TARGET},
    {"TRIGGER", {PLACE_TARGET, ENDS_TEXT}, PLACE_TARGET},
    {"EVENT", {PLACE_TARGET, ENDS_TEXT}, PLACE_TARGET},
    {"RULE", {PLACE_TARGET, ENDS_TEXT}, PLACE_TARGET},
    {"POLICY", {PLACE_ALONE, 0}, PLACE_ALONE},
    {"USER", {PLACE_ALONE, 0}, PLACE_ALONE},
    {"ROLE", {PLACE_ALONE, 0}, PLACE_ALONE},
    {"GROUP", {PLACE_ALONE, 0}, PLACE_ALONE},
    {"SERVER", {PLACE_ALONE, 0}, PLACE_ALONE},
    {"SYSTEM", {PLACE_ALONE, 0}, PLACE_ALONE},
    {"PRIVILEGES", {PLACE_ALONE, 0}, PLACE_ALONE},
};

/* Words before a name that are none: behind operations of that trait only, for each of them may be
 * the name of a table. */
static const struct {
    const char *word;
    unsigned trait;
} skipped[] = {
    {"INTO", SKIPS_INTO},
    {"IGNORE", SKIPS_INTO | SKIPS_RANK},
    {"LOW_PRIORITY", SKIPS_RANK},
    {"HIGH_PRIORITY", SKIPS_RANK},
    {"DELAYED", SKIPS_RANK},
    {"ONLY", SKIPS_ONLY},
    {"LATERAL", SKIPS_ONLY},
    {"TABLE", SKIPS_TABLE},
    {"TABLES", SKIPS_TABLE},
    {"TEMPORARY", SKIPS_KIND},
    {"TEMP", SKIPS_KIND},
    {"UNLOGGED", SKIPS_KIND},
    {"IF", SKIPS_IF},
    {"NOT", SKIPS_IF},
    {"EXISTS", SKIPS_IF},
    {"CONCURRENTLY", SKIPS_IF},
    {"FULL", SKIPS_TASK},
    {"FREEZE", SKIPS_TASK},
    {"VERBOSE", SKIPS_TASK},
    {"ANALYZE", SKIPS_TASK},
    {"LOCAL", SKIPS_TASK},
    {"NO_WRITE_TO_BINLOG", SKIPS_TASK},
    {"INDEX", SKIPS_TASK},
    {"SCHEMA", SKIPS_TASK},
    {"DATABASE", SKIPS_TASK},
    {"SYSTEM", SKIPS_TASK},
    {"VIEW", SKIPS_TASK},
    {"MATERIALIZED", SKIPS_TASK},
    {"BINARY", SKIPS_FORM},
};

enum meaning {
    MEANS_NOTHING,
    MEANS_SELECT,
    MEANS_WITH,
    MEANS_FROM,
    MEANS_JOIN,
    MEANS_INTO,
    MEANS_USING,
    MEANS_ON,
    MEANS_CLAUSE, /* the list of names is over */
    MEANS_NO_NAME,
};

/* Words that are no name unless in quotes. */
static const struct {
    const char *word;
    enum meaning meaning;
} keywords[] = {
    {"SELECT", MEANS_SELECT},      {"WITH", MEANS_WITH},
    {"FROM", MEANS_FROM},          {"JOIN", MEANS_JOIN},
    {"STRAIGHT_JOIN", MEANS_JOIN}, {"INTO", MEANS_INTO},
    {"USING", MEANS_USING},        {"ON", MEANS_ON},
    {"WHERE", MEANS_CLAUSE},       {"GROUP", MEANS_CLAUSE},
    {"HAVING", MEANS_CLAUSE},      {"ORDER", MEANS_CLAUSE},
    {"LIMIT", MEANS_CLAUSE},       {"OFFSET", MEANS_CLAUSE},
    {"FETCH", MEANS_CLAUSE},       {"FOR", MEANS_CLAUSE},
    {"UNION", MEANS_CLAUSE},       {"INTERSECT", MEANS_CLAUSE},
    {"EXCEPT", MEANS_CLAUSE},      {"WINDOW", MEANS_CLAUSE},
    {"SET", MEANS_CLAUSE},         {"VALUES", MEANS_CLAUSE},
    {"UPDATE", MEANS_CLAUSE},      {"RETURNING", MEANS_CLAUSE},
    {"PROCEDURE", MEANS_CLAUSE},   {"TO", MEANS_CLAUSE},
    {"OUTFILE", MEANS_CLAUSE},     {"DUMPFILE", MEANS_CLAUSE},
    {"AS", MEANS_NO_NAME},         {"TABLE", MEANS_NO_NAME},
};

struct frame {
    enum place place;
    unsigned traits; /* of its operation */
};

struct name {
    struct eye_sql_token parts[PARTS_MAX];
    size_t count;
};

struct state {
    struct eye_sql_reader reader;
    struct eye_sql_token token; /* is looked at */
    bool bound;                 /* to the mark before it: no keyword */
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

/* "a.from", "@from", ":from" and "DEFINER=user". */
static bool binds(const struct eye_sql_token *token)
{
    return token->kind == EYE_SQL_TOKEN_MARK && strchr(".@:=", token->start[0]) != NULL;
}

static void advance(struct state *state)
{
    state->distinct = !state->bound && eye_sql_is_word(&state->token, "DISTINCT");
    state->bound = binds(&state->token);
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
    return !state->bound && eye_sql_is_word(&state->token, word);
}

static bool is_name(const struct eye_sql_token *token)
{
    return token->kind == EYE_SQL_TOKEN_WORD || token->kind == EYE_SQL_TOKEN_QUOTED;
}

static enum meaning meaning_of(const struct state *state)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(keywords); i++) {
        if (is_word(state, keywords[i].word)) {
            return keywords[i].meaning;
        }
    }
    return MEANS_NOTHING;
}

/* EYE_SQL_UNKNOWN: the token is no such word. */
static uint8_t operation_of(const struct state *state)
{
    for (uint8_t i = EYE_SQL_OTHER + 1; i < EYE_SQL_OPERATION_COUNT; i++) {
        if (is_word(state, eye_sql_operation_name(i))) {
            return i;
        }
    }
    return EYE_SQL_UNKNOWN;
}

static const struct object *object_of(const struct state *state)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(objects); i++) {
        if (is_word(state, objects[i].name)) {
            return &objects[i];
        }
    }
    return NULL;
}

static bool is_skipped(const struct state *state, unsigned traits)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(skipped); i++) {
        if ((skipped[i].trait & traits) != 0 && is_word(state, skipped[i].word)) {
            return true;
        }
    }
    return false;
}

/* Behind what is used, which counts when all of it has room. */
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

static bool is_defined(const struct state *state, const struct name *name)
{
    const struct eye_sql_token *part = &name->parts[0];
    for (size_t i = 0; i < state->defined_count && name->count == 1; i++) {
        const struct eye_sql_token *defined = &state->defined[i];
        if (defined->length == part->length &&
            strncasecmp(defined->start, part->start, part->length) == 0) {
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
        *frame_of(state) = (struct frame){.place = PLACE_INNER};
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
    const struct behaviour *behaviour = &operations[operation];
    *frame_of(state) = (struct frame){behaviour->place, behaviour->traits};
    advance(state);
}

/* The frame still has the traits of the operation. */
static void take_object(struct state *state, const struct object *object)
{
    struct frame *frame = frame_of(state);
    bool created = (frame->traits & CREATES) != 0;
    append_word(state, object->name);
    frame->place = created ? object->created.place : object->changed;
    frame->traits |= SKIPS_IF | SKIPS_ONLY | (created ? object->created.traits : 0);
    advance(state);
}

static enum place place_behind(const struct frame *frame)
{
    if (frame->place != PLACE_TARGET) {
        return PLACE_SOURCES;
    }
    return (frame->traits & HAS_LIST) != 0 ? PLACE_TARGETS : PLACE_REST;
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

/* Other marks say that it was none: "a-b", "x=", U&"x". What has parameters is a function. */
static bool ends_name(const struct state *state, bool source)
{
    if (is_end(state)) {
        return !state->reader.cut;
    }
    return is_name(&state->token) || is_mark(state, ',') || is_mark(state, ')') ||
           is_mark(state, ';') || (!source && is_mark(state, '('));
}

static void take_name(struct state *state)
{
    struct frame *frame = frame_of(state);
    bool source = frame->place != PLACE_TARGET;
    struct name name;
    bool named = read_name(state, &name) && ends_name(state, source);
    frame->place = place_behind(frame);
    if (named && !(source && is_defined(state, &name))) {
        append_name(state, &name);
    }
    state->done |= (frame->traits & ENDS_TEXT) != 0;
}

/* Where a name is expected. What is none is looked at again, behind it. */
static void take_expected(struct state *state)
{
    struct frame *frame = frame_of(state);
    unsigned traits = frame->place == PLACE_TARGET ? frame->traits : SKIPS_ONLY;
    uint8_t operation = (traits & HAS_INNER) != 0 ? operation_of(state) : EYE_SQL_UNKNOWN;
    if ((operations[operation].traits & IS_INNER) != 0) {
        take_operation(state, operation);
    } else if (is_skipped(state, traits)) {
        advance(state);
    } else if (is_name(&state->token) && meaning_of(state) == MEANS_NOTHING) {
        take_name(state);
    } else {
        frame->place = place_behind(frame);
    }
}

static void expect(struct frame *frame, enum place place, unsigned trait)
{
    if ((frame->traits & trait) != 0) {
        frame->place = place;
    }
}

static void take_keyword(struct state *state, enum meaning meaning)
{
    struct frame *frame = frame_of(state);
    bool list = frame->place == PLACE_TARGETS || frame->place == PLACE_SOURCES;
    if (meaning == MEANS_FROM && !state->distinct) {
        expect(frame, PLACE_SOURCE, HAS_FROM);
    } else if (meaning == MEANS_INTO) {
        expect(frame, PLACE_TARGET, HAS_INTO);
    } else if (meaning == MEANS_USING) {
        expect(frame, PLACE_USING, HAS_USING);
    } else if (meaning == MEANS_ON) {
        expect(frame, PLACE_TARGET, HAS_ON);
    } else if (meaning == MEANS_JOIN && list) {
        frame->place = PLACE_SOURCE;
    } else if (meaning == MEANS_CLAUSE && list) {
        frame->place = PLACE_REST;
    }
    advance(state);
}

/* Where words of the operation may come. */
static void take_rest(struct state *state)
{
    enum meaning meaning = meaning_of(state);
    if (meaning == MEANS_SELECT) {
        take_operation(state, EYE_SQL_SELECT);
    } else if (meaning == MEANS_WITH) {
        take_with(state);
    } else {
        take_keyword(state, meaning);
    }
}

static void take_statement(struct state *state)
{
    uint8_t operation = operation_of(state);
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
    uint8_t operation = operation_of(state);
    if ((operations[operation].traits & IS_INNER) != 0) {
        take_operation(state, operation);
    } else {
        take_rest(state);
    }
}

static void take_what_is_created(struct state *state)
{
    const struct object *object = object_of(state);
    if (object != NULL) {
        take_object(state, object);
    } else {
        advance(state);
    }
}

static void open_parenthesis(struct state *state)
{
    if (state->depth + 1 == DEPTH_MAX) {
        state->done = true;
        return;
    }
    struct frame *outer = frame_of(state);
    bool same = outer->place == PLACE_STATEMENT || outer->place == PLACE_SOURCE;
    enum place inner = same ? outer->place : PLACE_REST;
    if (outer->place == PLACE_SOURCE || outer->place == PLACE_USING) {
        outer->place = PLACE_SOURCES;
    } else if (outer->place == PLACE_STATEMENT) {
        outer->place = PLACE_REST;
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
    *frame_of(state) = (struct frame){.place = PLACE_STATEMENT};
    advance(state);
}

static void take_comma(struct state *state)
{
    struct frame *frame = frame_of(state);
    if (frame->place == PLACE_TARGETS) {
        frame->place = PLACE_TARGET;
    } else if (frame->place == PLACE_SOURCES) {
        frame->place = PLACE_SOURCE;
    }
    advance(state);
}

static void take_word(struct state *state)
{
    switch (frame_of(state)->place) {
    case PLACE_ALONE:
        advance(state);
        break;
    case PLACE_STATEMENT:
        take_statement(state);
        break;
    case PLACE_INNER:
        take_inner(state);
        break;
    case PLACE_OBJECT:
        take_what_is_created(state);
        break;
    case PLACE_TARGET:
    case PLACE_SOURCE:
    case PLACE_USING:
        take_expected(state);
        break;
    case PLACE_TARGETS:
    case PLACE_SOURCES:
    case PLACE_REST:
        take_rest(state);
        break;
    }
}

static void take(struct state *state)
{
    if (is_mark(state, ';')) {
        end_statement(state);
    } else if (frame_of(state)->place == PLACE_ALONE) {
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
        .frames = {{.place = PLACE_STATEMENT}},
    };
    state.token = eye_sql_read(&state.reader);
    while (!state.done && !is_end(&state)) {
        take(&state);
    }
    ret_summary[state.used] = '\0';
    return state.used;
}
