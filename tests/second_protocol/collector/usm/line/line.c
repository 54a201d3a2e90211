/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol "line", of tests. */
#include <stdio.h>
#include <string.h>

#include "bpf/usm/line/record.h"
#include "collector/usm/protocol.h"

/* Values of tags in a name's text. */
struct texts {
    char status[8];
    char route[EYE_LINE_NAME_BYTES + 1];
};

static bool is_valid(const struct eye_request_head *head, const void *body)
{
    (void)body;
    return !eye_request_is_answered(head) || head->code <= 999;
}

static void name_request(void *state, const struct eye_request_sample *sample,
                         const struct eye_request_place *place, struct eye_request_name *ret_name)
{
    (void)state;
    (void)place;
    const struct eye_request_head *head = sample->head;
    struct texts *texts = (struct texts *)(void *)ret_name->text;
    bool client = (head->flags & EYE_REQUEST_CLIENT) != 0;
    ret_name->metric = EYE_METRIC_LINE_DURATION;
    eye_request_name_tag(ret_name, EYE_TAG_DIRECTION, client ? "outgoing" : "incoming");
    if (eye_request_is_answered(head)) {
        snprintf(texts->status, sizeof(texts->status), "%u", (unsigned int)head->code);
        eye_request_name_tag(ret_name, EYE_TAG_STATUS, texts->status);
    } else {
        eye_request_name_tag(ret_name, EYE_TAG_ERROR, eye_request_error_name(head));
    }
    memcpy(texts->route, sample->body, head->body_bytes);
    eye_request_name_tag(ret_name, EYE_TAG_ROUTE, texts->route);
    ret_name->chosen = EYE_TAG_ROUTE;
    ret_name->choice = EYE_CHOICE_CLIENTS;
}

const struct eye_protocol_type eye_protocol_line = {
    .body_min = 1,
    .body_max = sizeof(struct eye_line_body),
    .is_valid = is_valid,
    .name_request = name_request,
};
