/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a receiver's answer means for the body that it got.
 *
 * One of 2.0 says how many samples it wrote, also when it took a body in part (400): the points of
 * those that it did not are rejected. Which ones they are it does not say; of classic histograms,
 * which have many samples, it is about as many points as that part of the body.
 */
#pragma once

#include "exporters/http/client.h"
#include "exporters/remote_write/version.h"

/* What the body had. */
struct eye_write_sent {
    const struct eye_write_version *version;
    uint64_t points;
    uint64_t samples; /* what these are, native histograms included */
};

/** Whether the receiver does not know @version. @client got the answer. */
bool eye_write_is_unsupported(const struct eye_write_version *version,
                              const struct eye_client *client, long status);

/**
 * The verdict; points that the receiver took out go to *@ret_rejected, with a cause in @failure. A
 * body that was taken in part is done: what is left will not be taken another time, and what was
 * written shall not be sent again.
 */
enum eye_verdict eye_write_judge(const struct eye_write_sent *sent, const struct eye_client *client,
                                 const struct eye_client_answer *answer, uint64_t *ret_rejected,
                                 struct eye_export_failure *failure);
