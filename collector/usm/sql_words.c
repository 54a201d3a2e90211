/* SPDX-License-Identifier: Apache-2.0 */
/* What both databases' manuals list as syntax, told apart by words alone. */
#include "collector/usm/sql_words.h"

#include <assert.h>

#include "collector/base/base.h"
#include "collector/usm/sql.h"

#define SKIPS_UPKEEP (EYE_SKIPS_TABLE | EYE_SKIPS_TASK | EYE_SKIPS_ONLY)

/* By enum eye_sql_operation. Others are alone: what they name is no table, and may be anything
 * (cursors, channels, users). */
static const struct eye_sql_behaviour operations[EYE_SQL_OPERATION_COUNT] = {
    [EYE_SQL_SELECT] = {EYE_PLACE_REST,
                        EYE_HAS_FROM | EYE_HAS_INTO | EYE_SKIPS_TABLE | EYE_SKIPS_KIND},
    [EYE_SQL_INSERT] = {EYE_PLACE_TARGET, EYE_IS_INNER | EYE_SKIPS_INTO | EYE_SKIPS_RANK},
    [EYE_SQL_REPLACE] = {EYE_PLACE_TARGET, EYE_IS_INNER | EYE_SKIPS_INTO | EYE_SKIPS_RANK},
    [EYE_SQL_UPDATE] = {EYE_PLACE_TARGET, EYE_HAS_FROM | EYE_HAS_LIST | EYE_IS_INNER |
                                              EYE_SKIPS_ONLY | EYE_SKIPS_RANK},
    [EYE_SQL_DELETE] = {EYE_PLACE_REST, EYE_HAS_FROM | EYE_HAS_USING | EYE_IS_INNER},
    [EYE_SQL_MERGE] = {EYE_PLACE_TARGET,
                       EYE_HAS_USING | EYE_IS_INNER | EYE_SKIPS_INTO | EYE_SKIPS_ONLY},
    [EYE_SQL_VALUES] = {EYE_PLACE_ALONE, EYE_IS_INNER},
    [EYE_SQL_EXECUTE] = {EYE_PLACE_ALONE, EYE_IS_INNER},
    [EYE_SQL_TABLE] = {EYE_PLACE_TARGET, EYE_SKIPS_ONLY},
    [EYE_SQL_COPY] = {EYE_PLACE_TARGET, EYE_SKIPS_FORM},
    [EYE_SQL_CALL] = {EYE_PLACE_TARGET, 0},
    [EYE_SQL_LOCK] = {EYE_PLACE_TARGET, EYE_HAS_LIST | EYE_SKIPS_TABLE | EYE_SKIPS_ONLY},
    [EYE_SQL_TRUNCATE] = {EYE_PLACE_TARGET, EYE_HAS_LIST | EYE_SKIPS_TABLE | EYE_SKIPS_ONLY},
    [EYE_SQL_CREATE] = {EYE_PLACE_OBJECT, EYE_IS_INNER | EYE_CREATES},
    [EYE_SQL_ALTER] = {EYE_PLACE_OBJECT, 0},
    [EYE_SQL_DROP] = {EYE_PLACE_OBJECT, EYE_HAS_LIST},
    [EYE_SQL_EXPLAIN] = {EYE_PLACE_INNER, 0},
    [EYE_SQL_PREPARE] = {EYE_PLACE_INNER, 0},
    [EYE_SQL_DECLARE] = {EYE_PLACE_INNER, 0},
    [EYE_SQL_DESCRIBE] = {EYE_PLACE_TARGET, EYE_HAS_INNER},
    [EYE_SQL_DESC] = {EYE_PLACE_TARGET, EYE_HAS_INNER},
    [EYE_SQL_LOAD] = {EYE_PLACE_REST, EYE_HAS_INTO | EYE_SKIPS_TABLE},
    [EYE_SQL_VACUUM] = {EYE_PLACE_TARGET, EYE_HAS_LIST | SKIPS_UPKEEP},
    [EYE_SQL_ANALYZE] = {EYE_PLACE_TARGET, EYE_HAS_LIST | EYE_HAS_INNER | SKIPS_UPKEEP},
    [EYE_SQL_CLUSTER] = {EYE_PLACE_TARGET, SKIPS_UPKEEP},
    [EYE_SQL_REINDEX] = {EYE_PLACE_TARGET, SKIPS_UPKEEP | EYE_SKIPS_IF},
    [EYE_SQL_REFRESH] = {EYE_PLACE_TARGET, SKIPS_UPKEEP | EYE_SKIPS_IF},
    [EYE_SQL_OPTIMIZE] = {EYE_PLACE_TARGET, EYE_HAS_LIST | SKIPS_UPKEEP},
    [EYE_SQL_CHECK] = {EYE_PLACE_TARGET, EYE_HAS_LIST | SKIPS_UPKEEP},
    [EYE_SQL_REPAIR] = {EYE_PLACE_TARGET, EYE_HAS_LIST | SKIPS_UPKEEP},
    [EYE_SQL_RENAME] = {EYE_PLACE_TARGET, EYE_SKIPS_TABLE},
};

/* Who may do something is no table: these have no names. */
static const struct eye_sql_object objects[] = {
    {"TABLE", EYE_PLACE_TARGET, 0},
    {"INDEX", EYE_PLACE_TARGET, EYE_HAS_ON},
    {"VIEW", EYE_PLACE_TARGET, 0},
    {"DATABASE", EYE_PLACE_TARGET, 0},
    {"SCHEMA", EYE_PLACE_TARGET, 0},
    {"SEQUENCE", EYE_PLACE_TARGET, 0},
    {"TYPE", EYE_PLACE_TARGET, 0},
    {"DOMAIN", EYE_PLACE_TARGET, 0},
    {"EXTENSION", EYE_PLACE_TARGET, 0},
    {"TABLESPACE", EYE_PLACE_TARGET, 0},
    {"PUBLICATION", EYE_PLACE_TARGET, 0},
    {"SUBSCRIPTION", EYE_PLACE_TARGET, 0},
    {"FUNCTION", EYE_PLACE_TARGET, EYE_ENDS_TEXT},
    {"PROCEDURE", EYE_PLACE_TARGET, EYE_ENDS_TEXT},
    {"TRIGGER", EYE_PLACE_TARGET, EYE_ENDS_TEXT},
    {"EVENT", EYE_PLACE_TARGET, EYE_ENDS_TEXT},
    {"RULE", EYE_PLACE_TARGET, EYE_ENDS_TEXT},
    {"USER", EYE_PLACE_ALONE, 0},
    {"ROLE", EYE_PLACE_ALONE, 0},
};

/* Words before a name that are none: behind operations of that trait only, for each of them may be
 * the name of a table. */
static const struct {
    const char *word;
    unsigned trait;
} skipped[] = {
    {"INTO", EYE_SKIPS_INTO},
    {"IGNORE", EYE_SKIPS_INTO | EYE_SKIPS_RANK},
    {"LOW_PRIORITY", EYE_SKIPS_RANK},
    {"HIGH_PRIORITY", EYE_SKIPS_RANK},
    {"DELAYED", EYE_SKIPS_RANK},
    {"ONLY", EYE_SKIPS_ONLY},
    {"LATERAL", EYE_SKIPS_ONLY},
    {"TABLE", EYE_SKIPS_TABLE},
    {"TABLES", EYE_SKIPS_TABLE},
    {"TEMPORARY", EYE_SKIPS_KIND | EYE_SKIPS_ADJECTIVE},
    {"TEMP", EYE_SKIPS_KIND | EYE_SKIPS_ADJECTIVE},
    {"UNLOGGED", EYE_SKIPS_KIND | EYE_SKIPS_ADJECTIVE},
    {"IF", EYE_SKIPS_IF},
    {"NOT", EYE_SKIPS_IF},
    {"EXISTS", EYE_SKIPS_IF},
    {"CONCURRENTLY", EYE_SKIPS_IF},
    {"FULL", EYE_SKIPS_TASK},
    {"FREEZE", EYE_SKIPS_TASK},
    {"VERBOSE", EYE_SKIPS_TASK},
    {"ANALYZE", EYE_SKIPS_TASK},
    {"LOCAL", EYE_SKIPS_TASK | EYE_SKIPS_ADJECTIVE},
    {"NO_WRITE_TO_BINLOG", EYE_SKIPS_TASK},
    {"INDEX", EYE_SKIPS_TASK},
    {"SCHEMA", EYE_SKIPS_TASK},
    {"DATABASE", EYE_SKIPS_TASK},
    {"SYSTEM", EYE_SKIPS_TASK},
    {"VIEW", EYE_SKIPS_TASK},
    {"MATERIALIZED", EYE_SKIPS_TASK | EYE_SKIPS_ADJECTIVE},
    {"BINARY", EYE_SKIPS_FORM},
    {"OR", EYE_SKIPS_ADJECTIVE},
    {"REPLACE", EYE_SKIPS_ADJECTIVE},
    {"UNIQUE", EYE_SKIPS_ADJECTIVE},
    {"FULLTEXT", EYE_SKIPS_ADJECTIVE},
    {"SPATIAL", EYE_SKIPS_ADJECTIVE},
    {"GLOBAL", EYE_SKIPS_ADJECTIVE},
    {"FOREIGN", EYE_SKIPS_ADJECTIVE},
    {"RECURSIVE", EYE_SKIPS_ADJECTIVE},
    {"CONSTRAINT", EYE_SKIPS_ADJECTIVE},
    {"ALGORITHM", EYE_SKIPS_ADJECTIVE},
    {"DEFINER", EYE_SKIPS_ADJECTIVE},
    {"SQL", EYE_SKIPS_ADJECTIVE},
    {"SECURITY", EYE_SKIPS_ADJECTIVE},
    {"INVOKER", EYE_SKIPS_ADJECTIVE},
};

/* Words that are no name unless in quotes. */
static const struct {
    const char *word;
    enum eye_sql_meaning meaning;
} keywords[] = {
    {"SELECT", EYE_MEANS_SELECT},      {"WITH", EYE_MEANS_WITH},
    {"FROM", EYE_MEANS_FROM},          {"JOIN", EYE_MEANS_JOIN},
    {"STRAIGHT_JOIN", EYE_MEANS_JOIN}, {"INTO", EYE_MEANS_INTO},
    {"USING", EYE_MEANS_USING},        {"ON", EYE_MEANS_ON},
    {"WHERE", EYE_MEANS_CLAUSE},       {"GROUP", EYE_MEANS_CLAUSE},
    {"HAVING", EYE_MEANS_CLAUSE},      {"ORDER", EYE_MEANS_CLAUSE},
    {"LIMIT", EYE_MEANS_CLAUSE},       {"OFFSET", EYE_MEANS_CLAUSE},
    {"FETCH", EYE_MEANS_CLAUSE},       {"FOR", EYE_MEANS_CLAUSE},
    {"UNION", EYE_MEANS_CLAUSE},       {"INTERSECT", EYE_MEANS_CLAUSE},
    {"EXCEPT", EYE_MEANS_CLAUSE},      {"WINDOW", EYE_MEANS_CLAUSE},
    {"SET", EYE_MEANS_CLAUSE},         {"VALUES", EYE_MEANS_CLAUSE},
    {"UPDATE", EYE_MEANS_CLAUSE},      {"RETURNING", EYE_MEANS_CLAUSE},
    {"PROCEDURE", EYE_MEANS_CLAUSE},   {"TO", EYE_MEANS_CLAUSE},
    {"OUTFILE", EYE_MEANS_CLAUSE},     {"DUMPFILE", EYE_MEANS_CLAUSE},
    {"AS", EYE_MEANS_NO_NAME},         {"TABLE", EYE_MEANS_NO_NAME},
};

uint8_t eye_sql_operation_of(const struct eye_sql_token *token)
{
    for (unsigned i = EYE_SQL_OTHER + 1; i < EYE_SQL_OPERATION_COUNT; i++) {
        if (eye_sql_is_word(token, eye_sql_operation_name((uint8_t)i))) {
            return (uint8_t)i;
        }
    }
    return EYE_SQL_UNKNOWN;
}

const struct eye_sql_behaviour *eye_sql_behaviour_of(uint8_t operation)
{
    assert(operation < EYE_SQL_OPERATION_COUNT);
    return &operations[operation];
}

const struct eye_sql_object *eye_sql_object_of(const struct eye_sql_token *token)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(objects); i++) {
        if (eye_sql_is_word(token, objects[i].name)) {
            return &objects[i];
        }
    }
    return NULL;
}

bool eye_sql_is_skipped(const struct eye_sql_token *token, unsigned traits)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(skipped); i++) {
        if ((skipped[i].trait & traits) != 0 && eye_sql_is_word(token, skipped[i].word)) {
            return true;
        }
    }
    return false;
}

enum eye_sql_meaning eye_sql_meaning_of(const struct eye_sql_token *token)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(keywords); i++) {
        if (eye_sql_is_word(token, keywords[i].word)) {
            return keywords[i].meaning;
        }
    }
    return EYE_MEANS_NOTHING;
}
