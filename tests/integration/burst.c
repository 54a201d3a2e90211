/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short processes, one after the other: `burst 1000` makes a thousand, each of which executes this
 * file once more, without a word, and ends. Exits with 1 when one could not be made.
 */
#include <errno.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/wait.h>

#include "collector/base/parse.h"

static int run_one(char *path)
{
    char *const words[] = {path, NULL};
    pid_t child;
    int status = 0;
    if (posix_spawn(&child, path, NULL, NULL, words, NULL) != 0) {
        return 1;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status == 0 ? 0 : 1;
}

int main(int count, char *words[])
{
    uint64_t left = 0;
    int failed = count > 1 && eye_parse_u64(words[1], &left) != 0 ? 1 : 0;
    for (; left > 0 && failed == 0; left--) {
        failed = run_one(words[0]);
    }
    return failed;
}
