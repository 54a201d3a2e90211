/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF file of somebody else, which may be anything: symbols, pointers in its data, code. Read by
 * pread(2), never mapped: a file that is cut while it is read then ends a read, and not the daemon.
 * Belongs to one thread.
 */
#pragma once

#include "collector/tls/code.h"

struct eye_elf;

/**
 * Opens the file behind @fd, which stays the caller's and open. 0, or a negative errno with what it
 * is instead of a program or library for x86-64 or arm64: -ENOEXEC; -EFBIG, its symbols would take
 * more memory than those of any program; -EIO; -ENOMEM.
 */
int eye_elf_open(int fd, struct eye_elf **ret_elf, struct eye_error *ret_error);

/** NULL is allowed. */
void eye_elf_close(struct eye_elf *elf);

/** Its code; valid as long as it is open. Where its functions begin is read with the first call. */
const struct eye_code *eye_elf_code(struct eye_elf *elf);

/** Where the first section is loaded whose name ends like that, and its size; 0: there is none. */
uint64_t eye_elf_section(struct eye_elf *elf, const char *name, uint64_t *ret_bytes);

/** The address of a function of one of its symbol tables; 0: it has none. */
uint64_t eye_elf_find(struct eye_elf *elf, const char *name);

/** The address that a pointer at @address has in the file, before it is moved; 0: none. */
uint64_t eye_elf_pointer(struct eye_elf *elf, uint64_t address);

/** Where in the file the byte at @address stands; 0: nowhere. */
uint64_t eye_elf_offset(const struct eye_elf *elf, uint64_t address);
