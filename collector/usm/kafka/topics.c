/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/usm/kafka/topics.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/hash.h"
#include "collector/base/table.h"

struct topic {
    uint8_t id[EYE_KAFKA_ID_BYTES];
    char name[EYE_KAFKA_NAME_BYTES + 1];
};

struct eye_kafka_topics {
    struct topic topics[EYE_KAFKA_TOPICS_KEPT];
    struct eye_table by_id;
    size_t next; /* the oldest one, once all are in use */
    uint64_t evicted;
};

struct eye_kafka_topics *eye_kafka_topics_new(void)
{
    return calloc(1, sizeof(struct eye_kafka_topics));
}

void eye_kafka_topics_free(struct eye_kafka_topics *topics)
{
    if (topics != NULL) {
        eye_table_done(&topics->by_id);
        free(topics);
    }
}

bool eye_kafka_is_name(const uint8_t *name, size_t length)
{
    if (length == 0 || length > EYE_KAFKA_NAME_BYTES) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        bool digit = name[i] >= '0' && name[i] <= '9';
        bool letter = (name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z';
        if (!digit && !letter && name[i] != '.' && name[i] != '_' && name[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool has_id(const void *item, const void *id)
{
    const struct topic *topic = item;
    return memcmp(topic->id, id, EYE_KAFKA_ID_BYTES) == 0;
}

static struct topic *find(const struct eye_kafka_topics *topics, const uint8_t *id)
{
    return eye_table_find(&topics->by_id, eye_hash_bytes(id, EYE_KAFKA_ID_BYTES), has_id, id);
}

static bool is_none(const uint8_t *id)
{
    static const uint8_t none[EYE_KAFKA_ID_BYTES];
    return memcmp(id, none, sizeof(none)) == 0;
}

/* The place of the oldest one, which is forgotten. */
static struct topic *make_room(struct eye_kafka_topics *topics)
{
    struct topic *topic = &topics->topics[topics->next];
    topics->next = (topics->next + 1) % EYE_KAFKA_TOPICS_KEPT;
    if (!is_none(topic->id)) {
        eye_table_remove(&topics->by_id, eye_hash_bytes(topic->id, EYE_KAFKA_ID_BYTES), topic);
        topics->evicted++;
        memset(topic, 0, sizeof(*topic));
    }
    return topic;
}

static void set_name(struct topic *topic, const uint8_t *name, size_t length)
{
    memcpy(topic->name, name, length);
    topic->name[length] = '\0';
}

bool eye_kafka_topics_learn(struct eye_kafka_topics *topics, const uint8_t *id, const uint8_t *name,
                            size_t length)
{
    if (!eye_kafka_is_name(name, length) || is_none(id)) {
        return false;
    }
    struct topic *topic = find(topics, id);
    if (topic == NULL) {
        topic = make_room(topics);
        if (eye_table_insert(&topics->by_id, eye_hash_bytes(id, EYE_KAFKA_ID_BYTES), topic) != 0) {
            return true; /* no memory: with the next metadata, perhaps */
        }
        memcpy(topic->id, id, EYE_KAFKA_ID_BYTES);
    }
    set_name(topic, name, length);
    return true;
}

const char *eye_kafka_topics_find(const struct eye_kafka_topics *topics, const uint8_t *id)
{
    const struct topic *topic = find(topics, id);
    return topic == NULL ? NULL : topic->name;
}

uint64_t eye_kafka_topics_evicted(const struct eye_kafka_topics *topics)
{
    return topics->evicted;
}
