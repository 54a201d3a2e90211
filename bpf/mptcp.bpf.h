/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is special about sockets of MPTCP (RFC 8684). */
#pragma once

#include "bpf/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

static __always_inline bool eye_is_subflow(const struct tcp_sock *tcp)
{
    return bpf_core_field_exists(tcp->is_mptcp) && tcp->is_mptcp;
}
