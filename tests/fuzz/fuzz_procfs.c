/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the files of /proc that tell of one process: the first two bytes say which part of
 * the rest is stat, the next two which is cgroup, what is left is the environment and the mount
 * table. Property: names are told only when stat says that the process is the one which was asked
 * for, end with a NUL, are UTF-8 without control bytes, and asking again tells the same.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/abi.h"
#include "collector/base/base.h"
#include "collector/base/proc_stat.h"
#include "collector/base/text.h"
#include "collector/process/names.h"
#include "collector/process/procfs.h"

#define PID 77

/* Of one that started with the machine, as the corpus has it. */
#define OWNER ((uint64_t)PID << EYE_OWNER_PID_SHIFT)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STAT, CGROUP, ENVIRON, MOUNTINFO, FILE_COUNT };

static char root[] = "/tmp/fuzz-procfs-XXXXXX";
static int files[FILE_COUNT];
static struct eye_procfs procfs;
static const char *const names[FILE_COUNT] = {"stat", "cgroup", "environ", "mountinfo"};

static int open_process(void)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%d", root, PID);
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void remove_root(void)
{
    EYE_AUTOCLOSE int process = open_process();
    for (size_t i = 0; i < FILE_COUNT; i++) {
        unlinkat(process, names[i], 0);
    }
    unlinkat(process, "exe", 0);
    EYE_AUTOCLOSE int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    unlinkat(folder, "77", AT_REMOVEDIR);
    rmdir(root);
}

static void make_root(void)
{
    char path[64];
    assert(mkdtemp(root) != NULL);
    snprintf(path, sizeof(path), "%s/%d", root, PID);
    assert(mkdir(path, 0700) == 0);
    EYE_AUTOCLOSE int process = open_process();
    assert(process >= 0 && symlinkat("/usr/bin/fuzzed", process, "exe") == 0);
    for (size_t i = 0; i < FILE_COUNT; i++) {
        files[i] = openat(process, names[i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert(files[i] >= 0);
    }
    eye_procfs_init(&procfs, root);
    atexit(remove_root);
}

static void put(size_t file, const uint8_t *bytes, size_t length)
{
    assert(ftruncate(files[file], 0) == 0);
    assert(pwrite(files[file], bytes, length, 0) == (ssize_t)length);
}

/* The next part of the input, whose length its first two bytes say. */
static void take(size_t file, const uint8_t **data, size_t *size)
{
    size_t length = *size >= 2 ? (size_t)(*data)[0] << 8 | (*data)[1] : 0;
    size_t head = *size >= 2 ? 2 : *size;
    *data += head;
    *size -= head;
    length = length < *size ? length : *size;
    put(file, *data, length);
    *data += length;
    *size -= length;
}

static unsigned describe(struct eye_process *process)
{
    *process = (struct eye_process){.owner = OWNER};
    unsigned got = eye_procfs_describe(&procfs, EYE_NAMES_ALL, process);
    if (got != 0) {
        eye_names_finish(process);
    }
    return got;
}

static void check_name(const char *name, size_t size)
{
    char again[sizeof(struct eye_process)];
    assert(memchr(name, '\0', size) != NULL);
    eye_names_copy(again, sizeof(again), name, strlen(name));
    assert(strcmp(again, name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eye_process process;
    struct eye_process again;
    struct eye_proc_stat stat;
    struct eye_span mounts;
    if (files[0] == 0) {
        make_root();
    }
    take(STAT, &data, &size);
    take(CGROUP, &data, &size);
    put(ENVIRON, data, size);
    put(MOUNTINFO, data, size);
    EYE_AUTOCLOSE int directory = open_process();
    bool known = eye_proc_stat_read(directory, &stat) == 0;
    unsigned got = describe(&process);
    assert(got == 0 || got == EYE_NAMES_ALL);
    assert(got == 0 || (known && !stat.zombie));
    assert(describe(&again) == got && strcmp(process.service, again.service) == 0);
    if (got != 0) {
        assert(process.service[0] != '\0');
        check_name(process.service, sizeof(process.service));
        check_name(process.executable, sizeof(process.executable));
        assert(eye_procfs_life(&procfs, OWNER) == EYE_LIFE_GOES_ON);
    }
    if (eye_procfs_mounts(&procfs, OWNER, &mounts)) {
        assert(mounts.length <= EYE_PROCFS_FILE_BYTES);
        assert(mounts.length == (size < EYE_PROCFS_FILE_BYTES ? size : EYE_PROCFS_FILE_BYTES));
    }
    return 0;
}
