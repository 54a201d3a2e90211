/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which topic an id means. Ids are random and never used again, so one table serves all clusters.
 * When it is full the oldest one gives way: who still uses it hears of it again with the client's
 * next metadata. Belongs to the collector thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/usm/kafka/record.h"

/* A cluster has a few thousand topics at most; a host speaks to a few clusters. 768 KiB. */
#define EYE_KAFKA_TOPICS_KEPT 4096

struct eye_kafka_topics;

/** NULL: out of memory. */
struct eye_kafka_topics *eye_kafka_topics_new(void);

/** Takes NULL. */
void eye_kafka_topics_free(struct eye_kafka_topics *topics);

/** Whether these are the bytes of a topic's name. */
bool eye_kafka_is_name(const uint8_t *name, size_t length);

/** Remembers that @id (EYE_KAFKA_ID_BYTES) means the topic with this name of @length bytes. False:
 * that is no name, or no id. */
bool eye_kafka_topics_learn(struct eye_kafka_topics *topics, const uint8_t *id, const uint8_t *name,
                            size_t length);

/** The name, or NULL; good until the next one is learnt. */
const char *eye_kafka_topics_find(const struct eye_kafka_topics *topics, const uint8_t *id);

/** How many ids gave way to newer ones. */
uint64_t eye_kafka_topics_evicted(const struct eye_kafka_topics *topics);
