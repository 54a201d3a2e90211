/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The program of a protocol that plaintext of sessions is handed to, name_inside. */
#pragma once

static __always_inline void eye_handle_inside(__u8 protocol, const struct eye_parser *parser,
                                              eye_taker *all_steps)
{
    struct eye_tls_calls *calls = eye_tls_calls_of_task();
    if (!calls) {
        return;
    }
    struct eye_tls_call *call = &calls->ended;
    struct eye_passed passed = {
        .segment = {.sequence = call->sequence,
                    .acknowledged = call->acknowledged,
                    .bytes = call->bytes},
        .owner = call->owner,
        .port = call->port,
    };
    eye_handle_payload(call, &call->key, &passed, call->side & 1, protocol, parser, all_steps);
}

/* @parser NULL: as in eye_handle_payload(). The steps are eye_name_all_steps(). */
#define EYE_PROTOCOL_ENTRIES(name, protocol, parser)                                               \
    SEC("kprobe")                                                                                  \
    int name##_inside(struct pt_regs *context)                                                     \
    {                                                                                              \
        eye_tls_use_stack_of_task(context);                                                        \
        eye_handle_inside(protocol, parser, eye_##name##_all_steps);                               \
        return 0;                                                                                  \
    }
