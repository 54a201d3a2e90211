/* SPDX-License-Identifier: Apache-2.0 */
/* The table of functions of a Go program, in files that are made here: of Go before and from 1.26
 * on, which keeps the address of the code elsewhere; cut, and with numbers that lead astray. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/tls/go_table.h"

#define BASE 0x400000
#define TEXT (BASE + 0x10000)
#define MAGIC 0xfffffff1
#define FUNCTIONS 3

/* A program; what stands where is where it is loaded, from BASE on. */
struct program {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    Elf64_Shdr sections[4]; /* none, names, table, module */
    char names[64];
    struct {
        uint32_t magic;
        uint8_t zeros[2];
        uint8_t unit, pointer;
        uint64_t functions, files, text, names, units, file_names, numbers, rows;
        char function_names[128];
        uint32_t row[FUNCTIONS * 2 + 1]; /* begin, more: of each, and the end of the last one */
        uint32_t zero;
        uint32_t more[FUNCTIONS][2]; /* begin, name */
    } table;
    struct {
        uint64_t table;
        uint8_t rest[168];
        uint64_t text;
    } module;
};

#define AT(member) (BASE + offsetof(struct program, member))
#define IN_TABLE(member) (offsetof(struct program, table.member) - offsetof(struct program, table))

static const char function_names[] = "main.main\0runtime.memmove\0crypto/tls.(*Conn).Read";
static const uint32_t function_name_at[FUNCTIONS] = {0, 10, 26};

static void make_elf(struct program *program)
{
    program->header = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1},
                                   .e_type = ET_EXEC,
                                   .e_machine = EM_X86_64,
                                   .e_version = 1,
                                   .e_phoff = offsetof(struct program, segment),
                                   .e_shoff = offsetof(struct program, sections),
                                   .e_ehsize = sizeof(Elf64_Ehdr),
                                   .e_phentsize = sizeof(Elf64_Phdr),
                                   .e_phnum = 1,
                                   .e_shentsize = sizeof(Elf64_Shdr),
                                   .e_shnum = 4,
                                   .e_shstrndx = 1};
    program->segment = (Elf64_Phdr){.p_type = PT_LOAD,
                                    .p_flags = PF_R,
                                    .p_vaddr = BASE,
                                    .p_filesz = sizeof(*program),
                                    .p_memsz = sizeof(*program)};
    memcpy(program->names, "\0.shstrtab\0.data.rel.ro.gopclntab\0.go.module", 45);
    program->sections[1] = (Elf64_Shdr){.sh_name = 1,
                                        .sh_type = SHT_STRTAB,
                                        .sh_offset = offsetof(struct program, names),
                                        .sh_size = sizeof(program->names)};
    program->sections[2] = (Elf64_Shdr){.sh_name = 11,
                                        .sh_type = SHT_PROGBITS,
                                        .sh_addr = AT(table),
                                        .sh_offset = offsetof(struct program, table),
                                        .sh_size = sizeof(program->table)};
    program->sections[3] = (Elf64_Shdr){.sh_name = 34,
                                        .sh_type = SHT_PROGBITS,
                                        .sh_addr = AT(module),
                                        .sh_offset = offsetof(struct program, module),
                                        .sh_size = sizeof(program->module)};
}

static struct program make(void)
{
    struct program program = {0};
    make_elf(&program);
    program.table.magic = MAGIC;
    program.table.unit = 1;
    program.table.pointer = 8;
    program.table.functions = FUNCTIONS;
    program.table.text = TEXT;
    program.table.names = IN_TABLE(function_names);
    program.table.units = IN_TABLE(function_names) + sizeof(function_names);
    program.table.rows = IN_TABLE(row);
    memcpy(program.table.function_names, function_names, sizeof(function_names));
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        uint32_t *row = &program.table.row[(size_t)i * 2];
        row[0] = i * 0x100;
        row[1] = (uint32_t)(IN_TABLE(more) - IN_TABLE(row)) + i * 8;
        program.table.more[i][0] = i * 0x100;
        program.table.more[i][1] = function_name_at[i];
    }
    program.table.row[EYE_ARRAY_LENGTH(program.table.row) - 1] = FUNCTIONS * 0x100;
    program.module.table = AT(table);
    return program;
}

/* Of a file that has so many bytes of @program, and behind them a hole. */
static int find_before(const struct program *program, size_t bytes, size_t hole,
                       struct eye_go_function *functions, size_t count)
{
    struct eye_elf *elf = NULL;
    EYE_AUTOCLOSE int fd = memfd_create("program", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, program, bytes), (ssize_t)bytes);
    assert_int_equal(ftruncate(fd, (off_t)(bytes + hole)), 0);
    int result = eye_elf_open(fd, &elf, NULL);
    if (result == 0) {
        result = eye_go_is_program(elf) ? eye_go_find(elf, functions, count, NULL) : -ENOENT;
    }
    eye_elf_close(elf);
    return result;
}

static int find(const struct program *program, size_t bytes, struct eye_go_function *functions,
                size_t count)
{
    return find_before(program, bytes, 0, functions, count);
}

#define ASKED                                                                                      \
    {                                                                                              \
        {.name = "crypto/tls.(*Conn).Read"}, {.name = "runtime.memmove"}, {.name = "main.mai"},    \
    }

static void assert_found(const struct eye_go_function *functions)
{
    assert_int_equal(functions[0].begin, TEXT + 0x200);
    assert_int_equal(functions[0].end, TEXT + 0x300);
    assert_int_equal(functions[1].begin, TEXT + 0x100);
    assert_int_equal(functions[1].end, TEXT + 0x200);
    assert_int_equal(functions[2].begin, 0); /* a part of a name is none */
}

static void go__functions_by_their_names(void **state)
{
    struct eye_go_function functions[] = ASKED;
    const struct program program = make();
    (void)state;
    assert_int_equal(find(&program, sizeof(program), functions, EYE_ARRAY_LENGTH(functions)), 0);
    assert_found(functions);
}

static void go__code_that_the_module_leads_to(void **state)
{
    struct eye_go_function functions[] = ASKED;
    struct program program = make();
    (void)state;
    program.table.text = 0;
    program.module.text = TEXT;
    assert_int_equal(find(&program, sizeof(program), functions, EYE_ARRAY_LENGTH(functions)), 0);
    assert_found(functions);
    /* The module is of another table. */
    program.module.table++;
    assert_int_equal(find(&program, sizeof(program), functions, EYE_ARRAY_LENGTH(functions)), 0);
    assert_int_equal(functions[0].begin, 0x200);
}

static void go__of_another_version_is_said(void **state)
{
    struct eye_go_function functions[] = ASKED;
    struct program program = make();
    (void)state;
    program.table.magic = 0xfffffffb; /* up to 1.15 */
    assert_int_equal(find(&program, sizeof(program), functions, EYE_ARRAY_LENGTH(functions)),
                     -ENOTSUP);
}

static void go__more_names_than_any_program_has(void **state)
{
    struct eye_go_function functions[] = ASKED;
    struct program program = make();
    (void)state;
    program.sections[2].sh_size = 100U << 20;
    program.table.units = program.table.names + (65U << 20);
    assert_int_equal(find(&program, sizeof(program), functions, EYE_ARRAY_LENGTH(functions)),
                     -EINVAL);
}

/* A hole costs its owner nothing, and is a name at each byte. */
static void go__holes_are_not_searched_for_long(void **state)
{
    struct eye_go_function functions[] = ASKED;
    struct program program = make();
    const size_t hole = 4U << 20;
    (void)state;
    program.segment.p_filesz += hole;
    program.sections[2].sh_size += hole;
    program.table.units = program.table.names + hole;
    assert_int_equal(
        find_before(&program, sizeof(program), hole, functions, EYE_ARRAY_LENGTH(functions)),
        -EINVAL);
    program = make();
    program.sections[2].sh_size = 100U << 20;
    program.table.functions = 3U << 20;
    assert_int_equal(find(&program, sizeof(program), functions, EYE_ARRAY_LENGTH(functions)),
                     -EINVAL);
}

/* libelf would take memory for all of it. */
static void go__symbols_that_fill_the_memory_are_refused(void **state)
{
    static const Elf64_Shdr tables[] = {
        {.sh_type = SHT_SYMTAB, .sh_size = 129U << 20},
        {.sh_type = SHT_RELA, .sh_size = UINT64_MAX},
        {.sh_type = SHT_STRTAB, .sh_size = 64, .sh_flags = SHF_COMPRESSED},
    };
    struct eye_go_function functions[] = ASKED;
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(tables); i++) {
        struct program program = make();
        program.sections[3] = tables[i];
        assert_int_equal(find(&program, sizeof(program), functions, EYE_ARRAY_LENGTH(functions)),
                         -EFBIG);
    }
    struct program program = make();
    program.header.e_shnum = 0;
    program.sections[0].sh_size = 1U << 20;
    assert_int_equal(
        find_before(&program, sizeof(program), 64U << 20, functions, EYE_ARRAY_LENGTH(functions)),
        -EFBIG);
}

static void go__cut_anywhere_is_no_harm(void **state)
{
    struct eye_go_function functions[] = ASKED;
    const struct program program = make();
    (void)state;
    for (size_t bytes = sizeof(program) - 1; bytes > 0; bytes--) {
        assert_int_not_equal(find(&program, bytes, functions, EYE_ARRAY_LENGTH(functions)), 0);
    }
}

/* Each byte of the table becomes 0xff, one after another: nothing outside of the file is read, and
 * it ends. */
static void go__numbers_that_lead_astray(void **state)
{
    struct eye_go_function functions[] = ASKED;
    struct program program = make();
    uint8_t *table = (uint8_t *)&program.table;
    (void)state;
    for (size_t i = 0; i < sizeof(program.table); i++) {
        uint8_t before = table[i];
        table[i] = 0xff;
        (void)find(&program, sizeof(program), functions, EYE_ARRAY_LENGTH(functions));
        table[i] = before;
    }
    memset(table + 8, 0xff, sizeof(program.table) - 8);
    assert_int_equal(find(&program, sizeof(program), functions, EYE_ARRAY_LENGTH(functions)),
                     -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(go__functions_by_their_names),
        cmocka_unit_test(go__code_that_the_module_leads_to),
        cmocka_unit_test(go__of_another_version_is_said),
        cmocka_unit_test(go__more_names_than_any_program_has),
        cmocka_unit_test(go__holes_are_not_searched_for_long),
        cmocka_unit_test(go__symbols_that_fill_the_memory_are_refused),
        cmocka_unit_test(go__cut_anywhere_is_no_harm),
        cmocka_unit_test(go__numbers_that_lead_astray),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
