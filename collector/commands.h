/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands of the executable, apart from what the command line itself answers. Each returns
 * its exit code. */
#pragma once

#include "collector/options.h"

int eye_command_run(const struct eye_options *options);
int eye_command_check(const struct eye_options *options);
int eye_command_probe(const struct eye_options *options);
int eye_command_metrics(const struct eye_options *options);
