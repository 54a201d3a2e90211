/* SPDX-License-Identifier: Apache-2.0 */
/* How answers say what is measured. */
#pragma once

#include <jansson.h>

#include "collector/snapshot/snapshot.h"

/** RFC 3339, of ns since 1970; null for 0: never. */
json_t *eye_json_time(uint64_t wall_ns);

/** The value of a tag of @point; "" where it has none. */
const char *eye_json_tag(const struct eye_point *point, enum eye_tag tag);
