/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The socket that a session leads to by its descriptor: of Go, which keeps no random, and of those
 * whose ClientHello nobody has seen. Everything is read, nothing is believed: what is no descriptor
 * of a TCP socket of this process leads nowhere. */
#pragma once

#include "bpf/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define EYE_S_IFMT 0170000
#define EYE_S_IFSOCK 0140000
#define EYE_SOCK_STREAM 1
#define EYE_AF_INET 2
#define EYE_AF_INET6 10

/* The port of the service of the connection behind @descriptor; 0: it is none. */
static __always_inline __u16 eye_port_behind(__u32 descriptor, bool client)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct fdtable *table = BPF_CORE_READ(task, files, fdt);
    struct file **files = BPF_CORE_READ(table, fd);
    struct file *file = NULL;
    if (descriptor >= BPF_CORE_READ(table, max_fds) ||
        bpf_probe_read_kernel(&file, sizeof(file), files + descriptor) != 0 || !file ||
        (BPF_CORE_READ(file, f_inode, i_mode) & EYE_S_IFMT) != EYE_S_IFSOCK) {
        return 0;
    }
    struct socket *socket = BPF_CORE_READ(file, private_data);
    struct sock *sk = BPF_CORE_READ(socket, sk);
    __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
    if ((family != EYE_AF_INET && family != EYE_AF_INET6) ||
        BPF_CORE_READ(sk, sk_type) != EYE_SOCK_STREAM ||
        BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN) {
        return 0;
    }
    return client ? bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport))
                  : BPF_CORE_READ(sk, __sk_common.skc_num);
}

static __always_inline bool eye_read_user(void *target, __u32 bytes, __u64 address)
{
    return bpf_probe_read_user(target, bytes, (const void *)address) == 0;
}

/* ---- Go ---- */

/* crypto/tls.Conn: an interface net.Conn, and whether this is the client's end. */
#define EYE_GO_CLIENT_AT 16
/* An interface: its table, which has the type at 8, and what it holds. internal/abi.Type, as it has
 * been since 1.14: size at 0, kind at 23; of a pointer or array what it has at 48; of a struct its
 * fields at 56, the first of which has its type at 8. */
#define EYE_GO_TYPE_AT 8
#define EYE_GO_KIND_AT 23
#define EYE_GO_POINTED_AT 48
#define EYE_GO_FIELDS_AT 56
#define EYE_GO_FIELD_TYPE_AT 8
/* From a net.Conn to its netFD: a *net.TCPConn takes four, each that wraps another one two more. */
#define EYE_GO_STEPS_MAX 12
/* Structs of nothing but one member, within each other. */
#define EYE_GO_NESTED_MAX 3

enum eye_go_kind {
    EYE_GO_ARRAY = 17,
    EYE_GO_INTERFACE = 20,
    EYE_GO_POINTER = 22,
    EYE_GO_STRUCT = 25,
};
#define EYE_GO_KIND_MASK 31

/* A variable: its type, and where it is. */
struct eye_go_variable {
    __u64 type;
    __u64 at;
};

/* net.netFD, as Go has had it since 1.13: an internal/poll.FD, and what kind of socket it is, as
 * socket(2) has it. */
struct eye_go_net_fd {
    __u64 lock[2];
    __u64 descriptor;
    __u64 waits[3];
    __u8 stream;
    __u8 flags[7];
    __u64 family;
    __u64 type;
};

static __always_inline bool eye_go_is_tcp(const struct eye_go_net_fd *fd)
{
    return fd->stream == 1 && fd->type == EYE_SOCK_STREAM &&
           (fd->family == EYE_AF_INET || fd->family == EYE_AF_INET6) &&
           fd->descriptor <= 0x7fffffff;
}

/* An enum eye_go_kind that matters; any other: it could not be read, too. */
static __always_inline __u32 eye_go_kind_of(__u64 type)
{
    __u8 kind = 0;
    return eye_read_user(&kind, sizeof(kind), type + EYE_GO_KIND_AT) ? kind & EYE_GO_KIND_MASK : 0;
}

static __always_inline __u64 eye_go_size_of(__u64 type)
{
    __u64 size = 0;
    return eye_read_user(&size, sizeof(size), type) ? size : 0;
}

/* From a struct to its first member. */
static __always_inline bool eye_go_enter(struct eye_go_variable *variable)
{
    __u64 fields = 0;
    return eye_read_user(&fields, sizeof(fields), variable->type + EYE_GO_FIELDS_AT) &&
           eye_read_user(&variable->type, sizeof(variable->type), fields + EYE_GO_FIELD_TYPE_AT);
}

/* From the type of a pointer to that of what it points to, from an array's to its members'. */
static __always_inline bool eye_go_point(struct eye_go_variable *variable)
{
    return eye_read_user(&variable->type, sizeof(variable->type),
                         variable->type + EYE_GO_POINTED_AT);
}

/* From an interface to what it holds: a pointer, or a struct of nothing but one, is in it; anything
 * else is where it points to. */
static __always_inline bool eye_go_open(struct eye_go_variable *variable)
{
    struct {
        __u64 table;
        __u64 data;
    } interface;
    if (!eye_read_user(&interface, sizeof(interface), variable->at) ||
        !eye_read_user(&variable->type, sizeof(variable->type), interface.table + EYE_GO_TYPE_AT)) {
        return false;
    }
    variable->at = interface.data;
    __u32 kind = eye_go_kind_of(variable->type);
    bool held = kind == EYE_GO_STRUCT && eye_go_size_of(variable->type) == sizeof(__u64);
    for (int i = 0; i < EYE_GO_NESTED_MAX && held && kind == EYE_GO_STRUCT; i++) {
        if (!eye_go_enter(variable)) {
            return false;
        }
        kind = eye_go_kind_of(variable->type);
    }
    if (kind == EYE_GO_POINTER) {
        return eye_go_point(variable);
    }
    return !held;
}

static __always_inline bool eye_go_follow(struct eye_go_variable *variable, __u32 kind)
{
    switch (kind) {
    case EYE_GO_INTERFACE:
        return eye_go_open(variable);
    case EYE_GO_POINTER:
        return eye_read_user(&variable->at, sizeof(variable->at), variable->at) &&
               eye_go_point(variable);
    case EYE_GO_ARRAY:
        return eye_go_point(variable);
    case EYE_GO_STRUCT:
        return eye_go_enter(variable);
    default:
        return false;
    }
}

/* A net.Conn is a *net.TCPConn, or its first member leads to one, and that to its netFD. -1: it
 * leads nowhere. */
static __always_inline int eye_go_descriptor(__u64 conn)
{
    struct eye_go_variable variable = {.at = conn};
    __u32 kind = EYE_GO_INTERFACE;
    for (int i = 0; i < EYE_GO_STEPS_MAX; i++) {
        if (!eye_go_follow(&variable, kind)) {
            return -1;
        }
        struct eye_go_net_fd fd;
        kind = eye_go_kind_of(variable.type);
        if (kind == EYE_GO_STRUCT && eye_go_size_of(variable.type) >= sizeof(fd) &&
            eye_read_user(&fd, sizeof(fd), variable.at) && eye_go_is_tcp(&fd)) {
            return (int)fd.descriptor;
        }
    }
    return -1;
}

/* ---- OpenSSL ---- */

/* struct bio_st: of 3.0 and later ones behind a pointer to the library's context. */
#define EYE_BIO_METHOD_AT 8
#define EYE_BIO_NUMBER_AT 0x38
#define EYE_BIO_1_1_METHOD_AT 0
#define EYE_BIO_1_1_NUMBER_AT 0x30
#define EYE_BIO_TYPE_SOCKET 0x505 /* openssl/bio.h; a method begins with it */

static __always_inline bool eye_is_socket_bio(__u64 bio, __u32 method_at)
{
    __u64 method = 0;
    __u32 type = 0;
    return eye_read_user(&method, sizeof(method), bio + method_at) &&
           eye_read_user(&type, sizeof(type), method) && type == EYE_BIO_TYPE_SOCKET;
}

/* What a session reads from; -1: that is no socket's, or somebody's own. */
static __always_inline int eye_bio_descriptor(__u64 session, __u32 bio_at)
{
    __u64 bio = 0;
    int descriptor = -1;
    if (!eye_read_user(&bio, sizeof(bio), session + bio_at)) {
        return -1;
    }
    __u64 at = eye_is_socket_bio(bio, EYE_BIO_METHOD_AT)       ? bio + EYE_BIO_NUMBER_AT
               : eye_is_socket_bio(bio, EYE_BIO_1_1_METHOD_AT) ? bio + EYE_BIO_1_1_NUMBER_AT
                                                               : 0;
    return at != 0 && eye_read_user(&descriptor, sizeof(descriptor), at) ? descriptor : -1;
}
