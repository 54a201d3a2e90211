/* SPDX-License-Identifier: Apache-2.0 */
/* Short waits and short writes. */
#include "exporters/stdout.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

/* A reader that stalls is asked again by the worker, which must not be late for its deadline. */
#define TIMEOUT_MS 200

/* At most PIPE_BUF bytes: that many fit a pipe which poll() calls writable. */
static int write_some(const char *bytes, size_t length, size_t *written)
{
    struct pollfd descriptor = {.fd = STDOUT_FILENO, .events = POLLOUT};
    int ready = poll(&descriptor, 1, TIMEOUT_MS);
    if (ready <= 0) {
        return ready == 0 ? -EAGAIN : -errno;
    }
    ssize_t count = write(STDOUT_FILENO, bytes, length < PIPE_BUF ? length : PIPE_BUF);
    if (count < 0) {
        return -errno;
    }
    *written += (size_t)count;
    return 0;
}

int eye_stdout_write(const char *bytes, size_t length, size_t *written)
{
    while (*written < length) {
        int result = write_some(bytes + *written, length - *written, written);
        if (result != 0 && result != -EINTR) {
            return result;
        }
    }
    return 0;
}
