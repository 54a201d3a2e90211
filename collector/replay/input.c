/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/replay/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/clock.h"

struct eye_input {
    int fd;
    int stop_fd;      /* not ours; -1: there is none, or it has spoken */
    bool stored;      /* a file with an end ... */
    uint64_t bytes;   /* and its size; else 0 */
    bool stopped;     /* before its end */
    uint64_t ends_ns; /* monotonic: no later is anything read; 0: stop_fd has not spoken */
    uint64_t position;
    uint8_t beginning[EYE_INPUT_BEGINNING_BYTES];
};

/* What a pipe has, and what its writer still puts there, is read; a file is not. */
static void heed_signal(struct eye_input *input)
{
    uint64_t wait_ns = input->stored ? 0 : EYE_INPUT_LAST_WORDS_MS * EYE_NS_PER_MS;
    input->stop_fd = -1;
    input->ends_ns = eye_clock_monotonic_ns() + wait_ns;
}

/* Milliseconds, for poll(). */
static int time_left(const struct eye_input *input)
{
    uint64_t now_ns = eye_clock_monotonic_ns();
    if (input->ends_ns == 0) {
        return -1;
    }
    return now_ns >= input->ends_ns ? 0 : (int)((input->ends_ns - now_ns) / EYE_NS_PER_MS) + 1;
}

/* True: something, or the end, can be read. */
static bool wait_for_bytes(struct eye_input *input)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = input->fd, .events = POLLIN},
                               {.fd = input->stop_fd, .events = POLLIN}};
        int left_ms = time_left(input);
        int ready = left_ms == 0 ? 0 : poll(fds, 2, left_ms);
        if (ready < 0 && errno != EINTR) {
            return true; /* read() says why */
        }
        if (ready > 0 && fds[1].revents != 0) {
            heed_signal(input);
        } else if (ready > 0) {
            return true;
        } else if (ready == 0) {
            return false;
        }
    }
}

/* @size bytes were read. */
static void note_read(struct eye_input *input, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && input->position + i < sizeof(input->beginning); i++) {
        input->beginning[input->position + i] = (uint8_t)bytes[i];
    }
    input->position += size;
}

static ssize_t read_some(void *cookie, char *buffer, size_t size)
{
    struct eye_input *input = cookie;
    ssize_t got;
    do {
        if (!wait_for_bytes(input)) {
            input->stopped = true;
            return 0;
        }
        got = read(input->fd, buffer, size);
    } while (got < 0 && (errno == EAGAIN || errno == EINTR));
    note_read(input, buffer, got > 0 ? (size_t)got : 0);
    return got;
}

static int close_input(void *cookie)
{
    struct eye_input *input = cookie;
    close(input->fd);
    free(input);
    return 0;
}

static void note_size(struct eye_input *input)
{
    struct stat status;
    input->stored = fstat(input->fd, &status) == 0 && S_ISREG(status.st_mode);
    input->bytes = input->stored ? (uint64_t)status.st_size : 0;
}

FILE *eye_input_open(const char *path, int stop_fd, const struct eye_input **ret_input)
{
    static const cookie_io_functions_t functions = {.read = read_some, .close = close_input};
    struct eye_input *input = calloc(1, sizeof(*input));
    if (input == NULL) {
        return NULL;
    }
    input->fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                       : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    input->stop_fd = stop_fd;
    FILE *file = input->fd < 0 ? NULL : fopencookie(input, "r", functions);
    if (file == NULL) {
        int problem = errno;
        if (input->fd >= 0) {
            close(input->fd);
        }
        free(input);
        errno = problem;
        return NULL;
    }
    note_size(input);
    *ret_input = input;
    return file;
}

uint64_t eye_input_size(const struct eye_input *input)
{
    return input->bytes;
}

const uint8_t *eye_input_beginning(const struct eye_input *input)
{
    return input->beginning;
}

uint64_t eye_input_position(const struct eye_input *input)
{
    return input->position;
}

bool eye_input_was_stopped(const struct eye_input *input)
{
    return input->stopped;
}
