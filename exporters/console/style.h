/* SPDX-License-Identifier: Apache-2.0 */
/* How the table may look where it goes. */
#pragma once

#include "collector/base/text.h"

struct eye_console_style {
    bool colour;
    size_t width; /* characters of a line; 0: no limit */
};
