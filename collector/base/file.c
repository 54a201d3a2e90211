/* SPDX-License-Identifier: Apache-2.0 */
/* One read(2) may give less than there is, or be interrupted. */
#include "collector/base/file.h"

#include <errno.h>
#include <unistd.h>

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
