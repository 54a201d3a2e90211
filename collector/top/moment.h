/* SPDX-License-Identifier: Apache-2.0 */
/* One moment of the daemon, as its answers tell it. Not shared between threads. */
#pragma once

#include "collector/base/text.h"
#include "collector/top/views.h"

#define EYE_MOMENT_TITLE_BYTES 256

struct eye_moment {
    char title[EYE_MOMENT_TITLE_BYTES]; /* the daemon's state */
    char message[EYE_MESSAGE_BYTES];    /* what went wrong; "": nothing */
    bool healthy;
    struct eye_top_rows rows[EYE_TOP_VIEWS]; /* owned */
    size_t left_out[EYE_TOP_VIEWS];          /* rows that the daemon did not tell */
};

/**
 * @answers: as eye_feed_read() gives them. @utf8: the terminal shows it. 0 or -ENOMEM; then
 * @ret_moment is untouched.
 */
int eye_moment_read(const json_t *answers, bool utf8, struct eye_moment *ret_moment);

/** Takes a zeroed one. */
void eye_moment_done(struct eye_moment *moment);
