/* SPDX-License-Identifier: Apache-2.0 */
/* Folders and files as proc(5) lays them out, as far as the daemon reads them. */
#include "tests/unit/process/fake_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "tests/support/folder.h"

void fake_proc_init(struct fake_proc *proc)
{
    snprintf(proc->root, sizeof(proc->root), "/tmp/test-process-XXXXXX");
    assert_non_null(mkdtemp(proc->root));
    fake_proc_start(proc, 2, 0);
}

void fake_proc_done(struct fake_proc *proc)
{
    folder_remove(proc->root);
}

void fake_proc_write(const struct fake_proc *proc, uint32_t pid, const char *name,
                     const void *bytes, size_t length)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%u/%s", proc->root, pid, name);
    EYE_AUTOCLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
}

void fake_proc_write_text(const struct fake_proc *proc, uint32_t pid, const char *name,
                          const char *text)
{
    fake_proc_write(proc, pid, name, text, strlen(text));
}

void fake_proc_write_stat(const struct fake_proc *proc, uint32_t pid, const char *comm,
                          uint64_t start_ticks)
{
    char stat[512];
    snprintf(stat, sizeof(stat),
             "%u (%s) S 1 2 2 0 -1 4194560 3 4 5 6 7 8 9 10 20 0 1 0 %llu 1234 56 78\n", pid, comm,
             (unsigned long long)start_ticks);
    fake_proc_write_text(proc, pid, "stat", stat);
}

void fake_proc_start(const struct fake_proc *proc, uint32_t pid, uint64_t start_ticks)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%u", proc->root, pid);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    fake_proc_write_stat(proc, pid, "fake", start_ticks);
}

void fake_proc_end(const struct fake_proc *proc, uint32_t pid)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%u", proc->root, pid);
    folder_remove(path);
}

void fake_proc_set_executable(const struct fake_proc *proc, uint32_t pid, const char *target)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%u/exe", proc->root, pid);
    unlink(path);
    assert_int_equal(symlink(target, path), 0);
}
