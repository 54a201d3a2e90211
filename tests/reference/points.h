/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points that a script gives to a program of this folder, by the names of the catalogue. Whatever
 * is not as described here ends the program with a message.
 */
#pragma once

#include "tests/unit/exporters/sample.h"

/** Ends the program. */
_Noreturn void points_give_up(const char *what);

enum eye_metric_id points_metric(const char *name);

/** Of arguments TAG TEXT...; the caller owns it. */
struct eye_tag_set *points_tag_set(char **arguments, size_t count);

/**
 * Adds the values of one interval from standard input to @sample. A line is one value, fields
 * separated by tabs: metric, value, then tag and tag value for each tag, tag values in hexadecimal
 * digits. Values of one series add up as in the daemon. Returns whether a line "-" ended it; else
 * it was the last.
 */
bool points_read_interval(struct sample *sample);
