/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tls/library.h"

#include <errno.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/tls/go_library.h"
#include "collector/tls/go_table.h"
#include "collector/tls/member.h"

/* struct ssl_method_st of OpenSSL 1.1 and 3.0 to 3.1 (ssl/ssl_local.h), in bytes. Whether a library
 * has it like that is asked of the functions that use it. */
enum method_member {
    METHOD_READ = 0x38,
    METHOD_WRITE = 0x48,
    METHOD_WRITE_BYTES = 0x70,
};

/* Of what a function calls so many are looked at. */
#define CALLS_TRIED 16

/* A function as its documentation has it. */
struct known {
    const char *name;
    enum eye_tls_direction direction;
    struct eye_asked asked; /* without its address */
    const char *within;     /* calls of this one end there: then it needs none of its own */
};

#define COUNTS_IN_32_BITS .half = true, .argument_count = 3, .arguments = {0, 1, 2}
#define SUCCEEDS_BY_1 .half = true, .succeeds_by_1 = true
#define OF_A_SESSION .no_result = true, .argument_count = 1, .arguments = {0}

/* SSL_read(3), SSL_write(3) */
static const struct known openssl_functions[] = {
    {.name = "SSL_read", .direction = EYE_TLS_READS, .asked = {COUNTS_IN_32_BITS}},
    {.name = "SSL_write", .direction = EYE_TLS_WRITES, .asked = {COUNTS_IN_32_BITS}},
    {.name = "SSL_read_ex",
     .direction = EYE_TLS_READS,
     .asked = {SUCCEEDS_BY_1, .argument_count = 4, .arguments = {0, 1, 2, 3}}},
    {.name = "SSL_write_ex",
     .direction = EYE_TLS_WRITES,
     .asked = {SUCCEEDS_BY_1, .argument_count = 4, .arguments = {0, 1, 2, 3}},
     .within = "SSL_write_ex2"},
    {.name = "SSL_write_ex2", /* from 3.3 on */
     .direction = EYE_TLS_WRITES,
     .asked = {SUCCEEDS_BY_1, .argument_count = 4, .arguments = {0, 1, 2, 4}}},
};

/* SSL_free(3), SSL_clear(3) */
static const struct known openssl_ends[] = {
    {.name = "SSL_free", .direction = EYE_TLS_ENDS, .asked = {OF_A_SESSION}},
    {.name = "SSL_clear",
     .direction = EYE_TLS_ENDS,
     .asked = {OF_A_SESSION}}, /* for another peer */
};

/* The members of the table that all of them end in: (s, buf, len, *readbytes), and (s, type, buf,
 * len, *written). */
static const struct known method_read = {
    .name = "method: ssl_read",
    .direction = EYE_TLS_READS,
    .asked = {SUCCEEDS_BY_1, .argument_count = 4, .arguments = {0, 1, 2, 3}},
};
static const struct known method_write = {
    .name = "method: ssl_write_bytes",
    .direction = EYE_TLS_WRITES,
    .asked = {SUCCEEDS_BY_1, .argument_count = 5, .arguments = {0, 2, 3, 4, 1}},
};

/* gnutls_record_recv(3), gnutls_record_send2(3), gnutls_deinit(3) */
static const struct known gnutls_functions[] = {
    {.name = "gnutls_record_recv",
     .direction = EYE_TLS_READS,
     .asked = {.argument_count = 3, .arguments = {0, 1, 2}}},
    {.name = "gnutls_record_send",
     .direction = EYE_TLS_WRITES,
     .asked = {.argument_count = 3, .arguments = {0, 1, 2}},
     .within = "gnutls_record_send2"},
    {.name = "gnutls_record_send2", /* from 3.6.3 on */
     .direction = EYE_TLS_WRITES,
     .asked = {.argument_count = 3, .arguments = {0, 1, 2}}},
    {.name = "gnutls_deinit", .direction = EYE_TLS_ENDS, .asked = {OF_A_SESSION}},
};

static int add(struct eye_elf *elf, const struct known *known, uint64_t address, bool steps,
               struct eye_tls_plan *plan, struct eye_error *ret_error)
{
    struct eye_error why;
    struct eye_tls_function *function = &plan->functions[plan->function_count];
    *function = (struct eye_tls_function){
        .name = known->name, .direction = known->direction, .asked = known->asked};
    function->asked.address = address;
    int result = eye_sites_find(eye_elf_code(elf), &function->asked, steps, &function->sites, &why);
    if (result != 0) {
        return eye_error_set(ret_error, result == -ENOMEM ? result : -ENOTSUP, "%s: %s",
                             known->name, why.text);
    }
    plan->function_count++;
    return 0;
}

/* All exported functions that there are. */
static int add_functions(struct eye_elf *elf, const struct known *functions, size_t count,
                         struct eye_tls_plan *plan, struct eye_error *ret_error)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t address = eye_elf_find(elf, functions[i].name);
        if (address == 0 ||
            (functions[i].within != NULL && eye_elf_find(elf, functions[i].within) != 0)) {
            continue;
        }
        int result = add(elf, &functions[i], address, true, plan, ret_error);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

/* ---- OpenSSL's method table ---- */

/* The address that a function returns, which is all that it does: it comes in one instruction, or
 * on arm64 as a page and what is added to it. */
static uint64_t returned_address(const struct eye_code *code, uint64_t address)
{
    EYE_CLEANUP(eye_function_free) struct eye_function function = {0};
    uint64_t returned = 0;
    if (eye_function_read(code, address, &function, NULL) != 0) {
        return 0;
    }
    for (int32_t i = 0; i >= 0 && function.items[i].flow != EYE_FLOW_RETURN;
         i = function.items[i].next) {
        const struct eye_instruction *item = &function.items[i];
        if (item->to != 0) {
            continue;
        }
        if (item->constant) {
            returned = (uint64_t)item->number;
        } else if (item->points && item->from == 0 && returned != 0) {
            returned += (uint64_t)(int64_t)item->distance;
        } else {
            return 0;
        }
    }
    return returned;
}

/* Whether @reg is set by a load from @distance, or copied from a register that is. */
static bool is_loaded(const struct eye_function *function, int8_t reg, int32_t distance)
{
    uint32_t wanted = 1U << reg;
    for (uint32_t i = 0; i < function->count; i++) {
        const struct eye_instruction *item = &function->items[i];
        wanted |= item->copies && item->to == reg ? 1U << item->from : 0;
    }
    for (uint32_t i = 0; i < function->count; i++) {
        const struct eye_instruction *item = &function->items[i];
        if (item->loads && item->to >= 0 && wanted >> item->to & 1 && item->distance == distance) {
            return true;
        }
    }
    return false;
}

/* Whether a function goes where a pointer leads that it loads from @distance. */
static bool goes_through(const struct eye_function *function, int32_t distance)
{
    for (uint32_t i = 0; i < function->count; i++) {
        const struct eye_instruction *item = &function->items[i];
        bool goes = item->flow == EYE_FLOW_JUMP || item->flow == EYE_FLOW_CALL;
        if (!goes || item->target != 0 || item->from < 0) {
            continue;
        }
        if (item->loads ? item->distance == distance : is_loaded(function, item->from, distance)) {
            return true;
        }
    }
    return false;
}

/* The same of the function at an address, or of one that it calls, @calls deep. */
static bool uses_member(const struct eye_code *code, uint64_t address, int32_t distance, int calls)
{
    EYE_CLEANUP(eye_function_free) struct eye_function function = {0};
    if (address == 0 || eye_function_read(code, address, &function, NULL) != 0) {
        return false;
    }
    bool uses = goes_through(&function, distance);
    int tried = 0;
    for (uint32_t i = 0; i < function.count && calls > 0 && !uses && tried < CALLS_TRIED; i++) {
        const struct eye_instruction *item = &function.items[i];
        if (item->flow == EYE_FLOW_CALL && item->target != 0) {
            uses = uses_member(code, item->target, distance, calls - 1);
            tried++;
        }
    }
    return uses;
}

/* One pair of functions that everything ends in, if the table is as it is known, and both have
 * places that are emulated. */
static bool add_method(struct eye_elf *elf, struct eye_tls_plan *plan)
{
    const struct eye_code *code = eye_elf_code(elf);
    uint64_t method = eye_elf_find(elf, "TLS_method");
    uint64_t table = method == 0 ? 0 : returned_address(code, method);
    if (table == 0 || !uses_member(code, eye_elf_find(elf, "SSL_read"), METHOD_READ, 1) ||
        !uses_member(code, eye_elf_find(elf, "SSL_write"), METHOD_WRITE, 1) ||
        !uses_member(code, eye_elf_pointer(elf, table + METHOD_WRITE), METHOD_WRITE_BYTES, 0)) {
        return false;
    }
    plan->way = "method-table";
    return add(elf, &method_read, eye_elf_pointer(elf, table + METHOD_READ), false, plan, NULL) ==
               0 &&
           add(elf, &method_write, eye_elf_pointer(elf, table + METHOD_WRITE_BYTES), false, plan,
               NULL) == 0;
}

static int plan_openssl(struct eye_elf *elf, struct eye_tls_plan *plan, struct eye_error *ret_error)
{
    plan->library = "OpenSSL";
    plan->client_random =
        eye_tls_member_find(eye_elf_code(elf), eye_elf_find(elf, "SSL_get_client_random"), true);
    plan->is_server =
        eye_tls_member_find(eye_elf_code(elf), eye_elf_find(elf, "SSL_is_server"), false);
    plan->reads_from =
        eye_tls_member_find(eye_elf_code(elf), eye_elf_find(elf, "SSL_get_rbio"), false);
    if (plan->is_server.offset == 0) {
        plan->client_random = (struct eye_tls_member){0}; /* the ends of one host have the same */
    } else if (plan->is_server.mask != UINT32_MAX) {
        plan->library = "BoringSSL"; /* OpenSSL has an int there; BIOs differ as well */
        plan->reads_from = (struct eye_tls_member){0};
    }
    if (add_method(elf, plan)) {
        return add_functions(elf, openssl_ends, EYE_ARRAY_LENGTH(openssl_ends), plan, ret_error);
    }
    plan->function_count = 0;
    plan->way = "functions";
    int result =
        add_functions(elf, openssl_functions, EYE_ARRAY_LENGTH(openssl_functions), plan, ret_error);
    return result == 0
               ? add_functions(elf, openssl_ends, EYE_ARRAY_LENGTH(openssl_ends), plan, ret_error)
               : result;
}

static int plan_gnutls(struct eye_elf *elf, struct eye_tls_plan *plan, struct eye_error *ret_error)
{
    plan->library = "GnuTLS";
    plan->way = "functions";
    plan->client_random = eye_tls_member_find(eye_elf_code(elf),
                                              eye_elf_find(elf, "gnutls_session_get_random"), true);
    return add_functions(elf, gnutls_functions, EYE_ARRAY_LENGTH(gnutls_functions), plan,
                         ret_error);
}

enum family { FAMILY_NONE, FAMILY_OPENSSL, FAMILY_GNUTLS, FAMILY_GO };

/* Go first: a section tells it, without a walk over all symbols. */
static enum family family_of(struct eye_elf *elf)
{
    if (eye_go_is_program(elf)) {
        return FAMILY_GO;
    }
    if (eye_elf_find(elf, "SSL_read") != 0 && eye_elf_find(elf, "SSL_write") != 0) {
        return FAMILY_OPENSSL;
    }
    if (eye_elf_find(elf, "gnutls_record_recv") != 0 &&
        eye_elf_find(elf, "gnutls_record_send") != 0) {
        return FAMILY_GNUTLS;
    }
    return FAMILY_NONE;
}

bool eye_tls_is_known(struct eye_elf *elf)
{
    return family_of(elf) != FAMILY_NONE;
}

int eye_tls_plan_make(struct eye_elf *elf, struct eye_tls_plan *ret_plan,
                      struct eye_error *ret_error)
{
    int result = eye_decoder_open(eye_elf_code(elf)->machine, ret_error);
    if (result != 0) {
        return result;
    }
    *ret_plan = (struct eye_tls_plan){0};
    switch (family_of(elf)) {
    case FAMILY_OPENSSL:
        return plan_openssl(elf, ret_plan, ret_error);
    case FAMILY_GNUTLS:
        return plan_gnutls(elf, ret_plan, ret_error);
    case FAMILY_GO:
        return eye_go_plan_make(elf, ret_plan, ret_error);
    default:
        break;
    }
    return eye_error_set(ret_error, -ENOENT,
                         "no library of TLS that is known: neither SSL_read nor gnutls_record_recv "
                         "is among its functions, and it is no program of Go");
}
