/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/host/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "collector/base/base.h"
#include "collector/base/thread.h"

struct visit {
    int namespace_fd;
    void (*act)(void *context);
    void *context;
    int result;
};

/* Nobody has to switch back, whatever happens in @act: the thread ends. */
static void *visit(void *context)
{
    struct visit *visit = context;
    if (setns(visit->namespace_fd, CLONE_NEWNET) == 0) {
        visit->act(visit->context);
    } else {
        visit->result = -errno;
    }
    return NULL;
}

static bool is_own(int namespace_fd)
{
    struct stat own;
    struct stat other;
    return stat("/proc/thread-self/ns/net", &own) == 0 && fstat(namespace_fd, &other) == 0 &&
           own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

int eye_in_network(const char *path, void (*act)(void *context), void *context)
{
    pthread_t thread;
    EYE_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    if (is_own(fd)) {
        act(context);
        return 0;
    }
    struct visit there = {.namespace_fd = fd, .act = act, .context = context};
    int result = eye_thread_start("namespace", visit, &there, &thread);
    if (result == 0) {
        pthread_join(thread, NULL);
    }
    return result == 0 ? there.result : result;
}
