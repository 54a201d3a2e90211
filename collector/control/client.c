/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of HTTP/1.1 as the daemon's own answers need: each has a length and ends its connection
 * (RFC 9112, 6.3). libcurl would do as well, and is not on every host that the daemon runs on.
 */
#include "collector/control/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "collector/base/parse.h"

#define PIECE_BYTES 65536

static int connect_to(const char *path, unsigned timeout_s, struct eye_error *ret_error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval timeout = {.tv_sec = (time_t)timeout_s};
    if (!eye_copy_string(address.sun_path, sizeof(address.sun_path), path)) {
        return eye_error_set(ret_error, -ENAMETOOLONG, "%s: too long for a socket's path", path);
    }
    EYE_AUTOCLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0) {
        return eye_error_set(ret_error, -errno, "cannot make a socket: %s", strerror(errno));
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
        return EYE_TAKE_FD(fd);
    }
    int error = errno;
    if (error == ECONNREFUSED || error == ENOENT) {
        return eye_error_set(ret_error, -error, "sockeye is not running: nobody listens on %s",
                             path);
    }
    return eye_error_set(ret_error, -error, "cannot connect to %s: %s%s", path, strerror(error),
                         error == EACCES ? "; it is for root and the group sockeye" : "");
}

static int send_request(int fd, const char *method, const char *target)
{
    char request[512];
    int length =
        snprintf(request, sizeof(request),
                 "%s %s HTTP/1.1\r\nHost: sockeye\r\nConnection: close\r\n\r\n", method, target);
    if (length < 0 || (size_t)length >= sizeof(request)) {
        return -ENAMETOOLONG;
    }
    ssize_t sent = send(fd, request, (size_t)length, MSG_NOSIGNAL);
    return sent == length ? 0 : sent < 0 ? -errno : -EIO;
}

/* All until the end. */
static int read_answer(int fd, struct eye_text *answer)
{
    for (;;) {
        char *room = eye_text_room(answer, PIECE_BYTES);
        if (room == NULL) {
            return -EMSGSIZE;
        }
        ssize_t length = recv(fd, room, PIECE_BYTES, 0);
        eye_text_end_at(answer, room + (length > 0 ? length : 0));
        if (length == 0) {
            return 0;
        }
        if (length < 0 && errno != EINTR) {
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        }
    }
}

/* The value of a header of ours; 0: there is none. */
static uint64_t content_length(const char *head, const char *end)
{
    static const char name[] = "\r\nContent-Length: ";
    const char *found = strcasestr(head, name);
    char digits[24] = "";
    uint64_t length = 0;
    if (found == NULL || found >= end) {
        return 0;
    }
    found += sizeof(name) - 1;
    size_t count = strspn(found, "0123456789");
    if (count < sizeof(digits)) {
        memcpy(digits, found, count);
    }
    return eye_parse_u64(digits, &length) == 0 ? length : 0;
}

/* The status, with the body alone left in @answer; -EPROTO: no answer of ours, or a part of it. */
static int split(struct eye_text *answer, struct eye_text *body)
{
    static const char version[] = "HTTP/1.1 ";
    const char *text = eye_text_string(answer);
    const char *blank = strstr(text, "\r\n\r\n");
    char digits[4] = "";
    uint64_t status = 0;
    if (blank == NULL || strncmp(text, version, sizeof(version) - 1) != 0) {
        return -EPROTO;
    }
    memcpy(digits, text + sizeof(version) - 1, 3);
    size_t length = answer->length - (size_t)(blank + 4 - text);
    if (eye_parse_u64(digits, &status) != 0 || length != content_length(text, blank)) {
        return -EPROTO;
    }
    eye_text_append_bytes(body, blank + 4, length);
    return body->failed ? -ENOMEM : (int)status;
}

/* Who is asked ends, or gave the place to another one that asks. */
static bool is_turned_away(int result, const struct eye_text *answer)
{
    return answer->length == 0 && (result == -EPROTO || result == -ECONNRESET || result == -EPIPE);
}

int eye_client_ask(const char *path, const char *method, const char *target, unsigned timeout_s,
                   struct eye_text *body, struct eye_error *ret_error)
{
    EYE_AUTOCLOSE int fd = connect_to(path, timeout_s, ret_error);
    if (fd < 0) {
        return fd;
    }
    EYE_CLEANUP(eye_text_done) struct eye_text answer;
    eye_text_init(&answer, EYE_CLIENT_ANSWER_MAX);
    int result = send_request(fd, method, target);
    if (result == 0) {
        result = read_answer(fd, &answer);
    }
    if (result == 0) {
        result = split(&answer, body);
    }
    if (result >= 0) {
        return result;
    }
    return eye_error_set(ret_error, result, "%s: no answer to %s %s: %s", path, method, target,
                         is_turned_away(result, &answer)
                             ? "the connection was closed: the daemon ends, or too many ask at once"
                             : strerror(-result));
}
