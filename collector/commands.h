/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands of the executable. Each gets its own argv (argv[0] is its name) and returns the
 * exit code. */
#pragma once

#include "config/config.h"

/* Exit codes of every command. 78 is EX_CONFIG of sysexits.h. */
enum eye_exit { EYE_EXIT_OK = 0, EYE_EXIT_FAILURE = 1, EYE_EXIT_USAGE = 2, EYE_EXIT_CONFIG = 78 };

int eye_command_run(int argc, char **argv);
int eye_command_check(int argc, char **argv);
int eye_command_probe(int argc, char **argv);
int eye_command_metrics(int argc, char **argv);
int eye_command_version(int argc, char **argv);
