/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For headers that are the same C for kernel programs and for the host: what each side has. */
#pragma once

#ifdef __bpf__
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#else
#include <linux/types.h>
#include <stdbool.h>
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#endif
