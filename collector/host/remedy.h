/* SPDX-License-Identifier: Apache-2.0 */
/* What to do about an errno. No state, any thread. */
#pragma once

/* Where nothing better is known. */
#define EYE_REMEDY_DEBUG "log.level: debug shows what libbpf and the verifier said"

/* Of EAGAIN when a thread is made. */
#define EYE_REMEDY_THREADS "allow more threads (ulimit -u, TasksMax=, pids.max)"

/**
 * The end of a message: what to do where a call ended in @error. A refusal of the kernel (EPERM,
 * EACCES, ENOSYS) although every right is there has another cause than a right: a seccomp filter,
 * as far as one is in force, or a security module, or that the rights are those of a user
 * namespace. @otherwise: for every other error.
 */
const char *eye_remedy(int error, const char *otherwise);

/** The same where @error may as well come of a missing right: then @rights says what to grant. */
const char *eye_remedy_of_rights(int error, unsigned int capability, const char *rights);

/** Of a program that the kernel refuses after it has taken others: EACCES is the verifier's word.
 */
const char *eye_remedy_of_program(int error);
