/* SPDX-License-Identifier: Apache-2.0 */
/* One read(2) may give less than there is, or be interrupted. */
#include "collector/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/base/base.h"

ssize_t eye_file_read(int fd, void *buffer, size_t size)
{
    size_t used = 0;
    ssize_t count = 1;
    while (used < size && count != 0) {
        count = read(fd, (char *)buffer + used, size - used);
        if (count < 0 && errno != EINTR) {
            return -errno;
        }
        used += count > 0 ? (size_t)count : 0;
    }
    return (ssize_t)used;
}

bool eye_file_stamp_set(struct eye_file_stamp *stamp, const struct stat *status)
{
    if (status->st_dev == stamp->device && status->st_ino == stamp->inode &&
        status->st_size == stamp->size && status->st_ctim.tv_sec == stamp->changed.tv_sec &&
        status->st_ctim.tv_nsec == stamp->changed.tv_nsec) {
        return false;
    }
    *stamp =
        (struct eye_file_stamp){status->st_dev, status->st_ino, status->st_size, status->st_ctim};
    return true;
}

bool eye_file_has_changed(const char *path, struct eye_file_stamp *stamp)
{
    struct stat status;
    return stat(path, &status) == 0 && eye_file_stamp_set(stamp, &status);
}

/* The glibc of Debian 12 and 13 has no function for openat2(2). */
int eye_file_open_below(int root, const char *path, int flags)
{
    const struct open_how how = {
        .flags = (uint64_t)((unsigned int)flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY),
        .resolve = (uint64_t)RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
    return fd < 0 ? -errno : (int)fd;
}

int eye_file_load(int fd, size_t limit, char **ret_bytes, size_t *ret_length)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode)) {
        return -EINVAL;
    }
    if ((uint64_t)status.st_size > limit) {
        return -EFBIG;
    }
    size_t size = (size_t)status.st_size;
    EYE_AUTOFREE char *bytes = malloc(size + 1);
    ssize_t length = bytes == NULL ? -ENOMEM : eye_file_read(fd, bytes, size);
    if (length < 0) {
        return (int)length;
    }
    bytes[length] = '\0';
    *ret_bytes = EYE_TAKE(bytes);
    *ret_length = (size_t)length;
    return 0;
}
