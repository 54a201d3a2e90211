/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tls/member.h"

#include <errno.h>

#include "collector/base/base.h"

/* Members beyond that are none of a session. */
#define DISTANCE_MAX 0x4000
/* Before a random there is at least the version. */
#define DISTANCE_MIN 4

/* What registers may hold when an instruction is reached: masks, which only grow. */
struct held {
    uint32_t argument; /* the function's first one */
    uint32_t pointer;  /* what was loaded from it */
};

struct flow {
    const struct eye_function *function;
    struct held *before; /* by instruction */
    uint16_t distance;   /* of the pointer that was loaded */
    bool changed;
};

static void meet(struct flow *flow, int32_t index, struct held held)
{
    if (index >= 0 && ((held.argument & ~flow->before[index].argument) ||
                       (held.pointer & ~flow->before[index].pointer))) {
        flow->before[index].argument |= held.argument;
        flow->before[index].pointer |= held.pointer;
        flow->changed = true;
    }
}

static bool is_member(const struct eye_instruction *item)
{
    return item->distance >= DISTANCE_MIN && item->distance < DISTANCE_MAX;
}

static bool holds(uint32_t mask, int8_t reg)
{
    return reg >= 0 && mask >> reg & 1;
}

static struct held run(struct flow *flow, const struct eye_instruction *item, struct held held)
{
    struct held behind = {held.argument & ~item->writes, held.pointer & ~item->writes};
    if (item->copies && !item->extends) {
        behind.argument |= holds(held.argument, item->from) ? 1U << item->to : 0;
        behind.pointer |= holds(held.pointer, item->from) ? 1U << item->to : 0;
    } else if (item->loads && item->to >= 0 && is_member(item) &&
               holds(held.argument, item->from)) {
        flow->distance = (uint16_t)item->distance;
        behind.pointer |= 1U << item->to;
    }
    return behind;
}

/* Grows until nothing changes: at most 64 times for each instruction. */
static void propagate(struct flow *flow, uint8_t first)
{
    meet(flow, 0, (struct held){.argument = 1U << first});
    while (flow->changed) {
        flow->changed = false;
        for (uint32_t i = 0; i < flow->function->count; i++) {
            const struct eye_instruction *item = &flow->function->items[i];
            struct held behind = run(flow, item, flow->before[i]);
            meet(flow, item->next, behind);
            meet(flow, item->branch, behind);
        }
    }
}

/* Which bits of what an instruction loads a function returns: all, or those that the next one
 * leaves; 0: it does not return it as it is. */
static uint32_t returned_bits(const struct eye_function *function,
                              const struct eye_instruction *item)
{
    const struct eye_instruction *next = item->next < 0 ? NULL : &function->items[item->next];
    if (!item->loads && !item->loads_byte) {
        return 0;
    }
    if (next != NULL && next->masks && next->from == item->to && next->to == 0) {
        return (uint32_t)next->number & (item->loads_byte ? UINT8_MAX : UINT32_MAX);
    }
    return item->loads && item->to == 0 ? UINT32_MAX : 0;
}

static bool is_wanted(const struct flow *flow, uint32_t index, bool address)
{
    const struct eye_instruction *item = &flow->function->items[index];
    const struct held *held = &flow->before[index];
    bool from_session = holds(held->argument, item->from);
    return is_member(item) &&
           (address ? item->points && (from_session || holds(held->pointer, item->from))
                    : from_session && returned_bits(flow->function, item) != 0);
}

/* The first one in the file: what follows may belong to another member. */
static struct eye_tls_member choose(const struct flow *flow, bool address)
{
    const struct eye_instruction *chosen = NULL;
    struct eye_tls_member member = {0};
    for (uint32_t i = 0; i < flow->function->count; i++) {
        const struct eye_instruction *item = &flow->function->items[i];
        if (is_wanted(flow, i, address) && (chosen == NULL || item->address < chosen->address)) {
            chosen = item;
            member.offset = (uint16_t)item->distance;
            member.pointer = holds(flow->before[i].argument, item->from) ? 0 : flow->distance;
            member.mask = returned_bits(flow->function, item);
        }
    }
    return member;
}

struct eye_tls_member eye_tls_member_find(const struct eye_code *code, uint64_t function,
                                          bool address)
{
    struct eye_tls_member member = {0};
    struct eye_function read;
    if (function == 0 || eye_function_read(code, function, &read, NULL) != 0) {
        return member;
    }
    struct flow flow = {.function = &read, .before = calloc(read.count + 1, sizeof(struct held))};
    if (flow.before != NULL) {
        propagate(&flow, code->machine == EYE_MACHINE_X86_64 ? EYE_X86_DI : 0);
        member = choose(&flow, address);
        free(flow.before);
    }
    eye_function_free(&read);
    return member;
}
