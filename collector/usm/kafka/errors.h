/* SPDX-License-Identifier: Apache-2.0 */
/* What errors of Kafka are called. Read-only, any thread. */
#pragma once

#include <stdint.h>

/** The symbolic name of an error, by its number as a signed one of 16 bits; "_OTHER" of one that we
 * do not know. Never NULL. */
const char *eye_kafka_error_name(uint16_t code);
