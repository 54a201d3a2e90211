/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines on stderr, one write per line, for a person, a program or the journal. Safe from every
 * thread. Only the daemon, main and exporter workers log above debug.
 *
 * A reader of stderr that stands still delays nobody: once eye_log_open() was called, a line that
 * cannot be written at once is dropped and counted, and the next line that can is preceded by
 * "N log lines were not written".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/base/base.h"

enum eye_log_level { EYE_LOG_ERROR, EYE_LOG_WARNING, EYE_LOG_INFO, EYE_LOG_DEBUG };

/* Order of the choices of log.format. */
enum eye_log_format {
    EYE_LOG_AUTO,    /* EYE_LOG_JOURNAL when stderr is systemd's journal, else EYE_LOG_TEXT */
    EYE_LOG_TEXT,    /* 2026-01-31T13:59:59+01:00 sockeye info: message */
    EYE_LOG_JSON,    /* {"time":"2026-01-31T12:59:59.000Z","level":"info","message":"..."} */
    EYE_LOG_JOURNAL, /* <6>message: sd-daemon(3); the journal has the time */
};

/** Lines above @level are dropped. The default is EYE_LOG_INFO. Any thread, at any time. */
void eye_log_set_level(enum eye_log_level level);

/** Whether lines of @level are written: for who would have to work to make one. */
bool eye_log_takes(enum eye_log_level level);

/** How the next lines look. The default is EYE_LOG_AUTO. Any thread, at any time. */
void eye_log_set_format(enum eye_log_format format);

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
