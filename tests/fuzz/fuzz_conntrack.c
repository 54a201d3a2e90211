/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a datagram of conntrack. Property: nothing outside of them is read, each entry that
 * is told is one, no more are told than have room, and the table of translations holds what it was
 * told.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/nat/message.h"
#include "collector/nat/translations.h"

#define NETNS 1

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *context, const struct eye_conntrack_entry *entry)
{
    struct eye_translations *translations = context;
    struct eye_translation translation;
    assert(entry->nat <= EYE_NAT_BOTH);
    eye_translation_of_client(entry, NETNS, &translation);
    assert(eye_translations_put(translations, &translation));
    assert(eye_translations_find(translations, &translation.end) != NULL);
    eye_translation_of_server(entry, NETNS, &translation);
    assert(eye_translations_put(translations, &translation));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eye_netlink_found found;
    struct eye_translations translations = {.max = SIZE_MAX};
    uint8_t *bytes = malloc(size); /* of just that size, so that a byte beyond is noticed */
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data, size);
    eye_conntrack_parse(bytes, size, 0, take, &translations, &found);
    assert(found.objects <= size / sizeof(struct eye_tuple));
    assert(!found.done || found.error >= 0);
    assert(translations.table.count <= 2 * found.objects);
    eye_translations_sweep(&translations, NETNS, UINT32_MAX);
    assert(translations.table.count == 0);
    eye_translations_done(&translations);
    free(bytes);
    return 0;
}
