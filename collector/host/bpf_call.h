/* SPDX-License-Identifier: Apache-2.0 */
/* Which commands of bpf(2) are let through at all. Forks. */
#pragma once

/**
 * The first command of those that the daemon needs which is refused before the kernel looks at its
 * arguments: *ret_command as in linux/bpf.h ("BPF_LINK_CREATE"). Its errno (positive; ENOSYS: no
 * bpf(2) at all), -1 when the caller is killed for it (SIGSYS), 0 when none is refused.
 */
int eye_bpf_call_refused(const char **ret_command);
