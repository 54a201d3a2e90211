/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the subcommand, and sees to it that what it wrote has arrived. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/hash.h"
#include "collector/commands.h"
#include "config/nearest.h"

static void print_usage(FILE *out)
{
    fputs("usage: sockeye COMMAND [OPTION]...\n\n", out);
    for (size_t i = 0; i < eye_command_count; i++) {
        const struct eye_command *command = &eye_command_table[i];
        fprintf(out, "  %-8s %s%s\n", command->name, command->meaning,
                command->experimental ? " (experimental)" : "");
    }
    fputs("  help     this, or with a COMMAND its options\n\n"
          "Without a configuration file \"run\" watches everything and prints to the console.\n",
          out);
}

static const struct eye_command *find_command(const char *name)
{
    for (size_t i = 0; i < eye_command_count; i++) {
        if (strcmp(name, eye_command_table[i].name) == 0) {
            return &eye_command_table[i];
        }
    }
    return NULL;
}

static int refuse(const char *word)
{
    static const char *const others[] = {"help", "--help", "--version"};
    struct eye_nearest nearest;
    eye_nearest_init(&nearest, word);
    for (size_t i = 0; i < eye_command_count; i++) {
        eye_nearest_offer(&nearest, eye_command_table[i].name, strlen(eye_command_table[i].name));
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(others); i++) {
        eye_nearest_offer(&nearest, others[i], strlen(others[i]));
    }
    fprintf(stderr, "sockeye: unknown %s \"%s\"", word[0] == '-' ? "option" : "command", word);
    if (nearest.best != NULL) {
        fprintf(stderr, ", did you mean \"%.*s\"?", (int)nearest.best_length, nearest.best);
    }
    fprintf(stderr, "\n\n");
    print_usage(stderr);
    return EYE_EXIT_USAGE;
}

/* @name: NULL for all of them. */
static int help(const char *name)
{
    const struct eye_command *command = name == NULL ? NULL : find_command(name);
    if (command != NULL) {
        eye_options_print_help(command, stdout);
    } else if (name == NULL || strcmp(name, "help") == 0 || name[0] == '-') {
        print_usage(stdout);
    } else {
        return refuse(name);
    }
    return EYE_EXIT_OK;
}

static int run_command(const struct eye_command *command, int argc, char **argv)
{
    struct eye_options options;
    switch (eye_options_parse(command, argc, argv, &options)) {
    case EYE_PARSED_RUN:
        return command->run(&options);
    case EYE_PARSED_HELP:
        return help(command->name);
    case EYE_PARSED_VERSION:
        return eye_command_version(NULL);
    case EYE_PARSED_WRONG:
        break;
    }
    return EYE_EXIT_USAGE;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || (c != NULL && strcmp(word, c) == 0);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EYE_EXIT_USAGE;
    }
    if (is_one_of(argv[1], "help", "--help", "-h")) {
        return help(argv[2]);
    }
    if (is_one_of(argv[1], "--version", "-V", NULL)) {
        return eye_command_version(NULL);
    }
    const struct eye_command *command = find_command(argv[1]);
    return command != NULL ? run_command(command, argc - 1, argv + 1) : refuse(argv[1]);
}

/* What is opened takes the lowest free number: a standard stream that whoever started us closed
 * would become one of our files or sockets, with log lines and tables in it. What is written to one
 * that was closed is an error still: nobody will read it. */
static int fill_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0) { /* NOLINT: inherited */
            fprintf(stderr, "sockeye: cannot open /dev/null in place of a closed stream: %s\n",
                    strerror(errno));
            return EYE_EXIT_FAILURE;
        }
    }
    return EYE_EXIT_OK;
}

/* What a command prints is written at its end, where close_stdout() asks why it cannot be: an error
 * in the middle of it leaves no reason behind. A terminal gets each line. */
static void keep_output(void)
{
    static char room[65536];
    if (!isatty(STDOUT_FILENO)) {
        setvbuf(stdout, room, _IOFBF, sizeof(room));
    }
}

/* A configuration that a full disk cut short must not be taken for a whole one. */
static int close_stdout(int code)
{
    errno = 0;
    bool failed = ferror(stdout) != 0;
    failed |= fclose(stdout) != 0;
    if (!failed) {
        return code;
    }
    fprintf(stderr, "sockeye: cannot write to standard output: %s\n", strerror(errno));
    return code == EYE_EXIT_OK ? EYE_EXIT_FAILURE : code;
}

int main(int argc, char **argv)
{
    if (fill_standard_streams() != EYE_EXIT_OK) {
        return EYE_EXIT_FAILURE;
    }
    keep_output();
    eye_hash_seed();
    return close_stdout(dispatch(argc, argv));
}
