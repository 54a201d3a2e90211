/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the configuration switches while the programs run. Written by the collector; the programs of
 * the tier's own object read it, those of a protocol are there or are not.
 */
#pragma once

#include "bpf/maps.bpf.h"
#include "bpf/usm/bytes.h"

/* As many protocols as words of bits by enum eye_protocol have room for. */
#define EYE_PROTOCOLS_MAX 32
EYE_ABI_ASSERT(EYE_PROTOCOL_COUNT <= EYE_PROTOCOLS_MAX);

/* Bits by enum eye_protocol: these are not recognised. */
__u32 eye_protocols_off = 0;

/*
 * By enum eye_protocol: how often its programs came or went, modulo 256. What streams were known to
 * speak before is void, because bytes went by that nobody has read (of programs that come also in
 * the moment when only one of them is there): each is looked at anew. (One that is silent while
 * that happens 256 times passes for one that was read all the time.)
 */
__u8 eye_epochs[EYE_PROTOCOLS_MAX] = {0};

/* By port of a service, in host order: the enum eye_protocol that is spoken there whatever the
 * first bytes look like; 0: they decide. */
__u8 eye_ports[65536] = {0};

static __always_inline __u8 eye_protocol_of_port(__u16 port)
{
    return eye_ports[port];
}

/* Names of addresses are wanted: answers of DNS tell them. */
bool eye_names_on = false;

/* How often all protocols together were switched off or on, modulo 256: odd while they are off,
 * when the payload programs are about to be attached or detached. What these left for a child
 * before is no child's. */
__u8 eye_switches = 0;

static __always_inline bool eye_all_off(void)
{
    return eye_switches & 1;
}

static __always_inline __u8 eye_epoch_of(__u32 protocol)
{
    __u64 index = protocol;
    eye_pin(index); /* the verifier wants the mask that clang knows to do nothing */
    return eye_epochs[index & (EYE_PROTOCOLS_MAX - 1)];
}

static __always_inline bool eye_is_off(__u32 protocol)
{
    return eye_protocols_off >> (protocol & (EYE_PROTOCOLS_MAX - 1)) & 1;
}

/* The stream speaks @protocol, which was followed all the time since. */
static __always_inline bool eye_is_followed(const struct eye_stream *stream, __u32 protocol)
{
    return eye_is_protocol(protocol) && stream->epoch == eye_epoch_of(protocol);
}
