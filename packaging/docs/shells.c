/* SPDX-License-Identifier: Apache-2.0 */
/* The tables as words of shells. Of keys those of the daemon are completed: for those of exporters,
 * which stand within a list, the manual is the better place. */
#include <stdbool.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/commands.h"
#include "config/schema.h"
#include "packaging/docs/parts.h"

/* Beside those of the schema's tables: lists of mappings. */
static const struct eye_config_key lists[] = {
    {.path = "http.routes", .help = "Names for paths"},
    {.path = "exporters", .help = "Where metrics go"},
};

/* What each shell offers for the value of an option, or an operand. Another name is free. */
static const struct value_kind {
    const char *value;
    bool repeats;
    const char *bash;
    const char *zsh;
    const char *fish;
} value_kinds[] = {
    {"FILE", false, "_filedir '@(yaml|yml)'", "_files -g \"*.(yaml|yml)\"", " -r -F"},
    {"PATH", false, "_filedir", "_files", " -r -F"},
    {"LIBRARY", false, "_filedir", "_files", " -F"},
    {"CAPTURE", false, "_filedir '@(pcap|pcapng)'", "_files -g \"*.(pcap|pcapng)\"", " -F"},
    {"KEY=VALUE", true, "_sockeye_assignment", "_sockeye_assignment",
     " -x -a '(__sockeye_assignments)'"},
};
static const struct value_kind free_value = {"", false, ":", " ", " -x"};

static const struct value_kind *kind_of(const char *value)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(value_kinds); i++) {
        if (strcmp(value, value_kinds[i].value) == 0) {
            return &value_kinds[i];
        }
    }
    return &free_value;
}

/* Within single quotes of a shell. @special: gets a backslash. @quote: stands for one of @text. */
static void print_quoted(FILE *out, const char *text, const char *special, const char *quote)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs(quote, out);
            continue;
        }
        if (strchr(special, *text) != NULL) {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
}

#define POSIX_QUOTE "'\\''"
#define FISH_QUOTE "\\'"

/* Calls @print for every key that may be set. */
static void each_key(FILE *out, void (*print)(FILE *out, const struct eye_config_key *key))
{
    struct eye_known known;
    struct eye_daemon_keys keys;
    eye_known_init(&known);
    eye_daemon_keys_init(&keys, known.tiers);
    for (size_t i = 0; i < eye_config_key_count; i++) {
        print(out, &keys.items[i]);
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(lists); i++) {
        print(out, &lists[i]);
    }
}

/* ---- bash ---- */

void eye_doc_bash_commands(FILE *out)
{
    fputs("    local commands='help", out);
    for (size_t i = 0; i < eye_command_count; i++) {
        fprintf(out, " %s", eye_command_table[i].name);
    }
    fputs("'\n", out);
}

static void print_bash_words(FILE *out, const struct eye_option_row *row)
{
    if (row->letter != 0) {
        fprintf(out, " -%c", row->letter);
    }
    fprintf(out, " --%s", row->name);
}

void eye_doc_bash_options(FILE *out)
{
    for (size_t i = 0; i < eye_command_count; i++) {
        fprintf(out, "    %s) options='", eye_command_table[i].name);
        for (int option = 0; option < EYE_OPTION_COUNT; option++) {
            if (eye_command_takes(&eye_command_table[i], (enum eye_option)option)) {
                print_bash_words(out, eye_option_row((enum eye_option)option));
            }
        }
        fputc('\'', out);
        if (eye_command_table[i].operand != NULL) {
            fprintf(out, "; [[ $cur == -* ]] || { %s; return; }",
                    kind_of(eye_command_table[i].operand)->bash);
        }
        fputs(" ;;\n", out);
    }
}

/* What follows an option that takes a value, apart or behind "=". */
void eye_doc_bash_arguments(FILE *out)
{
    for (int option = 0; option < EYE_OPTION_COUNT; option++) {
        const struct eye_option_row *row = eye_option_row((enum eye_option)option);
        if (row->value == NULL) {
            continue;
        }
        fputs("    ", out);
        if (row->letter != 0) {
            fprintf(out, "-%c | ", row->letter);
        }
        fprintf(out, "--%s) %s ;;\n", row->name, kind_of(row->value)->bash);
    }
}

static void print_bash_key(FILE *out, const struct eye_config_key *key)
{
    fprintf(out, " %s=", key->path);
}

void eye_doc_bash_keys(FILE *out)
{
    fputs("    local keys='", out);
    each_key(out, print_bash_key);
    fputs("'\n", out);
}

static bool has_choices(const struct eye_config_key *key)
{
    return key->type == EYE_CONFIG_CHOICE && key->choices != NULL;
}

static void print_bash_choices(FILE *out, const struct eye_config_key *key)
{
    if (!has_choices(key)) {
        return;
    }
    fprintf(out, "    %s) values='", key->path);
    for (size_t i = 0; key->choices[i] != NULL; i++) {
        fprintf(out, "%s%s", i > 0 ? " " : "", key->choices[i]);
    }
    fputs("' ;;\n", out);
}

void eye_doc_bash_choices(FILE *out)
{
    each_key(out, print_bash_choices);
}

/* ---- zsh ---- */

void eye_doc_zsh_commands(FILE *out)
{
    for (size_t i = 0; i < eye_command_count; i++) {
        fprintf(out, "        '%s:", eye_command_table[i].name);
        print_quoted(out, eye_command_table[i].meaning, "", POSIX_QUOTE);
        fputs("'\n", out);
    }
}

/* '(-c --config)'{-c+,--config=}'[this]:FILE:_files', or '*--set=[...]': as _arguments has them. */
static void print_zsh_option(FILE *out, const struct eye_option_row *row)
{
    const char *equals = row->value == NULL ? "" : "=";
    if (row->letter != 0) {
        fprintf(out, " '(-%c --%s)'{-%c%s,--%s%s}'[", row->letter, row->name, row->letter,
                row->value == NULL ? "" : "+", row->name, equals);
    } else {
        bool repeats = row->value != NULL && kind_of(row->value)->repeats;
        fprintf(out, " '%s--%s%s[", repeats ? "*" : "", row->name, equals);
    }
    print_quoted(out, row->meaning, "[]:", POSIX_QUOTE);
    fputc(']', out);
    if (row->value != NULL) {
        fprintf(out, ":%s:%s", row->value, kind_of(row->value)->zsh);
    }
    fputc('\'', out);
}

void eye_doc_zsh_options(FILE *out)
{
    for (size_t i = 0; i < eye_command_count; i++) {
        fprintf(out, "    %s) _arguments", eye_command_table[i].name);
        for (int option = 0; option < EYE_OPTION_COUNT; option++) {
            if (eye_command_takes(&eye_command_table[i], (enum eye_option)option)) {
                fputs(" \\\n       ", out);
                print_zsh_option(out, eye_option_row((enum eye_option)option));
            }
        }
        if (eye_command_table[i].operand != NULL) {
            fprintf(out, " \\\n        '1:%s:%s'", eye_command_table[i].operand,
                    kind_of(eye_command_table[i].operand)->zsh);
        }
        fputs(" ;;\n", out);
    }
}

static void print_zsh_key(FILE *out, const struct eye_config_key *key)
{
    fprintf(out, "        '%s:", key->path);
    print_quoted(out, key->help, "", POSIX_QUOTE);
    fputs("'\n", out);
}

void eye_doc_zsh_keys(FILE *out)
{
    each_key(out, print_zsh_key);
}

static void print_zsh_choices(FILE *out, const struct eye_config_key *key)
{
    if (!has_choices(key)) {
        return;
    }
    fprintf(out, "        %s) compadd --", key->path);
    for (size_t i = 0; key->choices[i] != NULL; i++) {
        fprintf(out, " %s", key->choices[i]);
    }
    fputs(" ;;\n", out);
}

void eye_doc_zsh_choices(FILE *out)
{
    each_key(out, print_zsh_choices);
}

/* ---- fish ---- */

#define FISH_SPECIAL "\\"

/* As the first word, and behind "help". */
static void print_fish_command(FILE *out, const struct eye_command *command, const char *condition)
{
    fprintf(out, "complete -c sockeye -n '%s' -a %s -d '", condition, command->name);
    print_quoted(out, command->meaning, FISH_SPECIAL, FISH_QUOTE);
    fputs("'\n", out);
}

void eye_doc_fish_commands(FILE *out)
{
    for (size_t i = 0; i < eye_command_count; i++) {
        print_fish_command(out, &eye_command_table[i], "__fish_use_subcommand");
        print_fish_command(out, &eye_command_table[i],
                           "test (count (commandline -opc)) -eq 2; and "
                           "__fish_seen_subcommand_from help");
    }
}

static void print_fish_operands(FILE *out)
{
    for (size_t i = 0; i < eye_command_count; i++) {
        if (eye_command_table[i].operand != NULL) {
            fprintf(out, "complete -c sockeye -n '__fish_seen_subcommand_from %s'%s\n",
                    eye_command_table[i].name, kind_of(eye_command_table[i].operand)->fish);
        }
    }
}

void eye_doc_fish_options(FILE *out)
{
    print_fish_operands(out);
    for (int option = 0; option < EYE_OPTION_COUNT; option++) {
        const struct eye_option_row *row = eye_option_row((enum eye_option)option);
        fputs("complete -c sockeye -n '__fish_seen_subcommand_from", out);
        for (size_t i = 0; i < eye_command_count; i++) {
            if (eye_command_takes(&eye_command_table[i], (enum eye_option)option)) {
                fprintf(out, " %s", eye_command_table[i].name);
            }
        }
        fputc('\'', out);
        if (row->letter != 0) {
            fprintf(out, " -s %c", row->letter);
        }
        fprintf(out, " -l %s%s -d '", row->name,
                row->value == NULL ? "" : kind_of(row->value)->fish);
        print_quoted(out, row->meaning, FISH_SPECIAL, FISH_QUOTE);
        fputs("'\n", out);
    }
}

/* A line for each value that is known, else for the key. */
static void print_fish_assignments(FILE *out, const struct eye_config_key *key)
{
    const char *const none[] = {"", NULL};
    const char *const *values = has_choices(key) ? key->choices : none;
    for (size_t i = 0; values[i] != NULL; i++) {
        fprintf(out, "    printf '%%s\\t%%s\\n' '%s=%s' '", key->path, values[i]);
        print_quoted(out, key->help, FISH_SPECIAL, FISH_QUOTE);
        fputs("'\n", out);
    }
}

void eye_doc_fish_assignments(FILE *out)
{
    each_key(out, print_fish_assignments);
}
