/* SPDX-License-Identifier: Apache-2.0 */
/* What keys do. Knows no terminal. */
#pragma once

#include "collector/top/screen.h"

/* Keys that are no character. */
enum eye_key {
    EYE_KEY_NONE = -1,
    EYE_KEY_UP = 0x100,
    EYE_KEY_DOWN,
    EYE_KEY_PAGE_UP,
    EYE_KEY_PAGE_DOWN,
    EYE_KEY_HOME,
    EYE_KEY_END,
    EYE_KEY_BACKSPACE,
    EYE_KEY_ENTER,
    EYE_KEY_ESCAPE,
    EYE_KEY_RESIZE,
};

/** @key: a character or one of the above; others change nothing. @page: rows that are shown. */
void eye_top_press(struct eye_top_choice *choice, int key, size_t page);
