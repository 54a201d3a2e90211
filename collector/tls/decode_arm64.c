/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arm64, as far as sites need it (Arm Architecture Reference Manual, C4.1). What the kernel
 * simulates: arch/arm64/kernel/probes/decode-insn.c; LDR of a literal is not counted among it,
 * since kernels before autumn of 2024 computed it wrongly and those after refuse it, nor NOP, which
 * is from 6.13 on.
 *
 * A return is simulated, so a result is looked for where it is certain to be, and only what leads
 * to the entry has to be known well: which registers an instruction writes.
 */
#include <string.h>

#include "collector/tls/code.h"

#define WORD_BYTES 4
#define ALL_REGISTERS 0xffffffffU
/* x19 .. x29 and the stack pointer are the caller's (AAPCS64, 6.1.1). */
#define CALL_WRITES 0x4007ffffU

/* The @bits of @word from @low on, with their sign. */
static int64_t signed_field(uint32_t word, unsigned low, unsigned bits)
{
    uint64_t field = (uint64_t)(word >> low) << (64 - bits);
    return (int64_t)field >> (64 - bits);
}

static uint64_t branch_target(uint64_t address, uint32_t word, unsigned low, unsigned bits)
{
    return address + (uint64_t)(signed_field(word, low, bits) * WORD_BYTES);
}

static bool decode_flow(uint32_t word, struct eye_instruction *instruction)
{
    uint64_t address = instruction->address;
    if ((word & 0x7c000000) == 0x14000000) { /* B, BL */
        instruction->flow = word >> 31 ? EYE_FLOW_CALL : EYE_FLOW_JUMP;
        instruction->target = branch_target(address, word, 0, 26);
    } else if ((word & 0xff000010) == 0x54000000 || (word & 0x7e000000) == 0x34000000) {
        instruction->flow = EYE_FLOW_BRANCH; /* B.cond, CBZ, CBNZ */
        instruction->target = branch_target(address, word, 5, 19);
    } else if ((word & 0x7e000000) == 0x36000000) { /* TBZ, TBNZ */
        instruction->flow = EYE_FLOW_BRANCH;
        instruction->target = branch_target(address, word, 5, 14);
    } else if ((word & 0xfffffc1f) == 0xd61f0000) { /* BR */
        instruction->flow = EYE_FLOW_JUMP;
        instruction->from = word >> 5 & 31;
    } else if ((word & 0xfffffc1f) == 0xd63f0000) { /* BLR */
        instruction->flow = EYE_FLOW_CALL;
    } else if ((word & 0xfffffc1f) == 0xd65f0000) { /* RET */
        instruction->flow = EYE_FLOW_RETURN;
    } else {
        return false;
    }
    instruction->emulated = true;
    instruction->writes = instruction->flow == EYE_FLOW_CALL ? CALL_WRITES : 0;
    return true;
}

/* Data processing, with an immediate or registers: Rd is written. */
static void decode_data(uint32_t word, struct eye_instruction *instruction)
{
    int8_t to = word & 31;
    bool adds = (word & 0xff800000) == 0x91000000;      /* ADD of 64 bits */
    bool subtracts = (word & 0xff800000) == 0xd1000000; /* SUB */
    instruction->to = to;
    instruction->writes = 1U << to;
    if ((word & 0x7fe0ffe0) == 0x2a0003e0) { /* MOV: ORR with the zero register */
        instruction->from = word >> 16 & 31;
        instruction->copies = true;
    } else if ((word & 0x9f000000) == 0x90000000) { /* ADRP */
        int64_t pages = signed_field(word, 5, 19) * 4 + (word >> 29 & 3);
        instruction->constant = true;
        instruction->emulated = true;
        instruction->number =
            (int64_t)((instruction->address & ~0xfffULL) + (uint64_t)(pages * 4096));
    } else if ((word & 0xffff8000) == 0x12000000) { /* AND of 32 bits with the lowest ones */
        instruction->from = word >> 5 & 31;
        instruction->masks = true;
        instruction->number = (int64_t)((2ULL << (word >> 10 & 31)) - 1);
    } else if (adds || subtracts) {
        int32_t amount = (int32_t)((word >> 10 & 0xfff) << (word >> 22 & 1 ? 12 : 0));
        instruction->from = word >> 5 & 31;
        instruction->points = true;
        instruction->distance = adds ? amount : -amount;
        instruction->keeps_frame =
            to == EYE_ARM64_FP && instruction->from == EYE_ARM64_SP && amount == 0;
        if (to == EYE_ARM64_SP && instruction->from == EYE_ARM64_SP) {
            instruction->stack = -instruction->distance;
        } else if (to == EYE_ARM64_SP) {
            instruction->stack =
                instruction->from == EYE_ARM64_FP ? EYE_STACK_FROM_FRAME : EYE_STACK_UNKNOWN;
            instruction->frame = -instruction->distance;
        }
    }
}

/* Of pairs, or of single registers with a distance: before or behind the access the base moves. */
static void move_base(uint32_t word, bool pair, struct eye_instruction *instruction)
{
    uint32_t base = word >> 5 & 31;
    bool moves = pair ? (word >> 23 & 1) != 0 : (word & 0x01200400) == 0x00000400;
    int64_t distance =
        pair ? signed_field(word, 15, 7) * (word >> 31 ? 8 : 4) : signed_field(word, 12, 9);
    if (moves) {
        instruction->writes |= 1U << base;
        instruction->stack = base == EYE_ARM64_SP ? (int32_t)-distance : 0;
    }
}

/* STR of eight bytes, distance unsigned; the first register of STP. */
static void note_store(uint32_t word, struct eye_instruction *instruction)
{
    bool single = (word & 0xffc00000) == 0xf9000000;
    bool pair = (word & 0xffc00000) == 0xa9000000;
    if (single || pair) {
        instruction->to = word >> 5 & 31;
        instruction->from = word & 31;
        instruction->distance =
            single ? (int32_t)((word >> 10 & 0xfff) * 8) : (int32_t)(signed_field(word, 15, 7) * 8);
        instruction->stores = true;
    }
}

/* Loads and stores: of exclusive and atomic ones anything may be written. */
static void decode_access(uint32_t word, struct eye_instruction *instruction)
{
    bool pair = (word & 0x38000000) == 0x28000000;
    bool single = (word & 0x38000000) == 0x38000000;
    bool of_vectors = word >> 26 & 1;
    bool loads = pair ? (word >> 22 & 1) != 0 : (word >> 22 & 3) != 0;
    if (!pair && !single) {
        instruction->writes = ALL_REGISTERS;
        return;
    }
    if (loads && !of_vectors) {
        instruction->writes = 1U << (word & 31);
        instruction->writes |= pair ? 1U << (word >> 10 & 31) : 0;
    }
    move_base(word, pair, instruction);
    if ((word & 0xbfc00000) == 0xb9400000) { /* LDR of 4 or 8 bytes, distance unsigned */
        instruction->to = word & 31;
        instruction->from = word >> 5 & 31;
        instruction->loads = true;
        instruction->distance = (int32_t)((word >> 10 & 0xfff) << (word >> 30));
    }
    if ((word & 0xffc00000) == 0x39400000) { /* LDRB, distance unsigned */
        instruction->to = word & 31;
        instruction->from = word >> 5 & 31;
        instruction->loads_byte = true;
        instruction->distance = (int32_t)(word >> 10 & 0xfff);
    }
    note_store(word, instruction);
}

/* By the four bits that tell the groups of instructions apart. */
static void decode_rest(uint32_t word, struct eye_instruction *instruction)
{
    uint32_t group = word >> 25 & 15;
    if ((group & 5) == 4) {
        decode_access(word, instruction);
    } else if ((group & 14) == 8 || (group & 7) == 5) {
        decode_data(word, instruction);
    } else {
        instruction->writes = 1U << (word & 31); /* system registers, vectors */
    }
}

bool eye_decode_arm64(const uint8_t *bytes, size_t length, uint64_t address,
                      struct eye_instruction *ret_instruction)
{
    uint32_t word = 0;
    if (length < WORD_BYTES || address % WORD_BYTES != 0) {
        return false;
    }
    memcpy(&word, bytes, sizeof(word));
    *ret_instruction = (struct eye_instruction){
        .address = address,
        .length = WORD_BYTES,
        .flow = (word >> 16) == 0 ? EYE_FLOW_END : EYE_FLOW_NEXT, /* UDF */
        .to = EYE_NO_REGISTER,
        .from = EYE_NO_REGISTER,
    };
    if (ret_instruction->flow == EYE_FLOW_NEXT && !decode_flow(word, ret_instruction)) {
        decode_rest(word, ret_instruction);
    }
    return true;
}
