/* SPDX-License-Identifier: Apache-2.0 */
/* From what is probed to JSON. */
#include "collector/control/tls_json.h"

#include "collector/base/clock.h"

void eye_tls_file_append(void *list, const struct eye_tls_file *file)
{
    json_array_append_new(
        list,
        json_pack("{s:s, s:s, s:s?, s:s?, s:i, s:i, s:I, s:i, s:f, s:s?}", "path", file->path,
                  "outcome", eye_tls_outcome_name(file->outcome), "library", file->library, "way",
                  file->way, "sites", (int)file->sites, "stepped", (int)file->stepped, "calls",
                  (json_int_t)file->calls, "processes", (int)file->processes, "took_s",
                  (double)file->took_ns / (double)EYE_NS_PER_SECOND, "reason", file->reason));
}

static void append_probed(void *list, const struct eye_tls_file *file)
{
    if (file->outcome == EYE_TLS_PROBED) {
        eye_tls_file_append(list, file);
    }
}

static void append_others(void *list, const struct eye_tls_file *file)
{
    if (file->outcome != EYE_TLS_PROBED) {
        eye_tls_file_append(list, file);
    }
}

json_t *eye_tls_json(const struct eye_source *source, bool probed)
{
    json_t *files = json_array();
    bool looks = eye_source_list_tls(source, probed ? append_probed : append_others, files);
    return json_pack("{s:b, s:o}", "tls", looks, "files", files);
}
