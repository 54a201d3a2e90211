/* SPDX-License-Identifier: Apache-2.0 */
/* What this tier would see here: the conclusions from features and trials. Main thread only. */
#pragma once

#include "collector/source/tier.h"

/** As eye_tier_type has it. Takes about half a second. */
void eye_socket_storage_probe(struct eye_features *features, struct eye_tier_trial *ret_trial);
