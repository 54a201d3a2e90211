/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of libraries of TLS as text (tests/data/tls), each with the bytes of what was read of
 * it and the sites that were found:
 *
 *   function NAME MACHINE ADDRESS FLAGS ARGUMENT...   MACHINE: x86_64, arm64; FLAGS: a bit for
 *                                                     no_result, half, succeeds_by_1, steps
 *   starts ADDRESS...                                 of functions, of those that matter
 *   code ADDRESS BYTES
 *   data ADDRESS BYTES
 *   go END CALLED                                     of a function of Go: its sites are its entry,
 *                                                     or, unless it is 0, its call of CALLED
 *   entry ADDRESS FRAME REGISTER... [kept] [grows]
 *   exit ADDRESS FRAME REGISTER CONDITION half|whole stepped|emulated
 */
#pragma once

#include <stdio.h>

#include "collector/tls/go_sites.h"

enum site_flag {
    SITE_NO_RESULT = 1,
    SITE_HALF = 2,
    SITE_SUCCEEDS_BY_1 = 4,
    SITE_STEPS = 8,
};

static inline unsigned site_flags(const struct eye_asked *asked, bool steps)
{
    return (asked->no_result ? SITE_NO_RESULT : 0U) | (asked->half ? SITE_HALF : 0U) |
           (asked->succeeds_by_1 ? SITE_SUCCEEDS_BY_1 : 0U) | (steps ? SITE_STEPS : 0U);
}

/* The entry of a function of Go, or its call of @called. */
static inline int site_find_go(const struct eye_code *code, const struct eye_go_function *function,
                               uint64_t called, const struct eye_asked *asked,
                               struct eye_sites *ret_sites, struct eye_error *ret_error)
{
    *ret_sites = (struct eye_sites){0};
    return called == 0 ? eye_go_entry_find(code, function, asked->arguments, asked->argument_count,
                                           &ret_sites->entry, ret_error)
                       : eye_go_call_find(code, function, called, asked->arguments,
                                          asked->argument_count, &ret_sites->entry, ret_error);
}

static inline void site_print(FILE *out, const struct eye_asked *asked,
                              const struct eye_sites *sites)
{
    fprintf(out, "entry %#lx %u", (unsigned long)sites->entry.address, sites->entry.frame);
    for (uint8_t i = 0; i < asked->argument_count; i++) {
        fprintf(out, " %u", sites->entry.registers[i]);
    }
    fprintf(out, "%s%s\n", sites->entry.kept ? " kept" : "",
            sites->entry.condition != EYE_SITE_ALWAYS ? " grows" : "");
    for (uint32_t i = 0; i < sites->exit_count; i++) {
        const struct eye_site *site = &sites->exits[i];
        fprintf(out, "exit %#lx %u %u %#x %s %s\n", (unsigned long)site->address, site->frame,
                site->registers[0], site->condition, site->half ? "half" : "whole",
                site->stepped ? "stepped" : "emulated");
    }
}
