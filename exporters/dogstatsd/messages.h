/* SPDX-License-Identifier: Apache-2.0 */
/* Events and service checks as lines of DogStatsD. No state. */
#pragma once

#include "exporters/dogstatsd/labels.h"

/** Appends an event of @time_ns (wall clock): "_e{..}:title|text|d:..|t:info" and the labels. */
void eye_message_event(struct eye_text *text, const struct eye_labels *labels, const char *title,
                       const char *body, uint64_t time_ns);

/** Appends the service check @name with status 0, OK. */
void eye_message_check(struct eye_text *text, const struct eye_labels *labels, const char *name,
                       uint64_t time_ns);
