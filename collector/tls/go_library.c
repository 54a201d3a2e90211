/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tls/go_library.h"

#include <errno.h>

#include "collector/base/base.h"
#include "collector/tls/go_sites.h"

enum which { COPY, READ, WRITE, CLOSE, SHAKE_CLIENT, SHAKE_SERVER, COUNT };

static const char *const names[COUNT] = {
    [COPY] = "runtime.memmove",
    [READ] = "crypto/tls.(*Conn).Read",
    [WRITE] = "crypto/tls.(*Conn).writeRecordLocked",
    [CLOSE] = "crypto/tls.(*Conn).Close",
    [SHAKE_CLIENT] = "crypto/tls.(*Conn).clientHandshake",
    [SHAKE_SERVER] = "crypto/tls.(*Conn).serverHandshake",
};

/* memmove(to, from, bytes): what was read is where it comes from. */
static const struct eye_asked asked_of_copy = {
    .no_result = true, .argument_count = 3, .arguments = {0, 1, 2}};
/* writeRecordLocked(c, type, data): a slice is a pointer and a length. */
static const struct eye_asked asked_of_write = {
    .no_result = true, .argument_count = 5, .arguments = {0, 2, 3, 0, 1}};
static const struct eye_asked asked_of_end = {.no_result = true, .argument_count = 1};

static struct eye_tls_function *add(struct eye_tls_plan *plan,
                                    const struct eye_go_function *function,
                                    enum eye_tls_direction direction, const struct eye_asked *asked)
{
    struct eye_tls_function *added = &plan->functions[plan->function_count++];
    *added = (struct eye_tls_function){.name = function->name,
                                       .direction = direction,
                                       .at_once = direction == EYE_TLS_READS ||
                                                  direction == EYE_TLS_WRITES,
                                       .asked = *asked};
    added->asked.address = function->begin;
    return added;
}

/* What is read is seen where it is copied to the reader: before, nobody knows how much it will be,
 * and behind it there is no place. What is written is seen behind the handshake, which the first
 * write may begin. */
static int add_plaintext(const struct eye_code *code, const struct eye_go_function *functions,
                         struct eye_tls_plan *plan, struct eye_error *ret_error)
{
    struct eye_tls_function *read = add(plan, &functions[READ], EYE_TLS_READS, &asked_of_copy);
    int result =
        eye_go_call_find(code, &functions[READ], functions[COPY].begin, read->asked.arguments,
                         read->asked.argument_count, &read->sites.entry, ret_error);
    if (result != 0) {
        return result;
    }
    struct eye_tls_function *write = add(plan, &functions[WRITE], EYE_TLS_WRITES, &asked_of_write);
    return eye_go_entry_find(code, &functions[WRITE], write->asked.arguments,
                             write->asked.argument_count, &write->sites.entry, ret_error);
}

/* A connection that nobody closes is taken away by the garbage collector, and another one may get
 * its place: whoever shakes hands is new. */
static int add_ends(const struct eye_code *code, const struct eye_go_function *functions,
                    struct eye_tls_plan *plan, struct eye_error *ret_error)
{
    for (enum which i = CLOSE; i < COUNT; i++) {
        enum eye_tls_direction direction = i == CLOSE ? EYE_TLS_ENDS : EYE_TLS_BEGINS;
        struct eye_tls_function *end = add(plan, &functions[i], direction, &asked_of_end);
        int result = eye_go_entry_find(code, &functions[i], end->asked.arguments,
                                       end->asked.argument_count, &end->sites.entry, ret_error);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

int eye_go_plan_make(struct eye_elf *elf, struct eye_tls_plan *ret_plan,
                     struct eye_error *ret_error)
{
    struct eye_go_function functions[COUNT] = {0};
    for (enum which i = 0; i < COUNT; i++) {
        functions[i].name = names[i];
    }
    ret_plan->library = "crypto/tls";
    ret_plan->way = "functions";
    ret_plan->join = EYE_TLS_JOIN_GO;
    int result = eye_go_find(elf, functions, COUNT, ret_error);
    if (result != 0) {
        return result;
    }
    if (functions[READ].begin == 0) {
        return eye_error_set(ret_error, -ENOENT, "a Go program without crypto/tls");
    }
    result = add_plaintext(eye_elf_code(elf), functions, ret_plan, ret_error);
    return result == 0 ? add_ends(eye_elf_code(elf), functions, ret_plan, ret_error) : result;
}
