/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tls/go_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"

/* In a program that can be moved it is called .data.rel.ro.gopclntab. */
#define SECTION "gopclntab"
/* struct moduledata, from 1.26 on: it begins with the table's address, and has that of the code. */
#define MODULE ".go.module"
#define MODULE_TEXT 176
#define MAGIC_1_18 0xfffffff0U
#define MAGIC_1_20 0xfffffff1U
#define POINTER_BYTES 8
/* Of the table, and of its names: Kubernetes' kubelet has 30 MB, 5 of them names. */
#define TABLE_MAX (256U << 20)
#define NAMES_MAX (64U << 20)
/* Each, and each name, is compared with all that is asked for. Names of two bytes each would have
 * to fill kubelet's 5 MB to be so many. */
#define FUNCTIONS_MAX (1U << 21)
/* Read at a time. All of it is in the order of functions, so twice the table is more than enough:
 * whoever jumps to and fro ends by that. */
#define WINDOW_BYTES 65536
#define WINDOWS_MAX(bytes) ((uint32_t)((bytes) / WINDOW_BYTES * 2 + 16))
/* Longer than any name that is asked for. */
#define NAME_BYTES 64
#define NOT_FOUND 0xff /* each byte of struct search.wanted */

/* What the table begins with; all addresses from its start but `text`. */
struct head {
    uint32_t magic;
    uint8_t zeros[2];
    uint8_t unit;    /* of code, in bytes */
    uint8_t pointer; /* its size */
    uint64_t functions;
    uint64_t files;
    uint64_t text; /* address of the first function; from 1.26 on 0 */
    uint64_t names;
    uint64_t units;
    uint64_t file_names;
    uint64_t numbers;
    uint64_t rows; /* struct row of each function, behind them what is known of it */
};

struct row {
    uint32_t begin; /* from `text` */
    uint32_t more;  /* from `rows`: struct more */
};

struct more {
    uint32_t begin;
    uint32_t name; /* from `names` */
};

/* A part of the table. */
struct window {
    uint64_t at;
    size_t bytes;
    uint32_t left; /* times that another part is read */
    uint8_t content[WINDOW_BYTES];
};

struct search {
    const struct eye_code *code;
    uint64_t table;
    struct head head;
    uint64_t text;
    uint32_t wanted[EYE_GO_FUNCTIONS_MAX]; /* where their names stand */
    struct window rows;
    struct window rest; /* struct more, in the order of functions */
    struct window names;
};

/* @bytes of what stands at @address; NULL: there are not so many. */
static const void *look(const struct eye_code *code, struct window *window, uint64_t address,
                        size_t bytes)
{
    if (address < window->at || address - window->at + bytes > window->bytes) {
        if (window->left == 0) {
            return NULL;
        }
        window->left--;
        window->at = address;
        window->bytes = code->copy(code->context, address, window->content, WINDOW_BYTES);
    }
    return address - window->at + bytes <= window->bytes ? window->content + (address - window->at)
                                                         : NULL;
}

bool eye_go_is_program(struct eye_elf *elf)
{
    uint64_t bytes;
    return eye_elf_section(elf, SECTION, &bytes) != 0;
}

static uint64_t find_text(struct eye_elf *elf, uint64_t table)
{
    uint64_t bytes;
    uint64_t text = eye_elf_pointer(elf, table + offsetof(struct head, text));
    uint64_t module = text == 0 ? eye_elf_section(elf, MODULE, &bytes) : 0;
    return module != 0 && eye_elf_pointer(elf, module) == table
               ? eye_elf_pointer(elf, module + MODULE_TEXT)
               : text;
}

static int read_head(struct eye_elf *elf, struct search *search, struct eye_error *ret_error)
{
    uint64_t bytes = 0;
    search->table = eye_elf_section(elf, SECTION, &bytes);
    search->code = eye_elf_code(elf);
    struct head *head = &search->head;
    if (search->code->copy(search->code->context, search->table, head, sizeof(*head)) !=
        sizeof(*head)) {
        return eye_error_set(ret_error, -EINVAL, "its table of functions is cut off");
    }
    if (head->magic != MAGIC_1_18 && head->magic != MAGIC_1_20) {
        return eye_error_set(ret_error, -ENOTSUP,
                             "its table of functions (%#x) is of a Go that is not known: before "
                             "1.18, or newer than this daemon",
                             head->magic);
    }
    if (head->pointer != POINTER_BYTES || bytes > TABLE_MAX || head->functions > FUNCTIONS_MAX ||
        head->names > head->units || head->units > bytes || head->rows > bytes ||
        head->units - head->names > NAMES_MAX) {
        return eye_error_set(ret_error, -EINVAL, "its table of functions is none, or too large");
    }
    search->rows.left = WINDOWS_MAX(bytes);
    search->rest.left = WINDOWS_MAX(bytes);
    search->names.left = WINDOWS_MAX(bytes);
    search->text = find_text(elf, search->table);
    return 0;
}

/* ---- Names ---- */

/* Where the name that stands at @at ends, which may be behind what is known of it. */
static uint64_t behind_name(const struct window *window, uint64_t at)
{
    const uint8_t *own = window->content + (at - window->at);
    size_t known = window->bytes - (size_t)(at - window->at);
    const uint8_t *zero = memchr(own, 0, known);
    return at + (zero == NULL ? known : (size_t)(zero - own) + 1);
}

/* False: they are more than programs have. */
static bool find_names(struct search *search, const struct eye_go_function *functions, size_t count)
{
    uint64_t begin = search->table + search->head.names;
    uint64_t end = search->table + search->head.units;
    uint32_t left = FUNCTIONS_MAX;
    for (uint64_t at = begin; at < end; at = behind_name(&search->names, at)) {
        size_t bytes = end - at < NAME_BYTES ? (size_t)(end - at) : NAME_BYTES;
        const char *own = left == 0 ? NULL : look(search->code, &search->names, at, bytes);
        if (own == NULL) {
            return left > 0;
        }
        left--;
        for (size_t i = 0; i < count; i++) {
            if (strncmp(own, functions[i].name, bytes) == 0) {
                search->wanted[i] = (uint32_t)(at - begin);
            }
        }
    }
    return true;
}

/* ---- Functions ---- */

/* False: the table ends. */
static bool read_row(struct search *search, uint64_t index, struct row *ret_both,
                     uint32_t *ret_name)
{
    uint64_t rows = search->table + search->head.rows;
    struct more more;
    /* Behind the last function its end has a row. */
    const void *at =
        look(search->code, &search->rows, rows + index * sizeof(*ret_both), 2 * sizeof(*ret_both));
    if (at == NULL) {
        return false;
    }
    memcpy(ret_both, at, 2 * sizeof(*ret_both));
    at = look(search->code, &search->rest, rows + ret_both->more, sizeof(more));
    if (at == NULL) {
        return false;
    }
    memcpy(&more, at, sizeof(more));
    *ret_name = more.name;
    return true;
}

static void find_functions(struct search *search, struct eye_go_function *functions, size_t count)
{
    struct row both[2];
    uint32_t name;
    for (uint64_t row = 0; row < search->head.functions && read_row(search, row, both, &name);
         row++) {
        for (size_t i = 0; i < count; i++) {
            if (search->wanted[i] == name) {
                functions[i].begin = search->text + both[0].begin;
                functions[i].end = search->text + both[1].begin;
            }
        }
    }
}

int eye_go_find(struct eye_elf *elf, struct eye_go_function *functions, size_t count,
                struct eye_error *ret_error)
{
    EYE_AUTOFREE struct search *search = calloc(1, sizeof(*search));
    if (search == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    int result = read_head(elf, search, ret_error);
    if (result == 0) {
        memset(search->wanted, NOT_FOUND, sizeof(search->wanted));
        result = find_names(search, functions, count)
                     ? 0
                     : eye_error_set(ret_error, -EINVAL, "it has more names of functions than %u",
                                     FUNCTIONS_MAX);
    }
    if (result == 0) {
        find_functions(search, functions, count);
    }
    return result;
}
