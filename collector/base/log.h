/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines on stderr, one write per line. Under systemd's journal each line starts with its
 * "<N>" priority; elsewhere with the local time and the level. Safe from every thread. Only the
 * daemon, main and exporter workers log above debug.
 *
 * A reader of stderr that stands still delays nobody: once eye_log_open() was called, a line that
 * cannot be written at once is dropped and counted, and the next line that can is preceded by
 * "N log lines were not written".
 */
#pragma once

#include <stdint.h>

#include "collector/base/base.h"

enum eye_log_level { EYE_LOG_ERROR, EYE_LOG_WARNING, EYE_LOG_INFO, EYE_LOG_DEBUG };

/** Lines above @level are dropped. The default is EYE_LOG_INFO. Call before threads start. */
void eye_log_set_level(enum eye_log_level level);

/** From here on no line waits for the reader of stderr. Call before threads start. */
void eye_log_open(void);

/** Lines that were dropped so far, because stderr did not take them. */
uint64_t eye_log_dropped(void);

/** Writes one line. The message is shown as eye_copy_shown() has it, also what of it is a
 * stranger's: no byte of it can end the line or change how a terminal shows it. */
void eye_log(enum eye_log_level level, const char *format, ...) EYE_PRINTF(2, 3);

#define eye_log_error(...) eye_log(EYE_LOG_ERROR, __VA_ARGS__)
#define eye_log_warning(...) eye_log(EYE_LOG_WARNING, __VA_ARGS__)
#define eye_log_info(...) eye_log(EYE_LOG_INFO, __VA_ARGS__)
#define eye_log_debug(...) eye_log(EYE_LOG_DEBUG, __VA_ARGS__)
