/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal, through ncurses, which is opened when somebody looks
 * (exporters/engine/shared_library.h): linked, it makes every daemon 0.2 MiB larger. One at a time;
 * main thread. setlocale() comes first. ^Z and resizing are ncurses' own signal handlers.
 */
#pragma once

#include "collector/base/error.h"
#include "collector/top/keys.h"

/**
 * Takes the terminal on standard input and output over. 0; -ENOTTY: there is none, or it cannot
 * move its cursor; or -ELIBACC; each with a message, and nothing was taken over.
 */
int eye_terminal_open(struct eye_error *ret_error);

void eye_terminal_size(size_t *ret_width, size_t *ret_height);

void eye_terminal_draw(const struct eye_screen *screen);

/** The next key that was pressed: a character or of enum eye_key; never waits. */
int eye_terminal_key(void);

/** Gives the terminal back as it was. */
void eye_terminal_close(void);
