/* SPDX-License-Identifier: Apache-2.0 */
/* Writes what is here (tests/support/site_file.h): record_sites LIBRARY >FILE */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/tls/library.h"
#include "tests/support/site_file.h"

#define PIECES_MAX 16384
#define PIECE_BYTES 16

/* What was read: an instruction, or an entry of a table. */
struct piece {
    uint64_t address;
    size_t bytes;
    uint8_t content[PIECE_BYTES];
    bool data;
};

struct recording {
    const struct eye_code *code;
    struct piece pieces[PIECES_MAX];
    size_t count;
};

static void keep(struct recording *recording, uint64_t address, const void *bytes, size_t length,
                 bool data)
{
    if (recording->count == PIECES_MAX) {
        abort();
    }
    struct piece *piece = &recording->pieces[recording->count++];
    *piece = (struct piece){.address = address, .bytes = length, .data = data};
    memcpy(piece->content, bytes, length);
}

static size_t read_code(void *context, uint64_t address, const uint8_t **ret_bytes)
{
    struct recording *recording = context;
    struct eye_instruction item;
    size_t length = recording->code->read(recording->code->context, address, ret_bytes);
    if (length > 0 && eye_decode(recording->code->machine, *ret_bytes, length, address, &item)) {
        keep(recording, address, *ret_bytes, item.length, false);
    }
    return length;
}

static size_t copy(void *context, uint64_t address, void *target, size_t bytes)
{
    struct recording *recording = context;
    size_t length = recording->code->copy(recording->code->context, address, target, bytes);
    keep(recording, address, target, length, true);
    return length;
}

static int compare(const void *left, const void *right)
{
    const struct piece *a = left;
    const struct piece *b = right;
    if (a->data != b->data) {
        return a->data ? 1 : -1;
    }
    return (a->address > b->address) - (a->address < b->address);
}

static void print_pieces(struct recording *recording)
{
    uint64_t end = 0;
    bool data = false;
    qsort(recording->pieces, recording->count, sizeof(struct piece), compare);
    for (size_t i = 0; i < recording->count; i++) {
        const struct piece *piece = &recording->pieces[i];
        if (piece->address < end && piece->data == data) {
            continue; /* read twice */
        }
        if (piece->address != end || piece->data != data) {
            printf("%s%s %#lx ", i == 0 ? "" : "\n", piece->data ? "data" : "code",
                   (unsigned long)piece->address);
        }
        for (size_t k = 0; k < piece->bytes; k++) {
            printf("%02x", piece->content[k]);
        }
        end = piece->address + piece->bytes;
        data = piece->data;
    }
    putchar('\n');
}

/* Those between the first and the last piece of code. */
static void print_starts(const struct recording *recording)
{
    const struct eye_code *code = recording->code;
    fputs("starts", stdout);
    for (size_t i = 0; i < code->start_count; i++) {
        bool near = false;
        for (size_t k = 0; k < recording->count && !near; k++) {
            near = code->starts[i] - recording->pieces[k].address <= PIECE_BYTES;
        }
        if (near) {
            printf(" %#lx", (unsigned long)code->starts[i]);
        }
    }
    putchar('\n');
}

static struct recording recording;

static struct eye_code record_from(const struct eye_code *code)
{
    struct eye_code recorded = *code;
    recording.code = code;
    recording.count = 0;
    recorded.read = read_code;
    recorded.copy = copy;
    recorded.context = &recording;
    return recorded;
}

static void print_function(const struct eye_code *code, const struct eye_tls_function *function,
                           bool steps)
{
    const char *name = strrchr(function->name, ' ');
    printf("function %s %s %#lx %u", name == NULL ? function->name : name + 1,
           code->machine == EYE_MACHINE_X86_64 ? "x86_64" : "arm64",
           (unsigned long)function->asked.address, site_flags(&function->asked, steps));
    for (uint8_t i = 0; i < function->asked.argument_count; i++) {
        printf(" %u", function->asked.arguments[i]);
    }
    putchar('\n');
}

static void record(const struct eye_code *code, const struct eye_tls_function *function, bool steps)
{
    struct eye_sites sites;
    const struct eye_code recorded = record_from(code);
    if (eye_sites_find(&recorded, &function->asked, steps, &sites, NULL) != 0) {
        abort();
    }
    print_function(code, function, steps);
    print_starts(&recording);
    print_pieces(&recording);
    site_print(stdout, &function->asked, &sites);
}

static void record_go(struct eye_elf *elf, const struct eye_tls_function *function)
{
    struct eye_sites sites;
    struct eye_go_function found[] = {{.name = function->name}, {.name = "runtime.memmove"}};
    const struct eye_code recorded = record_from(eye_elf_code(elf));
    if (eye_go_find(elf, found, EYE_ARRAY_LENGTH(found), NULL) != 0) {
        abort();
    }
    uint64_t called = function->sites.entry.kept ? found[1].begin : 0;
    if (site_find_go(&recorded, &found[0], called, &function->asked, &sites, NULL) != 0) {
        abort();
    }
    print_function(&recorded, function, false);
    printf("go %#lx %#lx\n", (unsigned long)found[0].end, (unsigned long)called);
    print_pieces(&recording);
    site_print(stdout, &function->asked, &sites);
}

int main(int count, char **words)
{
    struct eye_elf *elf = NULL;
    struct eye_tls_plan plan;
    struct eye_error error = {""};
    EYE_AUTOCLOSE int fd = count == 2 ? open(words[1], O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || eye_elf_open(fd, &elf, &error) != 0 ||
        eye_tls_plan_make(elf, &plan, &error) != 0) {
        fprintf(stderr, "record_sites: %s\n", error.text);
        return EXIT_FAILURE;
    }
    bool steps = strcmp(plan.way, "functions") == 0;
    for (uint32_t i = 0; i < plan.function_count; i++) {
        if (plan.join == EYE_TLS_JOIN_GO) {
            record_go(elf, &plan.functions[i]);
        } else {
            record(eye_elf_code(elf), &plan.functions[i], steps);
        }
    }
    eye_elf_close(elf);
    return EXIT_SUCCESS;
}
