/* SPDX-License-Identifier: Apache-2.0 */
/* One way for each kind of file: sockets, what can be opened once more, the rest. */
#include "collector/base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file would begin at its start again: only what has no position is opened once more. */
static bool has_position(mode_t mode)
{
    return !S_ISFIFO(mode) && !S_ISCHR(mode);
}

/* Opened once more it would be; what stands in for a closed stream is not. */
static bool is_writable(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

void eye_output_open(struct eye_output *output, int fd)
{
    struct stat status = {0};
    *output = (struct eye_output){.fd = fd};
    if (fstat(fd, &status) != 0 || has_position(status.st_mode) || !is_writable(fd)) {
        output->socket = S_ISSOCK(status.st_mode);
        return;
    }
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own >= 0) {
        output->fd = own;
        output->owned = true;
    }
}

void eye_output_close(struct eye_output *output)
{
    if (output->owned) {
        close(output->fd);
        output->owned = false;
    }
}

/* At most PIPE_BUF bytes: that many fit a pipe which poll() calls writable. */
static ssize_t write_asking(int fd, const void *bytes, size_t length)
{
    struct pollfd descriptor = {.fd = fd, .events = POLLOUT};
    int ready = poll(&descriptor, 1, 0);
    if (ready == 0) {
        errno = EAGAIN;
    }
    return ready <= 0 ? -1 : write(fd, bytes, length < PIPE_BUF ? length : PIPE_BUF);
}

static ssize_t try_write(const struct eye_output *output, const void *bytes, size_t length)
{
    if (output->socket) {
        return send(output->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return output->owned ? write(output->fd, bytes, length)
                         : write_asking(output->fd, bytes, length);
}

ssize_t eye_output_write(const struct eye_output *output, const void *bytes, size_t length)
{
    ssize_t count;
    do {
        count = try_write(output, bytes, length);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

bool eye_output_has_colour(int fd)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(fd) && (no_color == NULL || *no_color == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}
