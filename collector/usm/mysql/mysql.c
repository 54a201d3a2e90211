/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol "mysql", of MySQL and MariaDB: the operation of the semantic conventions for
 * databases (https://opentelemetry.io/docs/specs/semconv/db/mysql, .../mariadb), and the same at
 * the server's end. */
#include "bpf/usm/mysql/record.h"

#include <stdio.h>

#include "collector/usm/protocol.h"
#include "collector/usm/sql.h"

static const char *const systems[EYE_MYSQL_SYSTEM_COUNT] = {
    [EYE_MYSQL_ANY] = "mysql",
    [EYE_MYSQL_MARIADB] = "mariadb",
};

static const char *const commands[EYE_MYSQL_COMMAND_COUNT] = {
#define X(name, byte) [byte] = #name,
    EYE_MYSQL_COMMANDS(X)
#undef X
};

/* NULL: there is none of that number. */
static const char *operation_name(uint8_t operation)
{
    if (operation >= EYE_MYSQL_COMMAND) {
        uint8_t command = operation - EYE_MYSQL_COMMAND;
        return command < EYE_MYSQL_COMMAND_COUNT ? commands[command] : NULL;
    }
    return operation < EYE_SQL_OPERATION_COUNT ? eye_sql_operation_name(operation) : NULL;
}

static bool is_valid(const struct eye_request_head *head, const void *record)
{
    const struct eye_mysql_body *body = record;
    return head->body_bytes == sizeof(*body) && body->system < EYE_MYSQL_SYSTEM_COUNT &&
           operation_name(body->operation) != NULL;
}

static void name_request(void *statements, const struct eye_request_sample *sample,
                         const struct eye_request_place *place, struct eye_request_name *ret_name)
{
    (void)place;
    const struct eye_request_head *head = sample->head;
    const struct eye_mysql_body *body = sample->body;
    bool answered = eye_request_is_answered(head);
    bool failed = answered && head->code != 0;
    eye_sql_name_request(head, systems[body->system], operation_name(body->operation), failed,
                         ret_name);
    if (body->operation < EYE_MYSQL_COMMAND) {
        eye_sql_name_statement(statements, body->statement, ret_name);
    }
    if (!answered) {
        eye_request_name_tag(ret_name, EYE_TAG_ERROR, eye_request_error_name(head));
    } else if (failed) {
        snprintf(ret_name->text, sizeof(ret_name->text), "%u", head->code);
        eye_request_name_tag(ret_name, EYE_TAG_STATUS, ret_name->text);
    }
}

const struct eye_protocol_type eye_protocol_mysql = {
    .body_min = sizeof(struct eye_mysql_body),
    .body_max = sizeof(struct eye_mysql_body),
    .is_valid = is_valid,
    .open = eye_sql_open,
    .name_request = name_request,
    .close = eye_sql_close,
    .learn = eye_sql_learn,
    .forgotten = eye_sql_forgotten,
};
