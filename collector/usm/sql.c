/* SPDX-License-Identifier: Apache-2.0 */
/* Operations are those of a table, and nothing of a statement becomes a tag. */
#include "collector/usm/sql.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "bpf/usm/sql.h"
#include "collector/usm/learnt.h"
#include "collector/usm/summary.h"

/* As many as the kernel side finds again, more or less; it tells of those in use once a minute.
 * 840 KiB. */
#define STATEMENTS_KEPT 8192

static const char *const operations[EYE_SQL_OPERATION_COUNT] = {[EYE_SQL_UNKNOWN] = "unknown",
                                                                [EYE_SQL_OTHER] = "_OTHER",
#define X(name) [EYE_SQL_##name] = #name,
                                                                EYE_SQL_OPERATIONS(X)
#undef X
};

const char *eye_sql_operation_name(uint8_t operation)
{
    assert(operation < EYE_SQL_OPERATION_COUNT);
    return operations[operation];
}

void eye_sql_name_request(const struct eye_request_head *head, const char *db_system,
                          const char *operation, bool failed, struct eye_request_name *name)
{
    name->metric = (head->flags & EYE_REQUEST_CLIENT) != 0 ? EYE_METRIC_DB_CLIENT_DURATION
                                                           : EYE_METRIC_DB_SERVER_DURATION;
    name->chosen = EYE_TAG_STATUS;
    name->choice = failed ? EYE_CHOICE_REFUSED : EYE_CHOICE_OURS;
    eye_request_name_tag(name, EYE_TAG_DB_SYSTEM, db_system);
    eye_request_name_tag(name, EYE_TAG_OPERATION, operation);
}

void *eye_sql_open(const struct eye_config *config)
{
    (void)config;
    return eye_learnt_new(STATEMENTS_KEPT, sizeof(uint64_t), EYE_SUMMARY_BYTES - 1);
}

void eye_sql_close(void *statements)
{
    eye_learnt_free(statements);
}

uint64_t eye_sql_forgotten(const void *statements)
{
    return eye_learnt_evicted(statements);
}

bool eye_sql_learn(void *statements, const uint8_t *message, size_t bytes)
{
    struct eye_statement_text told;
    const size_t text_at = offsetof(struct eye_statement_text, text);
    if (bytes < text_at || bytes > sizeof(told)) {
        return false;
    }
    memcpy(&told, message, bytes);
    if (told.cut > 1) {
        return false;
    }
    char summary[EYE_SUMMARY_BYTES];
    size_t length = eye_summarise(told.text, bytes - text_at, told.cut != 0, summary);
    eye_learnt_set(statements, &told.statement, summary, length);
    return true;
}

/* Of a statement that nobody has told of yet nothing is said: of the next one like it there may be
 * something to say. Nobody ever tells of one without a text, whose number is its operation alone.
 */
void eye_sql_name_statement(const void *statements, uint64_t statement,
                            struct eye_request_name *name)
{
    if (statement >> 8 == 0) {
        return;
    }
    const char *summary = eye_learnt_find(statements, &statement);
    name->fleeting = summary == NULL;
    if (summary != NULL && summary[0] != '\0') {
        eye_request_name_tag(name, EYE_TAG_SUMMARY, summary);
        name->chosen = EYE_TAG_SUMMARY;
        if (name->choice != EYE_CHOICE_REFUSED) {
            name->choice = EYE_CHOICE_CLIENTS;
        }
    }
}
