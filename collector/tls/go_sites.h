/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where probes of Go functions stand. Go's own calling convention (cmd/compile/abi-internal.md,
 * from 1.17 on): arguments in registers, the goroutine in another one, and a word for each argument
 * above the return address, where it is kept while others are called. A function begins with a
 * comparison with the end of its stack, and anew when that was too small; its stack may move, so no
 * probe waits for an end. Pure functions over code (collector/tls/code.h).
 */
#pragma once

#include "collector/tls/go_table.h"
#include "collector/tls/sites.h"

/**
 * The entry of a function, @count arguments of which are asked for: the branch behind that
 * comparison, which counts when it is not taken. 0, or a negative errno with a message: -ENOENT, it
 * does not begin like that.
 */
int eye_go_entry_find(const struct eye_code *code, const struct eye_go_function *function,
                      const uint8_t *arguments, uint8_t count, struct eye_site *ret_site,
                      struct eye_error *ret_error);

/**
 * The one call of @called within @function: its arguments are those of the site, but for the first
 * one, which is that of @function, where it is kept (eye_site.kept). 0, or a negative errno with a
 * message: -ENOENT, there is none, or more than one, or the argument is not kept.
 */
int eye_go_call_find(const struct eye_code *code, const struct eye_go_function *function,
                     uint64_t called, const uint8_t *arguments, uint8_t count,
                     struct eye_site *ret_site, struct eye_error *ret_error);
