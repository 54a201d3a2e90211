/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What others do to see inside TLS, but nothing of what they find: a probe at the entry of a
 * function and one at its return. */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("uprobe")
int empty_entry(struct pt_regs *regs)
{
    return 0;
}

SEC("uretprobe")
int empty_return(struct pt_regs *regs)
{
    return 0;
}
