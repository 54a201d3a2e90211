/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold whatever the input: the fuzzer stops where it does not. */
#pragma once

#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            __builtin_trap();                                                                      \
        }                                                                                          \
    } while (0)
