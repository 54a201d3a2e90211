/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine code of other people's libraries, as far as a probe in it has to know it: how
 * instructions follow each other, which registers they write, and which of them the kernel computes
 * itself when a uprobe stands on them. (All others it executes out of line, behind a second trap:
 * 15 times the cost on a machine that is a guest, 3 times on others.)
 *
 * Pure: bytes in, tables out. What is read may be hostile: every loop ends by EYE_CODE_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/error.h"

/* Instructions of one function, with those it jumps to: the largest that is probed has 1 100. */
#define EYE_CODE_MAX 8192

enum eye_machine { EYE_MACHINE_X86_64, EYE_MACHINE_ARM64 };

/* That of this program. */
#ifdef __x86_64__
#define EYE_MACHINE_OWN EYE_MACHINE_X86_64
#else
#define EYE_MACHINE_OWN EYE_MACHINE_ARM64
#endif

/* Registers have the number that instructions give them. */
enum eye_x86_register {
    EYE_X86_AX,
    EYE_X86_CX,
    EYE_X86_DX,
    EYE_X86_BX,
    EYE_X86_SP,
    EYE_X86_BP,
    EYE_X86_SI,
    EYE_X86_DI,
    EYE_X86_8,
};
#define EYE_ARM64_FP 29
#define EYE_ARM64_SP 31
#define EYE_NO_REGISTER (-1)

/* What code is read from. */
struct eye_code {
    enum eye_machine machine;

    /** *ret_bytes: what stands at @address, until the next call. Returns how many bytes of it are
     * known: 0, it is no code; else as many as the longest instruction has, or up to the end. */
    size_t (*read)(void *context, uint64_t address, const uint8_t **ret_bytes);

    /** Copies up to @bytes of what stands at @address, code or data. Returns how many. */
    size_t (*copy)(void *context, uint64_t address, void *target, size_t bytes);
    void *context;

    const uint64_t *starts; /* of functions, ascending: nothing runs on into one; may be none */
    size_t start_count;
};

/* The longest instruction of x86-64 (Intel's manual, volume 2, 2.3.11). */
#define EYE_INSTRUCTION_MAX 15

enum eye_flow {
    EYE_FLOW_NEXT,   /* goes on behind it */
    EYE_FLOW_CALL,   /* likewise, when the function that it calls returns */
    EYE_FLOW_BRANCH, /* goes on behind it, or at its target */
    EYE_FLOW_JUMP,   /* goes on at its target */
    EYE_FLOW_RETURN,
    EYE_FLOW_END, /* never goes on: a trap, a call that does not return */
};

/* eye_instruction.stack, .depth: nobody knows. */
#define EYE_STACK_UNKNOWN INT32_MIN
/* eye_instruction.stack: back to what the frame pointer holds, which `frame` bytes are taken off.
 */
#define EYE_STACK_FROM_FRAME INT32_MAX

struct eye_instruction {
    uint64_t address;
    uint64_t target;   /* of a jump, branch or call; 0: not known before it runs, by `from` */
    int64_t number;    /* constant: what `to` becomes; masks */
    uint32_t writes;   /* a bit for each register */
    int32_t stack;     /* bytes by which the stack grows, or EYE_STACK_* */
    int32_t frame;     /* see EYE_STACK_FROM_FRAME */
    int32_t distance;  /* loads, points: from what `from` holds; stores: from what `to` holds */
    int32_t depth;     /* of the stack before it, since the function began; EYE_STACK_UNKNOWN */
    int32_t next;      /* the instruction that runs on from it; -1: none */
    int32_t branch;    /* the one at its target; -1: none */
    uint8_t length;    /* in bytes */
    uint8_t flow;      /* enum eye_flow */
    uint8_t condition; /* of a branch: x86's, 0 .. 15 */
    int8_t to;         /* the register that it sets, when one of the following says how */
    int8_t from;
    bool copies;        /* `to` becomes `from`, or its lower half */
    bool extends;       /* likewise, and the lower half is extended by its sign */
    bool constant;      /* `to` becomes `number` */
    bool points;        /* `to` becomes `from` + distance */
    bool loads;         /* `to` becomes what is stored at `from` + distance, eight or four bytes; of
                         * a jump or call: it goes there */
    bool loads_byte;    /* likewise one byte, and zeros above it */
    bool masks;         /* `to` becomes those bits of `from` that `number` has */
    bool stores;        /* eight bytes of `from` go to where `to` + distance leads */
    bool emulated;      /* by the kernel */
    bool keeps_frame;   /* the frame pointer becomes the stack pointer */
    bool measured;      /* its depth is known, or known not to be */
    bool checks_canary; /* compares with the stack's guard: one way behind it is an abort */
};

/* From one instruction to another. */
struct eye_step {
    uint32_t from;
    uint32_t to;
};

/* Of all jumps by tables of a function. */
#define EYE_CASES_MAX 1024

/* A function: its instructions as they were met, the first one first. */
struct eye_function {
    struct eye_instruction *items; /* owned */
    uint32_t count;
    uint32_t
        *before_first; /* owned, count + 1: where in `before` the row of an instruction begins */
    uint32_t *before;  /* owned: the instructions that run on to it */
    struct eye_step *cases; /* owned: what jumps by a table run on to, beside next and branch */
    uint32_t case_count;
};

/**
 * Fills the fields of one instruction at @address that is at the start of @bytes, but for those
 * that others give it. False: these bytes are none. Of x86-64 after eye_decoder_open() only.
 */
bool eye_decode_x86_64(const uint8_t *bytes, size_t length, uint64_t address,
                       struct eye_instruction *ret_instruction);
bool eye_decode_arm64(const uint8_t *bytes, size_t length, uint64_t address,
                      struct eye_instruction *ret_instruction);

static inline bool eye_decode(enum eye_machine machine, const uint8_t *bytes, size_t length,
                              uint64_t address, struct eye_instruction *ret_instruction)
{
    return machine == EYE_MACHINE_X86_64
               ? eye_decode_x86_64(bytes, length, address, ret_instruction)
               : eye_decode_arm64(bytes, length, address, ret_instruction);
}

/** Opens what reads code of @machine: a library, for x86-64. 0, or a negative errno and a message.
 * As often as you like; from one thread at a time. */
int eye_decoder_open(enum eye_machine machine, struct eye_error *ret_error);

/**
 * Reads the function at @address with all that it jumps to, as far as it can be reached. 0, or a
 * negative errno with a message: -EINVAL, it is no code; -E2BIG, more than EYE_CODE_MAX; -ENOMEM.
 */
int eye_function_read(const struct eye_code *code, uint64_t address,
                      struct eye_function *ret_function, struct eye_error *ret_error);

void eye_function_free(struct eye_function *function);
