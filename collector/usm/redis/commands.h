/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of Redis that have names in tags. Read-only, any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bpf/usm/redis/record.h"

/** What a command is called: "GET", "CLIENT SETNAME", "CLIENT" when its subcommand is not known,
 * "_OTHER" when it is not. Both are EYE_REDIS_NAME_BYTES long, in capital letters with zeros
 * behind;
 * @subcommand may be NULL. Never NULL; what is told is always of the table. */
const char *eye_redis_command_name(const uint8_t *command, const uint8_t *subcommand);

/** The table, in the order of strcmp(), for tests. */
size_t eye_redis_command_count(void);
const char *eye_redis_command(size_t index);
