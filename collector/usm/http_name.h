/* SPDX-License-Identifier: Apache-2.0 */
/* What requests of HTTP are called, whichever version they are of. Belongs to the collector thread.
 */
#pragma once

#include "collector/usm/protocol.h"

/* What is asked for. */
struct eye_http_target {
    const char *method; /* as a tag has it */
    const char *path;   /* raw, hostile; NULL: nobody knows it */
    size_t length;
    bool cut;            /* it was longer */
    const char *version; /* NULL: it gets no such tag */
    const char *error;   /* of an answer that never came, though the connection lives; else NULL */
};

/** What the state of a protocol of HTTP's is: an eye_protocol_type's open() and close(). */
void *eye_http_open_names(const struct eye_config *config);
void eye_http_close_names(void *names);

/** Names a request of HTTP; @ret_name comes zeroed. */
void eye_http_name(void *names, const struct eye_request_sample *sample,
                   const struct eye_request_place *place, const struct eye_http_target *target,
                   struct eye_request_name *ret_name);

/** A path of a client's own making, which has to share its name with all others that @service does
 * not know: @value is what @tag would say. */
bool eye_http_is_unmatched(const struct eye_request_place *place, enum eye_metric_id metric,
                           enum eye_tag tag, const char *value);
