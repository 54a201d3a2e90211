/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses of the protocol, and the headers in which 2.0 says what was written. */
#include "exporters/remote_write/answer.h"

#include <inttypes.h>

#include "collector/base/parse.h"

#define STATUS_UNSUPPORTED 415
#define STATUS_THROTTLED 429
#define STATUS_NOT_IMPLEMENTED 501

/* Whether the answer tells what was written; then @ret_samples: samples and histograms. */
static bool read_written(const struct eye_client *client, uint64_t *ret_samples)
{
    static const char *const counted[] = {"X-Prometheus-Remote-Write-Samples-Written",
                                          "X-Prometheus-Remote-Write-Histograms-Written"};
    bool told =
        eye_client_answer_header(client, "X-Prometheus-Remote-Write-Exemplars-Written") != NULL;
    uint64_t sum = 0;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(counted); i++) {
        const char *text = eye_client_answer_header(client, counted[i]);
        uint64_t number;
        told = told || text != NULL;
        sum += text != NULL && eye_parse_u64(text, &number) == 0 ? number : 0;
    }
    if (told) {
        *ret_samples = sum;
    }
    return told;
}

/* 2.0: a receiver of 1.0 answers 415, or takes the body for an empty one. */
bool eye_write_is_unsupported(const struct eye_write_version *version,
                              const struct eye_client *client, long status)
{
    uint64_t written;
    if (version != &eye_write_version_2 || status / 100 != 2) {
        return version == &eye_write_version_2 && status == STATUS_UNSUPPORTED;
    }
    return !read_written(client, &written);
}

/* The protocol says: 5xx and 429 again, other 4xx never; 413 with less. */
static enum eye_verdict judge_status(const struct eye_client_answer *answer,
                                     struct eye_export_failure *failure)
{
    enum eye_verdict verdict = eye_client_verdict(answer, failure);
    bool is_client_error = answer->status / 100 == 4 && answer->status != STATUS_THROTTLED;
    if (is_client_error && verdict == EYE_VERDICT_RETRY) {
        return EYE_VERDICT_GIVE_UP;
    }
    return answer->status == STATUS_NOT_IMPLEMENTED ? EYE_VERDICT_RETRY : verdict;
}

/* How many of the body's points are not written when @written of its samples are. */
static uint64_t points_left(const struct eye_write_sent *sent, uint64_t written)
{
    if (written >= sent->samples) {
        return 0;
    }
    uint64_t left = ((sent->samples - written) * sent->points + sent->samples - 1) / sent->samples;
    return left < sent->points ? left : sent->points;
}

enum eye_verdict eye_write_judge(const struct eye_write_sent *sent, const struct eye_client *client,
                                 const struct eye_client_answer *answer, uint64_t *ret_rejected,
                                 struct eye_export_failure *failure)
{
    enum eye_verdict verdict = judge_status(answer, failure);
    uint64_t written = 0;
    bool final = verdict == EYE_VERDICT_DONE || verdict == EYE_VERDICT_GIVE_UP;
    if (!final || sent->version != &eye_write_version_2 || !read_written(client, &written) ||
        (verdict == EYE_VERDICT_GIVE_UP && written == 0)) {
        return verdict;
    }
    *ret_rejected = points_left(sent, written);
    if (*ret_rejected > 0) {
        struct eye_error said = failure->cause;
        bool silent = verdict == EYE_VERDICT_DONE;
        eye_export_fail(failure, 0, EYE_EXPORT_REJECTED,
                        "the receiver wrote %" PRIu64 " of %" PRIu64 " samples%s%s", written,
                        sent->samples, silent ? "" : ": ", silent ? "" : said.text);
    }
    return EYE_VERDICT_DONE;
}
