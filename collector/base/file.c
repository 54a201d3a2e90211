/* SPDX-License-Identifier: Apache-2.0 */
/* One read(2) may give less than there is, or be interrupted. */
#include "collector/base/file.h"

#include <errno.h>
#include <sys/stat.h>
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

bool eye_file_has_changed(const char *path, struct eye_file_stamp *stamp)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return false;
    }
    if (status.st_dev == stamp->device && status.st_ino == stamp->inode &&
        status.st_size == stamp->size && status.st_ctim.tv_sec == stamp->changed.tv_sec &&
        status.st_ctim.tv_nsec == stamp->changed.tv_nsec) {
        return false;
    }
    *stamp = (struct eye_file_stamp){status.st_dev, status.st_ino, status.st_size, status.st_ctim};
    return true;
}
