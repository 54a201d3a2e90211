/* SPDX-License-Identifier: Apache-2.0 */
/* Writes log lines for the journal, a program or a person. */
#include "collector/base/log.h"

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/output.h"
#include "collector/base/text.h"

/* A line of a message, or more where its format takes more for a character; what a pipe takes whole
 * or not at all. */
#define LINE_BYTES PIPE_BUF

#define CHARACTER_BYTES_MAX 4 /* UTF-8; an escaped one has two */

static atomic_int highest_level = EYE_LOG_INFO;
static atomic_int current_format = EYE_LOG_AUTO;

static const struct {
    int priority; /* syslog(3) */
    const char *name;
} levels[] = {
    [EYE_LOG_ERROR] = {3, "error"},
    [EYE_LOG_WARNING] = {4, "warning"},
    [EYE_LOG_INFO] = {6, "info"},
    [EYE_LOG_DEBUG] = {7, "debug"},
};

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

/* RFC 3339, local with its offset: lines of a week, and of hosts in two zones, are in one order. */
static size_t append_time(char *line, const struct tm *local)
{
    size_t length = strftime(line, LINE_BYTES, "%Y-%m-%dT%H:%M:%S", local);
    long minutes = labs(local->tm_gmtoff) / 60;
    return length + (size_t)snprintf(line + length, LINE_BYTES - length, "%c%02ld:%02ld",
                                     local->tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

/* ---- Formats: each writes a line without its end into LINE_BYTES; its length ---- */

static size_t format_text(char *line, enum eye_log_level level, const char *message)
{
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    size_t length = append_time(line, &local);
    return length + (size_t)snprintf(line + length, LINE_BYTES - length, " sockeye %s: %s",
                                     levels[level].name, message);
}

static size_t format_journal(char *line, enum eye_log_level level, const char *message)
{
    return (size_t)snprintf(line, LINE_BYTES, "<%d>%s", levels[level].priority, message);
}

/* RFC 8259 of a message as eye_copy_shown() has it: UTF-8 without controls. Cut between characters
 * where two bytes for each of its own are more than a line. */
static size_t append_escaped(char *target, size_t size, const char *message)
{
    size_t length = 0;
    for (; *message != '\0'; message++) {
        bool begins = ((unsigned char)*message & 0xc0) != 0x80;
        if (begins && length + CHARACTER_BYTES_MAX > size) {
            break;
        }
        if (*message == '"' || *message == '\\') {
            target[length++] = '\\';
        }
        target[length++] = *message;
    }
    return length;
}

static size_t format_json(char *line, enum eye_log_level level, const char *message)
{
    static const char end[] = "\"}";
    uint64_t now_ns = eye_clock_wall_ns();
    time_t now = (time_t)(now_ns / EYE_NS_PER_SECOND);
    struct tm utc;
    gmtime_r(&now, &utc);
    char time_text[32];
    strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &utc);
    size_t length = (size_t)snprintf(
        line, LINE_BYTES, "{\"time\":\"%s.%03" PRIu64 "Z\",\"level\":\"%s\",\"message\":\"",
        time_text, now_ns % EYE_NS_PER_SECOND / EYE_NS_PER_MS, levels[level].name);
    length += append_escaped(line + length, LINE_BYTES - length - sizeof(end), message);
    memcpy(line + length, end, sizeof(end));
    return length + strlen(end);
}

static enum eye_log_format format_now(void)
{
    enum eye_log_format format = (enum eye_log_format)atomic_load(&current_format);
    if (format == EYE_LOG_AUTO) {
        return stderr_is_journal() ? EYE_LOG_JOURNAL : EYE_LOG_TEXT;
    }
    return format;
}

void eye_log_set_format(enum eye_log_format format)
{
    atomic_store(&current_format, (int)format);
}

bool eye_log_takes(enum eye_log_level level)
{
    return (int)level <= atomic_load(&highest_level);
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

/* Formats a line, which ends in a line break, into @line; its length. */
static size_t EYE_PRINTF(3, 0) format_line(char line[LINE_BYTES], enum eye_log_level level,
                                           const char *format, va_list arguments)
{
    static size_t (*const formats[])(char *, enum eye_log_level, const char *) = {
        [EYE_LOG_TEXT] = format_text,
        [EYE_LOG_JSON] = format_json,
        [EYE_LOG_JOURNAL] = format_journal,
    };
    char message[EYE_MESSAGE_BYTES];
    eye_format_shown(message, sizeof(message), format, arguments);
    size_t length = formats[format_now()](line, level, message);
    line[length] = '\n';
    return length + 1;
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
    size_t length = format_line(line, EYE_LOG_WARNING, format, arguments);
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
    if (!eye_log_takes(level)) {
        return;
    }
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_line(line, level, format, arguments);
    va_end(arguments);
    if (sink.opened) {
        write_or_drop(line, length);
    } else {
        ssize_t ignored = write(STDERR_FILENO, line, length);
        (void)ignored;
    }
}
