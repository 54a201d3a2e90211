/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/sock_diag/owners.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/abi.h"
#include "collector/base/base.h"
#include "collector/base/parse.h"
#include "collector/base/proc_stat.h"

struct eye_diag_wanted {
    uint32_t inode;
    uint64_t owner;
};

/* One reading of /proc. */
struct reading {
    struct eye_diag_owners *owners;
    size_t missing; /* that nobody was found for yet */
    size_t files;   /* looked at */
};

void eye_diag_owners_init(struct eye_diag_owners *owners, const char *proc)
{
    *owners = (struct eye_diag_owners){.proc = proc};
}

void eye_diag_owners_done(struct eye_diag_owners *owners)
{
    free(owners->wanted);
    owners->wanted = NULL;
}

void eye_diag_owners_begin(struct eye_diag_owners *owners)
{
    owners->count = 0;
}

static bool make_room(struct eye_diag_owners *owners)
{
    if (owners->count < owners->capacity) {
        return true;
    }
    size_t capacity = owners->capacity == 0 ? 256 : owners->capacity * 2;
    struct eye_diag_wanted *wanted =
        capacity > EYE_DIAG_WANTED_MAX
            ? NULL
            : reallocarray(owners->wanted, capacity, sizeof(*owners->wanted));
    if (wanted == NULL) {
        return false;
    }
    owners->wanted = wanted;
    owners->capacity = capacity;
    return true;
}

void eye_diag_owners_want(void *context, uint32_t inode)
{
    struct eye_diag_owners *owners = context;
    if (make_room(owners)) {
        owners->wanted[owners->count++] = (struct eye_diag_wanted){inode, EYE_OWNER_UNKNOWN};
    } else {
        owners->unread++;
    }
}

static int compare(const void *left, const void *right)
{
    const struct eye_diag_wanted *one = left;
    const struct eye_diag_wanted *other = right;
    return (one->inode > other->inode) - (one->inode < other->inode);
}

static struct eye_diag_wanted *look_up(const struct eye_diag_owners *owners, uint32_t inode)
{
    const struct eye_diag_wanted key = {.inode = inode};
    return owners->count == 0 ? NULL
                              : bsearch(&key, owners->wanted, owners->count, sizeof(key), compare);
}

uint64_t eye_diag_owners_find(void *context, uint32_t inode)
{
    const struct eye_diag_wanted *wanted = look_up(context, inode);
    return wanted == NULL ? EYE_OWNER_UNKNOWN : wanted->owner;
}

/* "socket:[4711]" of @name in @folder; 0: it is none. */
static uint32_t inode_of(int folder, const char *name)
{
    static const char prefix[] = "socket:[";
    char target[64];
    uint64_t inode;
    ssize_t length = readlinkat(folder, name, target, sizeof(target) - 1);
    if (length < (ssize_t)sizeof(prefix) || memcmp(target, prefix, sizeof(prefix) - 1) != 0) {
        return 0;
    }
    target[length - 1] = '\0'; /* the bracket */
    return eye_parse_u64(target + sizeof(prefix) - 1, &inode) == 0 && inode <= UINT32_MAX
               ? (uint32_t)inode
               : 0;
}

/* EYE_OWNER_UNKNOWN: it has ended. */
static uint64_t key_of(int process, uint32_t pid)
{
    struct eye_proc_stat stat;
    struct stat program = {0};
    if (eye_proc_stat_read(process, &stat) != 0) {
        return EYE_OWNER_UNKNOWN;
    }
    fstatat(process, "exe", &program, 0);
    return eye_owner_key(pid, stat.start_ticks * EYE_PROC_TICK_NS, program.st_ino);
}

static void read_files(struct reading *reading, int process, DIR *files, uint32_t pid)
{
    uint64_t owner = EYE_OWNER_UNKNOWN;
    struct dirent *file = readdir(files);
    for (; file != NULL && reading->missing > 0 && reading->files < EYE_DIAG_FILES_MAX;
         file = readdir(files)) {
        uint32_t inode = inode_of(dirfd(files), file->d_name);
        struct eye_diag_wanted *wanted = inode == 0 ? NULL : look_up(reading->owners, inode);
        reading->files++;
        if (wanted == NULL || wanted->owner != EYE_OWNER_UNKNOWN) {
            continue;
        }
        owner = owner == EYE_OWNER_UNKNOWN ? key_of(process, pid) : owner;
        wanted->owner = owner;
        reading->missing -= owner != EYE_OWNER_UNKNOWN;
    }
}

static void read_process(struct reading *reading, int proc, uint32_t pid)
{
    char name[16];
    snprintf(name, sizeof(name), "%" PRIu32, pid);
    EYE_AUTOCLOSE int process = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int folder = process < 0 ? -1 : openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *files = folder < 0 ? NULL : fdopendir(folder);
    if (files != NULL) {
        read_files(reading, process, files, pid);
        closedir(files);
    } else if (folder >= 0) {
        close(folder);
    }
}

/* As /proc names them: the oldest first, mostly. Returns how many. */
static size_t list_processes(DIR *proc, uint32_t pids[static EYE_DIAG_PROCESSES_MAX])
{
    size_t count = 0;
    uint64_t pid;
    struct dirent *entry = readdir(proc);
    for (; entry != NULL && count < EYE_DIAG_PROCESSES_MAX; entry = readdir(proc)) {
        if (eye_parse_u64(entry->d_name, &pid) == 0 && pid <= UINT32_MAX) {
            pids[count++] = (uint32_t)pid;
        }
    }
    return count;
}

/* Sorted, each once. */
static void sort(struct eye_diag_owners *owners)
{
    size_t kept = 0;
    qsort(owners->wanted, owners->count, sizeof(*owners->wanted), compare);
    for (size_t i = 0; i < owners->count; i++) {
        if (kept == 0 || owners->wanted[kept - 1].inode != owners->wanted[i].inode) {
            owners->wanted[kept++] = owners->wanted[i];
        }
    }
    owners->count = kept;
}

/* Whoever has a new socket is new as well, mostly: so the search ends early. */
void eye_diag_owners_read(struct eye_diag_owners *owners)
{
    DIR *proc = owners->count == 0 ? NULL : opendir(owners->proc);
    EYE_AUTOFREE uint32_t *pids =
        proc == NULL ? NULL : calloc(EYE_DIAG_PROCESSES_MAX, sizeof(*pids));
    if (pids != NULL) {
        sort(owners);
        struct reading reading = {.owners = owners, .missing = owners->count};
        size_t left = list_processes(proc, pids);
        while (left > 0 && reading.missing > 0 && reading.files < EYE_DIAG_FILES_MAX) {
            read_process(&reading, dirfd(proc), pids[--left]);
        }
        owners->unread += reading.files >= EYE_DIAG_FILES_MAX ? reading.missing : 0;
    }
    if (proc != NULL) {
        closedir(proc);
    }
}
