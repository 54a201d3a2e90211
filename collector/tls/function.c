/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "collector/tls/code.h"

/* Addresses -> instructions: open addressing, at most half full. */
#define SLOTS ((size_t)EYE_CODE_MAX * 2)
/* A way that leads to an abort calls it within so many instructions. */
#define ABORT_INSTRUCTIONS 4
#define ITEMS_AT_FIRST 256
/* Two for each instruction that ends a way, those of tables, and the beginning. */
#define WAYS_MAX ((size_t)EYE_CODE_MAX * 2 + EYE_CASES_MAX + 1)

/* Somewhere to go on: instructions that are not read yet. */
struct way {
    uint64_t address;
    int32_t from;  /* -1: the beginning */
    bool branches; /* from there by its target, else behind it */
    bool aborts;   /* the stack's guard was not what it has to be */
    bool by_table; /* from there as one of many */
};

struct reading {
    const struct eye_code *code;
    struct eye_function function;
    uint32_t capacity;
    uint32_t *slots; /* index + 1; 0: free */
    struct way *ways;
    uint32_t way_count;
    uint64_t begin; /* of the function that was asked for, and of the next one; 0: not known */
    uint64_t end;
};

/* The first function that begins at @address or behind it; 0: none. */
static uint64_t next_start(const struct eye_code *code, uint64_t address)
{
    size_t low = 0;
    size_t high = code->start_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code->starts[middle] < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < code->start_count ? code->starts[low] : 0;
}

/* The slot of an address, or the free one where it belongs. */
static uint32_t *find_slot(const struct reading *reading, uint64_t address)
{
    uint32_t at = (uint32_t)(address * 0x9e3779b97f4a7c15ULL >> 50) % SLOTS;
    while (reading->slots[at] != 0 &&
           reading->function.items[reading->slots[at] - 1].address != address) {
        at = (at + 1) % SLOTS;
    }
    return &reading->slots[at];
}

static bool decode(const struct eye_code *code, uint64_t address, struct eye_instruction *ret)
{
    const uint8_t *bytes;
    size_t length = code->read(code->context, address, &bytes);
    return length > 0 && eye_decode(code->machine, bytes, length, address, ret);
}

static void link_way(struct reading *reading, const struct way *way, int32_t to)
{
    if (way->by_table) {
        reading->function.cases[reading->function.case_count++] =
            (struct eye_step){(uint32_t)way->from, (uint32_t)to};
    } else if (way->from >= 0) {
        struct eye_instruction *from = &reading->function.items[way->from];
        *(way->branches ? &from->branch : &from->next) = to;
    }
}

/* Of the two ways behind a comparison with the stack's guard the one that is taken when they differ
 * leads to an abort: x86's "not equal" is condition 5. */
static void add_ways(struct reading *reading, int32_t index, bool guarded)
{
    const struct eye_instruction *item = &reading->function.items[index];
    bool unequal_branches = item->condition == 5;
    if (item->flow == EYE_FLOW_NEXT || item->flow == EYE_FLOW_CALL ||
        item->flow == EYE_FLOW_BRANCH) {
        reading->ways[reading->way_count++] =
            (struct way){.address = item->address + item->length,
                         .from = index,
                         .aborts = guarded && item->flow == EYE_FLOW_BRANCH && !unequal_branches};
    }
    if ((item->flow == EYE_FLOW_JUMP || item->flow == EYE_FLOW_BRANCH) && item->target != 0) {
        reading->ways[reading->way_count++] =
            (struct way){.address = item->target,
                         .from = index,
                         .branches = true,
                         .aborts = guarded && item->flow == EYE_FLOW_BRANCH && unequal_branches};
    }
}

static int grow(struct reading *reading)
{
    if (reading->function.count < reading->capacity) {
        return 0;
    }
    if (reading->capacity == EYE_CODE_MAX) {
        return -E2BIG;
    }
    uint32_t capacity = reading->capacity == 0 ? ITEMS_AT_FIRST : reading->capacity * 2;
    struct eye_instruction *items =
        realloc(reading->function.items, capacity * sizeof(*reading->function.items));
    if (items == NULL) {
        return -ENOMEM;
    }
    reading->function.items = items;
    reading->capacity = capacity;
    return 0;
}

/*
 * A jump by a table of distances from the table itself, as gcc and clang have it for "switch". It
 * ends where an entry does not lead into the function. That more of it is read than it has is no
 * harm: what is no instruction of the function overlaps others.
 */
static void add_cases(struct reading *reading, int32_t index, uint64_t table)
{
    int32_t distance;
    uint32_t limit = reading->function.case_count + reading->way_count;
    for (uint64_t at = table; limit < EYE_CASES_MAX; at += sizeof(distance), limit++) {
        if (reading->code->copy(reading->code->context, at, &distance, sizeof(distance)) !=
            sizeof(distance)) {
            return;
        }
        uint64_t target = table + (uint64_t)(int64_t)distance;
        if (target < reading->begin || target >= reading->end) {
            return;
        }
        reading->ways[reading->way_count++] =
            (struct way){.address = target, .from = index, .by_table = true};
        reading->function.items[index].target = target; /* one of them */
    }
}

static bool jumps_by_table(const struct eye_code *code, const struct eye_instruction *item)
{
    return code->machine == EYE_MACHINE_X86_64 && item->flow == EYE_FLOW_JUMP &&
           item->target == 0 && item->from >= 0 && !item->loads;
}

/* Reads on along one way until it joins what is known, or ends. */
static int follow(struct reading *reading, struct way way)
{
    bool guarded = false;
    uint64_t table = 0;
    for (int i = 0;; i++) {
        if (!way.branches && way.from >= 0 &&
            next_start(reading->code, way.address) == way.address) {
            return 0; /* what it called does not return */
        }
        uint32_t *slot = find_slot(reading, way.address);
        if (*slot != 0) {
            link_way(reading, &way, (int32_t)*slot - 1);
            return 0;
        }
        int result = grow(reading);
        if (result != 0) {
            return result;
        }
        int32_t index = (int32_t)reading->function.count;
        struct eye_instruction *item = &reading->function.items[index];
        if (!decode(reading->code, way.address, item)) {
            return -EINVAL;
        }
        item->next = -1;
        item->branch = -1;
        item->depth = EYE_STACK_UNKNOWN;
        *slot = (uint32_t)index + 1;
        reading->function.count++;
        link_way(reading, &way, index);
        if (way.aborts && i < ABORT_INSTRUCTIONS && item->flow == EYE_FLOW_CALL) {
            item->flow = EYE_FLOW_END;
        }
        if (item->flow == EYE_FLOW_NEXT || item->flow == EYE_FLOW_CALL) {
            guarded = item->checks_canary;
            table = item->constant ? (uint64_t)item->number : table;
            way = (struct way){
                .address = item->address + item->length, .from = index, .aborts = way.aborts};
            continue;
        }
        if (jumps_by_table(reading->code, item) && table != 0) {
            add_cases(reading, index, table);
        } else {
            add_ways(reading, index, guarded);
        }
        return 0;
    }
}

static int follow_all(struct reading *reading, uint64_t address)
{
    reading->begin = address;
    reading->end = next_start(reading->code, address + 1);
    reading->ways[reading->way_count++] = (struct way){.address = address, .from = -1};
    while (reading->way_count > 0) {
        int result = follow(reading, reading->ways[--reading->way_count]);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

/* The bytes of an instruction. */
struct range {
    uint64_t begin;
    uint64_t end;
};

static int compare_ranges(const void *left, const void *right)
{
    const struct range *a = left;
    const struct range *b = right;
    return (a->begin > b->begin) - (a->begin < b->begin);
}

/* A probe replaces a byte: where instructions overlap it would change another one. */
static int check_overlaps(const struct eye_function *function)
{
    EYE_AUTOFREE struct range *ranges = calloc((size_t)function->count + 1, sizeof(*ranges));
    if (ranges == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < function->count; i++) {
        ranges[i].begin = function->items[i].address;
        ranges[i].end = function->items[i].address + function->items[i].length;
    }
    qsort(ranges, function->count, sizeof(*ranges), compare_ranges);
    for (uint32_t i = 1; i < function->count; i++) {
        if (ranges[i - 1].end > ranges[i].begin) {
            return -EINVAL;
        }
    }
    return 0;
}

/* Rows of those that run on to each instruction: counted, then filled. */
static int link_back(struct eye_function *function)
{
    function->before_first = calloc(function->count + 2, sizeof(*function->before_first));
    function->before =
        calloc((size_t)function->count * 2 + function->case_count + 1, sizeof(*function->before));
    if (function->before_first == NULL || function->before == NULL) {
        return -ENOMEM;
    }
    uint32_t *first = function->before_first + 1; /* one further while they are filled */
    for (uint32_t i = 0; i < function->count; i++) {
        const struct eye_instruction *item = &function->items[i];
        first[item->next >= 0 ? item->next : (int32_t)function->count] += item->next >= 0;
        first[item->branch >= 0 ? item->branch : (int32_t)function->count] += item->branch >= 0;
    }
    for (uint32_t i = 0; i < function->case_count; i++) {
        first[function->cases[i].to]++;
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i <= function->count; i++) {
        uint32_t here = first[i];
        first[i] = sum;
        sum += here;
    }
    for (uint32_t i = 0; i < function->count; i++) {
        const struct eye_instruction *item = &function->items[i];
        if (item->next >= 0) {
            function->before[first[item->next]++] = i;
        }
        if (item->branch >= 0) {
            function->before[first[item->branch]++] = i;
        }
    }
    for (uint32_t i = 0; i < function->case_count; i++) {
        function->before[first[function->cases[i].to]++] = function->cases[i].from;
    }
    return 0;
}

/* The stack behind an instruction. @frame: its depth where the frame pointer points. */
static int32_t depth_behind(const struct eye_instruction *item, int32_t frame)
{
    if (item->stack == EYE_STACK_FROM_FRAME) {
        return frame == EYE_STACK_UNKNOWN ? frame : frame + item->frame;
    }
    return item->stack == EYE_STACK_UNKNOWN || item->depth == EYE_STACK_UNKNOWN
               ? EYE_STACK_UNKNOWN
               : item->depth + item->stack;
}

/* What the measuring of the stack knows. */
struct measure {
    struct eye_function *function;
    int32_t frame; /* the depth where the frame pointer points: compilers set it once */
    bool changed;
};

/* Two ways that meet with different depths leave none that is known, for good: a depth changes from
 * "not met" to a number, and once more to unknown, so this ends. */
static void meet(struct measure *measure, int32_t index, int32_t depth)
{
    if (index < 0) {
        return;
    }
    struct eye_instruction *item = &measure->function->items[index];
    if (!item->measured) {
        item->measured = true;
        item->depth = depth;
        measure->changed = true;
    } else if (item->depth != depth && item->depth != EYE_STACK_UNKNOWN) {
        item->depth = EYE_STACK_UNKNOWN;
        measure->changed = true;
    }
}

static void measure_stack(struct eye_function *function)
{
    struct measure measure = {
        .function = function, .frame = EYE_STACK_UNKNOWN, .changed = function->count > 0};
    if (measure.changed) {
        meet(&measure, 0, 0);
    }
    while (measure.changed) {
        measure.changed = false;
        for (uint32_t i = 0; i < function->count; i++) {
            const struct eye_instruction *item = &function->items[i];
            if (!item->measured) {
                continue;
            }
            if (item->keeps_frame && item->depth != EYE_STACK_UNKNOWN) {
                measure.frame = item->depth;
            }
            meet(&measure, item->next, depth_behind(item, measure.frame));
            meet(&measure, item->branch, depth_behind(item, measure.frame));
        }
        for (uint32_t i = 0; i < function->case_count; i++) {
            const struct eye_instruction *item = &function->items[function->cases[i].from];
            if (item->measured) {
                meet(&measure, (int32_t)function->cases[i].to, item->depth);
            }
        }
    }
}

static int finish(struct eye_function *function)
{
    int result = check_overlaps(function);
    if (result == 0) {
        result = link_back(function);
    }
    if (result == 0) {
        measure_stack(function);
    }
    return result;
}

static int read_function(struct reading *reading, uint64_t address)
{
    reading->slots = calloc(SLOTS, sizeof(*reading->slots));
    reading->ways = calloc(WAYS_MAX, sizeof(*reading->ways));
    reading->function.cases = calloc(EYE_CASES_MAX, sizeof(*reading->function.cases));
    if (reading->slots == NULL || reading->ways == NULL || reading->function.cases == NULL) {
        return -ENOMEM;
    }
    int result = follow_all(reading, address);
    return result == 0 ? finish(&reading->function) : result;
}

int eye_function_read(const struct eye_code *code, uint64_t address,
                      struct eye_function *ret_function, struct eye_error *ret_error)
{
    struct reading reading = {.code = code};
    int result = read_function(&reading, address);
    free(reading.slots);
    free(reading.ways);
    *ret_function = reading.function;
    if (result == 0) {
        return 0;
    }
    eye_function_free(ret_function);
    return eye_error_set(ret_error, result, "the function at %#" PRIx64 " %s", address,
                         result == -E2BIG    ? "is too long"
                         : result == -EINVAL ? "leads to what is no code"
                                             : "cannot be read: out of memory");
}

void eye_function_free(struct eye_function *function)
{
    free(function->items);
    free(function->before_first);
    free(function->before);
    free(function->cases);
    *function = (struct eye_function){0};
}
