/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the conversations of TCP sockets are kept. */
#pragma once

#include "bpf/maps.bpf.h"
#include "bpf/usm/conversation.h"

/* socket -> struct eye_conversation. Made when the first bytes look like a protocol. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct eye_conversation);
} conversations SEC(".maps");

/* socket -> struct eye_pipeline. Made when a second request is in flight. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct eye_pipeline);
} pipelines SEC(".maps");
