/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a datagram of the process events connector. Property: no more events than whole
 * messages fit into it, each of a known kind, with an error only in an answer; a whole datagram
 * has told of something, and its first half of no more.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/source/connector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Header, head of the connector and event. */
#define MESSAGE_BYTES 76

static void check(void *context, const struct eye_connector_event *event)
{
    size_t *count = context;
    assert(event->what <= EYE_CONNECTOR_OTHER);
    assert(event->error == 0 || event->what == EYE_CONNECTOR_ANSWER);
    (*count)++;
}

/* In memory of just that size, so that reading beyond it is seen. */
static size_t parse(const uint8_t *data, size_t size)
{
    size_t count = 0;
    uint8_t *copy = malloc(size + (size == 0));
    assert(copy != NULL);
    memcpy(copy, data, size);
    bool whole = eye_connector_parse(copy, size, check, &count);
    assert(!whole || count > 0);
    assert(count <= size / MESSAGE_BYTES);
    free(copy);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t all = parse(data, size);
    assert(parse(data, size / 2) <= all);
    return 0;
}
