/* SPDX-License-Identifier: Apache-2.0 */
/* A made-up /proc in a temporary folder. Every function fails the running test when it cannot. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct fake_proc {
    char root[32];
};

/** With kthreadd, which is missing where processes are hidden. */
void fake_proc_init(struct fake_proc *proc);
void fake_proc_done(struct fake_proc *proc);

/** Makes the folder of @pid (it may be there already) with a stat. */
void fake_proc_start(const struct fake_proc *proc, uint32_t pid, uint64_t start_ticks);
void fake_proc_end(const struct fake_proc *proc, uint32_t pid);

/* Each replaces what was there. */
void fake_proc_write(const struct fake_proc *proc, uint32_t pid, const char *name,
                     const void *bytes, size_t length);
void fake_proc_write_text(const struct fake_proc *proc, uint32_t pid, const char *name,
                          const char *text);
void fake_proc_write_stat(const struct fake_proc *proc, uint32_t pid, const char *comm,
                          uint64_t start_ticks);
void fake_proc_set_executable(const struct fake_proc *proc, uint32_t pid, const char *target);
