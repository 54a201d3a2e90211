/* SPDX-License-Identifier: Apache-2.0 */
/* What templates of man pages (man.c) and completions (shells.c) can have filled in. Main thread.
 */
#pragma once

#include <stdio.h>

struct eye_doc_part {
    const char *name; /* between two "@" */
    void (*print)(FILE *out);
};

/* Ends with a NULL name. */
extern const struct eye_doc_part eye_doc_parts[];

/* mdoc(7) */
void eye_doc_man_system(FILE *out);
void eye_doc_man_synopsis(FILE *out);
void eye_doc_man_commands(FILE *out);
void eye_doc_man_options(FILE *out);
void eye_doc_man_daemon_keys(FILE *out);
void eye_doc_man_common_keys(FILE *out);
void eye_doc_man_shared_keys(FILE *out);
void eye_doc_man_exporters(FILE *out);

/* bash, zsh, fish */
void eye_doc_bash_commands(FILE *out);
void eye_doc_bash_options(FILE *out);
void eye_doc_bash_arguments(FILE *out);
void eye_doc_bash_keys(FILE *out);
void eye_doc_bash_choices(FILE *out);
void eye_doc_zsh_commands(FILE *out);
void eye_doc_zsh_options(FILE *out);
void eye_doc_zsh_keys(FILE *out);
void eye_doc_zsh_choices(FILE *out);
void eye_doc_fish_commands(FILE *out);
void eye_doc_fish_options(FILE *out);
void eye_doc_fish_assignments(FILE *out);
