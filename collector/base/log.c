/* SPDX-License-Identifier: Apache-2.0 */
/* Writes log lines for the journal or for a person. */
#include "collector/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define LINE_BYTES 2048

static atomic_int highest_level = EYE_LOG_INFO;

/* systemd.exec(5), $JOURNAL_STREAM: "device:inode" of the stream that stderr must be. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0) {
        return false;
    }
    char expected[64];
    snprintf(expected, sizeof(expected), "%lu:%lu", (unsigned long)status.st_dev,
             (unsigned long)status.st_ino);
    const char *left = expected;
    while (*left != '\0' && *left == *stream) {
        left++;
        stream++;
    }
    return *left == *stream;
}

static size_t write_prefix(char *line, size_t size, enum eye_log_level level)
{
    static const struct {
        int priority;
        const char *name;
    } levels[] = {
        [EYE_LOG_ERROR] = {3, "error"},
        [EYE_LOG_WARNING] = {4, "warning"},
        [EYE_LOG_INFO] = {6, "info"},
        [EYE_LOG_DEBUG] = {7, "debug"},
    };
    if (stderr_is_journal()) {
        return (size_t)snprintf(line, size, "<%d>", levels[level].priority);
    }
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    char clock_text[16];
    strftime(clock_text, sizeof(clock_text), "%H:%M:%S", &local);
    return (size_t)snprintf(line, size, "%s sockeye %s: ", clock_text, levels[level].name);
}

void eye_log_set_level(enum eye_log_level level)
{
    atomic_store(&highest_level, (int)level);
}

void eye_log(enum eye_log_level level, const char *format, ...)
{
    if ((int)level > atomic_load(&highest_level)) {
        return;
    }
    char line[LINE_BYTES];
    size_t start = write_prefix(line, sizeof(line), level);
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(line + start, sizeof(line) - start - 1, format, arguments);
    va_end(arguments);
    size_t end = start + (written > 0 ? (size_t)written : 0);
    end = end < sizeof(line) - 2 ? end : sizeof(line) - 2;
    for (size_t i = start; i < end; i++) {
        line[i] = line[i] == '\n' || line[i] == '\r' ? ' ' : line[i];
    }
    line[end] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, end + 1);
    (void)ignored;
}
