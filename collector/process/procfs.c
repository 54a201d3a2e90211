/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a process through a descriptor of its directory: once that is open, every file is the same
 * process' or an error, even when the pid is given to another in between.
 */
#include "collector/process/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bpf/abi.h"
#include "collector/base/file.h"
#include "collector/base/proc_stat.h"
#include "collector/base/text.h"
#include "collector/process/names.h"
#include "collector/process/span.h"

/* A pid in decimal and its NUL. */
#define PID_BYTES 11

/* Reads a file of /proc whole, cut at @size. */
static int read_file(int directory, const char *name, char *buffer, size_t size,
                     struct eye_span *ret_text)
{
    EYE_AUTOCLOSE int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    ssize_t length = eye_file_read(fd, buffer, size);
    if (length < 0) {
        return (int)length;
    }
    *ret_text = (struct eye_span){buffer, (size_t)length};
    return 0;
}

static int content_of(struct eye_procfs *procfs, int directory, const char *name,
                      struct eye_span *ret_text)
{
    return read_file(directory, name, procfs->content, sizeof(procfs->content), ret_text);
}

/* Units of the key's start that went by since @ns after boot. */
static uint32_t units_since(uint64_t owner, uint64_t ns)
{
    uint64_t start = owner >> EYE_OWNER_START_SHIFT;
    return (uint32_t)(start - (ns >> EYE_OWNER_START_UNIT_SHIFT)) & EYE_OWNER_START_MASK;
}

/* A tick is 9.5 units long, and may reach into eleven of them: the key's start lies in one. */
static bool is_start_of(uint64_t owner, uint64_t ticks)
{
    return units_since(owner, ticks * EYE_PROC_TICK_NS) <=
           (EYE_PROC_TICK_NS >> EYE_OWNER_START_UNIT_SHIFT) + 1;
}

static bool is_same(int directory, uint64_t owner)
{
    struct eye_proc_stat stat;
    return eye_proc_stat_read(directory, &stat) == 0 && !stat.zombie &&
           is_start_of(owner, stat.start_ticks);
}

static int open_process(const struct eye_procfs *procfs, uint64_t owner)
{
    char name[PID_BYTES];
    snprintf(name, sizeof(name), "%" PRIu64, owner >> EYE_OWNER_PID_SHIFT);
    int directory = openat(procfs->root, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return directory < 0 ? -errno : directory;
}

/* A line is "hierarchy:controllers:path" (cgroups(7)); systemd's own is named, or version 2. */
static void read_cgroup_line(struct eye_span line, struct eye_process *process)
{
    struct eye_span hierarchy;
    struct eye_span controllers;
    if (eye_span_next(&line, ':', &hierarchy) && eye_span_next(&line, ':', &controllers)) {
        bool systemd = controllers.length == 0 || eye_span_starts_with(controllers, "name=systemd");
        eye_names_of_cgroup(process, line.start, line.length, systemd);
    }
}

static bool read_cgroup(struct eye_procfs *procfs, int directory, struct eye_process *process)
{
    struct eye_span rest = {0};
    struct eye_span line;
    if (content_of(procfs, directory, "cgroup", &rest) != 0) {
        return false;
    }
    while (eye_span_next(&rest, '\n', &line)) {
        read_cgroup_line(line, process);
    }
    return true;
}

static bool read_environment(struct eye_procfs *procfs, int directory, struct eye_process *process)
{
    struct eye_span environment = {0};
    if (content_of(procfs, directory, "environ", &environment) != 0) {
        return false;
    }
    if (environment.length == sizeof(procfs->content)) {
        environment.length = eye_names_whole(environment.start, environment.length);
    }
    eye_names_of_environment(process, environment.start, environment.length);
    return true;
}

static bool read_executable(struct eye_procfs *procfs, int directory, struct eye_process *process)
{
    ssize_t length = readlinkat(directory, "exe", procfs->content, sizeof(procfs->content));
    if (length <= 0) {
        return false;
    }
    eye_names_of_executable(process, procfs->content, (size_t)length);
    return true;
}

unsigned eye_procfs_describe(struct eye_procfs *procfs, unsigned wanted,
                             struct eye_process *process)
{
    /* In this order: what comes first names the service. */
    static const struct {
        unsigned what;
        bool (*read)(struct eye_procfs *, int, struct eye_process *);
    } parts[] = {
        {EYE_NAMES_ENVIRONMENT, read_environment},
        {EYE_NAMES_CGROUP, read_cgroup},
        {EYE_NAMES_EXECUTABLE, read_executable},
    };
    unsigned got = 0;
    EYE_AUTOCLOSE int directory = open_process(procfs, process->owner);
    if (directory < 0 || !is_same(directory, process->owner)) {
        return 0;
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(parts); i++) {
        if ((wanted & parts[i].what) != 0 && parts[i].read(procfs, directory, process)) {
            got |= parts[i].what;
        }
    }
    return got;
}

bool eye_procfs_mounts(struct eye_procfs *procfs, uint64_t owner, struct eye_span *ret_mounts)
{
    EYE_AUTOCLOSE int directory = open_process(procfs, owner);
    return directory >= 0 && is_same(directory, owner) &&
           content_of(procfs, directory, "mountinfo", ret_mounts) == 0;
}

/* What an error says of the process: whatever else keeps us from reading says nothing. */
static enum eye_life life_of_error(const struct eye_procfs *procfs, int error)
{
    bool absent = error == -ENOENT || error == -ESRCH;
    return absent && !procfs->hides ? EYE_LIFE_OVER : EYE_LIFE_UNCERTAIN;
}

/* A process whose first thread has ended is a zombie by its state, and may go on by others. */
enum eye_life eye_procfs_life(const struct eye_procfs *procfs, uint64_t owner)
{
    struct eye_proc_stat stat;
    EYE_AUTOCLOSE int directory = open_process(procfs, owner);
    int result = directory < 0 ? directory : eye_proc_stat_read(directory, &stat);
    if (procfs->root < 0 || result != 0) {
        return procfs->root < 0 ? EYE_LIFE_UNCERTAIN : life_of_error(procfs, result);
    }
    bool ended = stat.zombie && stat.threads <= 1;
    return is_start_of(owner, stat.start_ticks) && !ended ? EYE_LIFE_GOES_ON : EYE_LIFE_OVER;
}

/* The kernel's own process 2 (kthreadd) is always there, and never ours. */
void eye_procfs_look(struct eye_procfs *procfs)
{
    EYE_AUTOCLOSE int fd = openat(procfs->root, "2/stat", O_RDONLY | O_CLOEXEC);
    procfs->hides = fd < 0;
}

void eye_procfs_init(struct eye_procfs *procfs, const char *root)
{
    procfs->root = root == NULL ? -1 : open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    eye_procfs_look(procfs);
}

void eye_procfs_done(struct eye_procfs *procfs)
{
    if (procfs->root >= 0) {
        close(procfs->root);
    }
}
