/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an OTLP receiver says about a request that it took: ExportMetricsServiceResponse. Answers
 * are hostile input.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/text.h"

/**
 * The points that the receiver took out, and into the empty @ret_message (cut, without control
 * characters) why. 0, or -EBADMSG when @body is no such answer. An empty body says that all is
 * well.
 */
int eye_otlp_read_protobuf(const void *body, size_t length, uint64_t *ret_rejected,
                           struct eye_text *ret_message);
int eye_otlp_read_json(const void *body, size_t length, uint64_t *ret_rejected,
                       struct eye_text *ret_message);
