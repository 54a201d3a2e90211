/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way is gone step by step, links are followed here: the kernel would say neither which folders
 * it went through nor who made a link. What is open cannot be exchanged any more.
 */
#include "collector/base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "collector/base/base.h"

/* As many as the kernel follows (MAXSYMLINKS). */
#define LINKS_MAX 40

struct way {
    int fd;               /* what has been reached, O_PATH */
    struct stat status;   /* of fd */
    char place[PATH_MAX]; /* its path without links */
    char rest[PATH_MAX];  /* what is still to go */
    unsigned int links;
    uid_t also_trusted;
};

bool eye_is_trusted_owner(uid_t owner)
{
    return owner == 0 || owner == geteuid();
}

static bool is_trusted(const struct way *way, uid_t owner)
{
    return eye_is_trusted_owner(owner) || owner == way->also_trusted;
}

bool eye_is_read_only(int fd)
{
    struct statvfs disk;
    return fstatvfs(fd, &disk) == 0 && (disk.f_flag & ST_RDONLY) != 0;
}

static int tell(const struct way *way, const struct stat *status, int result,
                struct eye_stranger *ret_stranger)
{
    memcpy(ret_stranger->path, way->place, sizeof(ret_stranger->path));
    ret_stranger->owner = status->st_uid;
    ret_stranger->mode = status->st_mode;
    return result;
}

/* @strangers: who may not write here. */
static int check_folder(const struct way *way, mode_t strangers, struct eye_stranger *ret_stranger)
{
    const struct stat *status = &way->status;
    bool kept = (status->st_mode & strangers) == 0 || (status->st_mode & S_ISVTX) != 0;
    if (!S_ISDIR(status->st_mode) || (kept && is_trusted(way, status->st_uid)) ||
        eye_is_read_only(way->fd)) {
        return 0;
    }
    return tell(way, status, -EPERM, ret_stranger);
}

/* Takes the first name off the rest of the way; false at its end. */
static bool next_name(struct way *way, char ret_name[static NAME_MAX + 2])
{
    const char *begin = way->rest + strspn(way->rest, "/");
    size_t length = strcspn(begin, "/");
    /* A name that is too long stays so, for the kernel to refuse. */
    size_t kept = length < NAME_MAX + 1 ? length : NAME_MAX + 1;
    memcpy(ret_name, begin, kept);
    ret_name[kept] = '\0';
    memmove(way->rest, begin + length, strlen(begin + length) + 1);
    return length > 0;
}

static void leave_folder(struct way *way)
{
    char *slash = strrchr(way->place, '/');
    slash[slash == way->place ? 1 : 0] = '\0';
}

static int add_to_place(struct way *way, const char *name)
{
    size_t length = strlen(way->place);
    if (strcmp(name, ".") == 0) {
        return 0;
    }
    if (strcmp(name, "..") == 0) {
        leave_folder(way);
        return 0;
    }
    const char *between = length > 1 ? "/" : "";
    int added = snprintf(way->place + length, sizeof(way->place) - length, "%s%s", between, name);
    return (size_t)added < sizeof(way->place) - length ? 0 : -ENAMETOOLONG;
}

/* To the root, from which @rest goes on. */
static int start(struct way *way, const char *rest)
{
    char text[PATH_MAX];
    if (snprintf(text, sizeof(text), "%s", rest) >= (int)sizeof(text)) {
        return -ENAMETOOLONG;
    }
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &way->status) != 0) {
        return -errno;
    }
    eye_cleanup_close(&way->fd);
    way->fd = fd;
    memcpy(way->place, "/", sizeof("/"));
    memcpy(way->rest, text, sizeof(text));
    return 0;
}

/* What the link @fd says stands before the rest of the way. */
static int follow(struct way *way, int fd)
{
    char target[PATH_MAX];
    char rest[PATH_MAX];
    ssize_t length = readlinkat(fd, "", target, sizeof(target) - 1);
    if (length < 0) {
        return -errno;
    }
    target[length] = '\0';
    way->links++;
    if (way->links > LINKS_MAX) {
        return -EMLINK;
    }
    if (snprintf(rest, sizeof(rest), "%s/%s", target, way->rest) >= (int)sizeof(rest)) {
        return -ENAMETOOLONG;
    }
    if (target[0] == '/') {
        return start(way, rest);
    }
    leave_folder(way);
    memcpy(way->rest, rest, sizeof(rest));
    return 0;
}

/* One name further. A link leads elsewhere, and its maker had better be trusted. */
static int step(struct way *way, const char *name, mode_t strangers,
                struct eye_stranger *ret_stranger)
{
    struct stat status;
    EYE_AUTOCLOSE int fd = openat(way->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        return -errno;
    }
    bool is_file = !S_ISDIR(status.st_mode) && !S_ISLNK(status.st_mode);
    int result = is_file ? check_folder(way, strangers, ret_stranger) : 0;
    if (result == 0) {
        result = add_to_place(way, name);
    }
    if (result != 0) {
        return result;
    }
    if (S_ISLNK(status.st_mode)) {
        bool trusted = is_trusted(way, status.st_uid) || eye_is_read_only(fd);
        return trusted ? follow(way, fd) : tell(way, &status, -ELOOP, ret_stranger);
    }
    eye_cleanup_close(&way->fd);
    way->fd = EYE_TAKE_FD(fd);
    way->status = status;
    return 0;
}

static int go(struct way *way, const char *path, mode_t strangers,
              struct eye_stranger *ret_stranger)
{
    char name[NAME_MAX + 2];
    char here[PATH_MAX] = "";
    char whole[PATH_MAX];
    if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL) {
        return -errno;
    }
    if (snprintf(whole, sizeof(whole), "%s/%s", here, path) >= (int)sizeof(whole)) {
        return -ENAMETOOLONG;
    }
    int result = start(way, whole);
    while (result == 0 && next_name(way, name)) {
        result = check_folder(way, S_IWOTH, ret_stranger);
        if (result == 0) {
            result = step(way, name, strangers, ret_stranger);
        }
    }
    return result == 0 ? check_folder(way, strangers, ret_stranger) : result;
}

int eye_look_for_strangers(const char *path, mode_t strangers, uid_t also_trusted,
                           struct eye_stranger *ret_stranger)
{
    struct way way = {.fd = -1, .also_trusted = also_trusted};
    int result = go(&way, path, strangers, ret_stranger);
    eye_cleanup_close(&way.fd);
    return result;
}

int eye_open_trusted_folder(const char *path, mode_t strangers, struct eye_stranger *ret_stranger)
{
    struct way way = {.fd = -1, .also_trusted = EYE_NOBODY_ELSE};
    int result = go(&way, path, strangers, ret_stranger);
    if (result == 0) {
        int fd = openat(way.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        result = fd < 0 ? -errno : fd;
    }
    eye_cleanup_close(&way.fd);
    return result;
}
