/* SPDX-License-Identifier: Apache-2.0 */
/* `sockeye inspect`: where probes of TLS stand in a library or program, and why there is none. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "collector/commands.h"
#include "collector/tls/library.h"

static const char *const directions[] = {
    [EYE_TLS_READS] = "reads",
    [EYE_TLS_WRITES] = "writes",
    [EYE_TLS_ENDS] = "ends",
    [EYE_TLS_BEGINS] = "begins",
};

static uint32_t count_stepped(const struct eye_sites *sites)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < sites->exit_count; i++) {
        count += sites->exits[i].stepped;
    }
    return count;
}

/* ---- For programs ---- */

static json_t *describe_site(const struct eye_elf *elf, const struct eye_site *site)
{
    return json_pack("{sI sb}", "offset", (json_int_t)eye_elf_offset(elf, site->address), "stepped",
                     site->stepped);
}

static json_t *describe_function(const struct eye_elf *elf, const struct eye_tls_function *function)
{
    json_t *exits = json_array();
    for (uint32_t i = 0; i < function->sites.exit_count; i++) {
        json_array_append_new(exits, describe_site(elf, &function->sites.exits[i]));
    }
    return json_pack("{ss ss so so}", "name", function->name, "it", directions[function->direction],
                     "entry", describe_site(elf, &function->sites.entry), "exits", exits);
}

static int print_json(const struct eye_elf *elf, const struct eye_tls_plan *plan)
{
    json_t *functions = json_array();
    for (uint32_t i = 0; i < plan->function_count; i++) {
        json_array_append_new(functions, describe_function(elf, &plan->functions[i]));
    }
    json_t *document = json_pack("{ss ss sb so}", "library", plan->library, "way", plan->way,
                                 "joined", eye_tls_plan_joins(plan), "functions", functions);
    char *text = document == NULL ? NULL : json_dumps(document, JSON_INDENT(2));
    json_decref(document);
    if (text == NULL) {
        fputs("sockeye inspect: out of memory\n", stderr);
        return EYE_EXIT_FAILURE;
    }
    puts(text);
    free(text);
    return EYE_EXIT_OK;
}

/* ---- For a person ---- */

static void print_table(const struct eye_elf *elf, const struct eye_tls_plan *plan)
{
    printf("%s, by its %s\n\n", plan->library, plan->way);
    printf("  %-36s %-7s %12s %6s %8s\n", "FUNCTION", "IT", "ENTRY", "EXITS", "STEPPED");
    for (uint32_t i = 0; i < plan->function_count; i++) {
        const struct eye_tls_function *function = &plan->functions[i];
        printf("  %-36s %-7s %#12" PRIx64 " %6u %8u\n", function->name,
               directions[function->direction], eye_elf_offset(elf, function->sites.entry.address),
               function->sites.exit_count, count_stepped(&function->sites));
    }
    if (!eye_tls_plan_joins(plan)) {
        puts("\nWhere a session keeps the random of its ClientHello, or which end it is, is not\n"
             "found: which socket it has cannot be told.");
    } else if (plan->join == EYE_TLS_JOIN_GO) {
        puts("\nA connection leads to its descriptor, which tells its socket.");
    } else {
        puts("\nA session shows the random of its ClientHello, which tells its socket.");
    }
}

static int fail(const char *path, const char *why)
{
    struct eye_error error;
    eye_error_set(&error, -EINVAL, "sockeye inspect: %s: %s", path, why);
    fprintf(stderr, "%s\n", error.text);
    return EYE_EXIT_FAILURE;
}

static int inspect(const char *path, int fd, bool json)
{
    struct eye_elf *elf = NULL;
    struct eye_tls_plan plan;
    struct eye_error error = {""};
    int result = eye_elf_open(fd, &elf, &error);
    if (result == 0) {
        result = eye_tls_plan_make(elf, &plan, &error);
    }
    int code = EYE_EXIT_OK;
    if (result != 0) {
        code = fail(path, error.text);
    } else if (json) {
        code = print_json(elf, &plan);
    } else {
        print_table(elf, &plan);
    }
    eye_elf_close(elf);
    return code;
}

int eye_command_inspect(const struct eye_options *options)
{
    /* What waits for a writer is no file to inspect. */
    EYE_AUTOCLOSE int fd = open(options->operand, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? fail(options->operand, strerror(errno))
                  : inspect(options->operand, fd, options->json);
}
