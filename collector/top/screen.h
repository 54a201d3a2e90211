/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is shown, as lines of text: for a terminal of any size, and without one. Knows no terminal.
 * Not shared between threads.
 */
#pragma once

#include "collector/base/text.h"
#include "collector/top/moment.h"

/* Of the filter that is being typed. */
#define EYE_TOP_FILTER_BYTES 64

/* What the keys have changed. */
struct eye_top_choice {
    enum eye_top_view_id view;
    size_t sorting[EYE_TOP_VIEWS];  /* index into the view's */
    size_t grouping[EYE_TOP_VIEWS]; /* index into the view's */
    size_t first[EYE_TOP_VIEWS];    /* row at the top */
    char filter[EYE_TOP_FILTER_BYTES];
    bool typing; /* the filter */
    bool frozen;
    bool help;
    bool over; /* the end is wanted */
};

enum eye_style {
    EYE_STYLE_PLAIN,
    EYE_STYLE_GOOD,    /* the daemon is healthy */
    EYE_STYLE_BAD,     /* it is not; what went wrong */
    EYE_STYLE_HEADING, /* of columns */
    EYE_STYLE_HINT,    /* keys */
    EYE_STYLES,
};

/* Larger terminals are filled in part. */
#define EYE_SCREEN_LINES_MAX 512
#define EYE_SCREEN_WIDTH_MAX 1024

struct eye_screen {
    struct eye_text text; /* each line ends with a line feed; initialised by the caller */
    enum eye_style styles[EYE_SCREEN_LINES_MAX];
    size_t lines;
};

/** Rows of the table on a screen of @height lines. */
size_t eye_screen_rows(size_t height);

/**
 * Draws @height lines of @width columns at most. Moves choice->first to where there are rows. 0 or
 * -ENOMEM.
 */
int eye_screen_draw(struct eye_screen *screen, const struct eye_moment *moment,
                    struct eye_top_choice *choice, size_t width, size_t height);

/** Appends one table, whole, without a header. 0 or -ENOMEM. */
int eye_screen_print(struct eye_text *text, const struct eye_moment *moment,
                     const struct eye_top_choice *choice, size_t width);
