/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64 through Zydis. Which instructions the kernel emulates: arch/x86/kernel/uprobes.c,
 * branch_setup_xol_ops() and push_setup_xol_ops(); measured on 6.18.
 */
#include <errno.h>
#include <string.h>

#include "collector/tls/code.h"

#ifdef EYE_STATIC

int eye_decoder_open(enum eye_machine machine, struct eye_error *ret_error)
{
    return machine != EYE_MACHINE_X86_64
               ? 0
               : eye_error_set(ret_error, -ENOSYS,
                               "the static binary cannot read code of x86-64: it has no Zydis");
}

bool eye_decode_x86_64(const uint8_t *bytes, size_t length, uint64_t address,
                       struct eye_instruction *ret_instruction)
{
    (void)bytes;
    (void)length;
    (void)address;
    (void)ret_instruction;
    return false;
}

#else

#include <Zydis/Zydis.h>

#include "exporters/engine/shared_library.h"

#define FUNCTIONS(X)                                                                               \
    X(ZydisDecoderInit)                                                                            \
    X(ZydisDecoderDecodeFull)                                                                      \
    X(ZydisCalcAbsoluteAddress)                                                                    \
    X(ZydisRegisterGetClass)                                                                       \
    X(ZydisRegisterGetId)                                                                          \
    X(ZydisRegisterGetLargestEnclosing)

struct zydis {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares a name */
#define X(name) __typeof__(&(name)) name;
    FUNCTIONS(X)
#undef X
};

static const struct eye_symbol symbols[] = {
#define X(name) EYE_SYMBOL(name, struct zydis, name),
    FUNCTIONS(X)
#undef X
};

static struct zydis zydis;
static ZydisDecoder decoder;

int eye_decoder_open(enum eye_machine machine, struct eye_error *ret_error)
{
    if (machine != EYE_MACHINE_X86_64 || zydis.ZydisDecoderInit != NULL) {
        return 0;
    }
    struct zydis found;
    int result = eye_shared_library_open(EYE_ZYDIS_FILE, EYE_ZYDIS_PACKAGE, symbols,
                                         sizeof(symbols) / sizeof(symbols[0]), &found, ret_error);
    if (result != 0) {
        return result;
    }
    if (!ZYAN_SUCCESS(
            found.ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64))) {
        return eye_error_set(ret_error, -ELIBACC, "%s is of another version than its headers",
                             EYE_ZYDIS_FILE);
    }
    zydis = found;
    return 0;
}

/* Registers that a function which is called need not preserve (System V ABI, x86-64, 3.2.1). */
#define CALL_WRITES                                                                                \
    (1U << EYE_X86_AX | 1U << EYE_X86_CX | 1U << EYE_X86_DX | 1U << EYE_X86_SI |                   \
     1U << EYE_X86_DI | 0xfU << EYE_X86_8)

#define GUARD_OFFSET 0x28 /* of the stack's guard, in the segment of %fs: gcc's and clang's */

static bool is_prefix(uint8_t byte)
{
    return byte == 0x66 || byte == 0x67 || byte == 0xf2 || byte == 0xf3 || byte == 0x64 ||
           byte == 0x65;
}

/* Prefixes with which the kernel takes no probe at all. */
static bool is_refused_prefix(uint8_t byte)
{
    return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0xf0;
}

static bool is_emulated_long(uint8_t second, uint8_t length, bool narrow)
{
    if (second == 0x1f) {
        return length <= 8; /* a nop */
    }
    return second >= 0x80 && second <= 0x8f && !narrow; /* a branch */
}

static bool is_emulated(const uint8_t *bytes, uint8_t length)
{
    size_t at = 0;
    bool narrow = false;
    while (at < length && (is_prefix(bytes[at]) || is_refused_prefix(bytes[at]))) {
        if (is_refused_prefix(bytes[at])) {
            return false;
        }
        narrow |= bytes[at] == 0x66;
        at++;
    }
    uint8_t wide = at < length && (bytes[at] & 0xf0) == 0x40 ? bytes[at++] : 0;
    if (at >= length) {
        return false;
    }
    uint8_t code = bytes[at];
    if (code == 0x0f) {
        return at + 1 < length && is_emulated_long(bytes[at + 1], length, narrow);
    }
    if (code >= 0x50 && code <= 0x57) { /* push */
        return length == 1 || (length == 2 && wide == 0x41);
    }
    bool jumps = code == 0xe8 || code == 0xe9 || code == 0xeb || (code >= 0x70 && code <= 0x7f);
    return code == 0x90 || (jumps && !narrow);
}

static int8_t register_of(ZydisRegister name)
{
    if (name == ZYDIS_REGISTER_NONE) {
        return EYE_NO_REGISTER;
    }
    ZydisRegister whole = zydis.ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, name);
    return zydis.ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64
               ? (int8_t)zydis.ZydisRegisterGetId(whole)
               : EYE_NO_REGISTER;
}

static uint8_t flow_of(const ZydisDecodedInstruction *decoded)
{
    switch (decoded->meta.category) {
    case ZYDIS_CATEGORY_CALL:
        return EYE_FLOW_CALL;
    case ZYDIS_CATEGORY_RET:
        return EYE_FLOW_RETURN;
    case ZYDIS_CATEGORY_UNCOND_BR:
        return EYE_FLOW_JUMP;
    case ZYDIS_CATEGORY_COND_BR:
        return EYE_FLOW_BRANCH;
    default:
        break;
    }
    bool traps = decoded->mnemonic == ZYDIS_MNEMONIC_UD2 ||
                 decoded->mnemonic == ZYDIS_MNEMONIC_INT3 ||
                 decoded->mnemonic == ZYDIS_MNEMONIC_HLT;
    return traps ? EYE_FLOW_END : EYE_FLOW_NEXT;
}

static uint32_t written_registers(const ZydisDecodedInstruction *decoded,
                                  const ZydisDecodedOperand *operands)
{
    uint32_t writes = 0;
    for (uint8_t i = 0; i < decoded->operand_count; i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            (operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) {
            int8_t number = register_of(operands[i].reg.value);
            writes |= number >= 0 ? 1U << number : 0;
        }
    }
    return writes;
}

static bool reads_guard(const ZydisDecodedInstruction *decoded, const ZydisDecodedOperand *operands)
{
    bool compares = decoded->mnemonic == ZYDIS_MNEMONIC_SUB ||
                    decoded->mnemonic == ZYDIS_MNEMONIC_XOR ||
                    decoded->mnemonic == ZYDIS_MNEMONIC_CMP;
    for (uint8_t i = 0; compares && i < decoded->operand_count; i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            operands[i].mem.segment == ZYDIS_REGISTER_FS &&
            operands[i].mem.disp.value == GUARD_OFFSET) {
            return true;
        }
    }
    return false;
}

/* A plain address: a register and a distance. */
static bool is_plain(const ZydisDecodedOperand *operand)
{
    return operand->type == ZYDIS_OPERAND_TYPE_MEMORY &&
           operand->mem.index == ZYDIS_REGISTER_NONE && operand->mem.segment != ZYDIS_REGISTER_FS &&
           operand->mem.segment != ZYDIS_REGISTER_GS && register_of(operand->mem.base) >= 0 &&
           operand->mem.disp.value == (int32_t)operand->mem.disp.value;
}

/* What becomes of what is its first operand: a register, or memory. */
static void note_value(const ZydisDecodedInstruction *decoded, const ZydisDecodedOperand *operands,
                       struct eye_instruction *instruction)
{
    const ZydisDecodedOperand *to = &operands[0];
    const ZydisDecodedOperand *from = &operands[1];
    if (decoded->mnemonic == ZYDIS_MNEMONIC_CDQE) {
        instruction->to = EYE_X86_AX;
        instruction->from = EYE_X86_AX;
        instruction->copies = true;
        instruction->extends = true;
        return;
    }
    if (decoded->mnemonic == ZYDIS_MNEMONIC_MOV && is_plain(to) && to->size == 64 &&
        from->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        instruction->to = register_of(to->mem.base);
        instruction->from = register_of(from->reg.value);
        instruction->distance = (int32_t)to->mem.disp.value;
        instruction->stores = instruction->from >= 0;
        return;
    }
    if (decoded->operand_count < 2 || to->type != ZYDIS_OPERAND_TYPE_REGISTER || to->size < 32) {
        return;
    }
    bool moves =
        decoded->mnemonic == ZYDIS_MNEMONIC_MOV || decoded->mnemonic == ZYDIS_MNEMONIC_MOVSXD;
    instruction->to = register_of(to->reg.value);
    if (moves && from->type == ZYDIS_OPERAND_TYPE_REGISTER && from->size >= 32) {
        instruction->from = register_of(from->reg.value);
        instruction->copies = instruction->from >= 0;
        instruction->extends = decoded->mnemonic == ZYDIS_MNEMONIC_MOVSXD;
    } else if (moves && from->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        instruction->constant = true;
        instruction->number = from->imm.value.s;
    } else if (decoded->mnemonic == ZYDIS_MNEMONIC_XOR &&
               from->type == ZYDIS_OPERAND_TYPE_REGISTER && from->reg.value == to->reg.value) {
        instruction->constant = true;
    } else if (decoded->mnemonic == ZYDIS_MNEMONIC_LEA && from->mem.base == ZYDIS_REGISTER_RIP &&
               from->mem.index == ZYDIS_REGISTER_NONE) {
        instruction->constant = true;
        instruction->number =
            (int64_t)(instruction->address + instruction->length + (uint64_t)from->mem.disp.value);
    } else if ((decoded->mnemonic == ZYDIS_MNEMONIC_ADD ||
                decoded->mnemonic == ZYDIS_MNEMONIC_AND) &&
               from->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        instruction->from = instruction->to;
        instruction->number = from->imm.value.s;
        instruction->distance = (int32_t)from->imm.value.s;
        instruction->points = decoded->mnemonic == ZYDIS_MNEMONIC_ADD && to->size == 64;
        instruction->masks = decoded->mnemonic == ZYDIS_MNEMONIC_AND;
    } else if (decoded->mnemonic == ZYDIS_MNEMONIC_MOVZX && from->size == 8 && is_plain(from)) {
        instruction->from = register_of(from->mem.base);
        instruction->distance = (int32_t)from->mem.disp.value;
        instruction->loads_byte = true;
    } else if ((moves || decoded->mnemonic == ZYDIS_MNEMONIC_LEA) && is_plain(from)) {
        instruction->from = register_of(from->mem.base);
        instruction->distance = (int32_t)from->mem.disp.value;
        instruction->points = decoded->mnemonic == ZYDIS_MNEMONIC_LEA;
        instruction->loads = moves;
    }
}

static int32_t immediate_of(const ZydisDecodedOperand *operand)
{
    return operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
                   operand->imm.value.s == (int16_t)operand->imm.value.s
               ? (int32_t)operand->imm.value.s
               : EYE_STACK_UNKNOWN;
}

static int32_t negative(int32_t amount)
{
    return amount == EYE_STACK_UNKNOWN ? amount : -amount;
}

/* How the stack pointer changes, of an instruction that writes it. */
static void note_stack(const ZydisDecodedInstruction *decoded, const ZydisDecodedOperand *operands,
                       struct eye_instruction *instruction)
{
    switch (decoded->mnemonic) {
    case ZYDIS_MNEMONIC_PUSH:
        instruction->stack = 8;
        return;
    case ZYDIS_MNEMONIC_POP:
        instruction->stack = -8;
        return;
    case ZYDIS_MNEMONIC_SUB:
        instruction->stack = immediate_of(&operands[1]);
        return;
    case ZYDIS_MNEMONIC_ADD:
        instruction->stack = negative(immediate_of(&operands[1]));
        return;
    case ZYDIS_MNEMONIC_LEAVE:
        instruction->stack = EYE_STACK_FROM_FRAME;
        instruction->frame = -8;
        return;
    default:
        break;
    }
    if (instruction->points && instruction->from == EYE_X86_SP) {
        instruction->stack = -instruction->distance;
    } else if ((instruction->points || instruction->copies) && instruction->from == EYE_X86_BP) {
        instruction->stack = EYE_STACK_FROM_FRAME;
        instruction->frame = instruction->points ? -instruction->distance : 0;
    } else {
        instruction->stack = EYE_STACK_UNKNOWN;
    }
}

/* Where a jump or call goes that is not known before it runs. */
static void note_way(const ZydisDecodedOperand *way, struct eye_instruction *instruction)
{
    if (way->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        instruction->from = register_of(way->reg.value);
    } else if (is_plain(way)) {
        instruction->from = register_of(way->mem.base);
        instruction->distance = (int32_t)way->mem.disp.value;
        instruction->loads = true;
    }
}

bool eye_decode_x86_64(const uint8_t *bytes, size_t length, uint64_t address,
                       struct eye_instruction *ret_instruction)
{
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(zydis.ZydisDecoderDecodeFull(&decoder, bytes, length, &decoded, operands))) {
        return false;
    }
    *ret_instruction = (struct eye_instruction){
        .address = address,
        .length = decoded.length,
        .flow = flow_of(&decoded),
        .condition = decoded.opcode & 15,
        .to = EYE_NO_REGISTER,
        .from = EYE_NO_REGISTER,
        .emulated = is_emulated(bytes, decoded.length),
        .checks_canary = reads_guard(&decoded, operands),
    };
    bool calls = ret_instruction->flow == EYE_FLOW_CALL;
    ret_instruction->writes = calls ? CALL_WRITES : written_registers(&decoded, operands);
    bool goes =
        calls || ret_instruction->flow == EYE_FLOW_JUMP || ret_instruction->flow == EYE_FLOW_BRANCH;
    if (goes && operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        ZyanU64 target = 0;
        zydis.ZydisCalcAbsoluteAddress(&decoded, &operands[0], address, &target);
        ret_instruction->target = target;
    }
    if (goes) {
        note_way(&operands[0], ret_instruction);
        return true;
    }
    note_value(&decoded, operands, ret_instruction);
    ret_instruction->keeps_frame = ret_instruction->copies && ret_instruction->to == EYE_X86_BP &&
                                   ret_instruction->from == EYE_X86_SP;
    if (ret_instruction->writes & 1U << EYE_X86_SP && ret_instruction->flow == EYE_FLOW_NEXT) {
        note_stack(&decoded, operands, ret_instruction);
    }
    return true;
}

#endif
