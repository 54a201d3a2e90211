/* SPDX-License-Identifier: Apache-2.0 */
/* What databases that speak SQL have in common. */
#pragma once

#include "collector/usm/protocol.h"

/** What an enum eye_sql_operation is called: the statement's first word, "unknown" or "_OTHER". */
const char *eye_sql_operation_name(uint8_t operation);

/** Names the metric of a request at its end, the database and what it was asked to do. Its status
 * is one that whoever writes statements may have chosen: @failed. */
void eye_sql_name_request(const struct eye_request_head *head, const char *db_system,
                          const char *operation, bool failed, struct eye_request_name *name);
