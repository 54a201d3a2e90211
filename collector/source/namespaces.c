/* SPDX-License-Identifier: Apache-2.0 */
/* Enters namespaces found through /proc and /run/netns, in a thread that ends in the last one. */
#include "collector/source/namespaces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/thread.h"

/* Distinct namespaces visited; a host with more keeps the rest unseeded, counted. */
#define NAMESPACES_MAX 4096

struct visit {
    const struct eye_visitor *visitor;
    const char *proc;
    int own_error; /* of finding the caller's namespace */
    struct eye_visited visited;
    size_t count;
    ino_t seen[NAMESPACES_MAX];
};

static void fail(struct visit *visit, const char *step, int error)
{
    if (visit->visited.failed++ == 0) {
        visit->visited.step = step;
        visit->visited.error = error;
    }
}

/* True when @inode is new and was noted. */
static bool note(struct visit *visit, ino_t inode)
{
    for (size_t i = 0; i < visit->count; i++) {
        if (visit->seen[i] == inode) {
            return false;
        }
    }
    if (visit->count == NAMESPACES_MAX) {
        fail(visit, "more than 4096", E2BIG);
        return false;
    }
    visit->seen[visit->count++] = inode;
    return true;
}

static void look(struct visit *visit, ino_t inode)
{
    int result = visit->visitor->look(visit->visitor->context, (uint32_t)inode);
    if (result != 0) {
        fail(visit, visit->visitor->step, -result);
    }
}

static void enter(struct visit *visit, int namespace_fd, ino_t inode)
{
    if (setns(namespace_fd, CLONE_NEWNET) != 0) {
        fail(visit, "setns", errno);
        return;
    }
    look(visit, inode);
}

static bool is_namespace(int fd)
{
    struct statfs system;
    return fstatfs(fd, &system) == 0 && system.f_type == NSFS_MAGIC;
}

/* A process that ended meanwhile has no namespace to enter; one of another user may be closed. */
static void note_refusal(struct visit *visit, int error)
{
    if (error == EACCES || error == EPERM) {
        visit->visited.closed++;
    } else if (error != ENOENT && error != ESRCH) {
        fail(visit, "open", error);
    }
}

/* @path: of a namespace file, below the directory @folder. A name may be left behind without one.
 */
static void visit_path(struct visit *visit, int folder, const char *path)
{
    struct stat status;
    EYE_AUTOCLOSE int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        note_refusal(visit, errno);
    } else if (is_namespace(fd) && fstat(fd, &status) == 0 && note(visit, status.st_ino)) {
        enter(visit, fd, status.st_ino);
    }
}

static void visit_process(struct visit *visit, int proc, const char *pid)
{
    char path[NAME_MAX + sizeof("/ns/net")];
    snprintf(path, sizeof(path), "%s/ns/net", pid);
    visit_path(visit, proc, path);
}

static void visit_processes(struct visit *visit, DIR *proc)
{
    for (struct dirent *entry = readdir(proc); entry != NULL; entry = readdir(proc)) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') {
            visit_process(visit, dirfd(proc), entry->d_name);
        }
    }
}

/* Namespaces with a name (ip-netns(8)) may have sockets but no process. */
static void visit_named(struct visit *visit)
{
    DIR *names = opendir("/run/netns");
    if (names == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(names); entry != NULL; entry = readdir(names)) {
        visit_path(visit, dirfd(names), entry->d_name);
    }
    closedir(names);
}

/* The caller's, so that it is not entered as somebody else's. Without it that one is looked at
 * twice. */
static ino_t note_own(struct visit *visit)
{
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof(path), "%s/self/ns/net", visit->proc);
    if (stat(path, &status) != 0) {
        visit->own_error = errno;
        return 0;
    }
    note(visit, status.st_ino);
    return status.st_ino;
}

static void *visit_others(void *context)
{
    struct visit *visit = context;
    DIR *proc = opendir(visit->proc);
    if (proc == NULL) {
        fail(visit, "open", errno);
    } else {
        if (visit->own_error != 0) {
            fail(visit, "open", visit->own_error);
        }
        visit_processes(visit, proc);
        closedir(proc);
    }
    visit_named(visit);
    visit->visited.others_ns = eye_clock_thread_ns(); /* of this thread's whole life */
    return NULL;
}

void eye_namespaces_visit(const char *proc, const struct eye_visitor *visitor,
                          struct eye_visited *ret_visited)
{
    struct visit visit = {.visitor = visitor, .proc = proc};
    pthread_t thread;
    look(&visit, note_own(&visit));
    int result = eye_thread_start("namespaces", visit_others, &visit, &thread);
    if (result == 0) {
        pthread_join(thread, NULL);
    } else {
        fail(&visit, "thread", -result);
    }
    *ret_visited = visit.visited;
}
