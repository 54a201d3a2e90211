/* SPDX-License-Identifier: Apache-2.0 */
/* Enters namespaces found through /proc and /run/netns. */
#include "collector/kernel/seed.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "collector/base/base.h"
#include "collector/kernel/iterator.h"

/* Distinct namespaces visited; a host with more keeps the rest unseeded, counted. */
#define NAMESPACES_MAX 4096

struct visit {
    ino_t seen[NAMESPACES_MAX];
    size_t count;
    size_t failed;
};

/* True when @inode is new and was noted. */
static bool note(struct visit *visit, ino_t inode)
{
    for (size_t i = 0; i < visit->count; i++) {
        if (visit->seen[i] == inode) {
            return false;
        }
    }
    if (visit->count == NAMESPACES_MAX) {
        visit->failed++;
        return false;
    }
    visit->seen[visit->count++] = inode;
    return true;
}

static void enter(struct visit *visit, int namespace_fd, const struct bpf_link *tcp_seed)
{
    if (setns(namespace_fd, CLONE_NEWNET) != 0 || eye_iterator_run(tcp_seed, 0, NULL, NULL) != 0) {
        visit->failed++;
    }
}

static bool is_namespace(int fd)
{
    struct statfs system;
    return fstatfs(fd, &system) == 0 && system.f_type == NSFS_MAGIC;
}

/* @path: of a namespace file, below the directory @folder. */
static void visit_path(struct visit *visit, int folder, const char *path,
                       const struct bpf_link *tcp_seed)
{
    struct stat status;
    EYE_AUTOCLOSE int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    /* A process that ended meanwhile has no namespace to enter, nor has a name left behind. */
    if (fd >= 0 && is_namespace(fd) && fstat(fd, &status) == 0 && note(visit, status.st_ino)) {
        enter(visit, fd, tcp_seed);
    }
}

static void visit_process(struct visit *visit, int proc, const char *pid,
                          const struct bpf_link *tcp_seed)
{
    char path[NAME_MAX + sizeof("/ns/net")];
    snprintf(path, sizeof(path), "%s/ns/net", pid);
    visit_path(visit, proc, path, tcp_seed);
}

static void visit_processes(struct visit *visit, DIR *proc, const struct bpf_link *tcp_seed)
{
    for (struct dirent *entry = readdir(proc); entry != NULL; entry = readdir(proc)) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') {
            visit_process(visit, dirfd(proc), entry->d_name, tcp_seed);
        }
    }
}

/* Namespaces with a name (ip-netns(8)) may have sockets but no process. */
static void visit_named(struct visit *visit, const struct bpf_link *tcp_seed)
{
    DIR *names = opendir("/run/netns");
    if (names == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(names); entry != NULL; entry = readdir(names)) {
        visit_path(visit, dirfd(names), entry->d_name, tcp_seed);
    }
    closedir(names);
}

size_t eye_seed_namespaces(const struct bpf_link *tcp_seed)
{
    struct visit visit = {.count = 0};
    EYE_AUTOCLOSE int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    DIR *proc = opendir("/proc");
    struct stat status;
    if (own >= 0 && fstat(own, &status) == 0 && note(&visit, status.st_ino)) {
        enter(&visit, own, tcp_seed);
    }
    if (proc != NULL) {
        visit_processes(&visit, proc, tcp_seed);
        closedir(proc);
    }
    visit_named(&visit, tcp_seed);
    if (own < 0 || proc == NULL || setns(own, CLONE_NEWNET) != 0) {
        visit.failed++;
    }
    return visit.failed;
}
