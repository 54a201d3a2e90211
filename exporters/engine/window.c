/* SPDX-License-Identifier: Apache-2.0 */
/* The age that a receiver takes, less what a delivery may need. */
#include "exporters/engine/window.h"

/* What is sent has this part of the age left for the way: 5 minutes of an hour. */
#define RESERVE_DIVISOR 12

uint64_t eye_window_oldest(const struct eye_window *window)
{
    uint64_t now_ns = eye_clock_wall_ns();
    uint64_t age_ns = window->max_age_ns - window->max_age_ns / RESERVE_DIVISOR;
    uint64_t oldest_ns = now_ns > age_ns ? now_ns - age_ns : 0;
    /* A floor that lies ahead was set before the clock went back. */
    return window->floor_ns > oldest_ns && window->floor_ns <= now_ns ? window->floor_ns
                                                                      : oldest_ns;
}
