/* SPDX-License-Identifier: Apache-2.0 */
/* Sites of functions of real libraries (tests/data/tls), and of some that were made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "tests/support/site_file.h"

#define SPANS_MAX 512
#define STARTS_MAX 64
#define FILES 25
#define FUNCTIONS 101

struct span {
    uint64_t address;
    uint8_t *bytes;
    size_t length;
    bool data;
};

/* One function of a file. */
struct recorded {
    struct eye_code code;
    struct eye_asked asked;
    bool steps;
    struct span spans[SPANS_MAX];
    size_t span_count;
    uint64_t starts[STARTS_MAX];
    struct eye_go_function go; /* its end is 0: it is none of Go */
    uint64_t called;
};

static const struct span *find(const struct recorded *recorded, uint64_t address, bool data)
{
    for (size_t i = 0; i < recorded->span_count; i++) {
        const struct span *span = &recorded->spans[i];
        if (span->data == data && address - span->address < span->length) {
            return span;
        }
    }
    return NULL;
}

static size_t read_code(void *context, uint64_t address, const uint8_t **ret_bytes)
{
    const struct span *span = find(context, address, false);
    if (span == NULL) {
        return 0;
    }
    *ret_bytes = span->bytes + (address - span->address);
    return span->length - (size_t)(address - span->address);
}

static size_t copy(void *context, uint64_t address, void *target, size_t bytes)
{
    const struct span *span = find(context, address, true);
    if (span == NULL || span->length - (size_t)(address - span->address) < bytes) {
        return 0;
    }
    memcpy(target, span->bytes + (address - span->address), bytes);
    return bytes;
}

static void add_span(struct recorded *recorded, const char *line, bool data)
{
    unsigned long address;
    int used = 0;
    assert_true(recorded->span_count < SPANS_MAX);
    assert_int_equal(sscanf(line, "%lx %n", &address, &used), 1);
    const char *hex = line + used;
    struct span *span = &recorded->spans[recorded->span_count++];
    span->address = address;
    span->data = data;
    span->length = strcspn(hex, "\n") / 2;
    span->bytes = malloc(span->length + 1);
    assert_non_null(span->bytes);
    for (size_t i = 0; i < span->length; i++) {
        assert_int_equal(sscanf(hex + i * 2, "%2hhx", &span->bytes[i]), 1);
    }
}

static void begin(struct recorded *recorded, const char *line)
{
    char machine[16];
    unsigned flags;
    int used = 0;
    for (size_t i = 0; i < recorded->span_count; i++) {
        free(recorded->spans[i].bytes);
    }
    *recorded = (struct recorded){.code = {.read = read_code, .copy = copy}};
    recorded->code.context = recorded;
    unsigned long address;
    assert_int_equal(sscanf(line, "%*s %15s %lx %u%n", machine, &address, &flags, &used), 3);
    recorded->asked.address = address;
    recorded->code.machine = strcmp(machine, "arm64") == 0 ? EYE_MACHINE_ARM64 : EYE_MACHINE_X86_64;
    recorded->asked.no_result = flags & SITE_NO_RESULT;
    recorded->asked.half = flags & SITE_HALF;
    recorded->asked.succeeds_by_1 = flags & SITE_SUCCEEDS_BY_1;
    recorded->steps = flags & SITE_STEPS;
    uint8_t *arguments = recorded->asked.arguments;
    for (line += used; sscanf(line, "%hhu%n", arguments, &used) == 1; line += used) {
        recorded->asked.argument_count++;
        arguments++;
    }
}

static void add_starts(struct recorded *recorded, const char *line)
{
    recorded->code.starts = recorded->starts;
    unsigned long start;
    for (int used; sscanf(line, "%lx%n", &start, &used) == 1; line += used) {
        assert_true(recorded->code.start_count < STARTS_MAX);
        recorded->starts[recorded->code.start_count++] = start;
    }
}

static void make_go(struct recorded *recorded, const char *line)
{
    unsigned long end;
    unsigned long called;
    assert_int_equal(sscanf(line, "%lx %lx", &end, &called), 2);
    recorded->go =
        (struct eye_go_function){.name = "go", .begin = recorded->asked.address, .end = end};
    recorded->called = called;
}

/* The lines of the sites that are expected follow one another: all of them at once. */
static void compare(const struct recorded *recorded, const char *expected, const char *path)
{
    struct eye_sites sites;
    struct eye_error error = {""};
    char *found = NULL;
    size_t length = 0;
    int result =
        recorded->go.end != 0
            ? site_find_go(&recorded->code, &recorded->go, recorded->called, &recorded->asked,
                           &sites, &error)
            : eye_sites_find(&recorded->code, &recorded->asked, recorded->steps, &sites, &error);
    if (result != 0) {
        fail_msg("%s: %s", path, error.text);
    }
    FILE *out = open_memstream(&found, &length);
    assert_non_null(out);
    site_print(out, &recorded->asked, &sites);
    fclose(out);
    assert_string_equal(found, expected);
    free(found);
}

/* Returns how many functions it has. */
static size_t compare_file(const char *path)
{
    static struct recorded recorded;
    EYE_AUTOFREE char *line = NULL;
    EYE_AUTOFREE char *expected = NULL;
    size_t room = 0;
    size_t length = 0;
    size_t count = 0;
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    FILE *lines = NULL;
    bool more = true;
    while (more) {
        more = getline(&line, &room, file) >= 0;
        bool begins = !more || strncmp(line, "function ", 9) == 0;
        if (begins && lines != NULL) {
            fclose(lines);
            compare(&recorded, expected, path);
            free(expected);
            expected = NULL;
            count++;
        }
        if (!more) {
            break;
        }
        if (begins) {
            lines = open_memstream(&expected, &length);
            assert_non_null(lines);
            begin(&recorded, line + 9);
        } else if (strncmp(line, "go ", 3) == 0) {
            make_go(&recorded, line + 3);
        } else if (strncmp(line, "starts", 6) == 0) {
            add_starts(&recorded, line + 6);
        } else if (strncmp(line, "code ", 5) == 0 || strncmp(line, "data ", 5) == 0) {
            add_span(&recorded, line + 5, line[0] == 'd');
        } else {
            fputs(line, lines);
        }
    }
    fclose(file);
    begin(&recorded, "end x86_64 0 0\n");
    return count;
}

static void sites__are_found_in_libraries_and_programs(void **state)
{
    (void)state;
    glob_t files;
    size_t functions = 0;
    assert_int_equal(glob(EYE_SITE_FILES "/*.txt", 0, NULL, &files), 0);
    assert_int_equal(files.gl_pathc, FILES);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        functions += compare_file(files.gl_pathv[i]);
    }
    globfree(&files);
    assert_int_equal(functions, FUNCTIONS);
}

/* ---- Made up, at address 0x1000 ---- */

#define BASE 0x1000

/* read(session, buffer, length) -> a number of 32 bits. */
static int look(const uint8_t *bytes, size_t length, bool steps, struct eye_sites *ret_sites)
{
    static struct recorded made;
    begin(&made, "made x86_64 0x1000 0 0 1 2\n");
    made.asked.half = true;
    made.spans[made.span_count++] = (struct span){.address = BASE, .length = length};
    made.spans[0].bytes = malloc(length);
    assert_non_null(made.spans[0].bytes);
    memcpy(made.spans[0].bytes, bytes, length);
    return eye_sites_find(&made.code, &made.asked, steps, ret_sites, NULL);
}

#define LOOK(steps, sites, ...)                                                                    \
    look((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), steps, sites)

/* Opened once, as the daemon does. */
static int open_decoder(void **state)
{
    struct eye_error error = {""};
    (void)state;
    if (eye_decoder_open(EYE_MACHINE_X86_64, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    return 0;
}

static void sites__entry_follows_arguments_through_moves(void **state)
{
    struct eye_sites sites;
    (void)state;
    /* mov %rdi,%rbx; mov %edx,%ecx; xor %edi,%edi; push %rax; call +0; pop %rax; jmp +0; ret */
    assert_int_equal(LOOK(false, &sites, 0x48, 0x89, 0xfb, 0x89, 0xd1, 0x31, 0xff, 0x50, 0xe8, 0, 0,
                          0, 0, 0x5b, 0xeb, 0, 0xc3),
                     0);
    assert_int_equal(sites.entry.address, BASE + 7);
    assert_int_equal(sites.entry.registers[0], EYE_X86_BX);
    assert_int_equal(sites.entry.registers[1], EYE_X86_SI);
    assert_int_equal(sites.entry.registers[2], EYE_X86_CX); /* the lowest that has it */
    assert_int_equal(sites.entry.frame, 8);
    assert_int_equal(sites.exit_count, 1);
    assert_int_equal(sites.exits[0].address, BASE + 14);
    assert_int_equal(sites.exits[0].registers[0], EYE_X86_AX);
}

static void sites__none_where_an_argument_is_lost(void **state)
{
    struct eye_sites sites;
    (void)state;
    /* xor %edi,%edi; push %rax; ... */
    assert_int_equal(LOOK(true, &sites, 0x31, 0xff, 0x50, 0x58, 0xc3), -ENOENT);
}

static void sites__a_branch_counts_when_it_leads_out(void **state)
{
    struct eye_sites sites;
    (void)state;
    /* push %rbx; mov %edx,%eax; test %eax,%eax; je +4; add %ebx,%eax; jmp +0; pop %rbx; ret:
     * without the addition eax is what it was at the branch, with it at the jump. */
    assert_int_equal(
        LOOK(false, &sites, 0x53, 0x89, 0xd0, 0x85, 0xc0, 0x74, 4, 0x01, 0xd8, 0xeb, 0, 0x5b, 0xc3),
        0);
    assert_int_equal(sites.exit_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        bool branch = sites.exits[i].address == BASE + 5;
        assert_true(branch || sites.exits[i].address == BASE + 9);
        assert_int_equal(sites.exits[i].condition, branch ? 4 | EYE_SITE_TAKEN : EYE_SITE_ALWAYS);
        assert_int_equal(sites.exits[i].frame, 16);
    }
}

static void sites__the_guard_of_the_stack_is_no_way_out(void **state)
{
    struct eye_sites sites;
    (void)state;
    /* push %rbx; mov %edx,%eax; sub %fs:0x28,%rcx; jne +2; pop %rbx; ret; call +0 */
    assert_int_equal(LOOK(false, &sites, 0x53, 0x89, 0xd0, 0x64, 0x48, 0x2b, 0x0c, 0x25, 0x28, 0, 0,
                          0, 0x75, 2, 0x5b, 0xc3, 0xe8, 0, 0, 0, 0),
                     0);
    assert_int_equal(sites.exit_count, 1);
    assert_int_equal(sites.exits[0].address, BASE + 12);
    assert_int_equal(sites.exits[0].condition, EYE_SITE_ALWAYS);
}

static void sites__a_constant_failure_needs_none(void **state)
{
    struct eye_sites sites;
    (void)state;
    /* push %rbx; je +6; mov %edx,%eax; jmp +0; pop %rbx; ret; mov $-1,%eax; pop %rbx; ret */
    assert_int_equal(LOOK(false, &sites, 0x53, 0x74, 6, 0x89, 0xd0, 0xeb, 0, 0x5b, 0xc3, 0xb8, 0xff,
                          0xff, 0xff, 0xff, 0x5b, 0xc3),
                     0);
    assert_int_equal(sites.exit_count, 1);
    assert_int_equal(sites.exits[0].address, BASE + 5);
    /* The same with 1: a success that nothing tells of. */
    assert_int_equal(LOOK(false, &sites, 0x53, 0x74, 6, 0x89, 0xd0, 0xeb, 0, 0x5b, 0xc3, 0xb8, 1, 0,
                          0, 0, 0x5b, 0xc3),
                     -ENOENT);
}

static void sites__a_return_is_stepped_where_nothing_else_is(void **state)
{
    struct eye_sites sites;
    (void)state;
    /* push %rbx; add %edx,%eax; pop %rbx; ret */
    assert_int_equal(LOOK(false, &sites, 0x53, 0x01, 0xd0, 0x5b, 0xc3), -ENOENT);
    assert_int_equal(LOOK(true, &sites, 0x53, 0x01, 0xd0, 0x5b, 0xc3), 0);
    assert_int_equal(sites.exits[0].address, BASE + 4);
    assert_int_equal(sites.exits[0].frame, 8);
    assert_true(sites.exits[0].stepped);
}

static void sites__what_goes_nobody_knows_where_has_none(void **state)
{
    struct eye_sites sites;
    (void)state;
    /* push %rbx; pop %rbx; jmp *%rax */
    assert_int_equal(LOOK(true, &sites, 0x53, 0x5b, 0xff, 0xe0), -ENOENT);
}

static void sites__instructions_within_others_are_refused(void **state)
{
    struct eye_sites sites;
    (void)state;
    /* push %rbx; je -2, into its own second byte */
    assert_int_equal(LOOK(true, &sites, 0x53, 0x74, 0xff, 0xc3), -EINVAL);
}

static void sites__an_endless_loop_ends(void **state)
{
    struct eye_sites sites;
    (void)state;
    assert_int_equal(LOOK(true, &sites, 0x53, 0xeb, 0xfe), -ENOENT); /* no way out */
    assert_int_equal(LOOK(true, &sites, 0x50, 0xeb, 0xfd), -ENOENT); /* a stack that grows */
}

static void sites__too_long_is_said(void **state)
{
    struct eye_sites sites;
    (void)state;
    uint8_t *bytes = malloc(EYE_CODE_MAX + 1);
    assert_non_null(bytes);
    memset(bytes, 0x90, EYE_CODE_MAX + 1);
    bytes[EYE_CODE_MAX] = 0xc3;
    assert_int_equal(look(bytes, EYE_CODE_MAX + 1, true, &sites), -E2BIG);
    assert_int_equal(look(bytes + 1, EYE_CODE_MAX, true, &sites), 0);
    assert_int_equal(look(bytes + 2, EYE_CODE_MAX - 2, true, &sites), -EINVAL); /* it has no end */
    free(bytes);
}

/* ---- Of Go, made up likewise ---- */

/* The one call of BASE in it, or with @called 0 its entry. */
static int look_go(enum eye_machine machine, const void *bytes, size_t length, uint64_t called,
                   struct eye_site *ret_site)
{
    static struct recorded made;
    struct eye_sites sites;
    begin(&made, machine == EYE_MACHINE_ARM64 ? "made arm64 0x1000 1 0 1 2\n"
                                              : "made x86_64 0x1000 1 0 1 2\n");
    made.spans[made.span_count++] = (struct span){.address = BASE, .length = length};
    made.spans[0].bytes = malloc(length);
    assert_non_null(made.spans[0].bytes);
    memcpy(made.spans[0].bytes, bytes, length);
    made.go = (struct eye_go_function){.name = "made", .begin = BASE, .end = BASE + length};
    int result = site_find_go(&made.code, &made.go, called, &made.asked, &sites, NULL);
    *ret_site = sites.entry;
    return result;
}

/* cmp 0x10(%r14),%rsp; jbe +0; sub $0x18,%rsp: the first argument is kept 0x20 from there. */
#define GO_BEGINS 0x49, 0x3b, 0x66, 0x10, 0x76, 0x00, 0x48, 0x83, 0xec, 0x18
#define GO_KEEPS 0x48, 0x89, 0x44, 0x24, 0x20       /* mov %rax,0x20(%rsp) */
#define GO_KEEPS_OTHER 0x48, 0x89, 0x5c, 0x24, 0x20 /* mov %rbx,0x20(%rsp) */
#define GO_KEEPS_HALF 0x89, 0x44, 0x24, 0x20        /* mov %eax,0x20(%rsp) */
#define CALL_BASE(at) 0xe8, (uint8_t)(-((at) + 5)), 0xff, 0xff, 0xff

#define LOOK_GO(called, site, ...)                                                                 \
    look_go(EYE_MACHINE_X86_64, (const uint8_t[]){__VA_ARGS__},                                    \
            sizeof((const uint8_t[]){__VA_ARGS__}), called, site)

static void go__a_call_with_the_argument_that_is_kept(void **state)
{
    struct eye_site site;
    (void)state;
    assert_int_equal(LOOK_GO(BASE, &site, GO_BEGINS, GO_KEEPS, CALL_BASE(15), 0xc3), 0);
    assert_int_equal(site.address, BASE + 15);
    assert_int_equal(site.frame, 0x20);
    assert_true(site.kept);
    assert_int_equal(site.condition, EYE_SITE_ALWAYS);
    assert_int_equal(LOOK_GO(0, &site, GO_BEGINS, 0xc3), 0);
    assert_int_equal(site.address, BASE + 4);
    assert_int_not_equal(site.condition, EYE_SITE_ALWAYS);
    assert_false(site.kept);
}

static void go__none_unless_it_is_certain(void **state)
{
    struct eye_site site;
    (void)state;
    /* Not kept; half of it; something else stands there in the end; xor %eax,%eax before. */
    assert_int_equal(LOOK_GO(BASE, &site, GO_BEGINS, CALL_BASE(10), 0xc3), -ENOENT);
    assert_int_equal(LOOK_GO(BASE, &site, GO_BEGINS, GO_KEEPS_HALF, CALL_BASE(14), 0xc3), -ENOENT);
    assert_int_equal(LOOK_GO(BASE, &site, GO_BEGINS, GO_KEEPS, CALL_BASE(15), GO_KEEPS_OTHER, 0xc3),
                     -ENOENT);
    assert_int_equal(LOOK_GO(BASE, &site, GO_BEGINS, 0x31, 0xc0, GO_KEEPS, CALL_BASE(17), 0xc3),
                     -ENOENT);
    /* Two calls, and none. */
    assert_int_equal(LOOK_GO(BASE, &site, GO_BEGINS, GO_KEEPS, CALL_BASE(15), CALL_BASE(20), 0xc3),
                     -ENOENT);
    assert_int_equal(LOOK_GO(BASE, &site, GO_BEGINS, GO_KEEPS, 0xc3), -ENOENT);
    /* test %rax,%rax; jbe +0: nothing is compared with the end of the stack. */
    assert_int_equal(LOOK_GO(0, &site, 0x48, 0x85, 0xc0, 0x76, 0x00, 0xc3), -ENOENT);
}

static void go__what_is_too_long_is_not_read_to_its_end(void **state)
{
    static uint8_t code[EYE_CODE_MAX + 32] = {GO_BEGINS, GO_KEEPS};
    const size_t at = sizeof(code) - 5;
    struct eye_site site;
    (void)state;
    memset(code + 15, 0x90, sizeof(code) - 15);
    const int32_t back = -(int32_t)(at + 5);
    code[at] = 0xe8;
    memcpy(code + at + 1, &back, sizeof(back));
    assert_int_equal(look_go(EYE_MACHINE_X86_64, code, sizeof(code), BASE, &site), -ENOENT);
}

static void go__two_arguments_kept_at_once(void **state)
{
    /* ldr x16, [x28, #16]; cmp sp, x16; b.ls +0; str x30, [sp, #-32]!; stp x0, x1, [sp, #40];
     * bl to the first one; ret */
    const uint32_t code[] = {0xf9400b90, 0xeb3063ff, 0x54000009, 0xf81e0ffe,
                             0xa90287e0, 0x97fffffb, 0xd65f03c0};
    struct eye_site site;
    (void)state;
    assert_int_equal(look_go(EYE_MACHINE_ARM64, code, sizeof(code), BASE, &site), 0);
    assert_int_equal(site.address, BASE + 20);
    assert_int_equal(site.frame, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(go__a_call_with_the_argument_that_is_kept),
        cmocka_unit_test(go__none_unless_it_is_certain),
        cmocka_unit_test(go__what_is_too_long_is_not_read_to_its_end),
        cmocka_unit_test(go__two_arguments_kept_at_once),
        cmocka_unit_test(sites__are_found_in_libraries_and_programs),
        cmocka_unit_test(sites__entry_follows_arguments_through_moves),
        cmocka_unit_test(sites__none_where_an_argument_is_lost),
        cmocka_unit_test(sites__a_branch_counts_when_it_leads_out),
        cmocka_unit_test(sites__the_guard_of_the_stack_is_no_way_out),
        cmocka_unit_test(sites__a_constant_failure_needs_none),
        cmocka_unit_test(sites__a_return_is_stepped_where_nothing_else_is),
        cmocka_unit_test(sites__what_goes_nobody_knows_where_has_none),
        cmocka_unit_test(sites__instructions_within_others_are_refused),
        cmocka_unit_test(sites__an_endless_loop_ends),
        cmocka_unit_test(sites__too_long_is_said),
    };
    return cmocka_run_group_tests(tests, open_decoder, NULL);
}
