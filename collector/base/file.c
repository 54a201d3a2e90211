/* SPDX-License-Identifier: Apache-2.0 */
/* One read(2) may give less than there is, or be interrupted. */
#include "collector/base/file.h"

#include <errno.h>
#include <fcntl.h>
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

bool eye_file_is_trusted_owner(uid_t owner)
{
    return owner == 0 || owner == geteuid();
}

int eye_file_open_folder(const char *path)
{
    struct stat status;
    EYE_AUTOCLOSE int entry = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (entry < 0 || fstat(entry, &status) != 0) {
        return -errno;
    }
    if (S_ISLNK(status.st_mode) && !eye_file_is_trusted_owner(status.st_uid)) {
        return -ELOOP;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

bool eye_file_keeps_entries(int folder, mode_t strangers)
{
    struct stat status;
    return fstat(folder, &status) == 0 && eye_file_is_trusted_owner(status.st_uid) &&
           ((status.st_mode & strangers) == 0 || (status.st_mode & S_ISVTX) != 0);
}
