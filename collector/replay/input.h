/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is read until it ends or a signal comes: whoever ends `tcpdump -w - | sockeye replay
 * -` by the keyboard wants to see what was captured. Belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What a writer that got the signal, too, has for its last words. */
#define EYE_INPUT_LAST_WORDS_MS 1000

/* As many first bytes are kept, to say what they are. */
#define EYE_INPUT_BEGINNING_BYTES 4

struct eye_input;

/**
 * Opens @path, or standard input as "-"; a FIFO needs no writer yet. @stop_fd: a signalfd that is
 * readable when reading is to end, the caller's, or -1. NULL with errno. The input lives as long as
 * the file.
 */
FILE *eye_input_open(const char *path, int stop_fd, const struct eye_input **ret_input);

/** Bytes of the file when it was opened; 0: nobody knows. */
uint64_t eye_input_size(const struct eye_input *input);

/** The first bytes; zeros in place of what was not read. */
const uint8_t *eye_input_beginning(const struct eye_input *input);

/** Bytes that were read. */
uint64_t eye_input_position(const struct eye_input *input);

/** The end of the file is none: reading was stopped. */
bool eye_input_was_stopped(const struct eye_input *input);
