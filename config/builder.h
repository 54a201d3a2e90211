/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration under construction: starts with the defaults, takes one layer after the other
 * from memory, and becomes an eye_config when none of them had a problem. Used by one thread.
 */
#pragma once

#include <sys/types.h>

#include "config/config.h"
#include "config/exporter_list.h"
#include "config/problems.h"
#include "config/route_list.h"
#include "config/schema.h"

struct eye_builder {
    struct eye_daemon_keys keys;
    struct eye_config config; /* without exporters and routes until the end */
    struct eye_exporter_list exporters;
    struct eye_route_list routes;
    struct eye_section_list sections;
    struct eye_problems problems;
    struct eye_problems warnings; /* lines of eye_config.warnings; no failure */
    char *file;                   /* the first file; owned */
    uid_t user;                   /* whose that one is; EYE_NOBODY_ELSE: none was read yet */
    struct eye_text sources;      /* all that came behind it */
};

/** Of @source the exporter types, which must outlive the builder and its result, and the tiers
 * count. */
void eye_builder_init(struct eye_builder *builder, const struct eye_config_source *source);

/** Frees what was not handed out. */
void eye_builder_done(struct eye_builder *builder);

/** @label: the file's name in messages. @bytes: YAML, @length of them. */
void eye_builder_add_file(struct eye_builder *builder, const char *label, const char *bytes,
                          size_t length);

/** @variable: "NAME=VALUE" of the environment; taken when NAME starts with SOCKEYE_. */
void eye_builder_add_variable(struct eye_builder *builder, const char *variable);

/** @assignment: "KEY=VALUE" of --set. */
void eye_builder_add_assignment(struct eye_builder *builder, const char *assignment);

/** 0, or the code of the first problem with all of them in @ret_error. */
int eye_builder_finish(struct eye_builder *builder, struct eye_config **ret_config,
                       struct eye_error *ret_error);
