/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lines in the window of a direction. */
#pragma once

#include "bpf/usm/conversation.h"

/* Position of the next LF at @from or behind, or @filled. */
EYE_PART __u32 eye_find_line_end(const struct eye_half *half, __u32 from, __u32 filled)
{
    if (!half) {
        return filled;
    }
    for (int i = 0; i < (EYE_WINDOW_BYTES + EYE_WINDOW_SLACK) / 8; i++) {
        from = eye_forget(from);
        if (from >= filled || from > EYE_WINDOW_BYTES + EYE_WINDOW_SLACK - 8) {
            break;
        }
        __u64 marks = eye_find_byte(eye_load_word(half->window + from), '\n');
        if (marks) {
            from += eye_first_index(marks);
            break;
        }
        from += 8;
    }
    return from < filled ? from : filled;
}
