/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands of the executable, apart from what the command line itself answers. Each returns
 * its exit code. Main thread. */
#pragma once

#include "collector/options.h"
#include "config/config.h"

struct eye_workers;

/* Every subcommand but "help", which stands apart as a command may follow it. Man pages and
 * completions are made of it (packaging/docs). */
extern const struct eye_command eye_command_table[];
extern const size_t eye_command_count;

int eye_command_run(const struct eye_options *options);
int eye_command_check(const struct eye_options *options);
int eye_command_probe(const struct eye_options *options);
int eye_command_status(const struct eye_options *options);
int eye_command_top(const struct eye_options *options);
int eye_command_reload(const struct eye_options *options);
int eye_command_replay(const struct eye_options *options);
int eye_command_inspect(const struct eye_options *options);
int eye_command_metrics(const struct eye_options *options);
/** @options: not looked at; NULL is allowed. */
int eye_command_version(const struct eye_options *options);

/* Exporter types compiled in. */
#define EYE_SECTIONS_MAX 32

/* Tiers compiled in, "auto" and the end. */
#define EYE_TIERS_MAX 8

/* What a configuration may name. Constant; the items are never freed. */
struct eye_known {
    const struct eye_config_section *sections[EYE_SECTIONS_MAX];
    size_t section_count;
    const char *tiers[EYE_TIERS_MAX]; /* as struct eye_config_source has them */
};

void eye_known_init(struct eye_known *ret_known);

/** Loads the configuration that @options name, without a file when they name none; or prints its
 * problems and returns NULL. Its warnings are printed. The caller's, with one reference. */
struct eye_config *eye_command_load_named(const struct eye_options *options);

/** Exporters as `run` uses them, or their problems printed. EYE_EXIT_OK or another code. */
int eye_command_make_exporters(const struct eye_config *config, struct eye_workers *ret_workers);
