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
#include "collector/base/clock.h"
#include "collector/base/file.h"
#include "collector/base/parse.h"
#include "collector/base/text.h"
#include "collector/process/names.h"
#include "collector/process/span.h"

/* A pid in decimal and its NUL. */
#define PID_BYTES 11

/* A uint64_t in decimal and its NUL. */
#define U64_BYTES 21

/* Field 22 ends before byte 512: a command of 64 bytes at most and 20 numbers. */
#define STAT_BYTES 1024
#define STAT_STATE 3
#define STAT_START 22 /* in ticks after boot (proc(5)) */

/* Of /proc, on every architecture that we build for (USER_HZ). */
#define TICK_NS (EYE_NS_PER_SECOND / 100)

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

/* Fields are counted from behind the last ")": the command before it may hold anything. A zombie
 * has neither environment nor executable. */
static bool parse_start(struct eye_span stat, uint64_t *ret_ticks)
{
    const char *command_end = stat.length == 0 ? NULL : memrchr(stat.start, ')', stat.length);
    if (command_end == NULL) {
        return false;
    }
    struct eye_span rest = eye_span_skip(stat, (size_t)(command_end - stat.start) + 1);
    struct eye_span field = {0};
    for (int number = 2; number <= STAT_START; number++) {
        if (!eye_span_next(&rest, ' ', &field) ||
            (number == STAT_STATE && eye_span_starts_with(field, "Z"))) {
            return false;
        }
    }
    char digits[U64_BYTES];
    eye_copy_clean(digits, sizeof(digits), field.start, field.length);
    return eye_parse_u64(digits, ret_ticks) == 0;
}

/* Units of the key's start that went by since @ns after boot. */
static uint32_t units_since(uint64_t owner, uint64_t ns)
{
    uint64_t start = owner >> EYE_OWNER_START_SHIFT;
    return (uint32_t)(start - (ns >> EYE_OWNER_START_UNIT_SHIFT)) & EYE_OWNER_START_MASK;
}

/* A tick is 9.5 units long, and may reach into eleven of them: the key's start lies in one. */
static bool is_same(int directory, uint64_t owner)
{
    char buffer[STAT_BYTES];
    struct eye_span stat = {0};
    uint64_t ticks;
    if (read_file(directory, "stat", buffer, sizeof(buffer), &stat) != 0 ||
        !parse_start(stat, &ticks)) {
        return false;
    }
    return units_since(owner, ticks * TICK_NS) <= (TICK_NS >> EYE_OWNER_START_UNIT_SHIFT) + 1;
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
    char name[PID_BYTES];
    unsigned got = 0;
    snprintf(name, sizeof(name), "%" PRIu64, process->owner >> EYE_OWNER_PID_SHIFT);
    EYE_AUTOCLOSE int directory = openat(procfs->root, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
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

void eye_procfs_init(struct eye_procfs *procfs, const char *root)
{
    procfs->root = root == NULL ? -1 : open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void eye_procfs_done(struct eye_procfs *procfs)
{
    if (procfs->root >= 0) {
        close(procfs->root);
    }
}
