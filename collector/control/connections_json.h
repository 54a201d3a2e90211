/* SPDX-License-Identifier: Apache-2.0 */
/* An answer to a client that watches single connections, as JSON. */
#pragma once

#include "collector/control/watchers.h"

/** tests/data/schemas/connections.json. From malloc(); NULL when out of memory. */
char *eye_connections_json(const struct eye_watch_answer *answer);
