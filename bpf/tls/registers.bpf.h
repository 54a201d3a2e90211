/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Registers of the probed process by their numbers. The verifier follows constant offsets into them
 * alone, so each has an arm of its own, which asm keeps the compiler from merging. It is the load
 * itself: of an empty one clang 22 notes a line where the next instruction begins, too, and no
 * kernel takes two lines for one instruction. */
#pragma once

#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>

#define EYE_REGISTER_ARM(number, member)                                                           \
    case number:                                                                                   \
        asm volatile("%0 = *(u64 *)(%1 + %2)"                                                      \
                     : "=r"(value)                                                                 \
                     : "r"(registers), "i"(offsetof(struct pt_regs, member)));                     \
        break;

#if defined(__TARGET_ARCH_x86)

#define eye_stack_pointer(registers) ((registers)->sp)

static __always_inline __u64 eye_register(const struct pt_regs *registers, __u32 number)
{
    __u64 value = 0;
    switch (number) {
        EYE_REGISTER_ARM(0, ax)
        EYE_REGISTER_ARM(1, cx)
        EYE_REGISTER_ARM(2, dx)
        EYE_REGISTER_ARM(3, bx)
        EYE_REGISTER_ARM(5, bp)
        EYE_REGISTER_ARM(6, si)
        EYE_REGISTER_ARM(7, di)
        EYE_REGISTER_ARM(8, r8)
        EYE_REGISTER_ARM(9, r9)
        EYE_REGISTER_ARM(10, r10)
        EYE_REGISTER_ARM(11, r11)
        EYE_REGISTER_ARM(12, r12)
        EYE_REGISTER_ARM(13, r13)
        EYE_REGISTER_ARM(14, r14)
        EYE_REGISTER_ARM(15, r15)
    default:
        break;
    }
    return value;
}

/* A condition of x86, 0 .. 15 (Intel's manual, volume 1, appendix B), as the flags are. */
static __always_inline bool eye_condition(const struct pt_regs *registers, __u32 condition)
{
    __u64 flags = registers->flags;
    bool carry = flags & 1;
    bool parity = flags & 4;
    bool zero = flags & 0x40;
    bool sign = flags & 0x80;
    bool overflow = flags & 0x800;
    bool holds = false;
    switch (condition >> 1 & 7) {
    case 0:
        holds = overflow;
        break;
    case 1:
        holds = carry;
        break;
    case 2:
        holds = zero;
        break;
    case 3:
        holds = carry || zero;
        break;
    case 4:
        holds = sign;
        break;
    case 5:
        holds = parity;
        break;
    case 6:
        holds = sign != overflow;
        break;
    default:
        holds = zero || sign != overflow;
        break;
    }
    return holds != (condition & 1);
}

/* The branch behind a comparison with the end of the stack (jbe) is taken. */
static __always_inline bool eye_stack_grows(const struct pt_regs *registers)
{
    return registers->flags & (1 | 0x40); /* carry, zero */
}

#elif defined(__TARGET_ARCH_arm64)

#define eye_stack_pointer(registers) ((registers)->sp)

static __always_inline __u64 eye_register(const struct pt_regs *registers, __u32 number)
{
    __u64 value = 0;
    switch (number) {
        EYE_REGISTER_ARM(0, regs[0])
        EYE_REGISTER_ARM(1, regs[1])
        EYE_REGISTER_ARM(2, regs[2])
        EYE_REGISTER_ARM(3, regs[3])
        EYE_REGISTER_ARM(4, regs[4])
        EYE_REGISTER_ARM(5, regs[5])
        EYE_REGISTER_ARM(6, regs[6])
        EYE_REGISTER_ARM(7, regs[7])
        EYE_REGISTER_ARM(8, regs[8])
        EYE_REGISTER_ARM(9, regs[9])
        EYE_REGISTER_ARM(10, regs[10])
        EYE_REGISTER_ARM(11, regs[11])
        EYE_REGISTER_ARM(12, regs[12])
        EYE_REGISTER_ARM(13, regs[13])
        EYE_REGISTER_ARM(14, regs[14])
        EYE_REGISTER_ARM(15, regs[15])
        EYE_REGISTER_ARM(16, regs[16])
        EYE_REGISTER_ARM(17, regs[17])
        EYE_REGISTER_ARM(18, regs[18])
        EYE_REGISTER_ARM(19, regs[19])
        EYE_REGISTER_ARM(20, regs[20])
        EYE_REGISTER_ARM(21, regs[21])
        EYE_REGISTER_ARM(22, regs[22])
        EYE_REGISTER_ARM(23, regs[23])
        EYE_REGISTER_ARM(24, regs[24])
        EYE_REGISTER_ARM(25, regs[25])
        EYE_REGISTER_ARM(26, regs[26])
        EYE_REGISTER_ARM(27, regs[27])
        EYE_REGISTER_ARM(28, regs[28])
        EYE_REGISTER_ARM(29, regs[29])
        EYE_REGISTER_ARM(30, regs[30])
    default:
        break;
    }
    return value;
}

/* b.ls is taken. */
static __always_inline bool eye_stack_grows(const struct pt_regs *registers)
{
    return !(registers->pstate & (1UL << 29)) || registers->pstate & (1UL << 30); /* carry, zero */
}

/* No exit has one: each return is a place. */
static __always_inline bool eye_condition(const struct pt_regs *registers, __u32 condition)
{
    (void)registers;
    (void)condition;
    return true;
}

#endif
