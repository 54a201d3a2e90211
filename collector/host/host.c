/* SPDX-License-Identifier: Apache-2.0 */
/* Inode numbers, and what only the host's /proc can show. */
#include "collector/host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "collector/base/file.h"
#include "collector/base/parse.h"
#include "collector/base/text.h"
#include "collector/host/mountinfo.h"

#define CGROUP_ROOT_INODE 1

static const struct {
    const char *name;
    uint64_t initial; /* include/linux/proc_ns.h */
} namespaces[] = {
    [EYE_HOST_PID] = {"pid", 0xEFFFFFFC},
    [EYE_HOST_USER] = {"user", 0xEFFFFFFD},
    [EYE_HOST_CGROUP] = {"cgroup", 0xEFFFFFFB},
};

int eye_host_namespace(const char *proc, enum eye_host_namespace which, bool *ret_initial)
{
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof(path), "%s/self/ns/%s", proc, namespaces[which].name);
    if (stat(path, &status) != 0) {
        return -errno;
    }
    *ret_initial = status.st_ino == namespaces[which].initial;
    return 0;
}

/* ---- /proc ---- */

/* /proc/self is our number in the pid namespace that the mount is of. */
static bool has_our_number(int proc)
{
    char link[16] = "";
    uint64_t number = 0;
    return readlinkat(proc, "self", link, sizeof(link) - 1) > 0 &&
           eye_parse_u64(link, &number) == 0 && number == (uint64_t)getpid();
}

/* Field 9 of /proc/PID/stat (proc_pid_stat(5)), and in it PF_KTHREAD of include/linux/sched.h. */
#define STAT_FLAGS 9
#define FLAG_KERNEL_THREAD 0x00200000

static bool is_kernel_thread(const char *stat)
{
    const char *field = strrchr(stat, ')');
    for (int number = 2; number < STAT_FLAGS && field != NULL; number++) {
        field = strchr(field + 1, ' ');
    }
    char digits[16];
    uint64_t flags = 0;
    if (field == NULL) {
        return false;
    }
    snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(field + 1, " "), field + 1);
    return eye_parse_u64(digits, &flags) == 0 && (flags & FLAG_KERNEL_THREAD) != 0;
}

/*
 * Kernel threads live in the initial pid namespace only, and kthreadd is the second process of
 * every Linux (init/main.c: rest_init()). 1: it is there, 0: another process has that number, or
 * -errno.
 */
static int find_kthreadd(int proc)
{
    char stat[512];
    EYE_AUTOCLOSE int fd = openat(proc, "2/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    ssize_t length = eye_file_read(fd, stat, sizeof(stat) - 1);
    if (length < 0) {
        return (int)length;
    }
    stat[length] = '\0';
    return is_kernel_thread(stat);
}

static bool is_proc(int fd)
{
    struct statfs system;
    return fstatfs(fd, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

enum eye_proc_state eye_proc_look(const char *proc, int *ret_error)
{
    EYE_AUTOCLOSE int fd = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || !is_proc(fd)) {
        *ret_error = fd < 0 ? errno : 0;
        return EYE_PROC_ABSENT;
    }
    int kthreadd = find_kthreadd(fd);
    *ret_error = kthreadd < 0 ? -kthreadd : 0;
    if (kthreadd == 1) {
        return EYE_PROC_HOST;
    }
    bool initial = false;
    bool ours =
        eye_host_namespace(proc, EYE_HOST_PID, &initial) == 0 && initial && has_our_number(fd);
    return ours ? EYE_PROC_HIDING : EYE_PROC_FOREIGN;
}

/* ---- cgroups ---- */

bool eye_cgroup_is_root(const struct eye_cgroup *cgroup)
{
    return cgroup->inode == CGROUP_ROOT_INODE;
}

/* A directory in a cgroup v2 tree, the caller's descriptor; or -errno, -ENOTSUP: it is none. */
static int open_directory(const char *path)
{
    struct statfs system;
    EYE_AUTOCLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    if (fstatfs(fd, &system) != 0) {
        return -errno;
    }
    return system.f_type == CGROUP2_SUPER_MAGIC ? EYE_TAKE_FD(fd) : -ENOTSUP;
}

static int open_cgroup(const char *path, struct eye_cgroup *ret_cgroup)
{
    struct stat status;
    eye_copy_string(ret_cgroup->path, sizeof(ret_cgroup->path), path);
    int fd = open_directory(path);
    if (fd < 0) {
        return fd;
    }
    ret_cgroup->fd = fd;
    ret_cgroup->inode = fstat(fd, &status) == 0 ? status.st_ino : 0;
    return 0;
}

/* False when something else is mounted over it, or over a directory on the way (statx: Linux 5.8).
 */
static bool is_on_top(int fd, const struct eye_mount *mount)
{
    struct statx status;
    return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) == 0 &&
           (status.stx_mask & STATX_MNT_ID) != 0 && status.stx_mnt_id == mount->id;
}

/* Takes it when it is better than what was found so far: the first, or the root itself. 0 or -errno
 * of opening it; one that is hidden is as good as none. */
static int consider(const struct eye_mount *mount, struct eye_cgroup *found)
{
    struct eye_cgroup cgroup = {.fd = -1};
    int result = open_cgroup(mount->path, &cgroup);
    if (result != 0) {
        return result == -ENOTSUP ? 0 : result;
    }
    bool better = is_on_top(cgroup.fd, mount) &&
                  (found->fd < 0 || (eye_cgroup_is_root(&cgroup) && !eye_cgroup_is_root(found)));
    int useless = better ? found->fd : cgroup.fd;
    if (better) {
        *found = cgroup;
    }
    if (useless >= 0) {
        close(useless);
    }
    return 0;
}

/* Looks at every line. 0 or -errno of the first mount that could not be opened. */
static int consider_all(FILE *lines, struct eye_cgroup *found)
{
    EYE_AUTOFREE char *line = NULL;
    size_t size = 0;
    int result = 0;
    while (getline(&line, &size, lines) > 0) {
        struct eye_mount mount;
        if (eye_mount_parse(line, &mount) != 0 || strcmp(mount.type, "cgroup2") != 0) {
            continue;
        }
        int error = consider(&mount, found);
        result = result == 0 ? error : result;
    }
    return result;
}

static int search(const char *proc, struct eye_cgroup *ret_cgroup)
{
    snprintf(ret_cgroup->path, sizeof(ret_cgroup->path), "%s/self/mountinfo", proc);
    FILE *lines = fopen(ret_cgroup->path, "re");
    if (lines == NULL) {
        return -errno;
    }
    ret_cgroup->path[0] = '\0';
    int result = consider_all(lines, ret_cgroup);
    fclose(lines);
    if (ret_cgroup->fd >= 0) {
        return 0;
    }
    return result == 0 ? -ENOENT : result;
}

int eye_cgroup_open(const char *configured, const char *proc, struct eye_cgroup *ret_cgroup)
{
    *ret_cgroup = (struct eye_cgroup){.fd = -1};
    return configured != NULL ? open_cgroup(configured, ret_cgroup) : search(proc, ret_cgroup);
}
