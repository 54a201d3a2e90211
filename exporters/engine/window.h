/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which times of points an exporter's receiver takes. What is older was refused, or thrown away
 * without a word (an intake answers 202): so its changes go with a newer snapshot of its run, and
 * where there is none it is sent as if it were as young as it has to be.
 *
 * Used by one worker thread.
 */
#pragma once

#include <stdint.h>

#include "collector/base/clock.h"

/*
 * A wall clock that was set back by no more than this is waited for, so that no point takes the
 * place of another; one that goes back further was wrong before, and points would stand in a far
 * future.
 */
#define EYE_CLOCK_HOLD_NS (3600 * EYE_NS_PER_SECOND)

struct eye_window {
    uint64_t max_age_ns; /* of a point that the receiver takes */

    /*
     * Wall clock, behind the last snapshot that was sent with a later time than its own: no second
     * one may have that time, as of two points of a series at one time only one is kept.
     */
    uint64_t floor_ns;
};

/** The oldest time, wall clock, that a point may have when it is sent now. */
uint64_t eye_window_oldest(const struct eye_window *window);
