/* SPDX-License-Identifier: Apache-2.0 */
/* Enters namespaces found through /proc. */
#include "collector/kernel/seed.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

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

static void visit_process(struct visit *visit, int proc, const char *pid,
                          const struct bpf_link *tcp_seed)
{
    char path[NAME_MAX + sizeof("/ns/net")];
    struct stat status;
    snprintf(path, sizeof(path), "%s/ns/net", pid);
    EYE_AUTOCLOSE int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    /* A process that ended meanwhile has no namespace to enter. */
    if (fd >= 0 && fstat(fd, &status) == 0 && note(visit, status.st_ino)) {
        enter(visit, fd, tcp_seed);
    }
}

static void visit_processes(struct visit *visit, DIR *proc, const struct bpf_link *tcp_seed)
{
    for (struct dirent *entry = readdir(proc); entry != NULL; entry = readdir(proc)) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') {
            visit_process(visit, dirfd(proc), entry->d_name, tcp_seed);
        }
    }
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
    if (own < 0 || proc == NULL || setns(own, CLONE_NEWNET) != 0) {
        visit.failed++;
    }
    return visit.failed;
}
