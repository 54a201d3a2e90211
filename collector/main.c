/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the subcommand. */
#include <stdio.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/hash.h"
#include "collector/commands.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
} commands[] = {
    {"run", eye_command_run,
     "run [-c FILE] [--set KEY=VALUE]... [--once]   the daemon, in the foreground"},
    {"check", eye_command_check,
     "check [-c FILE] [--set KEY=VALUE]... [--default]  is the configuration valid?; print the "
     "default"},
    {"probe", eye_command_probe,
     "probe [--json]                                what this kernel allows"},
    {"metrics", eye_command_metrics,
     "metrics [--markdown]                          every metric that can be sent"},
    {"version", eye_command_version, "version"},
};

static void print_usage(FILE *out)
{
    fputs("usage: sockeye COMMAND [OPTION]...\n\n", out);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(commands); i++) {
        fprintf(out, "  sockeye %s\n", commands[i].usage);
    }
    fputs("\nWithout a configuration file \"run\" watches everything and prints to the console.\n",
          out);
}

int main(int argc, char **argv)
{
    eye_hash_seed();
    if (argc < 2) {
        print_usage(stderr);
        return EYE_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return EYE_EXIT_OK;
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "sockeye: unknown command \"%s\"\n\n", argv[1]);
    print_usage(stderr);
    return EYE_EXIT_USAGE;
}
