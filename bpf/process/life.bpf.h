/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Processes that exec and end. All are counted here; the ring hears of programs that were
 * introduced alone, because the collector knows no others: 50 000 short processes that use no
 * socket write nothing.
 */
#pragma once

#include "bpf/process/owner.bpf.h"

#define EYE_PROCESSES_WAKE_BYTES (32 * 1024)

/* struct eye_ended_record. Written below, read by the collector after the other rings. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 64 * 1024);
} processes SEC(".maps");

static __always_inline bool eye_was_introduced(struct task_struct *leader)
{
    return bpf_task_storage_get(&introduced, leader, 0, 0) != NULL;
}

static __always_inline void eye_tell_end(__u64 owner)
{
    struct eye_ended_record *record = bpf_ringbuf_reserve(&processes, sizeof(*record), 0);
    if (!record) {
        eye_lose(EYE_LOSS_PROCESS_RING, 1);
        return;
    }
    record->owner = owner;
    bpf_ringbuf_submit(record, eye_wake_flag(&processes, EYE_PROCESSES_WAKE_BYTES));
}

/* The current process runs another program from now on: the one before has ended. Of a thread that
 * is not the first one and executes, what was the first one is gone with its storage; then /proc
 * tells, as it does of all whose end nobody told. */
static __always_inline void eye_handle_exec(void)
{
    struct task_struct *leader = bpf_get_current_task_btf()->group_leader;
    eye_count(EYE_COUNT_EXECS, 1);
    if (eye_was_introduced(leader)) {
        eye_tell_end(eye_owner_key(leader->tgid, leader->start_boottime, leader->self_exec_id - 1));
    }
    eye_introduce_executed();
}

/* When another thread executes, the first one ends, and the process goes on. */
static __always_inline bool eye_gives_way(const struct task_struct *task)
{
    const struct signal_struct *signal = task->signal;
    return bpf_core_field_exists(signal->group_exec_task) && signal->group_exec_task;
}

/*
 * A thread ends. A process is counted with its first thread. It has ended with its last one, which
 * in a crowd several may take themselves for: to tell it twice does no harm. Its sockets are still
 * open, and are closed behind this.
 */
static __always_inline void eye_handle_exit(struct task_struct *task)
{
    struct task_struct *leader = task->group_leader;
    const struct signal_struct *signal = task->signal;
    if (task->pid == task->tgid && !eye_gives_way(task)) {
        eye_count(EYE_COUNT_EXITS, 1);
    }
    if (signal->live.counter == 0 && eye_was_introduced(leader)) {
        eye_tell_end(eye_owner_of(task));
    }
}
