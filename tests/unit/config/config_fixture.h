/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A temporary folder for configuration files, exporter types for tests, and the last result. The
 * fixture owns all of it, so a failing assertion leaks nothing.
 */
#pragma once

#include "config/config.h"

/* The keys of the test exporter type "sink": one of each kind. */
struct sink_values {
    bool fast;
    uint64_t retries;
    uint64_t timeout_ns;
    uint64_t buffer_bytes;
    int dialect;
    uint32_t parts;
    char *url;
    char *ca;
    struct eye_text_list headers;
};

struct fixture {
    char folder[64];
    struct eye_config *config;
    struct eye_error error;
};

extern const struct eye_config_section *const fixture_sections[];
extern const size_t fixture_section_count;
extern const char *const fixture_tiers[];

/* cmocka set-up and teardown; the state is a struct fixture. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/** Writes @text to the file @name in the folder; makes folders of @name. */
void fixture_write(struct fixture *fixture, const char *name, const char *text);

/** Loads main.yaml of the folder and what else @source says (NULL: nothing). */
int fixture_load(struct fixture *fixture, const struct eye_config_source *source);

/** Writes @text to main.yaml and loads it. */
int fixture_load_text(struct fixture *fixture, const char *text);

/** The error with the folder's path removed from all lines. */
const char *fixture_error(struct fixture *fixture);
