/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libbpf says, for the debug log: some 5 000 lines for a start in which all went well, which
 * nobody wants, and the cause of one that failed, which is among the last of them. So the last ones
 * are kept, and written when libbpf warns of something. Whole verifier logs are a warning's text.
 */
#pragma once

#include <bpf/libbpf.h>

/** A libbpf_print_fn_t. Any thread. Does nothing where debug lines are not written. */
int eye_libbpf_print(enum libbpf_print_level level, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
