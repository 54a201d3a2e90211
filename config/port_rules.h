/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of protocols.ports. Used by one thread. */
#pragma once

#include "config/rule_list.h"

/* A port is a last resort, where first bytes do not tell: who needs more than these knows the
 * protocol of every port, and can do without recognition. */
#define EYE_PORT_RULES_MAX 256

extern const struct eye_rule_type eye_port_rules; /* struct eye_port_rule */

/** Adds a line for each rule whose protocol is off. */
void eye_port_rules_warn(const struct eye_config *config, struct eye_problems *warnings);
