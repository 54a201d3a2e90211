/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page that is kept: one gzip member (RFC 1952), made while the page is written piece by piece.
 * The text is some fifteen times as large and is never there whole. All scrapers of one snapshot
 * read the same page; who does not take gzip gets it unpacked on the way.
 *
 * Used by one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "exporters/openmetrics/page.h"

struct eye_packed_block;

struct eye_packed {
    unsigned references;
    struct eye_packed_block *first; /* owned */
    struct eye_packed_block *last;
    size_t bytes;        /* packed */
    uint64_t text_bytes; /* of the page */
    struct eye_page_counts counts;
};

/**
 * Writes the page of @snapshot. 0, -ENOMEM, or -EFBIG: packed it has more than @max_bytes.
 * @ret_page comes with one reference.
 */
int eye_packed_new(struct eye_pages *pages, const struct eye_snapshot *snapshot,
                   enum eye_page_format format, size_t max_bytes, struct eye_packed **ret_page);

struct eye_packed *eye_packed_ref(struct eye_packed *page);

/** Takes NULL. */
void eye_packed_unref(struct eye_packed *page);

/** One reading from begin to end; holds a reference. */
struct eye_packed_reader;

/** The bytes as they are, or the text when @unpacks. 0 or -ENOMEM. */
int eye_packed_reader_new(struct eye_packed *page, bool unpacks,
                          struct eye_packed_reader **ret_reader);

/** Takes NULL. */
void eye_packed_reader_free(struct eye_packed_reader *reader);

/** The next bytes, @size at most: how many, 0 at the end, -EIO when they cannot be unpacked. */
ssize_t eye_packed_read(struct eye_packed_reader *reader, void *buffer, size_t size);
