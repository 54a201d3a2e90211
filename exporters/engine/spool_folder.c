/* SPDX-License-Identifier: Apache-2.0 */
/* Making, trusting and locking the folder. */
#include "exporters/engine/spool_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/trust.h"

/*
 * The folder @path, if nobody else puts something in its place. It is made when it is not there,
 * but not where others could choose what it is.
 */
static int open_parent(const char *path, struct eye_stranger *ret_stranger)
{
    char copy[PATH_MAX];
    if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy)) {
        return -ENAMETOOLONG;
    }
    int result = eye_look_for_strangers(dirname(copy), S_IWOTH, EYE_NOBODY_ELSE, ret_stranger);
    if (result != 0) {
        return result;
    }
    if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST) {
        return -errno;
    }
    return eye_open_trusted_folder(path, S_IWGRP | S_IWOTH, ret_stranger);
}

static int open_child(int parent, const char *exporter, int *ret_fd)
{
    if (mkdirat(parent, exporter, S_IRWXU) != 0 && errno != EEXIST) {
        return -errno;
    }
    EYE_AUTOCLOSE int fd =
        openat(parent, exporter, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fsync(parent) != 0) {
        return -errno;
    }
    *ret_fd = EYE_TAKE_FD(fd);
    return 0;
}

/* What others can write is no place for what we deliver in the user's name. */
static bool is_private(int folder)
{
    struct stat status;
    return fstat(folder, &status) == 0 && status.st_uid == geteuid() &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int fail_to_open(int error, const char *path, const char *exporter,
                        struct eye_error *ret_error)
{
    return eye_error_set(ret_error, error, "cannot open the spool %s/%s: %s", path, exporter,
                         strerror(-error));
}

int eye_spool_folder_open(const char *path, const char *exporter, int *ret_fd,
                          struct eye_error *ret_error)
{
    struct eye_stranger stranger = {.path = ""};
    EYE_AUTOCLOSE int fd = -1;
    EYE_AUTOCLOSE int parent = open_parent(path, &stranger);
    if (stranger.path[0] != '\0') {
        return eye_error_set(ret_error, parent,
                             "the spool %s: the %s %s belongs to another user or others may write "
                             "there, and so put another spool in its place; run chown and chmod "
                             "go-w on it",
                             path, S_ISLNK(stranger.mode) ? "link" : "folder", stranger.path);
    }
    if (parent < 0) {
        return fail_to_open(parent, path, exporter, ret_error);
    }
    int result = open_child(parent, exporter, &fd);
    if (result != 0) {
        return fail_to_open(result, path, exporter, ret_error);
    }
    if (!is_private(fd)) {
        return eye_error_set(ret_error, -EPERM,
                             "the spool %s/%s belongs to another user or others may write there; "
                             "run chown and chmod 0700 on it",
                             path, exporter);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return eye_error_set(
            ret_error, errno == EWOULDBLOCK ? -EBUSY : -errno,
            "cannot lock the spool %s/%s: %s; is another sockeye running, or does an "
            "exporter of this one hang?",
            path, exporter, strerror(errno));
    }
    *ret_fd = EYE_TAKE_FD(fd);
    return 0;
}
