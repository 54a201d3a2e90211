/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct eye_loop {
    int epoll_fd;
};

struct eye_loop *eye_loop_new(void)
{
    struct eye_loop *loop = malloc(sizeof(*loop));
    if (loop == NULL) {
        return NULL;
    }
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        free(loop);
        return NULL;
    }
    return loop;
}

void eye_loop_free(struct eye_loop *loop)
{
    if (loop != NULL) {
        close(loop->epoll_fd);
        free(loop);
    }
}

int eye_loop_join(struct eye_loop *loop, struct eye_watch *watch)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) != 0 ? -errno : 0;
}

void eye_loop_leave(struct eye_loop *loop, const struct eye_watch *watch)
{
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
}

/* One at a time: a second event of the same call could belong to a watch that the first one took
 * out. The kernel gives them in turn. */
void eye_loop_run(struct eye_loop *loop)
{
    bool going = true;
    while (going) {
        struct epoll_event event;
        if (epoll_wait(loop->epoll_fd, &event, 1, -1) == 1) {
            const struct eye_watch *watch = event.data.ptr;
            going = watch->on_readable(watch->context);
        }
    }
}
