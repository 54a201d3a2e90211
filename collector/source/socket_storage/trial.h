/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying the kernel programs on this kernel one by one: a kernel that has every helper may still
 * refuse a program. Main thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/host/features.h"
#include "collector/source/socket_storage/programs.h"

/**
 * Loads and attaches every program that is used here alone, and takes it away again. Takes about
 * 0.1 s each. Without the rights (eye_features_check()) every answer is EPERM.
 */
void eye_programs_try(struct eye_features *features,
                      struct eye_program_trial ret_trials[EYE_PROGRAM_COUNT]);

/** 0 when every program of @ability that is used works; else -errno of the first that does not,
 * with eye_program_refused()'s message. */
int eye_programs_check(const struct eye_program_trial trials[EYE_PROGRAM_COUNT],
                       enum eye_ability ability, struct eye_error *ret_error);
