/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration that is in force, for `GET /config`. Main thread. */
#pragma once

#include <jansson.h>

#include "config/config.h"

/**
 * Every key by its dotted path, the exporters as a list: {"file", "keys", "exporters"}. Durations
 * are seconds, sizes bytes. No configuration holds a secret; of URLs the query, which may, is left
 * out. Owned by the caller; NULL when out of memory.
 */
json_t *eye_config_json(const struct eye_config *config, const char *const *tiers);
