/* SPDX-License-Identifier: Apache-2.0 */
/* Looks for the statistics from behind. */
#include "collector/source/verifier_log.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/parse.h"

#define PROCESSED "processed "

static bool begins_with(const char *line, const char *start)
{
    return strncmp(line, start, strlen(start)) == 0;
}

static bool is_statistics(const char *line)
{
    return begins_with(line, PROCESSED) || begins_with(line, "verification time ") ||
           begins_with(line, "stack depth ") || begins_with(line, "insns processed ");
}

/* "processed 1236 insns (limit 1000000) ..." */
static void read_processed(const char *line, uint32_t *ret_instructions)
{
    const char *digits = line + strlen(PROCESSED);
    uint64_t instructions = 0;
    char number[24];
    snprintf(number, sizeof(number), "%.*s", (int)strspn(digits, "0123456789"), digits);
    if (eye_parse_u64(number, &instructions) == 0 && instructions <= UINT32_MAX) {
        *ret_instructions = (uint32_t)instructions;
    }
}

/* The last line, cut off its line feed; what is before it stays. */
static char *last_line(char *log)
{
    size_t length = strlen(log);
    while (length > 0 && log[length - 1] == '\n') {
        log[--length] = '\0';
    }
    char *feed = strrchr(log, '\n');
    return feed == NULL ? log : feed + 1;
}

const char *eye_verifier_log_read(char *log, uint32_t *ret_instructions)
{
    char *line = last_line(log);
    while (is_statistics(line)) {
        if (begins_with(line, PROCESSED)) {
            read_processed(line, ret_instructions);
        }
        *line = '\0';
        line = last_line(log);
    }
    return line;
}
