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

struct eye_zipped_block;

struct eye_zipped {
    unsigned references;
    struct eye_zipped_block *first; /* owned */
    struct eye_zipped_block *last;
    size_t bytes;        /* zipped */
    uint64_t text_bytes; /* of the page */
    struct eye_page_counts counts;
};

/**
 * Writes the page of @snapshot. 0, -ENOMEM, or -EFBIG: zipped it has more than @max_bytes.
 * @ret_page comes with one reference.
 */
int eye_zipped_new(struct eye_pages *pages, const struct eye_snapshot *snapshot,
                   enum eye_page_format format, size_t max_bytes, struct eye_zipped **ret_page);

struct eye_zipped *eye_zipped_ref(struct eye_zipped *page);

/** Takes NULL. */
void eye_zipped_unref(struct eye_zipped *page);

/** Appends all of it to @text: the bytes as they are, or the page when @unpacks. 0 or -ENOMEM. */
int eye_zipped_append(struct eye_zipped *page, bool unpacks, struct eye_text *text);

/** One reading from begin to end; holds a reference. */
struct eye_zipped_reader;

/** The bytes as they are, or the text when @unpacks. 0 or -ENOMEM. */
int eye_zipped_reader_new(struct eye_zipped *page, bool unpacks,
                          struct eye_zipped_reader **ret_reader);

/** Takes NULL. */
void eye_zipped_reader_free(struct eye_zipped_reader *reader);

/** The next bytes, @size at most: how many, 0 at the end, -EIO when they cannot be unpacked. */
ssize_t eye_zipped_read(struct eye_zipped_reader *reader, void *buffer, size_t size);
