/* SPDX-License-Identifier: Apache-2.0 */
/* Every metric of the catalogue, written for people or for programs. No state, any thread. */
#pragma once

#include <stdio.h>

/** Paragraphs; what is experimental says so. */
void eye_metrics_print(FILE *out);

/** One table. */
void eye_metrics_print_markdown(FILE *out);

/**
 * One document, tests/data/schemas/metrics.json, with the names that metrics and tags have at
 * receivers of Prometheus' formats and of OTLP, as long as no `prefix` is configured. 0 or -ENOMEM.
 */
int eye_metrics_print_json(FILE *out);
