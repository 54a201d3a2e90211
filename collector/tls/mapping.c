/* SPDX-License-Identifier: Apache-2.0 */
/* proc_pid_maps(5), proc_pid_mountinfo(5). */
#include "collector/tls/mapping.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/host/mountinfo.h"

static const char *const names[] = {"libssl", "libgnutls", "node"};

/* "libc.so.6", "_ssl.cpython-311-x86_64-linux-gnu.so", "libz.so.1 (deleted)". */
static bool is_shared_object_name(const char *base)
{
    for (const char *at = base; (at = strstr(at, ".so")) != NULL;) {
        at += strlen(".so");
        if (strchr(". -", *at) != NULL) {
            return true; /* strchr() finds the end, too */
        }
    }
    return false;
}

/* In front of '-', '.' or the end: "node", not "node_exporter"; "libssl-1f2e.so.3" of a wheel. What
 * stands in memory alone ("/memfd:") has no path. */
enum eye_tls_kind eye_tls_kind_of(const char *path)
{
    const char *base = strrchr(path, '/');
    base = base == NULL ? path : base + 1;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(names); i++) {
        size_t length = strlen(names[i]);
        if (strncmp(base, names[i], length) == 0 && strchr("-. ", base[length]) != NULL) {
            return EYE_TLS_LIBRARY;
        }
    }
    bool other = is_shared_object_name(base) || strncmp(path, "/memfd:", strlen("/memfd:")) == 0;
    return other ? EYE_TLS_OTHER : EYE_TLS_PROGRAM;
}

bool eye_tls_mapping_parse(char *line, struct eye_tls_mapping *ret_mapping)
{
    char rights[5];
    unsigned int major;
    unsigned int minor;
    uint64_t inode;
    int used = 0;
    if (sscanf(line, "%*x-%*x %4s %*x %x:%x %" SCNu64 " %n", rights, &major, &minor, &inode,
               &used) != 4 ||
        rights[2] != 'x' || inode == 0 || line[used] != '/') {
        return false;
    }
    char *path = line + used;
    path[strcspn(path, "\n")] = '\0';
    *ret_mapping = (struct eye_tls_mapping){.kind = eye_tls_kind_of(path),
                                            .device = (uint64_t)major << 32 | minor,
                                            .inode = inode,
                                            .path = path};
    return ret_mapping->kind != EYE_TLS_OTHER;
}

static FILE *open_of(const char *proc, pid_t pid, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%d/%s", proc, (int)pid, name);
    return length < (int)sizeof(path) ? fopen(path, "re") : NULL;
}

static void scan_process(const char *proc, pid_t pid,
                         void (*found)(void *context, const struct eye_tls_mapping *mapping),
                         void *context, char **line, size_t *room)
{
    FILE *maps = open_of(proc, pid, "maps");
    uint64_t last = 0;
    while (maps != NULL && getline(line, room, maps) > 0) {
        struct eye_tls_mapping mapping;
        if (eye_tls_mapping_parse(*line, &mapping) && mapping.inode != last) {
            mapping.pid = pid;
            last = mapping.inode;
            found(context, &mapping);
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
}

int eye_tls_mappings_scan(const char *proc,
                          void (*found)(void *context, const struct eye_tls_mapping *mapping),
                          void *context)
{
    DIR *folder = opendir(proc);
    if (folder == NULL) {
        return -errno;
    }
    EYE_AUTOFREE char *line = NULL;
    size_t room = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int pid;
        int used = 0;
        if (isdigit((unsigned char)entry->d_name[0]) &&
            sscanf(entry->d_name, "%d%n", &pid, &used) == 1 && entry->d_name[used] == '\0') {
            scan_process(proc, pid, found, context, &line, &room);
        }
    }
    closedir(folder);
    return 0;
}

bool eye_tls_is_process(const char *proc, pid_t pid)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%d", proc, (int)pid);
    return length < (int)sizeof(path) && access(path, F_OK) == 0;
}

/* ---- Opening ---- */

/* The text behind "@name=" in a list of options, up to the next comma, cut off in place; NULL:
 * there is none. (The kernel writes a comma within a path as "\,".) */
static char *find_option(char *options, const char *name)
{
    size_t length = strlen(name);
    for (char *at = options; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && at[length] == '=') {
            at += length + 1;
            at[strcspn(at, ",")] = '\0';
            return at;
        }
    }
    return NULL;
}

/* An overlay of a process, and how much of a path leads to it. */
struct overlay {
    char *options; /* owned; NULL: it is none */
    size_t length;
};

/* The next mount of a list that can be read; false: there is none. @mounts may be NULL. */
static bool next_mount(FILE *mounts, char **line, size_t *room, struct eye_mount *ret_mount)
{
    while (mounts != NULL && getline(line, room, mounts) > 0) {
        if (eye_mount_parse(*line, ret_mount) == 0) {
            return true;
        }
    }
    return false;
}

/* The mount with the longest path that holds @path. */
static void find_overlay(const char *proc, pid_t pid, const char *path, struct overlay *overlay)
{
    FILE *mounts = open_of(proc, pid, "mountinfo");
    EYE_AUTOFREE char *line = NULL;
    size_t room = 0;
    for (struct eye_mount mount; next_mount(mounts, &line, &room, &mount);) {
        size_t length = strcmp(mount.path, "/") == 0 ? 0 : strlen(mount.path);
        if (length < overlay->length || strncmp(path, mount.path, length) != 0 ||
            path[length] != '/') {
            continue;
        }
        overlay->length = length;
        free(overlay->options);
        overlay->options = strcmp(mount.type, "overlay") == 0 ? strdup(mount.options) : NULL;
    }
    if (mounts != NULL) {
        fclose(mounts);
    }
}

char *eye_tls_mapping_layers(const char *proc, const struct eye_tls_mapping *mapping)
{
    struct overlay overlay = {0};
    find_overlay(proc, mapping->pid, mapping->path, &overlay);
    return overlay.options;
}

char *eye_tls_mapping_root(const char *proc, const struct eye_tls_mapping *mapping)
{
    char path[PATH_MAX];
    char root[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%d/root", proc, (int)mapping->pid);
    ssize_t written =
        length < (int)sizeof(path) ? readlink(path, root, sizeof(root) - 1) : -ENAMETOOLONG;
    return written < 0 ? NULL : strndup(root, (size_t)written);
}

/* Whether the file system is a program's (FUSE). What it does not answer cannot be given up: who
 * waits for it is not even killed (request_wait_answer() in fs/fuse/dev.c). */
static bool may_never_answer(const char *proc, const struct eye_tls_mapping *mapping)
{
    FILE *mounts = open_of(proc, mapping->pid, "mountinfo");
    EYE_AUTOFREE char *line = NULL;
    size_t room = 0;
    bool found = false;
    for (struct eye_mount mount; !found && next_mount(mounts, &line, &room, &mount);) {
        found = mount.device == mapping->device && strncmp(mount.type, "fuse", strlen("fuse")) == 0;
    }
    if (mounts != NULL) {
        fclose(mounts);
    }
    return found;
}

static bool is_file(int fd, uint64_t inode)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_ino == inode;
}

/* A descriptor, or -errno; -ESTALE: no file. What stands at the path is looked at before it is
 * opened: that does something to a device, and a stranger may have put a link to one there. */
static int open_regular(const char *path)
{
    char own[sizeof("/proc/self/fd/") + 11];
    struct stat status;
    EYE_AUTOCLOSE int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0 || fstat(place, &status) != 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode)) {
        return -ESTALE;
    }
    snprintf(own, sizeof(own), "/proc/self/fd/%d", place);
    int fd = open(own, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd >= 0 ? fd : -errno;
}

/* A descriptor, or -1. */
static int open_in_layer(const char *layer, const char *path, uint64_t inode)
{
    char whole[PATH_MAX];
    int length = snprintf(whole, sizeof(whole), "%s%s", layer, path);
    int fd = length < (int)sizeof(whole) ? open_regular(whole) : -1;
    if (fd >= 0 && !is_file(fd, inode)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int open_in_overlay(const char *proc, const struct eye_tls_mapping *mapping)
{
    struct overlay overlay = {0};
    int fd = -1;
    find_overlay(proc, mapping->pid, mapping->path, &overlay);
    if (overlay.options != NULL) {
        const char *inside = mapping->path + overlay.length;
        char *copy = strdup(overlay.options);
        const char *upper = copy == NULL ? NULL : find_option(copy, "upperdir");
        fd = upper == NULL ? -1 : open_in_layer(upper, inside, mapping->inode);
        free(copy);
        char *rest = find_option(overlay.options, "lowerdir");
        for (char *layer; fd < 0 && (layer = strsep(&rest, ":")) != NULL;) {
            fd = open_in_layer(layer, inside, mapping->inode);
        }
    }
    free(overlay.options);
    return fd;
}

/* Of a program that is running: its file, whatever has become of its path. */
static int open_program(const char *proc, const struct eye_tls_mapping *mapping)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%d/exe", proc, (int)mapping->pid);
    int fd = length < (int)sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd >= 0 && !is_file(fd, mapping->inode)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int open_by_path(const char *proc, const struct eye_tls_mapping *mapping,
                        struct eye_error *ret_error)
{
    char path[PATH_MAX];
    struct statfs system;
    int length =
        snprintf(path, sizeof(path), "%s/%d/root%s", proc, (int)mapping->pid, mapping->path);
    EYE_AUTOCLOSE int fd = length < (int)sizeof(path) ? open_regular(path) : -ENAMETOOLONG;
    if (fd < 0 && fd != -ESTALE) {
        return eye_error_set(ret_error, fd, "cannot open %s of process %d: %s", mapping->path,
                             (int)mapping->pid, strerror(-fd));
    }
    if (fstatfs(fd, &system) == 0 && system.f_type == OVERLAYFS_SUPER_MAGIC) {
        int layer = open_in_overlay(proc, mapping);
        return layer >= 0 ? layer
                          : eye_error_set(ret_error, -EXDEV,
                                          "%s of process %d is in an overlay whose layers are out "
                                          "of reach",
                                          mapping->path, (int)mapping->pid);
    }
    if (!is_file(fd, mapping->inode)) {
        return eye_error_set(ret_error, -ESTALE, "%s of process %d was replaced since it began",
                             mapping->path, (int)mapping->pid);
    }
    return EYE_TAKE_FD(fd);
}

int eye_tls_mapping_open(const char *proc, const struct eye_tls_mapping *mapping,
                         struct eye_error *ret_error)
{
    if (may_never_answer(proc, mapping)) {
        return eye_error_set(ret_error, -EREMOTE,
                             "it is on a file system of a program (FUSE), which may never answer");
    }
    int result = open_by_path(proc, mapping, ret_error);
    bool gone = result == -ENOENT || result == -ESTALE;
    int fd = gone && mapping->kind == EYE_TLS_PROGRAM ? open_program(proc, mapping) : -1;
    return fd >= 0 ? fd : result;
}
