/* SPDX-License-Identifier: Apache-2.0 */
/* Operations are those of a table, and nothing of a statement becomes a tag. */
#include "collector/usm/sql.h"

#include <assert.h>

#include "bpf/usm/sql.h"

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
