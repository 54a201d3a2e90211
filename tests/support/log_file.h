/* SPDX-License-Identifier: Apache-2.0 */
/* What the code under test says on stderr, kept in a file. */
#pragma once

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOG_FILE_MAX_BYTES 16384

struct log_file {
    int saved; /* stderr as it was */
    int file;
};

static inline void log_file_begin(struct log_file *log)
{
    log->file = memfd_create("log", MFD_CLOEXEC);
    log->saved = dup(STDERR_FILENO);
    dup2(log->file, STDERR_FILENO);
}

static inline void log_file_end(struct log_file *log)
{
    dup2(log->saved, STDERR_FILENO);
    close(log->saved);
    close(log->file);
}

static inline void log_file_clear(struct log_file *log)
{
    dup2(log->saved, STDERR_FILENO);
    close(log->file);
    log->file = memfd_create("log", MFD_CLOEXEC);
    dup2(log->file, STDERR_FILENO);
}

/* How often @words stand there. */
static inline size_t log_file_count(const struct log_file *log, const char *words)
{
    char text[LOG_FILE_MAX_BYTES];
    ssize_t length = pread(log->file, text, sizeof(text) - 1, 0);
    text[length < 0 ? 0 : length] = '\0';
    size_t count = 0;
    for (const char *at = strstr(text, words); at != NULL; at = strstr(at + 1, words)) {
        count++;
    }
    return count;
}
