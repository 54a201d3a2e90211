/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs while building only: docs TEMPLATE prints it with each line "@name@" replaced by what the
 * tables of commands, options and keys say. Man pages and completions of shells are made so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "packaging/docs/parts.h"

static int fill(const char *name, const char *template)
{
    for (size_t i = 0; eye_doc_parts[i].name != NULL; i++) {
        if (strcmp(name, eye_doc_parts[i].name) == 0) {
            eye_doc_parts[i].print(stdout);
            return EXIT_SUCCESS;
        }
    }
    fprintf(stderr, "%s: there is no part @%s@ (packaging/docs/parts.c)\n", template, name);
    return EXIT_FAILURE;
}

/* "@name@\n" to "name", in place; NULL: another line. */
static const char *part_of(char *line)
{
    size_t length = strcspn(line, "\n");
    if (length < 3 || line[0] != '@' || line[length - 1] != '@') {
        return NULL;
    }
    line[length - 1] = '\0';
    return line + 1;
}

static int fill_all(FILE *in, const char *template)
{
    EYE_AUTOFREE char *line = NULL;
    size_t room = 0;
    int code = EXIT_SUCCESS;
    while (code == EXIT_SUCCESS && getline(&line, &room, in) >= 0) {
        const char *name = part_of(line);
        if (name != NULL) {
            code = fill(name, template);
        } else {
            fputs(line, stdout);
        }
    }
    return code;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s TEMPLATE >FILE\n", argv[0]);
        return EXIT_FAILURE;
    }
    FILE *in = fopen(argv[1], "re");
    if (in == NULL) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
        return EXIT_FAILURE;
    }
    int code = fill_all(in, argv[1]);
    fclose(in);
    return fclose(stdout) == 0 ? code : EXIT_FAILURE;
}
