/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where probes of a function stand: at instructions that the kernel emulates, with the arguments
 * still in registers at the one that is the entry, and on every way out at one behind which the
 * result does not change any more. Pure functions over code (collector/tls/code.h).
 *
 * There is no probe at a return address (uretprobe), on any machine: it replaces that address, and
 * a process whose coroutines return out of order, or that throws through the function, dies by it.
 */
#pragma once

#include "collector/tls/code.h"

#define EYE_ARGUMENTS_MAX 5
#define EYE_EXITS_MAX 48

/* eye_site.condition: the site counts whatever the flags are. */
#define EYE_SITE_ALWAYS 0xff
/* In eye_site.condition of a branch: it counts when the branch is taken, else when it is not. The
 * lower half is x86's condition. */
#define EYE_SITE_TAKEN 0x10

/* One instruction that carries a probe. */
struct eye_site {
    uint64_t address;
    /* Entry: the register of each argument; exit: the first one holds the result. */
    uint8_t registers[EYE_ARGUMENTS_MAX];
    uint8_t condition; /* EYE_SITE_ALWAYS, or of the branch that it is */
    bool half;         /* the result is the lower half of its register, with a sign */
    bool stepped;      /* the kernel does not emulate it */
    bool kept; /* the first argument is in no register, but `frame` bytes from the stack pointer */
    uint16_t frame; /* bytes from the stack pointer here to that of the caller, behind the call */
};

/* What is asked for. */
struct eye_asked {
    uint64_t address;
    uint8_t argument_count;
    uint8_t arguments[EYE_ARGUMENTS_MAX]; /* which of the function's own, 0 .. 5 */
    bool no_result;
    bool half;          /* the result has 32 bits */
    bool succeeds_by_1; /* 1 is success, else 0 or less; else a number of bytes */
};

struct eye_sites {
    struct eye_site entry;
    struct eye_site exits[EYE_EXITS_MAX];
    uint32_t exit_count;
};

/**
 * Finds the sites of a function. @steps: what has no emulated way out gets a probe at its return,
 * which is stepped. Of one whose result is not asked for (no_result) there is the entry alone. 0,
 * or a negative errno with a message: what eye_function_read() says, or -ENOENT, there is no such
 * place.
 */
int eye_sites_find(const struct eye_code *code, const struct eye_asked *asked, bool steps,
                   struct eye_sites *ret_sites, struct eye_error *ret_error);
