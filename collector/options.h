/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line as data: each subcommand is a row that names its options, and what is read, what
 * help says and which name a mistyped one most likely means follow from the rows. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "collector/base/stability.h"

/*
 * X(identifier, code, stability): exit codes of every command.
 * PARTLY: probe can see some things and others not; replay could not read all of its file; status,
 * reload and top find no daemon, as LSB has it. 78 is EX_CONFIG of sysexits.h.
 */
#define EYE_EXITS(X)                                                                               \
    X(OK, 0, STABLE)                                                                               \
    X(FAILURE, 1, STABLE)                                                                          \
    X(USAGE, 2, STABLE)                                                                            \
    X(PARTLY, 3, STABLE)                                                                           \
    X(CONFIG, 78, STABLE)

enum eye_exit {
#define X(identifier, code, stability) EYE_EXIT_##identifier = (code),
    EYE_EXITS(X)
#undef X
};

/* --set on one command line. */
#define EYE_ASSIGNMENTS_MAX 64

struct eye_options {
    const char *file; /* NULL: the usual place */
    const char *assignments[EYE_ASSIGNMENTS_MAX];
    size_t assignment_count;
    bool once;
    bool json;
    bool markdown;
    bool print_default;
    bool open;
    const char *socket;   /* of the running daemon */
    const char *interval; /* NULL: the usual one */
    const char *end;      /* NULL: the usual one */
    const char *operand;  /* of a command that takes one, never NULL then */
};

/* X(identifier, short name or 0, long name, what its value is or NULL, stability, meaning) */
#define EYE_OPTIONS(X)                                                                             \
    X(CONFIG, 'c', "config", "FILE", STABLE,                                                       \
      "this configuration instead of /etc/sockeye/sockeye.yaml")                                   \
    X(SET, 0, "set", "KEY=VALUE", STABLE, "one key, over file and environment; may be repeated")   \
    X(ONCE, 0, "once", NULL, STABLE, "one whole interval, then the end")                           \
    X(DEFAULT, 0, "default", NULL, STABLE,                                                         \
      "print a commented file with every key and its default")                                     \
    X(OPEN, 0, "open", NULL, STABLE, "also try to listen, to write, to use spools")                \
    X(SOCKET, 0, "socket", "PATH", STABLE,                                                         \
      "the daemon's control.socket, if it is not the usual one")                                   \
    X(INTERVAL, 0, "interval", "TIME", EXPERIMENTAL, "seconds between two readings; 1")            \
    X(END, 0, "end", "END", EXPERIMENTAL, "of connections: server, client; server")                \
    X(JSON, 0, "json", NULL, STABLE, "for programs")                                               \
    X(MARKDOWN, 0, "markdown", NULL, STABLE, "as a table")                                         \
    X(HELP, 'h', "help", NULL, STABLE, "this text")                                                \
    X(VERSION, 'V', "version", NULL, STABLE, "the version")

enum eye_option {
#define X(identifier, ...) EYE_OPTION_##identifier,
    EYE_OPTIONS(X)
#undef X
        EYE_OPTION_COUNT,
};

#define EYE_OPTION_BIT(option) (UINT32_C(1) << EYE_OPTION_##option)

struct eye_command {
    const char *name;
    const char *meaning; /* one line */
    bool experimental;   /* the whole command */
    uint32_t options;    /* EYE_OPTION_BIT of its own; help and version are everybody's */
    const char *operand; /* what has to follow, as help calls it; NULL: nothing may */
    const char *notes;   /* ends its help; NULL: nothing to add */
    int (*run)(const struct eye_options *options); /* the exit code */
};

struct eye_option_row {
    char letter; /* 0: none */
    bool experimental;
    const char *name;
    const char *value; /* NULL: takes none */
    const char *meaning;
};

const struct eye_option_row *eye_option_row(enum eye_option option);

/** Help and version are every command's. */
bool eye_command_takes(const struct eye_command *command, enum eye_option option);

enum eye_parsed { EYE_PARSED_RUN, EYE_PARSED_HELP, EYE_PARSED_VERSION, EYE_PARSED_WRONG };

/**
 * Reads what follows the command's name (argv[0]). WRONG: said on stderr, with the nearest known
 * name. @ret_options points into @argv.
 */
enum eye_parsed eye_options_parse(const struct eye_command *command, int argc, char **argv,
                                  struct eye_options *ret_options);

/** What may follow the command, within 80 columns. */
void eye_options_print_help(const struct eye_command *command, FILE *out);
