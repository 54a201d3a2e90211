/* SPDX-License-Identifier: Apache-2.0 */
/* How much may be counted, as the configuration says. No state, any thread. */
#pragma once

#include "collector/telemetry/telemetry.h"
#include "config/config.h"

/** What a registry is made with. */
struct eye_limits eye_limits_of(const struct eye_config *config);
