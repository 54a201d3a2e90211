/* SPDX-License-Identifier: Apache-2.0 */
/* Appending, taking back, rotating. */
#include "exporters/file/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "collector/base/trust.h"

#define MODE 0640

/* What every line of ours begins with. */
#define LINE_START "{\"time\":"

/* Two lines of the longest: the last whole one, and one that is torn. */
#define TAIL_BYTES ((size_t)512 << 10)

static int fail(const struct eye_journal *journal, int code, const char *what,
                struct eye_error *ret_error)
{
    return eye_error_set(ret_error, code, "cannot %s %s: %s", what, journal->path, strerror(-code));
}

void eye_journal_close(struct eye_journal *journal)
{
    eye_cleanup_close(&journal->fd);
    journal->fd = -1;
}

/* ---- Opening ---- */

/* The beginning of the line that goes on until @end. */
static size_t find_line(const char *tail, size_t end)
{
    const char *newline = memrchr(tail, '\n', end);
    return newline == NULL ? 0 : (size_t)(newline - tail) + 1;
}

/* Whether we wrote the last whole line of @tail and what stands behind it from @torn on. */
static bool is_ours(const char *tail, size_t torn, size_t length)
{
    size_t start_length = strlen(LINE_START);
    size_t compared = length - torn < start_length ? length - torn : start_length;
    if (memcmp(tail + torn, LINE_START, compared) != 0) {
        return false;
    }
    size_t last = torn == 0 ? 0 : find_line(tail, torn - 1);
    return torn == 0 ||
           (torn - last > start_length && memcmp(tail + last, LINE_START, start_length) == 0);
}

/* The end of the file @fd; NULL: it could not be read. Owned by the caller. */
static char *read_tail(int fd, off_t size, size_t *ret_length)
{
    size_t length = (size_t)size < TAIL_BYTES ? (size_t)size : TAIL_BYTES;
    char *tail = malloc(length + 1); /* never of no bytes */
    if (tail != NULL && pread(fd, tail, length, size - (off_t)length) != (ssize_t)length) {
        free(EYE_TAKE(tail));
    }
    *ret_length = length;
    return tail;
}

/* Cuts what a killed process left of a line, if it is one of ours. */
static int repair(const struct eye_journal *journal, int fd, off_t size,
                  struct eye_error *ret_error)
{
    size_t length;
    EYE_AUTOFREE char *tail = read_tail(fd, size, &length);
    if (tail == NULL) {
        return fail(journal, -EIO, "read", ret_error);
    }
    size_t torn = find_line(tail, length);
    size_t torn_length = length - torn;
    if (!is_ours(tail, torn, length)) {
        return eye_error_set(ret_error, -EINVAL,
                             "%s does not end with a line that sockeye wrote: choose another path",
                             journal->path);
    }
    if (torn_length > 0 && ftruncate(fd, size - (off_t)torn_length) != 0) {
        return fail(journal, -errno, "cut", ret_error);
    }
    return 0;
}

/* A second name of the file may be another program's. */
static int check_kind(const struct eye_journal *journal, const struct stat *status,
                      struct eye_error *ret_error)
{
    if (!S_ISREG(status->st_mode)) {
        return eye_error_set(ret_error, -EINVAL, "%s is not a regular file; - is standard output",
                             journal->path);
    }
    if (!eye_is_trusted_owner(status->st_uid) || status->st_nlink > 1) {
        return eye_error_set(ret_error, -EPERM,
                             "%s belongs to another user or has a second name (hard link): remove "
                             "it or choose another path",
                             journal->path);
    }
    return 0;
}

static int check(const struct eye_journal *journal, int fd, struct eye_error *ret_error)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return fail(journal, -errno, "open", ret_error);
    }
    int result = check_kind(journal, &status, ret_error);
    if (result != 0) {
        return result;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return eye_error_set(ret_error, -EBUSY,
                             "somebody writes to %s already: another process, or an exporter of "
                             "this one that hangs",
                             journal->path);
    }
    return repair(journal, fd, status.st_size, ret_error);
}

/*
 * The folder that the file is in, if nobody else puts something in its place there. A group may
 * write (as to /var/log): it cannot make us write into another file, since links, files of others
 * and lines of others are refused.
 */
static int open_folder(const struct eye_journal *journal, struct eye_error *ret_error)
{
    char path[PATH_MAX];
    /* Without the last slash, which would have a link followed; but "/" has only that one. */
    int length = (int)(strrchr(journal->path, '/') - journal->path);
    length = length > 0 ? length : 1;
    if (snprintf(path, sizeof(path), "%.*s", length, journal->path) >= (int)sizeof(path)) {
        return fail(journal, -ENAMETOOLONG, "open", ret_error);
    }
    struct eye_stranger stranger = {.path = ""};
    int folder = eye_open_trusted_folder(path, S_IWOTH, &stranger);
    if (stranger.path[0] != '\0') {
        return eye_error_set(ret_error, folder,
                             "%s: the %s %s belongs to another user or everybody may write "
                             "there, and so put another file in its place; run chown root and "
                             "chmod o-w on it, or choose another path",
                             journal->path, S_ISLNK(stranger.mode) ? "link" : "folder",
                             stranger.path);
    }
    return folder < 0 ? fail(journal, folder, "open the folder of", ret_error) : folder;
}

/* ---- What stands where files are rotated to ---- */

static bool name_rotated(const struct eye_journal *journal, uint64_t number,
                         char ret_name[static PATH_MAX])
{
    int length = number == 0 ? snprintf(ret_name, PATH_MAX, "%s", journal->path)
                             : snprintf(ret_name, PATH_MAX, "%s.%" PRIu64, journal->path, number);
    return length < PATH_MAX;
}

static bool has_our_lines(int fd, off_t size)
{
    char start[sizeof(LINE_START) - 1];
    size_t length;
    if (pread(fd, start, sizeof(start), 0) == (ssize_t)sizeof(start) &&
        memcmp(start, LINE_START, sizeof(start)) == 0) {
        return true;
    }
    EYE_AUTOFREE char *tail = read_tail(fd, size, &length);
    return tail != NULL && is_ours(tail, find_line(tail, length), length);
}

/* What is wrong with @name, which a rotation would rename or replace; NULL: nothing. */
static const char *look_at_rotated(int folder, const char *name)
{
    struct stat status;
    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? NULL : "cannot be looked at";
    }
    if (!S_ISREG(status.st_mode)) {
        return S_ISDIR(status.st_mode) ? "is a folder" : "is not a regular file";
    }
    if (!eye_is_trusted_owner(status.st_uid)) {
        return "belongs to another user";
    }
    EYE_AUTOCLOSE int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? NULL : "cannot be read";
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return "is written to by another exporter or process";
    }
    return has_our_lines(fd, status.st_size) ? NULL : "holds no lines that sockeye wrote";
}

/* Nothing that is not ours is renamed or replaced. */
static int check_rotated(const struct eye_journal *journal, struct eye_error *ret_error)
{
    char name[PATH_MAX];
    EYE_AUTOCLOSE int folder = open_folder(journal, ret_error);
    if (folder < 0) {
        return folder;
    }
    for (uint64_t number = 1; journal->max_bytes > 0 && number <= journal->keep; number++) {
        if (!name_rotated(journal, number, name)) {
            return fail(journal, -ENAMETOOLONG, "rotate", ret_error);
        }
        const char *problem = look_at_rotated(folder, strrchr(name, '/') + 1);
        if (problem != NULL) {
            return eye_error_set(ret_error, -EEXIST,
                                 "cannot rotate %s: %s %s; move it away, or choose another path",
                                 journal->path, name, problem);
        }
    }
    return 0;
}

/* ---- The file itself ---- */

static int open_file(struct eye_journal *journal, struct eye_error *ret_error)
{
    EYE_AUTOCLOSE int folder = open_folder(journal, ret_error);
    if (folder < 0) {
        return folder;
    }
    /* Without blocking: a FIFO is refused, not waited for. */
    EYE_AUTOCLOSE int fd =
        openat(folder, strrchr(journal->path, '/') + 1,
               O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, MODE);
    if (fd < 0 && errno == ELOOP) {
        return eye_error_set(ret_error, -ELOOP,
                             "%s is a symbolic link, which is not followed: give the path itself",
                             journal->path);
    }
    if (fd < 0) {
        return fail(journal, -errno, "open", ret_error);
    }
    int result = check(journal, fd, ret_error);
    if (result == 0) {
        eye_journal_close(journal);
        journal->fd = EYE_TAKE_FD(fd);
    }
    return result;
}

int eye_journal_open(struct eye_journal *journal, const char *path, uint64_t max_bytes,
                     uint64_t keep, struct eye_error *ret_error)
{
    struct eye_journal made = {.path = path, .max_bytes = max_bytes, .keep = keep, .fd = -1};
    int result = check_rotated(&made, ret_error);
    if (result == 0) {
        result = open_file(&made, ret_error);
    }
    if (result == 0) {
        *journal = made;
    }
    return result;
}

/* ---- Rotation ---- */

static int shift(const struct eye_journal *journal, uint64_t number, struct eye_error *ret_error)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    if (!name_rotated(journal, number, from) || !name_rotated(journal, number + 1, to)) {
        return fail(journal, -ENAMETOOLONG, "rotate", ret_error);
    }
    if (rename(from, to) == 0 || errno == ENOENT) {
        return 0;
    }
    int code = -errno;
    return eye_error_set(ret_error, code, "cannot rotate %s: %s cannot become %s: %s",
                         journal->path, from, to, strerror(-code));
}

static int rotate(struct eye_journal *journal, struct eye_error *ret_error)
{
    int result = check_rotated(journal, ret_error);
    for (uint64_t number = journal->keep; result == 0 && number > 0; number--) {
        result = shift(journal, number - 1, ret_error);
    }
    return result == 0 ? open_file(journal, ret_error) : result;
}

/* ---- Appending ---- */

/* Whether @path still names the file that is open. */
static bool is_in_place(const struct eye_journal *journal, const struct stat *opened)
{
    struct stat named;
    return lstat(journal->path, &named) == 0 && named.st_dev == opened->st_dev &&
           named.st_ino == opened->st_ino;
}

/* The right file with room for @length bytes, and its size. */
static int prepare(struct eye_journal *journal, size_t length, off_t *ret_size,
                   struct eye_error *ret_error)
{
    struct stat status = {0};
    int result = 0;
    bool full = false;
    if (fstat(journal->fd, &status) != 0 || !is_in_place(journal, &status)) {
        result = open_file(journal, ret_error);
    } else {
        full = journal->max_bytes > 0 && status.st_size > 0 &&
               (uint64_t)status.st_size + length > journal->max_bytes;
    }
    if (full) {
        result = rotate(journal, ret_error);
    }
    if (result == 0 && fstat(journal->fd, &status) != 0) {
        result = fail(journal, -errno, "read", ret_error);
    }
    if (result == 0) {
        *ret_size = status.st_size;
    }
    return result;
}

static int write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, bytes, length);
        if (count < 0 && errno != EINTR) {
            return -errno;
        }
        bytes += count > 0 ? count : 0;
        length -= count > 0 ? (size_t)count : 0;
    }
    return 0;
}

int eye_journal_append(struct eye_journal *journal, const void *bytes, size_t length,
                       struct eye_error *ret_error)
{
    off_t size;
    int result = prepare(journal, length, &size, ret_error);
    if (result != 0) {
        return result;
    }
    result = write_all(journal->fd, bytes, length);
    if (result == 0) {
        return 0;
    }
    fail(journal, result, "write to", ret_error);
    if (ftruncate(journal->fd, size) != 0) {
        /* Opened anew, it is repaired first. */
        eye_journal_close(journal);
    }
    return result;
}
