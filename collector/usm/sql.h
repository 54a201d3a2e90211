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

/** Members of eye_protocol_type: what statements are called, by their numbers. A message is a
 * struct eye_statement_text. */
void *eye_sql_open(const struct eye_config *config);
void eye_sql_close(void *statements);
bool eye_sql_learn(void *statements, const uint8_t *message, size_t bytes);
uint64_t eye_sql_forgotten(const void *statements);

/** Says what the statement with this number is about, if somebody has told; 0: nobody has. */
void eye_sql_name_statement(const void *statements, uint64_t statement,
                            struct eye_request_name *name);
