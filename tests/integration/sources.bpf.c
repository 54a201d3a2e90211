/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon's programs, and one that reads the memory of a process: one object file holds the
 * engine and the parsers for two sources of bytes. Of tests: what sources.c hands to carry() stands
 * for the plaintext of a TLS session.
 */
#include "bpf/vmlinux.h"

/* PT_REGS_PARM1() and its like: registers are called as the kernel calls them. */
#define __VMLINUX_H__
#define user_pt_regs pt_regs

#include "bpf/socket_storage.bpf.c"
#include "bpf/usm/payloads.bpf.h"

EYE_PROTOCOL_PROGRAMS(http)

#define SESSIONS_MAX 4

/* A session has no sequence numbers: its bytes come in order and whole, so they are counted. */
struct session {
    struct eye_stream stream;
    struct eye_conversation conversation;
    struct eye_pipeline pipeline;
};

/* process -> its session. Made by the first payload, deleted by the test. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, SESSIONS_MAX);
    __type(key, __u32);
    __type(value, struct session);
} sessions SEC(".maps");

static struct session new_session; /* all zero, and too large for the stack */

static __always_inline struct session *find_session(void)
{
    __u32 process = bpf_get_current_pid_tgid() >> 32;
    struct session *session = bpf_map_lookup_elem(&sessions, &process);
    if (session) {
        return session;
    }
    bpf_map_update_elem(&sessions, &process, &new_session, BPF_NOEXIST);
    return bpf_map_lookup_elem(&sessions, &process);
}

/* What of it the glance holds tells the protocol. */
EYE_PART int session_look(struct eye_stream *stream, __u64 from, __u32 bytes)
{
    struct eye_glance glance = {0};
    struct eye_reader reader = {.from = (const void *)from, .source = EYE_SOURCE_USER};
    if (!stream || stream->protocol == EYE_PROTOCOL_TUNNEL) {
        return 0;
    }
    __u64 count = bytes < EYE_LOOK_BYTES ? bytes : EYE_LOOK_BYTES;
    eye_pin(count);
    count = (count - 1) & (EYE_LOOK_BYTES - 1);
    eye_pin(count);
    count++;
    if (stream->protocol == EYE_PROTOCOL_UNKNOWN && eye_read(&reader, 0, &glance, count) == 0) {
        stream->protocol = eye_recognise_glance(&glance, count, ~eye_protocols_off);
    }
    return eye_has_protocol(stream);
}

EYE_PART int session_step(struct session *session, struct eye_cursor *at, __u64 from)
{
    if (!session || !at) {
        return 0;
    }
    struct eye_work work = {
        .parser = &eye_http_parser,
        .conversation = &session->conversation,
        .pipeline = &session->pipeline,
        .reader = {.from = (const void *)from, .source = EYE_SOURCE_USER},
        .at = at,
    };
    return eye_step_and_tell(&work);
}

EYE_PART int session_place(struct session *session, struct eye_cursor *at)
{
    struct eye_receiver receiver = {.first = true};
    if (!session || !at) {
        return 0;
    }
    if (!eye_is_next(&session->conversation, at, at->origin)) {
        eye_resolve(&session->conversation, at, &receiver, at->origin);
    }
    eye_advance_to_new(&session->conversation, at, at->origin);
    return 0;
}

static __always_inline void session_payload(struct session *session, __u32 side, __u64 from,
                                            __u32 bytes)
{
    struct eye_stream *stream = &session->stream;
    if (!session_look(stream, from, bytes)) {
        return;
    }
    struct eye_conversation *conversation = &session->conversation;
    conversation->protocol = stream->protocol;
    struct eye_cursor at = {
        .side = side,
        .end = bytes,
        .origin = eye_half_of(conversation, side)->next_sequence,
        .acknowledged = eye_opposite_of(conversation, side)->next_sequence,
    };
    session_place(session, &at);
    for (int i = 0; i < EYE_STEPS_AT_ONCE; i++) {
        if (!session_step(session, &at, from)) {
            break;
        }
    }
    if (at.verdict == EYE_VERDICT_ENDED) {
        stream->protocol = EYE_PROTOCOL_TUNNEL;
    }
    if (conversation->troubled) {
        eye_report(conversation);
    }
}

/* void carry(unsigned int side, const void *bytes, unsigned int size) */
SEC("uprobe")
int payload_carried(struct pt_regs *registers)
{
    struct session *session = find_session();
    __u32 bytes = PT_REGS_PARM3(registers);
    if (session && bytes > 0) {
        session_payload(session, PT_REGS_PARM1(registers) & 1, PT_REGS_PARM2(registers), bytes);
    }
    return 0;
}
