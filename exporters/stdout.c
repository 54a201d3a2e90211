/* SPDX-License-Identifier: Apache-2.0 */
/* Short waits and short writes. */
#include "exporters/stdout.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A reader that stalls is asked again by the worker, which must not be late for its deadline. */
#define TIMEOUT_MS 200

static size_t users;
static atomic_bool followed;

void eye_stdout_open(struct eye_output *output)
{
    eye_output_open(output, STDOUT_FILENO);
    users++;
}

void eye_stdout_close(struct eye_output *output)
{
    /* Standard input is never what was opened. */
    if (output->fd > STDIN_FILENO) {
        eye_output_close(output);
        *output = (struct eye_output){0};
        users--;
        atomic_store(&followed, users > 0 && atomic_load(&followed));
    }
}

void eye_stdout_follow(void)
{
    atomic_store(&followed, users > 0);
}

bool eye_stdout_is_followed(void)
{
    return atomic_load(&followed);
}

static int write_some(const struct eye_output *output, const char *bytes, size_t length,
                      size_t *written)
{
    struct pollfd descriptor = {.fd = output->fd, .events = POLLOUT};
    int ready = poll(&descriptor, 1, TIMEOUT_MS);
    if (ready <= 0) {
        return ready == 0 ? -EAGAIN : -errno;
    }
    ssize_t count = eye_output_write(output, bytes, length);
    if (count < 0) {
        return (int)count;
    }
    *written += (size_t)count;
    return 0;
}

int eye_stdout_write(const struct eye_output *output, const char *bytes, size_t length,
                     size_t *written)
{
    while (*written < length) {
        int result = write_some(output, bytes + *written, length - *written, written);
        if (result != 0 && result != -EINTR) {
            return result;
        }
    }
    return 0;
}

const char *eye_stdout_error(int result)
{
    return result == -EAGAIN ? "nobody reads it" : strerror(-result);
}

/* After a hang-up isatty(3) says no. */
static bool is_device(void)
{
    struct stat status;
    return fstat(STDOUT_FILENO, &status) == 0 && S_ISCHR(status.st_mode);
}

bool eye_stdout_is_gone(int result)
{
    return eye_stdout_is_followed() &&
           (result == -EPIPE || result == -ECONNRESET || (result == -EIO && is_device()));
}
