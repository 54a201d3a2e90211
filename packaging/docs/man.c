/* SPDX-License-Identifier: Apache-2.0 */
/* The tables as mdoc(7), for mandoc and groff. */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/commands.h"
#include "config/schema.h"
#include "packaging/docs/parts.h"

/* Longer lines of source are against mandoc's style. */
#define COLUMNS 76

/* ---- Text ---- */

/* A character that would be an instruction, or typographic (groff makes hyphens of "-"). */
static const char *escape_of(char character)
{
    switch (character) {
    case '\\':
        return "\\e";
    case '-':
        return "\\-";
    case '\'':
        return "\\(aq";
    case '`':
        return "\\(ga";
    case '^':
        return "\\(ha";
    case '~':
        return "\\(ti";
    default:
        return NULL;
    }
}

static void print_escaped(FILE *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const char *escape = escape_of(text[i]);
        if (escape != NULL) {
            fputs(escape, out);
        } else {
            fputc(text[i], out);
        }
    }
}

static bool ends_sentence(const char *word, size_t length)
{
    return strchr(".!?", word[length - 1]) != NULL;
}

/* Words of @text in lines; a sentence begins a line, as mdoc wants it. */
static void print_words(FILE *out, const char *text, size_t text_length)
{
    const char *end = text + text_length;
    size_t column = 0;
    while ((text += strspn(text, " \n")) < end) {
        size_t length = strcspn(text, " \n");
        if (column > 0) {
            bool breaks = column + length >= COLUMNS;
            fputc(breaks ? '\n' : ' ', out);
            column = breaks ? 0 : column + 1;
        }
        if (column == 0 && text[0] == '.') {
            fputs("\\&", out);
        }
        print_escaped(out, text, length);
        column = ends_sentence(text, length) ? COLUMNS : column + length;
        text += length;
    }
    fputc('\n', out);
}

static void print_text(FILE *out, const char *text)
{
    print_words(out, text, strlen(text));
}

/* One line as it is, indented. */
static void print_literal(FILE *out, const char *line, size_t length)
{
    fputs(".Dl \\&", out);
    print_escaped(out, line, length);
    fputc('\n', out);
}

/* Empty lines part paragraphs, lines that begin with spaces are examples. */
static void print_notes(FILE *out, const char *notes)
{
    while (*notes != '\0') {
        const char *end = strstr(notes, "\n\n");
        size_t length = end == NULL ? strlen(notes) : (size_t)(end - notes);
        size_t spaces = strspn(notes, " ");
        if (spaces > 0) {
            print_literal(out, notes + spaces, length - spaces);
        } else {
            fputs(".Pp\n", out);
            print_words(out, notes, length);
        }
        notes += length;
        notes += strspn(notes, "\n");
    }
}

/* ---- sockeye(8) ---- */

void eye_doc_man_system(FILE *out)
{
    fprintf(out, ".Os sockeye %s\n", EYE_VERSION);
}

static bool is_common(enum eye_option option)
{
    return option == EYE_OPTION_HELP || option == EYE_OPTION_VERSION;
}

/* " Fl c Ar FILE", or the long name where there is no letter. */
static void print_short(FILE *out, const struct eye_option_row *row)
{
    if (row->letter != 0) {
        fprintf(out, " Fl %c", row->letter);
    } else {
        fprintf(out, " Fl -%s", row->name);
    }
    if (row->value != NULL) {
        fprintf(out, " Ar %s", row->value);
    }
}

void eye_doc_man_synopsis(FILE *out)
{
    for (size_t i = 0; i < eye_command_count; i++) {
        fprintf(out, ".Nm\n.Cm %s\n", eye_command_table[i].name);
        for (int option = 0; option < EYE_OPTION_COUNT; option++) {
            if (!is_common((enum eye_option)option) &&
                eye_command_takes(&eye_command_table[i], (enum eye_option)option)) {
                fputs(".Op", out);
                print_short(out, eye_option_row((enum eye_option)option));
                fputc('\n', out);
            }
        }
        if (eye_command_table[i].operand != NULL) {
            fprintf(out, ".Ar %s\n", eye_command_table[i].operand);
        }
    }
}

/* Meanings of tables begin small and end without a period; lines of text do not. */
static void print_sentence(FILE *out, const char *text)
{
    size_t length = strlen(text);
    EYE_AUTOFREE char *sentence = NULL;
    if (length == 0 ||
        asprintf(&sentence, "%s%s", text, ends_sentence(text, length) ? "" : ".") < 0) {
        return;
    }
    /* "PEM", and what is no letter, stay as they are. */
    sentence[0] = (char)toupper((unsigned char)sentence[0]);
    print_text(out, sentence);
}

static void print_stability(FILE *out, bool experimental)
{
    fputs(experimental ? "Experimental: may change.\n" : "", out);
}

void eye_doc_man_commands(FILE *out)
{
    for (size_t i = 0; i < eye_command_count; i++) {
        fprintf(out, ".It Cm %s\n", eye_command_table[i].name);
        print_sentence(out, eye_command_table[i].meaning);
        print_stability(out, eye_command_table[i].experimental);
        if (eye_command_table[i].notes != NULL) {
            print_notes(out, eye_command_table[i].notes);
        }
    }
}

/* "run, check, probe"; nothing when every command takes it. */
static void print_takers(FILE *out, enum eye_option option)
{
    const char *between = "Of\n.Cm ";
    for (size_t i = 0; !is_common(option) && i < eye_command_count; i++) {
        if (eye_command_takes(&eye_command_table[i], option)) {
            fprintf(out, "%s%s", between, eye_command_table[i].name);
            between = " , ";
        }
    }
    fputs(is_common(option) ? "" : " .\n", out);
}

void eye_doc_man_options(FILE *out)
{
    for (int i = 0; i < EYE_OPTION_COUNT; i++) {
        const struct eye_option_row *row = eye_option_row((enum eye_option)i);
        fputs(".It", out);
        if (row->letter != 0) {
            print_short(out, row);
            fputs(" ,", out);
        }
        fprintf(out, " Fl -%s%s%s\n", row->name, row->value == NULL ? "" : " Ar ",
                row->value == NULL ? "" : row->value);
        print_sentence(out, row->meaning);
        print_stability(out, row->experimental);
        print_takers(out, (enum eye_option)i);
    }
}

/* ---- sockeye.yaml(5) ---- */

static void print_limits(FILE *out, const struct eye_config_key *key)
{
    EYE_AUTOFREE char *text = NULL;
    size_t length;
    FILE *memory = open_memstream(&text, &length);
    if (memory == NULL) {
        return;
    }
    eye_config_key_print_limits(key, "", memory);
    if (fclose(memory) == 0 && length > 0) {
        print_text(out, text);
    }
}

static void print_key(FILE *out, const struct eye_config_key *key)
{
    fprintf(out, ".It Cm %s\n", key->path);
    print_sentence(out, key->help);
    print_limits(out, key);
    print_stability(out, key->experimental);
    if (key->default_value != NULL) {
        fputs("Default:\n.Ql \\&", out);
        print_escaped(out, key->default_value, strlen(key->default_value));
        fputs(" .\n", out);
    }
}

static void print_keys(FILE *out, const struct eye_config_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        print_key(out, &keys[i]);
    }
}

void eye_doc_man_daemon_keys(FILE *out)
{
    struct eye_known known;
    struct eye_daemon_keys keys;
    eye_known_init(&known);
    eye_daemon_keys_init(&keys, known.tiers);
    print_keys(out, keys.items, eye_config_key_count);
}

void eye_doc_man_common_keys(FILE *out)
{
    print_keys(out, eye_exporter_common_keys, eye_exporter_common_key_count);
}

/* Whether @section has the same key: one that several types take out of one table. */
static bool has_same_key(const struct eye_config_section *section, const struct eye_config_key *key)
{
    for (size_t i = 0; i < section->key_count; i++) {
        const struct eye_config_key *own = &section->keys[i];
        if (strcmp(own->path, key->path) == 0 && strcmp(own->help, key->help) == 0 &&
            strcmp(eye_config_key_default(own), eye_config_key_default(key)) == 0) {
            return true;
        }
    }
    return false;
}

static size_t count_sharers(const struct eye_known *known, const struct eye_config_key *key)
{
    size_t count = 0;
    for (size_t i = 0; i < known->section_count; i++) {
        count += has_same_key(known->sections[i], key) ? 1 : 0;
    }
    return count;
}

/* The first exporter that has @key: it is written once. */
static bool is_first(const struct eye_known *known, size_t section,
                     const struct eye_config_key *key)
{
    size_t first = 0;
    while (!has_same_key(known->sections[first], key)) {
        first++;
    }
    return first == section;
}

static void print_sharers(FILE *out, const struct eye_known *known,
                          const struct eye_config_key *key)
{
    const char *between = "Of\n.Cm ";
    for (size_t i = 0; i < known->section_count; i++) {
        if (has_same_key(known->sections[i], key)) {
            fprintf(out, "%s%s", between, known->sections[i]->type);
            between = " , ";
        }
    }
    fputs(" .\n", out);
}

void eye_doc_man_shared_keys(FILE *out)
{
    struct eye_known known;
    eye_known_init(&known);
    for (size_t i = 0; i < known.section_count; i++) {
        for (size_t k = 0; k < known.sections[i]->key_count; k++) {
            const struct eye_config_key *key = &known.sections[i]->keys[k];
            if (count_sharers(&known, key) > 1 && is_first(&known, i, key)) {
                print_key(out, key);
                print_sharers(out, &known, key);
            }
        }
    }
}

static void print_own_keys(FILE *out, const struct eye_known *known,
                           const struct eye_config_section *section)
{
    for (size_t i = 0; i < section->key_count; i++) {
        if (count_sharers(known, &section->keys[i]) == 1) {
            print_key(out, &section->keys[i]);
        }
    }
}

void eye_doc_man_exporters(FILE *out)
{
    struct eye_known known;
    eye_known_init(&known);
    for (size_t i = 0; i < known.section_count; i++) {
        const struct eye_config_section *section = known.sections[i];
        fprintf(out, ".Ss %s\n", section->type);
        if (section->key_count == 0) {
            fputs("Has no keys of its own.\n", out);
            continue;
        }
        fputs(".Bl -tag -width Ds\n", out);
        print_own_keys(out, &known, section);
        fputs(".El\n", out);
    }
}
