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
#define STAT_THREADS 20
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

/* What the file stat tells. */
struct stat_fields {
    bool zombie; /* its first thread is: it has neither environment nor executable */
    uint64_t threads;
    uint64_t start_ticks;
};

static bool parse_number(struct eye_span field, uint64_t *ret_number)
{
    char digits[U64_BYTES];
    eye_copy_clean(digits, sizeof(digits), field.start, field.length);
    return eye_parse_u64(digits, ret_number) == 0;
}

/* Fields are counted from behind the last ")": the command before it may hold anything. */
static bool parse_stat(struct eye_span stat, struct stat_fields *ret_fields)
{
    const char *command_end = stat.length == 0 ? NULL : memrchr(stat.start, ')', stat.length);
    if (command_end == NULL) {
        return false;
    }
    struct eye_span rest = eye_span_skip(stat, (size_t)(command_end - stat.start) + 1);
    struct eye_span fields[STAT_START + 1] = {0};
    for (int number = 2; number <= STAT_START; number++) {
        if (!eye_span_next(&rest, ' ', &fields[number])) {
            return false;
        }
    }
    ret_fields->zombie = eye_span_starts_with(fields[STAT_STATE], "Z");
    return parse_number(fields[STAT_THREADS], &ret_fields->threads) &&
           parse_number(fields[STAT_START], &ret_fields->start_ticks);
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
    return units_since(owner, ticks * TICK_NS) <= (TICK_NS >> EYE_OWNER_START_UNIT_SHIFT) + 1;
}

/* 0, -EBADMSG, or -errno of reading it. */
static int read_stat(int directory, struct stat_fields *ret_fields)
{
    char buffer[STAT_BYTES];
    struct eye_span stat = {0};
    int result = read_file(directory, "stat", buffer, sizeof(buffer), &stat);
    return result != 0 ? result : parse_stat(stat, ret_fields) ? 0 : -EBADMSG;
}

static bool is_same(int directory, uint64_t owner)
{
    struct stat_fields fields;
    return read_stat(directory, &fields) == 0 && !fields.zombie &&
           is_start_of(owner, fields.start_ticks);
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
    struct stat_fields fields;
    EYE_AUTOCLOSE int directory = open_process(procfs, owner);
    int result = directory < 0 ? directory : read_stat(directory, &fields);
    if (procfs->root < 0 || result != 0) {
        return procfs->root < 0 ? EYE_LIFE_UNCERTAIN : life_of_error(procfs, result);
    }
    bool ended = fields.zombie && fields.threads <= 1;
    return is_start_of(owner, fields.start_ticks) && !ended ? EYE_LIFE_GOES_ON : EYE_LIFE_OVER;
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
