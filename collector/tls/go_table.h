/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of a Go program by their names, also of one that was stripped: the table that its
 * runtime walks stacks by (runtime.pclntab; Go's src/runtime/symtab.go and internal/abi).
 */
#pragma once

#include "collector/tls/elf.h"

/* That are looked up at a time. */
#define EYE_GO_FUNCTIONS_MAX 8

/* A function: its name is asked for, the rest is found. */
struct eye_go_function {
    const char *name;
    uint64_t begin; /* addresses; 0: there is none */
    uint64_t end;   /* what belongs to it stands before that, with some padding */
};

/** Whether @elf is a Go program. */
bool eye_go_is_program(struct eye_elf *elf);

/**
 * Looks up @count functions, EYE_GO_FUNCTIONS_MAX at most. 0, or a negative errno with a message:
 * -ENOTSUP, a table of a Go that is not known (before 1.18); -EINVAL, it is none.
 */
int eye_go_find(struct eye_elf *elf, struct eye_go_function *functions, size_t count,
                struct eye_error *ret_error);
