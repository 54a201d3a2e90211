/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of lines. */
#include "collector/source/libbpf_log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/log.h"
#include "collector/base/text.h"

/* The end of a verifier's log, with the state that it refused, or the steps before a failure. */
#define LINES_KEPT 64
/* Longer ones are cut: registers of the verifier's state stand first. */
#define LINE_BYTES 256

static struct {
    pthread_mutex_t mutex;
    char lines[LINES_KEPT][LINE_BYTES];
    size_t count; /* of all so far; the next one's place is its remainder */
    size_t told;  /* of them */
} kept = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void keep(const char *text)
{
    for (const char *end; *text != '\0'; text = end + (*end == '\n')) {
        end = text + strcspn(text, "\n");
        if (end > text) {
            eye_copy_shown(kept.lines[kept.count % LINES_KEPT], LINE_BYTES, text,
                           (size_t)(end - text));
            kept.count++;
        }
    }
}

static void tell(void)
{
    size_t untold = kept.count - kept.told;
    size_t lines = untold < LINES_KEPT ? untold : LINES_KEPT;
    if (untold > lines) {
        eye_log_debug("libbpf: the last %zu of %zu lines:", lines, untold);
    }
    for (size_t i = kept.count - lines; i < kept.count; i++) {
        eye_log_debug("%s", kept.lines[i % LINES_KEPT]);
    }
    kept.told = kept.count;
}

int eye_libbpf_print(enum libbpf_print_level level, const char *format, va_list arguments)
{
    char *text = NULL;
    if (!eye_log_takes(EYE_LOG_DEBUG) || vasprintf(&text, format, arguments) < 0) {
        return 0;
    }
    pthread_mutex_lock(&kept.mutex);
    keep(text);
    if (level == LIBBPF_WARN) {
        tell();
    }
    pthread_mutex_unlock(&kept.mutex);
    free(text);
    return 0;
}
