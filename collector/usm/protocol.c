/* SPDX-License-Identifier: Apache-2.0 */
/* What all protocols say alike. */
#include "collector/usm/protocol.h"

#include <assert.h>

static const char *const errors[EYE_REQUEST_ERROR_COUNT] = {
    [EYE_REQUEST_CANCELLED] = "cancelled", [EYE_REQUEST_CLOSED] = "closed",
    [EYE_REQUEST_RESET] = "reset",         [EYE_REQUEST_TIMEOUT] = "timeout",
    [EYE_REQUEST_FAILED] = "_OTHER",
};

bool eye_request_is_answered(const struct eye_request_head *head)
{
    return (head->flags & EYE_REQUEST_UNANSWERED) == 0;
}

const char *eye_request_error_name(const struct eye_request_head *head)
{
    return eye_request_is_answered(head) ? "" : errors[head->code];
}

void eye_request_name_tag(struct eye_request_name *name, enum eye_tag tag, const char *value)
{
    assert(name->tag_count < EYE_REQUEST_TAGS_MAX);
    name->tags[name->tag_count++] = (struct eye_tag_value){tag, value};
}
