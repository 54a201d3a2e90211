/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot as a page of OpenMetrics 1.0 or Prometheus text 0.0.4. Names and labels are those of
 * exporters/prometheus/names.h, with "_total" for counters. A label without a value is left out,
 * because Prometheus takes it as absent. Distributions become classic histograms over one list of
 * boundaries that never changes (exporters/encode/buckets.h).
 *
 * What a page says of a series before its values is made once, when the series appears. Belongs to
 * the one thread that makes the pages.
 */
#pragma once

#include "exporters/encode/buckets.h"
#include "exporters/encode/identities.h"
#include "exporters/encode/selection.h"
#include "exporters/openmetrics/negotiate.h"

/* What all series of a metric have in common. */
struct eye_page_family {
    struct eye_text name;  /* with unit, without "_total" */
    struct eye_text fixed; /* labels of the fixed tags, without braces */
};

#define EYE_PAGE_BOUNDARY_BYTES 16

/* What stands between the labels of a bucket and its count: 1e-05"} and a space. */
struct eye_page_boundary {
    char text[EYE_PAGE_BOUNDARY_BYTES];
    size_t length;
};

struct eye_pages {
    bool created; /* OpenMetrics pages tell when each series began */
    struct eye_page_boundary boundaries[EYE_BOUNDARY_COUNT + 1]; /* the last one is +Inf */
    struct eye_page_family families[EYE_METRIC_COUNT];
    struct eye_identities identities;
};

struct eye_page_counts {
    uint64_t points;     /* series on the page */
    uint64_t collisions; /* left out: same name and labels as an older one */
    uint64_t too_long;   /* left out: its labels fit nowhere */
};

/** 0 or -ENOMEM. @selection must outlive @pages. */
int eye_pages_init(struct eye_pages *pages, const struct eye_selection *selection, bool created);

/** Takes a zeroed one. */
void eye_pages_done(struct eye_pages *pages);

/**
 * Appends the page of @snapshot, NULL: there is none to show. 0, or -ENOMEM: out of memory or @text
 * reached its maximum.
 */
int eye_pages_write(struct eye_pages *pages, const struct eye_snapshot *snapshot,
                    enum eye_page_format format, struct eye_text *text,
                    struct eye_page_counts *ret_counts);

/* A piece is handed on when it has this many bytes, at the end of a series. */
#define EYE_PAGE_PIECE_BYTES ((size_t)64 << 10)

/** Gets the next piece of a page, which is gone afterwards. 0, or -errno: no more of it. */
typedef int eye_page_sink(void *context, const struct eye_text *piece);

/**
 * The same page in pieces, each handed to @sink; so it is nowhere whole. @scratch is an empty text
 * for the pieces. 0, -ENOMEM, or what @sink said.
 */
int eye_pages_write_pieces(struct eye_pages *pages, const struct eye_snapshot *snapshot,
                           enum eye_page_format format, struct eye_text *scratch,
                           eye_page_sink *sink, void *context, struct eye_page_counts *ret_counts);
