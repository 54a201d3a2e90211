/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tls/sites.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "collector/base/base.h"

#define REGISTERS 32
#define FRAME_MAX UINT16_MAX

/* What of a way out is not known yet: the value that leaves is in @reg before @index. */
struct open_way {
    uint32_t index;
    uint8_t reg;
    bool half;
};

struct search {
    const struct eye_function *function;
    const struct eye_asked *asked;
    enum eye_machine machine;
    struct eye_sites *sites;
    uint32_t *seen; /* a bit for each register: the way was followed from here */
    struct open_way *ways;
    uint32_t way_count;
};

static uint8_t argument_register(enum eye_machine machine, uint8_t argument)
{
    static const uint8_t x86[] = {EYE_X86_DI, EYE_X86_SI, EYE_X86_DX,
                                  EYE_X86_CX, EYE_X86_8,  EYE_X86_8 + 1};
    return machine == EYE_MACHINE_X86_64 ? x86[argument] : argument;
}

/* Bytes from the stack pointer to where it was before the function was called; -1: not known. A
 * return finds it where the call has left it. */
static int32_t frame_at(const struct search *search, uint32_t index)
{
    bool returns = search->function->items[index].flow == EYE_FLOW_RETURN;
    int32_t depth = returns ? 0 : search->function->items[index].depth;
    int32_t called = search->machine == EYE_MACHINE_X86_64 ? 8 : 0;
    return depth < 0 || depth > FRAME_MAX - called ? -1 : depth + called;
}

/* ---- Entry ---- */

/* Registers that hold an argument, a mask for each. */
struct held {
    uint32_t masks[EYE_ARGUMENTS_MAX];
};

static void move_arguments(const struct eye_instruction *item, uint8_t count, struct held *held)
{
    for (uint8_t i = 0; i < count; i++) {
        bool copied = item->copies && !item->extends && held->masks[i] >> item->from & 1;
        held->masks[i] &= ~item->writes;
        if (copied) {
            held->masks[i] |= 1U << item->to;
        }
    }
}

static bool has_all(const struct held *held, uint8_t count)
{
    for (uint8_t i = 0; i < count; i++) {
        if (held->masks[i] == 0) {
            return false;
        }
    }
    return true;
}

/* The instruction at @index as the entry, if a probe may stand there. */
static bool take_entry(const struct search *search, uint32_t index, const struct held *held)
{
    const struct eye_instruction *item = &search->function->items[index];
    int32_t frame = frame_at(search, index);
    if (!item->emulated || frame < 0) {
        return false;
    }
    struct eye_site *entry = &search->sites->entry;
    *entry = (struct eye_site){
        .address = item->address, .condition = EYE_SITE_ALWAYS, .frame = (uint16_t)frame};
    for (uint8_t i = 0; i < search->asked->argument_count; i++) {
        entry->registers[i] = (uint8_t)__builtin_ctz(held->masks[i]);
    }
    return true;
}

/* Straight ahead from the first instruction, once around at most: a branch may be the place,
 * nothing behind it. */
static int find_entry(const struct search *search)
{
    const struct eye_asked *asked = search->asked;
    struct held held = {0};
    int32_t index = 0;
    for (uint8_t i = 0; i < asked->argument_count; i++) {
        held.masks[i] = 1U << argument_register(search->machine, asked->arguments[i]);
    }
    for (uint32_t i = 0; i < search->function->count && index >= 0; i++) {
        const struct eye_instruction *item = &search->function->items[index];
        if (!has_all(&held, asked->argument_count)) {
            break;
        }
        if (take_entry(search, (uint32_t)index, &held)) {
            return 0;
        }
        if (item->flow == EYE_FLOW_BRANCH) {
            break;
        }
        move_arguments(item, asked->argument_count, &held);
        index = item->flow == EYE_FLOW_JUMP ? item->branch : item->next;
    }
    return -ENOENT;
}

/* ---- Exits ---- */

static bool add_exit(struct search *search, uint32_t index, const struct open_way *way,
                     uint8_t condition, bool stepped)
{
    struct eye_sites *sites = search->sites;
    const struct eye_instruction *item = &search->function->items[index];
    int32_t frame = frame_at(search, index);
    struct eye_site site = {.address = item->address,
                            .registers = {way->reg},
                            .condition = condition,
                            .half = way->half,
                            .stepped = stepped,
                            .frame = (uint16_t)frame};
    for (uint32_t i = 0; i < sites->exit_count; i++) {
        const struct eye_site *other = &sites->exits[i];
        if (other->address == site.address && other->registers[0] == site.registers[0] &&
            other->condition == site.condition && other->half == site.half) {
            return true;
        }
    }
    if (frame < 0 || sites->exit_count == EYE_EXITS_MAX) {
        return false;
    }
    sites->exits[sites->exit_count++] = site;
    return true;
}

static void open_way(struct search *search, uint32_t index, uint8_t reg, bool half)
{
    uint32_t bit = 1U << reg;
    if (!(search->seen[index] & bit)) {
        search->seen[index] |= bit;
        search->ways[search->way_count++] = (struct open_way){index, reg, half};
    }
}

/* What runs on from here ends before it branches or returns. */
static bool aborts(const struct eye_function *function, int32_t index)
{
    while (index >= 0) {
        const struct eye_instruction *item = &function->items[index];
        if (item->flow == EYE_FLOW_END) {
            return true;
        }
        if (item->flow == EYE_FLOW_RETURN || item->flow == EYE_FLOW_BRANCH ||
            item->flow == EYE_FLOW_JUMP || item->next <= index) {
            return false;
        }
        index = item->next;
    }
    return true; /* what it called does not return */
}

/* On a way that a branch leads to @to: when the other way is an abort, it counts in any case. */
static uint8_t condition_of(const struct search *search, const struct eye_instruction *branch,
                            uint32_t to)
{
    bool taken = branch->branch == (int32_t)to && branch->next != (int32_t)to;
    int32_t other = taken ? branch->next : branch->branch;
    if (branch->next == branch->branch || aborts(search->function, other)) {
        return EYE_SITE_ALWAYS;
    }
    return branch->condition | (taken ? EYE_SITE_TAKEN : 0);
}

/* A result that is always the same: no bytes. */
static bool is_no_success(const struct eye_asked *asked, int64_t number)
{
    return asked->half ? (int32_t)number <= 0 : number <= 0;
}

/* One instruction further back. False: nobody knows where the value is, and there was no place. */
static bool step_back(struct search *search, const struct open_way *way, uint32_t before)
{
    const struct eye_instruction *item = &search->function->items[before];
    bool writes = item->writes >> way->reg & 1;
    bool conditional = search->machine == EYE_MACHINE_ARM64 && item->flow == EYE_FLOW_BRANCH;
    if (item->emulated && !writes && !conditional) {
        uint8_t condition = item->flow == EYE_FLOW_BRANCH ? condition_of(search, item, way->index)
                                                          : EYE_SITE_ALWAYS;
        return add_exit(search, before, way, condition, false);
    }
    if (item->flow == EYE_FLOW_BRANCH) {
        return false; /* on its other way the result may be another one */
    }
    if (!writes) {
        open_way(search, before, way->reg, way->half);
        return true;
    }
    if (item->constant && item->to == (int8_t)way->reg) {
        return is_no_success(search->asked, item->number);
    }
    if (item->copies && item->to == (int8_t)way->reg) {
        open_way(search, before, (uint8_t)item->from, way->half || item->extends);
        return true;
    }
    return false;
}

/* Back from one return until every way to it has a place. */
static bool cover_return(struct search *search, uint32_t index)
{
    const struct eye_function *function = search->function;
    struct open_way first = {index, 0, search->asked->half};
    if (function->items[index].emulated) {
        return add_exit(search, index, &first, EYE_SITE_ALWAYS, false);
    }
    memset(search->seen, 0, function->count * sizeof(*search->seen));
    search->way_count = 0;
    open_way(search, index, 0, search->asked->half);
    while (search->way_count > 0) {
        struct open_way way = search->ways[--search->way_count];
        uint32_t at = function->before_first[way.index];
        if (at == function->before_first[way.index + 1] || way.index == 0) {
            return false;
        }
        for (; at < function->before_first[way.index + 1]; at++) {
            if (!step_back(search, &way, function->before[at])) {
                return false;
            }
        }
    }
    return true;
}

static int find_exits(struct search *search, bool steps)
{
    uint32_t returns = 0;
    for (uint32_t i = 0; i < search->function->count; i++) {
        const struct eye_instruction *item = &search->function->items[i];
        if (item->flow == EYE_FLOW_JUMP && item->target == 0) {
            return -ENOENT;
        }
        if (item->flow != EYE_FLOW_RETURN) {
            continue;
        }
        if (++returns > EYE_EXITS_MAX) {
            return -ENOENT;
        }
        uint32_t found = search->sites->exit_count;
        if (cover_return(search, i)) {
            continue;
        }
        struct open_way at_return = {i, 0, search->asked->half};
        search->sites->exit_count = found;
        if (!steps || !add_exit(search, i, &at_return, EYE_SITE_ALWAYS, true)) {
            return -ENOENT;
        }
    }
    return search->sites->exit_count > 0 ? 0 : -ENOENT;
}

static int search_function(struct search *search, bool steps, struct eye_error *ret_error)
{
    const struct eye_asked *asked = search->asked;
    search->seen = calloc((size_t)search->function->count + 1, sizeof(*search->seen));
    search->ways = calloc(((size_t)search->function->count + 1) * REGISTERS, sizeof(*search->ways));
    if (search->seen == NULL || search->ways == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    int result = find_entry(search);
    if (result != 0) {
        return eye_error_set(ret_error, result,
                             "the function at %#" PRIx64 " has no place for a probe at its entry",
                             asked->address);
    }
    result = asked->no_result ? 0 : find_exits(search, steps);
    return result == 0 ? 0
                       : eye_error_set(ret_error, result,
                                       "the function at %#" PRIx64
                                       " has a way out without a place for a probe",
                                       asked->address);
}

int eye_sites_find(const struct eye_code *code, const struct eye_asked *asked, bool steps,
                   struct eye_sites *ret_sites, struct eye_error *ret_error)
{
    struct eye_function function;
    struct search search = {
        .function = &function, .asked = asked, .machine = code->machine, .sites = ret_sites};
    *ret_sites = (struct eye_sites){0};
    int result = eye_function_read(code, asked->address, &function, ret_error);
    if (result == 0) {
        result = search_function(&search, steps, ret_error);
        eye_function_free(&function);
    }
    free(search.seen);
    free(search.ways);
    return result;
}
