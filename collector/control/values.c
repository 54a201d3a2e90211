/* SPDX-License-Identifier: Apache-2.0 */
/* What several answers share. */
#include "collector/control/values.h"

#include <time.h>

#include "collector/base/clock.h"

json_t *eye_json_time(uint64_t wall_ns)
{
    char text[32];
    struct tm parts;
    time_t seconds = (time_t)(wall_ns / EYE_NS_PER_SECOND);
    if (wall_ns == 0 || gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
        return json_null();
    }
    return json_string(text);
}

const char *eye_json_tag(const struct eye_point *point, enum eye_tag tag)
{
    const char *value = eye_tag_set_value(point->tags, tag);
    return value == NULL ? "" : value;
}
