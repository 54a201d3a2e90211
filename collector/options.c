/* SPDX-License-Identifier: Apache-2.0 */
/* Rows to getopt_long(3), its findings to messages, rows to help. */
#include "collector/options.h"

#include <getopt.h>
#include <string.h>

#include "collector/base/base.h"
#include "config/nearest.h"

#define LONG_MAX_BYTES 32

/* getopt_long() answers with these, apart from any character. */
#define CODE_FIRST 256

static const struct eye_option_row rows[] = {
#define X(identifier, letter, name, value, stability, meaning)                                     \
    {letter, EYE_##stability, name, value, meaning},
    EYE_OPTIONS(X)
#undef X
};

const struct eye_option_row *eye_option_row(enum eye_option option)
{
    return &rows[option];
}

bool eye_command_takes(const struct eye_command *command, enum eye_option option)
{
    bool common = option == EYE_OPTION_HELP || option == EYE_OPTION_VERSION;
    return common || (command->options >> option & 1) != 0;
}

/* What getopt_long() wants of a command; longs[i].val is CODE_FIRST and the option. */
struct getopt_rows {
    struct option longs[EYE_OPTION_COUNT + 1];
    char letters[2 * EYE_OPTION_COUNT + 2];
};

static void fill_getopt_rows(const struct eye_command *command, struct getopt_rows *ret_rows)
{
    size_t count = 0;
    size_t length = 0;
    memset(ret_rows, 0, sizeof(*ret_rows));
    ret_rows->letters[length++] = ':'; /* tell a missing value from an unknown option */
    for (int i = 0; i < EYE_OPTION_COUNT; i++) {
        if (!eye_command_takes(command, (enum eye_option)i)) {
            continue;
        }
        int takes_value = rows[i].value == NULL ? no_argument : required_argument;
        ret_rows->longs[count++] = (struct option){rows[i].name, takes_value, NULL, CODE_FIRST + i};
        if (rows[i].letter != 0) {
            ret_rows->letters[length++] = rows[i].letter;
            ret_rows->letters[length] = ':';
            length += takes_value == required_argument;
            ret_rows->letters[length] = '\0';
        }
    }
}

/* The option that getopt_long() found; EYE_OPTION_COUNT: none of ours. */
static enum eye_option option_of(int code)
{
    for (int i = 0; i < EYE_OPTION_COUNT; i++) {
        if (code == CODE_FIRST + i || (rows[i].letter != 0 && code == rows[i].letter)) {
            return (enum eye_option)i;
        }
    }
    return EYE_OPTION_COUNT;
}

/* ---- What is wrong ---- */

static void say_unknown(const struct eye_command *command, const char *word)
{
    fprintf(stderr, "sockeye %s: unknown option \"%s\"", command->name, word);
    struct eye_nearest nearest;
    size_t length = strcspn(word, "=");
    char name[LONG_MAX_BYTES];
    snprintf(name, sizeof(name), "%.*s", (int)length, word);
    eye_nearest_init(&nearest, name + strspn(name, "-"));
    for (int i = 0; i < EYE_OPTION_COUNT; i++) {
        if (eye_command_takes(command, (enum eye_option)i)) {
            eye_nearest_offer(&nearest, rows[i].name, strlen(rows[i].name));
        }
    }
    if (nearest.best != NULL) {
        fprintf(stderr, ", did you mean \"--%.*s\"?", (int)nearest.best_length, nearest.best);
    }
    fprintf(stderr, "\n");
}

/* getopt_long() answered @answer, which is '?' or ':'. */
static void say_wrong(const struct eye_command *command, int answer, char **argv)
{
    enum eye_option known = option_of(optopt);
    if (answer == ':') {
        fprintf(stderr, "sockeye %s: \"%s\" wants %s behind it\n", command->name, argv[optind - 1],
                rows[known].value);
    } else if (known != EYE_OPTION_COUNT) {
        fprintf(stderr, "sockeye %s: --%s takes no value\n", command->name, rows[known].name);
    } else if (optopt != 0) {
        const char letter[] = {'-', (char)optopt, '\0'};
        say_unknown(command, letter);
    } else {
        say_unknown(command, argv[optind - 1]);
    }
}

static enum eye_parsed wrong(const struct eye_command *command)
{
    fprintf(stderr, "\"sockeye %s --help\" tells what may follow\n", command->name);
    return EYE_PARSED_WRONG;
}

/* ---- Reading ---- */

/* False when there are too many of them. */
static bool take(struct eye_options *options, enum eye_option option)
{
    switch (option) {
    case EYE_OPTION_CONFIG:
        options->file = optarg;
        break;
    case EYE_OPTION_SET:
        if (options->assignment_count == EYE_ASSIGNMENTS_MAX) {
            return false;
        }
        options->assignments[options->assignment_count++] = optarg;
        break;
    case EYE_OPTION_SOCKET:
        options->socket = optarg;
        break;
    case EYE_OPTION_INTERVAL:
        options->interval = optarg;
        break;
    case EYE_OPTION_END:
        options->end = optarg;
        break;
    case EYE_OPTION_ONCE:
        options->once = true;
        break;
    case EYE_OPTION_DEFAULT:
        options->print_default = true;
        break;
    case EYE_OPTION_OPEN:
        options->open = true;
        break;
    case EYE_OPTION_JSON:
        options->json = true;
        break;
    case EYE_OPTION_MARKDOWN:
        options->markdown = true;
        break;
    case EYE_OPTION_HELP:
    case EYE_OPTION_VERSION:
    case EYE_OPTION_COUNT:
        break;
    }
    return true;
}

enum eye_parsed eye_options_parse(const struct eye_command *command, int argc, char **argv,
                                  struct eye_options *ret_options)
{
    struct getopt_rows wanted;
    fill_getopt_rows(command, &wanted);
    *ret_options = (struct eye_options){0};
    opterr = 0;
    optind = 0; /* from the start, also a second time: getopt_long(3) of glibc */
    int answer;
    while ((answer = getopt_long(argc, argv, wanted.letters, wanted.longs, NULL)) != -1) {
        enum eye_option option = option_of(answer);
        if (option == EYE_OPTION_HELP) {
            return EYE_PARSED_HELP;
        }
        if (option == EYE_OPTION_VERSION) {
            return EYE_PARSED_VERSION;
        }
        if (option == EYE_OPTION_COUNT) {
            say_wrong(command, answer, argv);
            return wrong(command);
        }
        if (!take(ret_options, option)) {
            fprintf(stderr, "sockeye %s: more than %d --set; write a file\n", command->name,
                    EYE_ASSIGNMENTS_MAX);
            return EYE_PARSED_WRONG;
        }
    }
    if (command->operand != NULL && optind < argc) {
        ret_options->operand = argv[optind++];
    } else if (command->operand != NULL) {
        fprintf(stderr, "sockeye %s: %s is missing\n", command->name, command->operand);
        return wrong(command);
    }
    if (optind < argc) {
        fprintf(stderr, "sockeye %s: unexpected argument \"%s\"\n", command->name, argv[optind]);
        return wrong(command);
    }
    return EYE_PARSED_RUN;
}

/* ---- Help ---- */

static void print_option(enum eye_option option, FILE *out)
{
    char words[LONG_MAX_BYTES];
    snprintf(words, sizeof(words), "--%s%s%s", rows[option].name,
             rows[option].value == NULL ? "" : " ",
             rows[option].value == NULL ? "" : rows[option].value);
    char letter[] = "    ";
    if (rows[option].letter != 0) {
        snprintf(letter, sizeof(letter), "-%c, ", rows[option].letter);
    }
    fprintf(out, "  %s%-16s %s%s\n", letter, words, rows[option].meaning,
            rows[option].experimental ? " (experimental)" : "");
}

void eye_options_print_help(const struct eye_command *command, FILE *out)
{
    fprintf(out, "usage: sockeye %s [OPTION]...%s%s\n\n%s%s\n\n", command->name,
            command->operand == NULL ? "" : " ", command->operand == NULL ? "" : command->operand,
            command->meaning, command->experimental ? " (experimental)" : "");
    for (int i = 0; i < EYE_OPTION_COUNT; i++) {
        if (eye_command_takes(command, (enum eye_option)i)) {
            print_option((enum eye_option)i, out);
        }
    }
    if (command->notes != NULL) {
        fprintf(out, "\n%s", command->notes);
    }
}
