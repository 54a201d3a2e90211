/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the log of the kernel's verifier (kernel/bpf/verifier.c, print_verification_stats()): the
 * last words of a refusal, then statistics. No state, no thread rule.
 */
#pragma once

#include <stdint.h>

/**
 * The last line before the statistics: why a program was refused; empty when there is none. It lies
 * in @log, which is cut behind it. *ret_instructions: how many the verifier processed; untouched
 * when it does not say.
 */
const char *eye_verifier_log_read(char *log, uint32_t *ret_instructions);
