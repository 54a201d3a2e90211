/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol "postgres": the operation of the semantic conventions for databases
 * (https://opentelemetry.io/docs/specs/semconv/db/postgresql), and the same at the server's end. */
#include "bpf/usm/postgres/record.h"

#include <string.h>

#include "collector/usm/protocol.h"
#include "collector/usm/sql.h"

static bool is_valid(const struct eye_request_head *head, const void *record)
{
    const struct eye_postgres_body *body = record;
    return head->body_bytes == sizeof(*body) && body->operation < EYE_SQL_OPERATION_COUNT;
}

/* Classes and conditions are five of A-Z and 0-9: what is none of these was made up. */
static bool is_state(const char *state)
{
    for (int i = 0; i < EYE_POSTGRES_STATE_BYTES; i++) {
        bool digit = state[i] >= '0' && state[i] <= '9';
        bool letter = state[i] >= 'A' && state[i] <= 'Z';
        if (!digit && !letter) {
            return false;
        }
    }
    return true;
}

static void name_outcome(const struct eye_request_head *head, const struct eye_postgres_body *body,
                         struct eye_request_name *name)
{
    if (!eye_request_is_answered(head)) {
        eye_request_name_tag(name, EYE_TAG_ERROR, eye_request_error_name(head));
        return;
    }
    if (body->state[0] != '\0') {
        char *state = name->text;
        memcpy(state, body->state, EYE_POSTGRES_STATE_BYTES);
        state[EYE_POSTGRES_STATE_BYTES] = '\0';
        eye_request_name_tag(name, EYE_TAG_STATUS, is_state(state) ? state : "_OTHER");
    }
}

static void name_request(void *statements, const struct eye_request_sample *sample,
                         const struct eye_request_place *place, struct eye_request_name *ret_name)
{
    (void)place;
    const struct eye_request_head *head = sample->head;
    const struct eye_postgres_body *body = sample->body;
    /* Whoever writes statements may raise any SQLSTATE. */
    eye_sql_name_request(head, "postgresql", eye_sql_operation_name(body->operation),
                         body->state[0] != '\0', ret_name);
    eye_sql_name_statement(statements, body->statement, ret_name);
    name_outcome(head, body, ret_name);
}

const struct eye_protocol_type eye_protocol_postgres = {
    .body_min = sizeof(struct eye_postgres_body),
    .body_max = sizeof(struct eye_postgres_body),
    .is_valid = is_valid,
    .open = eye_sql_open,
    .name_request = name_request,
    .close = eye_sql_close,
    .learn = eye_sql_learn,
    .forgotten = eye_sql_forgotten,
};
