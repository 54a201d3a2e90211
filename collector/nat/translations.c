/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/nat/translations.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"

void eye_translation_of_client(const struct eye_conntrack_entry *entry, uint32_t netns,
                               struct eye_translation *ret_translation)
{
    *ret_translation = (struct eye_translation){
        .end = {.tuple = entry->original, .netns = netns},
        .nat = entry->nat,
        .moved = (entry->nat & EYE_NAT_DESTINATION) != 0,
        .port = entry->answer.source_port,
    };
    memcpy(ret_translation->remote, entry->answer.source, sizeof(ret_translation->remote));
}

/* Its packets are the answers. */
void eye_translation_of_server(const struct eye_conntrack_entry *entry, uint32_t netns,
                               struct eye_translation *ret_translation)
{
    *ret_translation = (struct eye_translation){
        .end = {.tuple = entry->answer, .netns = netns},
        .nat = entry->nat,
    };
}

static uint64_t hash_of(const struct eye_end *end)
{
    return eye_hash_bytes(end, sizeof(*end));
}

static bool is_of(const void *item, const void *key)
{
    const struct eye_translation *translation = item;
    return memcmp(&translation->end, key, sizeof(translation->end)) == 0;
}

struct eye_translation *eye_translations_find(const struct eye_translations *translations,
                                              const struct eye_end *end)
{
    return eye_table_find(&translations->table, hash_of(end), is_of, end);
}

static struct eye_translation *add(struct eye_translations *translations, const struct eye_end *end)
{
    bool room = translations->table.count < translations->max;
    struct eye_translation *translation = room ? calloc(1, sizeof(*translation)) : NULL;
    if (translation != NULL &&
        eye_table_insert(&translations->table, hash_of(end), translation) != 0) {
        free(translation);
        translation = NULL;
    }
    translations->refused += translation == NULL;
    return translation;
}

bool eye_translations_put(struct eye_translations *translations,
                          const struct eye_translation *translation)
{
    struct eye_translation *place = eye_translations_find(translations, &translation->end);
    if (place == NULL) {
        place = add(translations, &translation->end);
    }
    if (place != NULL) {
        *place = *translation;
    }
    return place != NULL;
}

void eye_translations_drop(struct eye_translations *translations,
                           struct eye_translation *translation)
{
    eye_table_remove(&translations->table, hash_of(&translation->end), translation);
    free(translation);
}

/* A removal moves others into places that were passed already, or once more into those to come:
 * again, until nothing is left to drop. */
void eye_translations_sweep(struct eye_translations *translations, uint32_t netns, uint32_t stamp)
{
    size_t before;
    do {
        struct eye_translation *translation;
        before = translations->table.count;
        eye_table_for_each (&translations->table, translation) {
            if (translation->stamp < stamp && (netns == 0 || translation->end.netns == netns)) {
                eye_translations_drop(translations, translation);
            }
        }
    } while (translations->table.count < before);
}

void eye_translations_done(struct eye_translations *translations)
{
    struct eye_translation *translation;
    eye_table_for_each (&translations->table, translation) {
        free(translation);
    }
    eye_table_done(&translations->table);
}
