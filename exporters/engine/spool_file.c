/* SPDX-License-Identifier: Apache-2.0 */
/* Writing beside and renaming; reading. */
#include "exporters/engine/spool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/base.h"

static int write_all(int fd, const struct eye_spool_frame *bytes)
{
    size_t done = 0;
    while (done < bytes->length) {
        ssize_t count = write(fd, bytes->data + done, bytes->length - done);
        if (count < 0 && errno != EINTR) {
            return -errno;
        }
        done += count > 0 ? (size_t)count : 0;
    }
    return fdatasync(fd) == 0 ? 0 : -errno;
}

static int write_file(int folder, const char *name, const struct eye_spool_frame *bytes)
{
    EYE_AUTOCLOSE int fd = openat(
        folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    return fd < 0 ? -errno : write_all(fd, bytes);
}

/* Moves a file to a new name for good, or not at all. */
static int rename_durably(int folder, const char *from, const char *to)
{
    if (renameat(folder, from, folder, to) != 0) {
        return -errno;
    }
    if (fsync(folder) != 0) {
        int result = -errno;
        renameat(folder, to, folder, from);
        return result;
    }
    return 0;
}

int eye_spool_file_write(int folder, const struct eye_spool_segment *segment, const char *ending,
                         const struct eye_spool_frame *frame)
{
    char unfinished[EYE_SPOOL_NAME_BYTES];
    char name[EYE_SPOOL_NAME_BYTES];
    eye_spool_segment_format(segment, EYE_SPOOL_UNFINISHED, unfinished);
    eye_spool_segment_format(segment, ending, name);
    int result = write_file(folder, unfinished, frame);
    if (result == 0) {
        result = rename_durably(folder, unfinished, name);
    }
    if (result != 0) {
        unlinkat(folder, unfinished, 0);
    }
    return result;
}

int eye_spool_file_rename(int folder, const struct eye_spool_segment *segment, const char *from,
                          const char *to)
{
    char old_name[EYE_SPOOL_NAME_BYTES];
    char new_name[EYE_SPOOL_NAME_BYTES];
    eye_spool_segment_format(segment, from, old_name);
    eye_spool_segment_format(segment, to, new_name);
    return rename_durably(folder, old_name, new_name);
}

void eye_spool_file_remove(int folder, const struct eye_spool_segment *segment, const char *ending)
{
    char name[EYE_SPOOL_NAME_BYTES];
    eye_spool_segment_format(segment, ending, name);
    unlinkat(folder, name, 0);
}

static int read_all(int fd, struct eye_spool_frame *bytes)
{
    size_t done = 0;
    while (done < bytes->length) {
        ssize_t count = read(fd, bytes->data + done, bytes->length - done);
        if (count < 0 && errno != EINTR) {
            return -errno;
        }
        if (count == 0) {
            return -EBADMSG;
        }
        done += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

static int read_file(int folder, const char *name, struct eye_spool_frame *ret_bytes)
{
    struct stat status;
    EYE_AUTOCLOSE int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode) || status.st_size <= 0 ||
        (size_t)status.st_size > EYE_SPOOL_FRAME_MAX_BYTES) {
        return -EBADMSG;
    }
    EYE_CLEANUP(eye_spool_frame_done)
    struct eye_spool_frame bytes = {malloc((size_t)status.st_size), (size_t)status.st_size};
    int result = bytes.data == NULL ? -ENOMEM : read_all(fd, &bytes);
    if (result == 0) {
        *ret_bytes = (struct eye_spool_frame){EYE_TAKE(bytes.data), bytes.length};
    }
    return result;
}

int eye_spool_file_read(int folder, const struct eye_spool_segment *segment, const char *ending,
                        struct eye_spool_frame *ret_frame)
{
    char name[EYE_SPOOL_NAME_BYTES];
    eye_spool_segment_format(segment, ending, name);
    return read_file(folder, name, ret_frame);
}
