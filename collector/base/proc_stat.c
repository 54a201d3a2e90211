/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/base/proc_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/types.h>

#include "collector/base/base.h"
#include "collector/base/file.h"
#include "collector/base/parse.h"

/* Field 22 ends before byte 512: a command of 64 bytes at most and 20 numbers. */
#define STAT_BYTES 1024

enum field { FIELD_STATE = 3, FIELD_THREADS = 20, FIELD_START = 22 };

/* Ends each field with a NUL, and puts its place into @fields. They are counted from behind the
 * last ")": the command before it may hold anything. */
static bool split(char *text, const char *fields[FIELD_START + 1])
{
    char *next = strrchr(text, ')');
    if (next == NULL || next[1] != ' ') {
        return false;
    }
    next += 2;
    for (int number = FIELD_STATE; number <= FIELD_START; number++) {
        fields[number] = next;
        next += strcspn(next, " \n");
        if (*next == '\0') {
            return false;
        }
        *next++ = '\0';
    }
    return true;
}

static int parse(char *text, struct eye_proc_stat *ret_stat)
{
    const char *fields[FIELD_START + 1] = {NULL};
    struct eye_proc_stat stat;
    if (!split(text, fields) || eye_parse_u64(fields[FIELD_THREADS], &stat.threads) != 0 ||
        eye_parse_u64(fields[FIELD_START], &stat.start_ticks) != 0) {
        return -EBADMSG;
    }
    stat.zombie = fields[FIELD_STATE][0] == 'Z';
    *ret_stat = stat;
    return 0;
}

int eye_proc_stat_read(int directory, struct eye_proc_stat *ret_stat)
{
    char text[STAT_BYTES];
    EYE_AUTOCLOSE int fd = openat(directory, "stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    ssize_t length = eye_file_read(fd, text, sizeof(text) - 1);
    if (length < 0) {
        return (int)length;
    }
    text[length] = '\0';
    return parse(text, ret_stat);
}
