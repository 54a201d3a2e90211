/* SPDX-License-Identifier: Apache-2.0 */
#include "exporters/link/burst.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The largest UDP payload over IPv4. */
#define CALL_BYTES 65507

struct eye_burst *eye_burst_new(size_t segment)
{
    size_t room = CALL_BYTES / segment;
    room = room < EYE_BURST_DATAGRAMS ? room : EYE_BURST_DATAGRAMS;
    struct eye_burst *burst = room < 2 ? NULL : malloc(sizeof(*burst) + room * segment);
    if (burst != NULL) {
        *burst = (struct eye_burst){.segment = segment, .room = room};
    }
    return burst;
}

static size_t used(const struct eye_burst *burst)
{
    size_t last = burst->count - 1;
    return last * burst->segment + burst->lengths[last];
}

void eye_burst_add(struct eye_burst *burst, const void *datagram, size_t length)
{
    assert(burst->count < burst->room && length <= burst->segment);
    char *place = burst->bytes + burst->count * burst->segment;
    if (burst->count > 0) {
        size_t end = used(burst);
        memset(burst->bytes + end, '\n', (size_t)(place - burst->bytes) - end);
    }
    memcpy(place, datagram, length);
    burst->lengths[burst->count++] = length;
}

/* ---- Sending ---- */

static int send_whole(struct eye_burst *burst, int fd)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control = {.bytes = {0}};
    struct iovec bytes = {.iov_base = burst->bytes, .iov_len = used(burst)};
    const struct msghdr message = {.msg_iov = &bytes,
                                   .msg_iovlen = 1,
                                   .msg_control = &control,
                                   .msg_controllen = sizeof(control.bytes)};
    const uint16_t segment = (uint16_t)burst->segment;
    control.head.cmsg_level = SOL_UDP;
    control.head.cmsg_type = UDP_SEGMENT;
    control.head.cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(&control.head), &segment, sizeof(segment));
    return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* What left goes; what is left moves to the front. */
static void forget_sent(struct eye_burst *burst, size_t count)
{
    burst->count -= count;
    memmove(burst->lengths, burst->lengths + count, burst->count * sizeof(burst->lengths[0]));
    memmove(burst->bytes, burst->bytes + count * burst->segment, burst->count * burst->segment);
}

static int send_apart(struct eye_burst *burst, int fd, size_t *ret_bytes)
{
    size_t sent = 0;
    int result = 0;
    for (; sent < burst->count && result == 0; sent += result == 0) {
        const char *datagram = burst->bytes + sent * burst->segment;
        result = send(fd, datagram, burst->lengths[sent], MSG_NOSIGNAL) < 0 ? -errno : 0;
        *ret_bytes += result == 0 ? burst->lengths[sent] : 0;
    }
    forget_sent(burst, sent);
    return result;
}

/* ip(7) and udp(7): a size above the way's, a device that makes no checksums, an older kernel. */
static bool is_not_cut(int error)
{
    return error == -EINVAL || error == -EMSGSIZE || error == -EIO || error == -EOPNOTSUPP;
}

int eye_burst_send(struct eye_burst *burst, int fd, size_t *ret_bytes)
{
    *ret_bytes = 0;
    if (burst->count == 0) {
        return 0;
    }
    int result = burst->apart ? -EOPNOTSUPP : send_whole(burst, fd);
    if (result == 0) {
        *ret_bytes = used(burst);
        burst->count = 0;
    } else if (is_not_cut(result)) {
        burst->apart = true;
        result = send_apart(burst, fd, ret_bytes);
    }
    return result;
}
