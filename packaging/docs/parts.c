/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the parts. */
#include "packaging/docs/parts.h"

#include <stddef.h>

const struct eye_doc_part eye_doc_parts[] = {
    {"man_system", eye_doc_man_system},
    {"man_synopsis", eye_doc_man_synopsis},
    {"man_commands", eye_doc_man_commands},
    {"man_options", eye_doc_man_options},
    {"man_daemon_keys", eye_doc_man_daemon_keys},
    {"man_common_keys", eye_doc_man_common_keys},
    {"man_shared_keys", eye_doc_man_shared_keys},
    {"man_exporters", eye_doc_man_exporters},
    {"bash_commands", eye_doc_bash_commands},
    {"bash_options", eye_doc_bash_options},
    {"bash_arguments", eye_doc_bash_arguments},
    {"bash_keys", eye_doc_bash_keys},
    {"bash_choices", eye_doc_bash_choices},
    {"zsh_commands", eye_doc_zsh_commands},
    {"zsh_options", eye_doc_zsh_options},
    {"zsh_keys", eye_doc_zsh_keys},
    {"zsh_choices", eye_doc_zsh_choices},
    {"fish_commands", eye_doc_fish_commands},
    {"fish_options", eye_doc_fish_options},
    {"fish_assignments", eye_doc_fish_assignments},
    {NULL, NULL},
};
