/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short processes, one after the other: `burst 1000` makes a thousand, each of which executes this
 * file once more, without a word, and ends. Exits with 1 when one could not be made.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int run_one(char *path)
{
    char *const words[] = {path, NULL};
    int status = 0;
    pid_t child = vfork();
    if (child == 0) {
        execv(path, words);
        _exit(127);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && status == 0 ? 0 : 1;
}

int main(int count, char *words[])
{
    int failed = 0;
    unsigned long left = count > 1 ? strtoul(words[1], NULL, 10) : 0;
    for (; left > 0 && failed == 0; left--) {
        failed = run_one(words[0]);
    }
    return failed;
}
