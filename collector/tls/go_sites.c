/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tls/go_sites.h"

#include <errno.h>
#include <string.h>

#include "collector/base/base.h"

/* The comparison with the end of the stack is among so many first instructions. */
#define PROLOGUE_MAX 4
#define WORD_BYTES 8
/* cmp 0x10(%r14),%rsp, or %r12 behind a large frame: without its first byte. */
#define X86_COMPARISON "\x3b\x66\x10"
/* ldr x16, [x28, #16] */
#define ARM64_COMPARISON 0xf9400b90U

struct walk {
    const struct eye_code *code;
    const struct eye_go_function *function;
    uint64_t at;
    uint32_t count; /* instructions so far */
    struct eye_instruction item;
    uint8_t bytes[EYE_INSTRUCTION_MAX];
};

static uint8_t go_register(enum eye_machine machine, uint8_t argument)
{
    static const uint8_t x86[] = {EYE_X86_AX, EYE_X86_BX, EYE_X86_CX,   EYE_X86_DI,
                                  EYE_X86_SI, EYE_X86_8,  EYE_X86_8 + 1};
    return machine == EYE_MACHINE_X86_64 ? x86[argument] : argument;
}

static uint8_t stack_register(enum eye_machine machine)
{
    return machine == EYE_MACHINE_X86_64 ? EYE_X86_SP : EYE_ARM64_SP;
}

/* The next instruction: a function has them in a row. False: it ends, or there is no code. */
static bool step(struct walk *walk)
{
    const uint8_t *bytes;
    size_t length = walk->at >= walk->function->end || walk->count == EYE_CODE_MAX
                        ? 0
                        : walk->code->read(walk->code->context, walk->at, &bytes);
    bool known =
        length > 0 && eye_decode(walk->code->machine, bytes, length, walk->at, &walk->item);
    if (known) {
        memcpy(walk->bytes, bytes, walk->item.length);
        walk->at += walk->item.length;
        walk->count++;
    }
    return known;
}

static bool compares_with_stack(const struct walk *walk)
{
    uint32_t word;
    memcpy(&word, walk->bytes, sizeof(word));
    return walk->code->machine == EYE_MACHINE_X86_64
               ? walk->item.length == sizeof(word) &&
                     memcmp(walk->bytes + 1, X86_COMPARISON, sizeof(X86_COMPARISON) - 1) == 0
               : word == ARM64_COMPARISON;
}

/* Goes to the branch of the prologue. It is also what shows that there is a function. */
static bool go_to_branch(struct walk *walk)
{
    bool compared = false;
    for (int i = 0; i < PROLOGUE_MAX && step(walk); i++) {
        compared |= compares_with_stack(walk);
        if (walk->item.flow != EYE_FLOW_NEXT) {
            return compared && walk->item.flow == EYE_FLOW_BRANCH && walk->item.emulated;
        }
    }
    return false;
}

static void take_site(const struct walk *walk, const uint8_t *arguments, uint8_t count,
                      struct eye_site *ret_site)
{
    *ret_site = (struct eye_site){.address = walk->item.address, .condition = EYE_SITE_ALWAYS};
    for (uint8_t i = 0; i < count; i++) {
        ret_site->registers[i] = go_register(walk->code->machine, arguments[i]);
    }
}

int eye_go_entry_find(const struct eye_code *code, const struct eye_go_function *function,
                      const uint8_t *arguments, uint8_t count, struct eye_site *ret_site,
                      struct eye_error *ret_error)
{
    struct walk walk = {.code = code, .function = function, .at = function->begin};
    if (function->begin == 0 || !go_to_branch(&walk)) {
        return eye_error_set(ret_error, -ENOENT, "%s %s", function->name,
                             function->begin == 0 ? "is not in it"
                                                  : "does not begin like a function of Go");
    }
    take_site(&walk, arguments, count, ret_site);
    ret_site->condition = walk.item.condition;
    return 0;
}

/* What is known of the first argument and of the stack, from the prologue on. */
struct kept {
    uint32_t held; /* registers that hold the argument, a bit for each */
    int32_t depth; /* of the stack; EYE_STACK_UNKNOWN */
    bool straight; /* nothing was called yet */
    int32_t at;    /* where it was stored, from the stack pointer; 0: nowhere */
    bool spoilt;   /* something else was stored there */
};

static void note_kept(const struct walk *walk, struct kept *kept)
{
    const struct eye_instruction *item = &walk->item;
    bool home = item->stores && item->to == (int8_t)stack_register(walk->code->machine) &&
                kept->depth != EYE_STACK_UNKNOWN && item->distance == kept->depth + WORD_BYTES;
    if (home) {
        bool holds = kept->straight && kept->held >> item->from & 1;
        kept->spoilt |= !holds;
        kept->at = holds ? item->distance : kept->at;
    }
    if (!kept->straight) {
        return;
    }
    bool copied = item->copies && kept->held >> item->from & 1;
    kept->held &= ~item->writes;
    kept->held |= copied ? 1U << item->to : 0;
    kept->depth = item->stack == EYE_STACK_UNKNOWN || item->stack == EYE_STACK_FROM_FRAME ||
                          kept->depth == EYE_STACK_UNKNOWN
                      ? EYE_STACK_UNKNOWN
                      : kept->depth + item->stack;
    kept->straight = item->flow == EYE_FLOW_NEXT;
}

int eye_go_call_find(const struct eye_code *code, const struct eye_go_function *function,
                     uint64_t called, const uint8_t *arguments, uint8_t count,
                     struct eye_site *ret_site, struct eye_error *ret_error)
{
    struct walk walk = {.code = code, .function = function, .at = function->begin};
    struct kept kept = {.held = 1U << go_register(code->machine, 0), .straight = true};
    int calls = 0;
    if (function->begin == 0 || called == 0 || !go_to_branch(&walk)) {
        return eye_error_set(ret_error, -ENOENT, "%s does not begin like a function of Go",
                             function->name);
    }
    while (step(&walk)) {
        note_kept(&walk, &kept);
        if (walk.item.flow == EYE_FLOW_CALL && walk.item.target == called && walk.item.emulated) {
            take_site(&walk, arguments, count, ret_site);
            calls++;
        }
    }
    ret_site->kept = true;
    ret_site->frame = (uint16_t)kept.at;
    if (calls != 1 || kept.at <= 0 || kept.at > UINT16_MAX || kept.spoilt) {
        return eye_error_set(ret_error, -ENOENT, "%s: %s", function->name,
                             calls != 1 ? "where it copies what it has read is not found"
                                        : "where it keeps its connection is not found");
    }
    return 0;
}
