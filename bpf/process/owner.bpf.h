/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who uses a socket, and what that program is called: read in the kernel when the program first
 * uses a socket, because a short process is gone before user space could look.
 *
 * Fields of tasks and sockets are plain loads, which every program type and
 * lockdown=confidentiality allow. Strings behind pointers need bpf_probe_read_kernel_str(), which
 * that lockdown refuses; and libbpf, when it finds that refused, makes bpf_probe_read() of the one
 * that reads user memory, too. Then short names come from the dentry, and the collector is woken to
 * ask /proc for the rest.
 */
#pragma once

#include "bpf/maps.bpf.h"
#include "bpf/mptcp.bpf.h"
#include "bpf/tracer/looks.bpf.h"
#include "bpf/usm/bytes.h"

/* Set by the collector before loading, from what this kernel lets programs do. */
const volatile bool eye_probes_memory = true;      /* bpf_probe_read_*() */
const volatile bool eye_egress_introduces = false; /* cgroup_skb may do what tracing may */
/* What sends is introduced when it is executed, where cgroup_skb cannot do it: before 6.18. That
 * costs each exec some 8 us. */
const volatile bool eye_exec_introduces = false;

#define EYE_OWNERS_WAKE_BYTES (128 * 1024)

/* A process that still uses sockets is introduced again after so many counting passes: the
 * collector forgets who was not heard of for longer. */
#define EYE_INTRODUCE_PASSES 2

/* Of a group leader: under which keys it was introduced, and when. */
struct eye_introduced {
    __u64 owner; /* with its environment */
    __u64 seed;  /* without, by the iterator over older sockets */
    __u32 pass;  /* eye_pass at that time */
    __u32 padding;
};

/* group leader -> struct eye_introduced. Written below; freed by the kernel with the task. */
struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct eye_introduced);
} introduced SEC(".maps");

static __always_inline __u64 eye_owner_of(const struct task_struct *task)
{
    const struct task_struct *leader = task->group_leader;
    return eye_owner_key(task->tgid, leader->start_boottime, leader->self_exec_id);
}

/*
 * What reads much of tasks is a part, which the verifier looks at once, not on every path that
 * leads there: those from 6.4 on look through the kernel's whole BTF, up to four times, for each
 * pointer that is read from a task (6fcd486b3a0a).
 */
EYE_PART __u64 eye_current_owner(void)
{
    return eye_owner_of(bpf_get_current_task_btf());
}

/*
 * The parent when it runs the same program: forked, and no exec since, by neither. Its environment
 * is what this one had before it was written over (setproctitle). An orphan has another parent by
 * now, whose number of execs may be the same: so the cgroup has to be, too.
 */
static __always_inline __u64 eye_parent_of(const struct task_struct *leader)
{
    const struct task_struct *parent = leader->real_parent;
    parent = parent ? parent->group_leader : NULL;
    if (!parent || leader->self_exec_id != leader->parent_exec_id ||
        parent->self_exec_id != leader->parent_exec_id || parent->cgroups != leader->cgroups) {
        return 0;
    }
    return eye_owner_of(parent);
}

static __always_inline const unsigned char *eye_short_name(const struct dentry *dentry)
{
    const struct dentry___shortname *newer = (const void *)dentry;
    return bpf_core_field_exists(newer->d_shortname) ? newer->d_shortname.string : dentry->d_iname;
}

static __always_inline void eye_read_executable(struct eye_owner_record *record,
                                                const struct mm_struct *mm)
{
    record->executable[0] = '\0';
    const struct file *file = mm ? mm->exe_file : NULL;
    const struct dentry *dentry = file ? file->f_path.dentry : NULL;
    if (!dentry) {
        return;
    }
    if (eye_probes_memory) {
        bpf_probe_read_kernel_str(record->executable, sizeof(record->executable),
                                  dentry->d_name.name);
    } else if (dentry->d_name.len < sizeof(dentry->d_iname)) {
        __u64 *name = (__u64 *)record->executable;
        const __u64 *words = (const __u64 *)eye_short_name(dentry);
        name[0] = words[0];
        name[1] = words[1];
        name[2] = words[2];
        name[3] = words[3];
        record->executable[sizeof(dentry->d_iname) - 1] = '\0';
    }
}

static __always_inline const struct kernfs_node *eye_cgroup_parent(const struct kernfs_node *node)
{
    const struct kernfs_node___parent *older = (const void *)node;
    return bpf_core_field_exists(node->__parent) ? node->__parent : older->parent;
}

/* In the version 2 tree; where that is not in use, of the hierarchy that limits pids: runtimes and
 * systemd give everything a group there. */
static __always_inline const struct kernfs_node *eye_cgroup_of(const struct task_struct *task)
{
    const struct css_set *set = task->cgroups;
    const struct cgroup *cgroup = set ? set->dfl_cgrp : NULL;
    const struct kernfs_node *node = cgroup ? cgroup->kn : NULL;
    if ((node && eye_cgroup_parent(node)) || !set ||
        !bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id)) {
        return node;
    }
    struct cgroup_subsys_state *const *subsystems = set->subsys;
    const struct cgroup_subsys_state *pids =
        subsystems[bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id)];
    cgroup = pids ? pids->cgroup : NULL;
    return cgroup ? cgroup->kn : node;
}

static __always_inline void eye_read_cgroups(struct eye_owner_record *record,
                                             const struct task_struct *task)
{
    const struct kernfs_node *node = eye_cgroup_of(task);
    for (int i = 0; i < EYE_CGROUP_LEVELS; i++) {
        record->cgroups[i][0] = '\0';
    }
    if (!eye_probes_memory) {
        record->flags |= EYE_OWNER_NO_CGROUP;
        return;
    }
    for (int i = 0; i < EYE_CGROUP_LEVELS; i++) {
        const struct kernfs_node *parent = node ? eye_cgroup_parent(node) : NULL;
        if (!parent) {
            return; /* the root */
        }
        if (bpf_probe_read_kernel_str(record->cgroups[i], EYE_CGROUP_NAME_BYTES, node->name) ==
            EYE_CGROUP_NAME_BYTES) {
            record->flags |= EYE_OWNER_CUT_CGROUP;
        }
        node = parent;
    }
    if (node && eye_cgroup_parent(node)) {
        record->flags |= EYE_OWNER_CUT_CGROUP;
    }
}

/* @room: of the environment behind the record; a power of two. */
static __always_inline void eye_read_environment(struct eye_owner_record *record,
                                                 const struct mm_struct *mm, __u64 bytes,
                                                 __u32 room)
{
    if (bytes >= room) {
        bytes = room - 1;
        record->flags |= EYE_OWNER_CUT_ENVIRONMENT;
    }
    eye_pin(bytes);
    bytes &= room - 1;
    record->environment_bytes = bytes;
    if (bpf_probe_read_user(record + 1, bytes, (const void *)mm->env_start) != 0) {
        record->environment_bytes = 0;
        record->flags |= EYE_OWNER_NO_ENVIRONMENT;
    }
    if (record->flags & (EYE_OWNER_NO_ENVIRONMENT | EYE_OWNER_CUT_ENVIRONMENT)) {
        eye_lose(EYE_LOSS_OWNER_ENVIRONMENT, 1);
    }
}

EYE_PART __u64 eye_current_parent(void)
{
    return eye_parent_of(bpf_get_current_task_btf()->group_leader);
}

/* What it is called, and no environment. @mm: of @task, or NULL. */
static __always_inline void eye_describe(struct eye_owner_record *record,
                                         const struct task_struct *task, const struct mm_struct *mm)
{
    record->environment_bytes = 0;
    record->flags = EYE_OWNER_NO_ENVIRONMENT;
    eye_read_executable(record, mm);
    eye_read_cgroups(record, task);
}

/* Two, as below. */
EYE_PART int eye_describe_tracing(struct eye_owner_record *record)
{
    const struct task_struct *task = bpf_get_current_task_btf();
    if (record) {
        record->owner = eye_current_owner();
        record->parent = eye_current_parent();
        eye_describe(record, task, task->mm);
    }
    return 0;
}

EYE_PART int eye_describe_sender(struct eye_owner_record *record)
{
    const struct task_struct *task = bpf_get_current_task_btf();
    if (record && eye_egress_introduces) {
        record->owner = eye_current_owner();
        record->parent = eye_current_parent();
        eye_describe(record, task, task->mm);
    }
    return 0;
}

/* @room: for an environment behind the record. NULL: the ring is full. */
static __always_inline struct eye_owner_record *eye_reserve_owner(__u32 room)
{
    struct eye_owner_record *record = bpf_ringbuf_reserve(&owners, sizeof(*record) + room, 0);
    if (!record) {
        eye_lose(EYE_LOSS_OWNER_RING, 1);
    }
    return record;
}

static __always_inline void eye_submit_owner(struct eye_owner_record *record)
{
    bpf_ringbuf_submit(record, eye_probes_memory ? eye_wake_flag(&owners, EYE_OWNERS_WAKE_BYTES)
                                                 : BPF_RB_FORCE_WAKEUP);
}

/* When a program is introduced. */
enum eye_occasion { EYE_ON_USE, EYE_ON_SENDING, EYE_ON_EXEC };

/* The current process. @environment: bytes of it to read; -1: none. False: the ring is full. */
static __always_inline bool eye_write_current(enum eye_occasion occasion,
                                              const struct mm_struct *mm, __s64 environment,
                                              __u32 room)
{
    struct eye_owner_record *record = eye_reserve_owner(room);
    if (!record) {
        return false;
    }
    if (occasion == EYE_ON_SENDING) {
        eye_describe_sender(record);
    } else {
        eye_describe_tracing(record);
    }
    if (occasion == EYE_ON_EXEC) {
        record->flags |= EYE_OWNER_EXECUTED;
    }
    if (environment >= 0) {
        record->flags &= ~EYE_OWNER_NO_ENVIRONMENT;
        eye_read_environment(record, mm, environment, room);
    }
    eye_submit_owner(record);
    return true;
}

/*
 * The current process in a record of its own, once for each program. One that is ending has given
 * its memory back: of it only the parent and the cgroup are left.
 */
static __always_inline int eye_introduce_current(enum eye_occasion occasion)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct eye_introduced *known =
        bpf_task_storage_get(&introduced, task->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    __u64 owner = eye_owner_of(task);
    if (known && known->owner == owner && eye_pass - known->pass < EYE_INTRODUCE_PASSES) {
        return 0;
    }
    const struct mm_struct *mm = task->mm;
    if (!mm) {
        eye_write_current(occasion, NULL, -1, EYE_ENVIRONMENT_SMALL);
        return 0;
    }
    __s64 bytes = eye_probes_memory ? (__s64)(mm->env_end - mm->env_start) : -1;
    bool written = bytes < EYE_ENVIRONMENT_SMALL
                       ? eye_write_current(occasion, mm, bytes, EYE_ENVIRONMENT_SMALL)
                   : bytes < EYE_ENVIRONMENT_USUAL
                       ? eye_write_current(occasion, mm, bytes, EYE_ENVIRONMENT_USUAL)
                       : eye_write_current(occasion, mm, bytes, EYE_ENVIRONMENT_LARGE);
    if (written && known) {
        known->owner = owner;
        known->pass = eye_pass;
    }
    return 0;
}

/* Functions of their own, because programs of one object share them, and not every kernel lets
 * cgroup_skb do what the body does. */
EYE_PART int eye_introduce_tracing(void)
{
    return eye_introduce_current(EYE_ON_USE);
}

EYE_PART int eye_introduce_sender(void)
{
    return eye_egress_introduces ? eye_introduce_current(EYE_ON_SENDING) : 0;
}

EYE_PART int eye_introduce_executed(void)
{
    return eye_exec_introduces ? eye_introduce_current(EYE_ON_EXEC) : 0;
}

/* @task holds an older socket. Its environment is not within reach here. */
static __always_inline void eye_introduce(struct task_struct *task)
{
    struct task_struct *leader = task->group_leader;
    const struct mm_struct *mm = task->mm;
    struct eye_introduced *known =
        bpf_task_storage_get(&introduced, leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    __u64 owner = eye_owner_of(task);
    if (!mm || (known && known->seed == owner)) {
        return;
    }
    struct eye_owner_record *record = eye_reserve_owner(EYE_ENVIRONMENT_SMALL);
    if (!record) {
        return;
    }
    record->owner = owner;
    record->parent = eye_parent_of(leader);
    eye_describe(record, task, mm);
    eye_submit_owner(record);
    if (known) {
        known->seed = owner;
    }
}

/*
 * MPTCP socket (its address) -> key of the program that connected it. Written at its own state
 * changes; read when a kernel worker connects one more subflow, which the program may never use
 * itself. What is thrown out costs subflows their name.
 */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, __u64);
    __type(value, __u64);
} multipath_owners SEC(".maps");

static __always_inline void eye_note_multipath(struct sock *sk, int new_state)
{
    const struct task_struct *task = bpf_get_current_task_btf();
    __u64 key = (__u64)sk;
    if (new_state == TCP_SYN_SENT && !(task->flags & PF_KTHREAD)) {
        __u64 owner = eye_current_owner();
        bpf_map_update_elem(&multipath_owners, &key, &owner, BPF_ANY);
    } else if (new_state == TCP_CLOSE) {
        bpf_map_delete_elem(&multipath_owners, &key);
    }
}

static __always_inline __u64 eye_owner_of_subflow(struct sock *sk)
{
    const struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    if (!tcp || !eye_is_subflow(tcp) || !eye_probes_memory) {
        return EYE_OWNER_UNKNOWN;
    }
    const struct mptcp_subflow_context *subflow = tcp->inet_conn.icsk_ulp_data;
    __u64 key = 0;
    bpf_core_read(&key, sizeof(key), &subflow->conn);
    const __u64 *owner = bpf_map_lookup_elem(&multipath_owners, &key);
    return owner ? *owner : EYE_OWNER_UNKNOWN;
}

/* A socket of the kernel's own. Those of MPTCP's subflows are marked like them, but are the
 * program's. */
static __always_inline bool eye_is_kernels(struct sock *sk)
{
    if (!BPF_CORE_READ_BITFIELD(sk, sk_kern_sock)) {
        return false;
    }
    const struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    return !tcp || !eye_is_subflow(tcp);
}

/* The current process uses the socket. A kernel thread works for somebody else, who is known
 * already unless it connects a subflow. */
static __always_inline void eye_set_owner(struct eye_socket *socket, struct sock *sk)
{
    const struct task_struct *task = bpf_get_current_task_btf();
    socket->flags &= ~EYE_SOCKET_INHERITED;
    if (eye_is_kernels(sk)) {
        socket->stream.owner = EYE_OWNER_KERNEL;
    } else if (!(task->flags & PF_KTHREAD)) {
        socket->stream.owner = eye_current_owner();
        eye_introduce_tracing();
    } else if (socket->stream.owner == EYE_OWNER_UNKNOWN) {
        socket->stream.owner = eye_owner_of_subflow(sk);
    }
}

/*
 * A locked socket (sk_lock.owned) that changes state or sends is in the hands of the current
 * process: softirq work is put off while it is owned. Whoever closes it need not have used it (a
 * child holds every descriptor of its parent, `ss -K` destroys what is others'): that names an
 * accepted socket which nobody has used, and no other.
 */
static __always_inline void eye_learn_closer(struct eye_socket *socket, struct sock *sk)
{
    if (socket->flags & EYE_SOCKET_INHERITED && sk->sk_lock.owned) {
        eye_set_owner(socket, sk);
    }
}

/*
 * Who sends uses it: almost always its owner; another one after an accept, a fork, an exec, or when
 * the descriptor was handed on. The first time it is introduced: an owner that was found with the
 * socket was so without its environment.
 */
static __always_inline void eye_learn_sender(struct eye_socket *socket, struct bpf_sock *sk)
{
    const struct task_struct *task = bpf_get_current_task_btf();
    __u64 owner = eye_owner_of(task);
    if (socket->stream.owner == owner) {
        if (socket->flags & EYE_SOCKET_UNUSED) { /* once: a cache line that all packets read */
            socket->flags &= ~EYE_SOCKET_UNUSED;
            eye_introduce_sender();
        }
        return;
    }
    if (socket->stream.owner == EYE_OWNER_KERNEL || task->flags & PF_KTHREAD) {
        return;
    }
    const struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    if (tcp && tcp->inet_conn.icsk_inet.sk.sk_lock.owned) {
        socket->stream.owner = owner;
        socket->flags &= ~EYE_SOCKET_UNUSED;
        eye_introduce_sender();
    }
}
