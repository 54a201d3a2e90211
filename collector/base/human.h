/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as a person reads them: about three digits and a unit. No state, any thread. */
#pragma once

#include "collector/base/text.h"

/** "0", "0.25", "12.5", "1234": no unit. */
void eye_human_append_number(struct eye_text *text, double value);

/** "0 B", "12 B", "1.21 KiB", "3.40 GiB". */
void eye_human_append_bytes(struct eye_text *text, double bytes);

/** "95.0 us", "1.20 ms", "3.40 s". */
void eye_human_append_seconds(struct eye_text *text, double seconds);
