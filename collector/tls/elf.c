/* SPDX-License-Identifier: Apache-2.0 */
/* Through libelf; .eh_frame_hdr by hand (Linux Standard Base Core, 10.6.2). */
#include "collector/tls/elf.h"

#include <assert.h>
#include <errno.h>
#include <gelf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/base.h"

#define WINDOW_BYTES 65536
#define SEGMENTS_MAX 64
/* Of functions; node has 110 000. */
#define STARTS_MAX (1U << 20)
/* Of the tables that libelf keeps in memory as long as a file is open: symbols, relocations and
 * names of all sections. Those of node (98 MB) have 17 MB. */
#define TABLES_BYTES_MAX (128U << 20)
#define HEAD_BYTES 12
/* version 1, pointer: relative to itself, count: 4 bytes, table: 4 bytes relative to the section.
 */
#define HEAD_KINDS "\1\x1b\3\x3b"

/* Of that table: distances from it. */
struct entry {
    int32_t start;
    int32_t frame;
};

static_assert(sizeof(struct entry) == sizeof(uint64_t), "entries are read where starts will stand");

struct segment {
    uint64_t address;
    uint64_t offset;
    uint64_t bytes; /* in the file */
    bool executable;
};

struct eye_elf {
    int fd;
    Elf *elf;
    struct eye_code code;
    struct segment segments[SEGMENTS_MAX];
    size_t segment_count;
    uint64_t *starts;
    bool started;       /* they were looked for */
    uint64_t window_at; /* address */
    size_t window_bytes;
    uint8_t window[WINDOW_BYTES];
};

static const struct segment *find_segment(const struct eye_elf *elf, uint64_t address)
{
    for (size_t i = 0; i < elf->segment_count; i++) {
        if (address - elf->segments[i].address < elf->segments[i].bytes) {
            return &elf->segments[i];
        }
    }
    return NULL;
}

uint64_t eye_elf_offset(const struct eye_elf *elf, uint64_t address)
{
    const struct segment *segment = find_segment(elf, address);
    return segment == NULL ? 0 : segment->offset + (address - segment->address);
}

/* Up to @bytes of what stands at @address. */
static size_t read_at(const struct eye_elf *elf, uint64_t address, void *target, size_t bytes)
{
    const struct segment *segment = find_segment(elf, address);
    if (segment == NULL) {
        return 0;
    }
    uint64_t inside = address - segment->address;
    bytes = bytes < segment->bytes - inside ? bytes : (size_t)(segment->bytes - inside);
    ssize_t length = pread(elf->fd, target, bytes, (off_t)(segment->offset + inside));
    return length > 0 ? (size_t)length : 0;
}

static size_t copy_bytes(void *context, uint64_t address, void *target, size_t bytes)
{
    return read_at(context, address, target, bytes);
}

static size_t read_code(void *context, uint64_t address, const uint8_t **ret_bytes)
{
    struct eye_elf *elf = context;
    uint64_t inside = address - elf->window_at;
    if (inside >= elf->window_bytes || elf->window_bytes - inside < EYE_INSTRUCTION_MAX) {
        const struct segment *segment = find_segment(elf, address);
        if (segment == NULL || !segment->executable) {
            return 0;
        }
        /* A jump back is as likely as one forward. */
        uint64_t before = address - segment->address;
        before = before < WINDOW_BYTES / 4 ? before : WINDOW_BYTES / 4;
        elf->window_at = address - before;
        elf->window_bytes = read_at(elf, elf->window_at, elf->window, sizeof(elf->window));
        inside = before;
    }
    if (inside >= elf->window_bytes) {
        return 0;
    }
    *ret_bytes = elf->window + inside;
    return elf->window_bytes - (size_t)inside;
}

static int read_segments(struct eye_elf *elf, uint64_t file_bytes)
{
    size_t count = 0;
    if (elf_getphdrnum(elf->elf, &count) != 0 || count > SEGMENTS_MAX) {
        return -ENOEXEC;
    }
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (gelf_getphdr(elf->elf, (int)i, &header) == NULL || header.p_type != PT_LOAD) {
            continue;
        }
        if (header.p_offset > file_bytes || header.p_filesz > file_bytes - header.p_offset ||
            header.p_vaddr + header.p_filesz < header.p_vaddr) {
            return -ENOEXEC;
        }
        elf->segments[elf->segment_count++] =
            (struct segment){.address = header.p_vaddr,
                             .offset = header.p_offset,
                             .bytes = header.p_filesz,
                             .executable = (header.p_flags & PF_X) != 0};
    }
    return elf->segment_count > 0 ? 0 : -ENOEXEC;
}

static int compare_addresses(const void *left, const void *right)
{
    const uint64_t *a = left;
    const uint64_t *b = right;
    return (*a > *b) - (*a < *b);
}

/* The start of every function that the table for whoever unwinds has, also of those without a name.
 * @address: of the table. */
static void read_starts_at(struct eye_elf *elf, uint64_t address)
{
    uint8_t head[HEAD_BYTES];
    uint32_t entries;
    if (read_at(elf, address, head, sizeof(head)) != sizeof(head) ||
        memcmp(head, HEAD_KINDS, 4) != 0) {
        return;
    }
    memcpy(&entries, head + 8, sizeof(entries));
    entries = entries < STARTS_MAX ? entries : STARTS_MAX;
    elf->starts = calloc((size_t)entries + 1, sizeof(*elf->starts));
    if (elf->starts == NULL) {
        return;
    }
    /* An entry is as wide as what it becomes. */
    size_t bytes = read_at(elf, address + HEAD_BYTES, elf->starts, entries * sizeof(struct entry));
    size_t count = bytes / sizeof(struct entry);
    for (size_t i = 0; i < count; i++) {
        struct entry entry;
        memcpy(&entry, &elf->starts[i], sizeof(entry));
        elf->starts[i] = address + (uint64_t)(int64_t)entry.start;
    }
    qsort(elf->starts, count, sizeof(*elf->starts), compare_addresses);
    elf->code.starts = elf->starts;
    elf->code.start_count = count;
}

/* Where there is no table nothing tells where functions begin. */
static void read_starts(struct eye_elf *elf)
{
    size_t count = 0;
    (void)elf_getphdrnum(elf->elf, &count);
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (gelf_getphdr(elf->elf, (int)i, &header) != NULL && header.p_type == PT_GNU_EH_FRAME) {
            read_starts_at(elf, header.p_vaddr);
            return;
        }
    }
}

/* A file with holes costs its owner nothing, however large. More sections than the header can say
 * (gABI, "ELF Header": e_shnum is 0) no program has, and libelf has a structure for each at once.
 */
static bool has_many_sections(int fd)
{
    Elf64_Ehdr header;
    return pread(fd, &header, sizeof(header), 0) == sizeof(header) && header.e_shoff != 0 &&
           header.e_shnum == 0;
}

static bool is_kept(const GElf_Shdr *header)
{
    return header->sh_type == SHT_SYMTAB || header->sh_type == SHT_DYNSYM ||
           header->sh_type == SHT_RELA || header->sh_type == SHT_STRTAB;
}

/* How large what is compressed will be nobody knows. */
static int measure_tables(Elf *elf)
{
    uint64_t left = TABLES_BYTES_MAX;
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == NULL || !is_kept(&header)) {
            continue;
        }
        if (header.sh_size > left || (header.sh_flags & SHF_COMPRESSED) != 0) {
            return -EFBIG;
        }
        left -= header.sh_size;
    }
    return 0;
}

static int read_kind(struct eye_elf *elf)
{
    GElf_Ehdr header;
    if (elf_kind(elf->elf) != ELF_K_ELF || gelf_getehdr(elf->elf, &header) == NULL ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        (header.e_type != ET_DYN && header.e_type != ET_EXEC) ||
        (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64)) {
        return -ENOEXEC;
    }
    elf->code = (struct eye_code){
        .machine = header.e_machine == EM_X86_64 ? EYE_MACHINE_X86_64 : EYE_MACHINE_ARM64,
        .read = read_code,
        .copy = copy_bytes,
        .context = elf,
    };
    return 0;
}

static int read_all(struct eye_elf *elf)
{
    struct stat status;
    if (fstat(elf->fd, &status) != 0) {
        return -errno;
    }
    if (has_many_sections(elf->fd)) {
        return -EFBIG;
    }
    elf->elf = elf_begin(elf->fd, ELF_C_READ, NULL);
    if (elf->elf == NULL) {
        return -ENOEXEC;
    }
    int result = read_kind(elf);
    if (result == 0) {
        result = measure_tables(elf->elf);
    }
    return result == 0 ? read_segments(elf, (uint64_t)status.st_size) : result;
}

int eye_elf_open(int fd, struct eye_elf **ret_elf, struct eye_error *ret_error)
{
    if (elf_version(EV_CURRENT) == EV_NONE) {
        return eye_error_set(ret_error, -ENOEXEC, "libelf is too old: %s", elf_errmsg(-1));
    }
    struct eye_elf *elf = calloc(1, sizeof(*elf));
    if (elf == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    elf->fd = fd;
    int result = read_all(elf);
    if (result != 0) {
        eye_elf_close(elf);
        return eye_error_set(ret_error, result,
                             result == -ENOEXEC ? "no program or library of x86-64 or arm64"
                             : result == -EFBIG ? "its symbols are too many, or compressed"
                                                : "%s",
                             strerror(-result));
    }
    *ret_elf = elf;
    return 0;
}

void eye_elf_close(struct eye_elf *elf)
{
    if (elf != NULL) {
        elf_end(elf->elf);
        free(elf->starts);
        free(elf);
    }
}

const struct eye_code *eye_elf_code(struct eye_elf *elf)
{
    if (!elf->started) {
        elf->started = true;
        read_starts(elf);
    }
    return &elf->code;
}

uint64_t eye_elf_section(struct eye_elf *elf, const char *name, uint64_t *ret_bytes)
{
    size_t names = 0;
    Elf_Scn *section = NULL;
    if (elf_getshdrstrndx(elf->elf, &names) != 0) {
        return 0;
    }
    while ((section = elf_nextscn(elf->elf, section)) != NULL) {
        GElf_Shdr header;
        const char *own = gelf_getshdr(section, &header) == NULL
                              ? NULL
                              : elf_strptr(elf->elf, names, header.sh_name);
        size_t length = own == NULL ? 0 : strlen(own);
        if (own != NULL && length >= strlen(name) &&
            strcmp(own + length - strlen(name), name) == 0) {
            *ret_bytes = header.sh_size;
            return header.sh_addr;
        }
    }
    return 0;
}

/* ---- Symbols and pointers ---- */

/* The entries of a section that has a table of @entry_bytes each; NULL: it is none. */
static Elf_Data *read_table(Elf_Scn *section, const GElf_Shdr *header, size_t entry_bytes,
                            size_t *ret_count)
{
    Elf_Data *data = header->sh_entsize == entry_bytes ? elf_getdata(section, NULL) : NULL;
    *ret_count = data == NULL ? 0 : data->d_size / entry_bytes;
    return data;
}

static uint64_t find_in(struct eye_elf *elf, Elf_Scn *section, const GElf_Shdr *header,
                        const char *name)
{
    size_t count;
    Elf_Data *data = read_table(section, header, sizeof(Elf64_Sym), &count);
    for (size_t i = 0; i < count; i++) {
        GElf_Sym symbol;
        if (gelf_getsym(data, (int)i, &symbol) == NULL || symbol.st_shndx == SHN_UNDEF ||
            GELF_ST_TYPE(symbol.st_info) != STT_FUNC) {
            continue;
        }
        const char *own = elf_strptr(elf->elf, header->sh_link, symbol.st_name);
        if (own != NULL && strcmp(own, name) == 0) {
            return symbol.st_value;
        }
    }
    return 0;
}

uint64_t eye_elf_find(struct eye_elf *elf, const char *name)
{
    uint64_t address = 0;
    Elf_Scn *section = NULL;
    while (address == 0 && (section = elf_nextscn(elf->elf, section)) != NULL) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) != NULL &&
            (header.sh_type == SHT_DYNSYM || header.sh_type == SHT_SYMTAB)) {
            address = find_in(elf, section, &header, name);
        }
    }
    return address;
}

static bool is_relative(const struct eye_elf *elf, const GElf_Rela *entry)
{
    return GELF_R_TYPE(entry->r_info) == (elf->code.machine == EYE_MACHINE_X86_64
                                              ? R_X86_64_RELATIVE
                                              : (uint64_t)R_AARCH64_RELATIVE);
}

uint64_t eye_elf_pointer(struct eye_elf *elf, uint64_t address)
{
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf->elf, section)) != NULL) {
        GElf_Shdr header;
        size_t count = 0;
        Elf_Data *data = NULL;
        if (gelf_getshdr(section, &header) != NULL && header.sh_type == SHT_RELA) {
            data = read_table(section, &header, sizeof(Elf64_Rela), &count);
        }
        for (size_t i = 0; i < count; i++) {
            GElf_Rela entry;
            if (gelf_getrela(data, (int)i, &entry) != NULL && entry.r_offset == address) {
                return is_relative(elf, &entry) ? (uint64_t)entry.r_addend : 0;
            }
        }
    }
    uint64_t pointer = 0;
    return read_at(elf, address, &pointer, sizeof(pointer)) == sizeof(pointer) ? pointer : 0;
}
