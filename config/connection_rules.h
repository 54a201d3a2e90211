/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of connections.networks, include and exclude, and what addresses are looked up in.
 * Used by one thread. */
#pragma once

#include "config/rule_list.h"

/* Each some 70 bytes, and found among these in 0.1 us. */
#define EYE_NETWORKS_MAX 10000

/* Rules of each list: each is asked once for what is counted alike. */
#define EYE_FILTER_RULES_MAX 1000

extern const struct eye_rule_type eye_network_rules; /* struct eye_network */
extern const struct eye_rule_type eye_filter_rules;  /* struct eye_filter_rule */

/** Makes the tables of @config's connections; 0 or -ENOMEM. */
int eye_connection_tables_init(struct eye_config *config);

/** Adds a line for each valid key that does nothing without another one. */
void eye_connection_rules_warn(const struct eye_config *config, struct eye_problems *warnings);

/** Takes zeroed ones. */
void eye_connection_tables_done(struct eye_config *config);
