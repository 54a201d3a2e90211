/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of PostgreSQL's and MySQL's SQL, and what may stand behind them: where names of tables are
 * to be expected. Tables that never change, any thread.
 */
#pragma once

#include "bpf/usm/sql.h"
#include "collector/usm/sql_token.h"

/* What is expected in a parenthesis, or outside of all. */
enum eye_sql_place {
    EYE_PLACE_ALONE,     /* nothing, up to ";" */
    EYE_PLACE_STATEMENT, /* the first word of one */
    EYE_PLACE_INNER,     /* the first word of one, somewhere */
    EYE_PLACE_OBJECT,    /* what is created: TABLE, VIEW */
    EYE_PLACE_TARGET,    /* a name of what is changed */
    EYE_PLACE_TARGETS,   /* behind such: "," and JOIN bring another one */
    EYE_PLACE_SOURCE,    /* a name of what is read, or a parenthesis of such */
    EYE_PLACE_USING,     /* the same, but a parenthesis is one of columns */
    EYE_PLACE_SOURCES,   /* behind such: "," and JOIN bring another one */
    EYE_PLACE_REST,      /* nothing but the words of the operation that bring a name */
};

/* Of operations: the words that bring a name, and those before a name that are none. */
enum eye_sql_trait {
    EYE_HAS_FROM = 1 << 0,
    EYE_HAS_INTO = 1 << 1,
    EYE_HAS_USING = 1 << 2,
    EYE_HAS_ON = 1 << 3,
    EYE_HAS_LIST = 1 << 4,         /* of targets */
    EYE_HAS_INNER = 1 << 5,        /* or a target: DESC t, DESC SELECT */
    EYE_IS_INNER = 1 << 6,         /* may stand behind EXPLAIN and WITH; SELECT may anywhere */
    EYE_CREATES = 1 << 7,          /* objects; others alter or drop them */
    EYE_ENDS_TEXT = 1 << 8,        /* its body may hold ";" */
    EYE_SKIPS_INTO = 1 << 9,       /* INSERT [INTO] t */
    EYE_SKIPS_TABLE = 1 << 10,     /* TRUNCATE [TABLE] t */
    EYE_SKIPS_KIND = 1 << 11,      /* SELECT .. INTO [TEMPORARY] t */
    EYE_SKIPS_TASK = 1 << 12,      /* VACUUM [FULL] t */
    EYE_SKIPS_IF = 1 << 13,        /* DROP TABLE [IF EXISTS] t */
    EYE_SKIPS_ONLY = 1 << 14,      /* UPDATE [ONLY] t */
    EYE_SKIPS_RANK = 1 << 15,      /* UPDATE [LOW_PRIORITY] t */
    EYE_SKIPS_FORM = 1 << 16,      /* COPY [BINARY] t */
    EYE_SKIPS_ADJECTIVE = 1 << 17, /* CREATE [UNIQUE] INDEX */
};

struct eye_sql_behaviour {
    enum eye_sql_place place; /* behind its word */
    unsigned traits;
};

/* Of words that are no name unless in quotes. */
enum eye_sql_meaning {
    EYE_MEANS_NOTHING,
    EYE_MEANS_SELECT,
    EYE_MEANS_WITH,
    EYE_MEANS_FROM,
    EYE_MEANS_JOIN,
    EYE_MEANS_INTO,
    EYE_MEANS_USING,
    EYE_MEANS_ON,
    EYE_MEANS_CLAUSE, /* the list of names is over */
    EYE_MEANS_NO_NAME,
};

struct eye_sql_object {
    const char *name;
    enum eye_sql_place place; /* behind its word */
    unsigned traits;          /* of who creates it */
};

/** The enum eye_sql_operation that begins with this word; EYE_SQL_UNKNOWN: none does. */
uint8_t eye_sql_operation_of(const struct eye_sql_token *token);

/** Of an enum eye_sql_operation: one of EYE_SQL_UNKNOWN is alone. */
const struct eye_sql_behaviour *eye_sql_behaviour_of(uint8_t operation);

/** What can be created, by its word; NULL: none is called so. */
const struct eye_sql_object *eye_sql_object_of(const struct eye_sql_token *token);

/** True for a word that operations of these enum eye_sql_trait have before a name. */
bool eye_sql_is_skipped(const struct eye_sql_token *token, unsigned traits);

enum eye_sql_meaning eye_sql_meaning_of(const struct eye_sql_token *token);
