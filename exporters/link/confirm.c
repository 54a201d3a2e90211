/* SPDX-License-Identifier: Apache-2.0 */
/* What a TCP peer has acknowledged: the kernel knows, and says so to whoever asks (tcp(7)). */
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "collector/base/clock.h"
#include "exporters/link/transport.h"

/* Acknowledgements wake nobody, so the kernel is asked again, first soon, then less often. */
#define FIRST_PAUSE_MS 1
#define LAST_PAUSE_MS 32

/* Bytes without an acknowledgement, or -errno: the connection is broken. */
static int unacknowledged(int fd)
{
    int bytes = 0;
    if (ioctl(fd, SIOCOUTQ, &bytes) < 0) {
        return -errno;
    }
    /* Asked afterwards: a reset empties the queue too. */
    int error = eye_link_pending_error(fd);
    return error != 0 ? error : bytes;
}

static int wait_for_peer(const struct eye_link *link)
{
    uint64_t until_ns = eye_link_in_ms(EYE_LINK_CONFIRM_MS);
    unsigned pause_ms = FIRST_PAUSE_MS;
    int left = unacknowledged(link->fd);
    while (left > 0 && eye_deadline_slice_ms(link->deadline, until_ns) > 0) {
        usleep(pause_ms * (unsigned)EYE_NS_PER_US);
        pause_ms = pause_ms < LAST_PAUSE_MS ? pause_ms * 2 : LAST_PAUSE_MS;
        left = unacknowledged(link->fd);
    }
    return left > 0 ? -ETIMEDOUT : left;
}

enum eye_confirmation eye_link_confirm_acknowledged(struct eye_link *link, bool wait,
                                                    struct eye_export_failure *failure)
{
    int left = wait ? wait_for_peer(link) : unacknowledged(link->fd);
    if (left >= 0) {
        return left == 0 ? EYE_CONFIRMED : EYE_UNHEARD;
    }
    eye_link_discard_unsent(link->fd);
    link->transport->close(link);
    eye_export_fail(failure, left, eye_export_reason_of(left), "%s did not take everything: %s",
                    link->label, strerror(-left));
    return EYE_LOST;
}
