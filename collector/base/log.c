/* SPDX-License-Identifier: Apache-2.0 */
/* Writes log lines for the journal or for a person. */
#include "collector/base/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "collector/base/output.h"
#include "collector/base/text.h"

#define LINE_BYTES EYE_MESSAGE_BYTES

static atomic_int highest_level = EYE_LOG_INFO;

/* Where lines go without waiting; the lock keeps lines whole. */
static struct {
    pthread_mutex_t mutex;
    struct eye_output output;
    bool opened;
    bool torn;          /* of the last line only the first part was taken */
    uint64_t announced; /* of `dropped`, as the reader was told */
    atomic_uint_fast64_t dropped;
} sink = {.mutex = PTHREAD_MUTEX_INITIALIZER};

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

void eye_log_open(void)
{
    eye_output_close(&sink.output);
    eye_output_open(&sink.output, STDERR_FILENO);
    sink.opened = true;
}

uint64_t eye_log_dropped(void)
{
    return atomic_load(&sink.dropped);
}

/* Formats a line of at most @size bytes, which ends in a line break, into @line; its length. */
static size_t EYE_PRINTF(4, 0) format_line(char *line, size_t size, enum eye_log_level level,
                                           const char *format, va_list arguments)
{
    size_t start = write_prefix(line, size, level);
    size_t end = start + eye_format_shown(line + start, size - start - 1, format, arguments);
    line[end] = '\n';
    return end + 1;
}

/* True when all of it went out. */
static bool try_line(const char *line, size_t length)
{
    if (sink.torn && eye_output_write(&sink.output, "\n", 1) != 1) {
        return false;
    }
    ssize_t count = eye_output_write(&sink.output, line, length);
    sink.torn = count > 0 && (size_t)count < length;
    return count == (ssize_t)length;
}

static bool EYE_PRINTF(1, 2) try_warning(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_line(line, sizeof(line), EYE_LOG_WARNING, format, arguments);
    va_end(arguments);
    return try_line(line, length);
}

/* True when the reader knows of every line that was dropped. */
static bool announce_dropped(void)
{
    uint64_t dropped = atomic_load(&sink.dropped);
    uint64_t news = dropped - sink.announced;
    if (news > 0 &&
        try_warning("%" PRIu64 " log line%s not written: nobody read standard error, or "
                    "its disk was full",
                    news, news == 1 ? " was" : "s were")) {
        sink.announced = dropped;
    }
    return sink.announced == dropped;
}

static void write_or_drop(const char *line, size_t length)
{
    pthread_mutex_lock(&sink.mutex);
    if (!announce_dropped() || !try_line(line, length)) {
        atomic_fetch_add(&sink.dropped, 1);
    }
    pthread_mutex_unlock(&sink.mutex);
}

void eye_log(enum eye_log_level level, const char *format, ...)
{
    if ((int)level > atomic_load(&highest_level)) {
        return;
    }
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_line(line, sizeof(line), level, format, arguments);
    va_end(arguments);
    if (sink.opened) {
        write_or_drop(line, length);
    } else {
        ssize_t ignored = write(STDERR_FILENO, line, length);
        (void)ignored;
    }
}
