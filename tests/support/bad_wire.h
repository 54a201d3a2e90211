/* SPDX-License-Identifier: Apache-2.0 */
/* A wire whose segments come late, twice, or are not seen: for parsers on the host (http_host.h).
 */
#pragma once

#include "tests/support/http_host.h"
#include "tests/support/random.h"

#define PIECES_MAX 6

struct piece {
    __u32 sequence;
    size_t size;
    const char *bytes;
};

/* Cuts a message of @stream into segments; returns how many. */
static inline size_t cut(struct http_host *host, uint64_t *random, __u32 stream, const char *text,
                         size_t size, struct piece pieces[static PIECES_MAX])
{
    size_t count = 0;
    __u32 sequence = host->sequence[stream];
    for (size_t at = 0; at < size;) {
        size_t left = size - at;
        size_t most = random_below(random, 3) == 0 ? left : 1 + random_below(random, left);
        size_t bytes = count + 1 == PIECES_MAX ? left : most;
        pieces[count++] = (struct piece){sequence + (__u32)at, bytes, text + at};
        at += bytes;
    }
    return count;
}

/* One message: its segments come late, twice, or (unseen here) not at all. */
static inline void send_bytes_badly(struct http_host *host, uint64_t *random, __u32 stream,
                                    const void *message, size_t size)
{
    struct piece pieces[PIECES_MAX];
    size_t count = cut(host, random, stream, message, size, pieces);
    for (size_t i = 0; i + 1 < count; i++) {
        if (random_below(random, 5) == 0) {
            struct piece late = pieces[i];
            pieces[i] = pieces[i + 1];
            pieces[i + 1] = late;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct piece *piece = &pieces[i];
        if (random_below(random, 50) == 0) {
            continue;
        }
        http_host_segment(host, stream, piece->sequence, piece->bytes, piece->size);
        if (random_below(random, 10) == 0) {
            const struct piece *again = &pieces[random_below(random, i + 1)];
            http_host_segment(host, stream, again->sequence, again->bytes, again->size);
        }
    }
    http_host_skip(host, stream, size);
}

static inline void send_badly(struct http_host *host, uint64_t *random, __u32 stream,
                              const char *text)
{
    send_bytes_badly(host, random, stream, text, strlen(text));
}
