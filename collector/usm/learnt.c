/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/usm/learnt.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "collector/base/table.h"

/* Entries of one size: the id, and the name with its end. */
struct eye_learnt {
    size_t kept;
    size_t id_bytes;
    size_t name_bytes;
    struct eye_table by_id;
    size_t used; /* entries, then all are in use */
    size_t next; /* to be written: free, or the oldest one */
    uint64_t evicted;
    uint8_t entries[];
};

/* What is looked for. */
struct wanted {
    const void *id;
    size_t id_bytes;
};

static size_t entry_bytes(const struct eye_learnt *learnt)
{
    return learnt->id_bytes + learnt->name_bytes + 1;
}

struct eye_learnt *eye_learnt_new(size_t kept, size_t id_bytes, size_t name_bytes)
{
    struct eye_learnt *learnt = calloc(1, sizeof(*learnt) + kept * (id_bytes + name_bytes + 1));
    if (learnt != NULL) {
        learnt->kept = kept;
        learnt->id_bytes = id_bytes;
        learnt->name_bytes = name_bytes;
    }
    return learnt;
}

void eye_learnt_free(struct eye_learnt *learnt)
{
    if (learnt != NULL) {
        eye_table_done(&learnt->by_id);
        free(learnt);
    }
}

static bool has_id(const void *item, const void *key)
{
    const struct wanted *wanted = key;
    return memcmp(item, wanted->id, wanted->id_bytes) == 0;
}

static uint8_t *find(const struct eye_learnt *learnt, const void *id)
{
    const struct wanted wanted = {.id = id, .id_bytes = learnt->id_bytes};
    return eye_table_find(&learnt->by_id, eye_hash_bytes(id, learnt->id_bytes), has_id, &wanted);
}

/* The place of the oldest one, which is forgotten. */
static uint8_t *make_room(struct eye_learnt *learnt)
{
    uint8_t *entry = learnt->entries + learnt->next * entry_bytes(learnt);
    if (learnt->used == learnt->kept) {
        eye_table_remove(&learnt->by_id, eye_hash_bytes(entry, learnt->id_bytes), entry);
        learnt->used--;
        learnt->evicted++;
    }
    return entry;
}

static uint8_t *add(struct eye_learnt *learnt, const void *id)
{
    uint8_t *entry = make_room(learnt);
    memcpy(entry, id, learnt->id_bytes);
    if (eye_table_insert(&learnt->by_id, eye_hash_bytes(id, learnt->id_bytes), entry) != 0) {
        return NULL; /* no memory: the next time that it is told, perhaps */
    }
    learnt->used++;
    learnt->next = (learnt->next + 1) % learnt->kept;
    return entry;
}

void eye_learnt_set(struct eye_learnt *learnt, const void *id, const void *name, size_t length)
{
    assert(length <= learnt->name_bytes);
    uint8_t *entry = find(learnt, id);
    if (entry == NULL) {
        entry = add(learnt, id);
    }
    if (entry != NULL) {
        memcpy(entry + learnt->id_bytes, name, length);
        entry[learnt->id_bytes + length] = '\0';
    }
}

const char *eye_learnt_find(const struct eye_learnt *learnt, const void *id)
{
    const uint8_t *entry = find(learnt, id);
    return entry == NULL ? NULL : (const char *)entry + learnt->id_bytes;
}

uint64_t eye_learnt_evicted(const struct eye_learnt *learnt)
{
    return learnt->evicted;
}
