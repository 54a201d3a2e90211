/* SPDX-License-Identifier: Apache-2.0 */
/* From the status of an answer to what becomes of the payload. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/text.h"
#include "exporters/http/client.h"

/* Of the answer's first line in a cause: enough for what receivers explain. */
#define EXPLANATION_BYTES 200

/* Of where a redirect points to. */
#define LOCATION_BYTES 200

struct rule {
    long first;
    long last;
    enum eye_verdict verdict;
    enum eye_export_reason reason;
};

/* The first rule that holds the status counts. */
static const struct rule rules[] = {
    {200, 299, EYE_VERDICT_DONE, EYE_EXPORT_OTHER},
    {300, 399, EYE_VERDICT_RETRY, EYE_EXPORT_REDIRECTED},
    {400, 400, EYE_VERDICT_GIVE_UP, EYE_EXPORT_REJECTED},
    {401, 401, EYE_VERDICT_RETRY, EYE_EXPORT_UNAUTHORIZED},
    {403, 403, EYE_VERDICT_GIVE_UP, EYE_EXPORT_UNAUTHORIZED},
    {407, 407, EYE_VERDICT_RETRY, EYE_EXPORT_UNAUTHORIZED},
    {408, 408, EYE_VERDICT_RETRY, EYE_EXPORT_SERVER_ERROR},
    {413, 413, EYE_VERDICT_TOO_LARGE, EYE_EXPORT_TOO_LARGE},
    {422, 422, EYE_VERDICT_GIVE_UP, EYE_EXPORT_REJECTED},
    {425, 425, EYE_VERDICT_RETRY, EYE_EXPORT_SERVER_ERROR},
    {429, 429, EYE_VERDICT_RETRY, EYE_EXPORT_THROTTLED},
    {400, 499, EYE_VERDICT_RETRY, EYE_EXPORT_REJECTED},
    {501, 501, EYE_VERDICT_GIVE_UP, EYE_EXPORT_REJECTED},
    {500, 599, EYE_VERDICT_RETRY, EYE_EXPORT_SERVER_ERROR},
};

static const struct rule *rule_of(long status)
{
    static const struct rule unknown = {0, 0, EYE_VERDICT_RETRY, EYE_EXPORT_BAD_ANSWER};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rules); i++) {
        if (status >= rules[i].first && status <= rules[i].last) {
            return &rules[i];
        }
    }
    return &unknown;
}

static void append_location(const char *location, struct eye_error *cause)
{
    char shown[LOCATION_BYTES + 1];
    size_t length = strlen(location);
    size_t used = strlen(cause->text);
    eye_copy_shown(shown, sizeof(shown), location, length);
    snprintf(cause->text + used, sizeof(cause->text) - used,
             "; it points to %s%s, which is not followed: correct the address", shown,
             length > LOCATION_BYTES ? "..." : "");
}

enum eye_verdict eye_client_verdict(const struct eye_client_answer *answer,
                                    struct eye_export_failure *failure)
{
    const struct rule *rule = rule_of(answer->status);
    if (rule->verdict == EYE_VERDICT_DONE) {
        return rule->verdict;
    }
    char line[EXPLANATION_BYTES + 1];
    size_t length = strcspn(answer->body, "\r\n");
    eye_copy_shown(line, sizeof(line), answer->body, length);
    eye_export_fail(failure, -EIO, rule->reason, "answer %ld%s%s%s%s", answer->status,
                    answer->way == NULL ? "" : answer->way, length > 0 ? ": " : "", line,
                    length > EXPLANATION_BYTES ? "..." : "");
    if (rule->reason == EYE_EXPORT_REDIRECTED && answer->location != NULL) {
        append_location(answer->location, &failure->cause);
    }
    failure->retry_after_ns = answer->retry_after_ns;
    return rule->verdict;
}
