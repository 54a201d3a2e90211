/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sockeye top` shows, as rows: read from the daemon's answers, filtered, folded into groups,
 * sorted, summed up. Knows no terminal. Not shared between threads.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Shown where the members of a group differ. */
#define EYE_TOP_MANY "*"

/* X(identifier, member of the JSON or "") */
#define EYE_TOP_ROW_TEXTS(X)                                                                       \
    X(SERVICE, "service")                                                                          \
    X(PROCESS, "process")                                                                          \
    X(PORT, "port")                                                                                \
    X(PROTOCOL, "protocol")                                                                        \
    X(DIRECTION, "direction")                                                                      \
    X(STATE, "state")                                                                              \
    X(FAMILY, "family")                                                                            \
    X(LOCAL, "local")                                                                              \
    X(REMOTE, "remote")                                                                            \
    X(ADDRESS, "") /* of REMOTE, without the port */                                               \
    X(NETNS, "netns")                                                                              \
    X(SIDE, "side")                                                                                \
    X(METHOD, "method")                                                                            \
    X(ROUTE, "route")                                                                              \
    X(STATUS, "status") /* else ERROR */                                                           \
    X(ERROR, "error_type")

/*
 * X(identifier, member of the JSON or "", which, fold)
 * which: CHANGE is divided by the time that it took. fold: of several rows the sum, or the worst,
 * because quantiles and times cannot be added.
 */
#define EYE_TOP_ROW_NUMBERS(X)                                                                     \
    X(MEMBERS, "", VALUE, SUM)                                                                     \
    X(CLOSED, "", VALUE, SUM)                                                                      \
    X(SENT, "sent_bytes", VALUE, SUM)                                                              \
    X(RECEIVED, "received_bytes", VALUE, SUM)                                                      \
    X(BYTES, "", VALUE, SUM)                                                                       \
    X(SENT_RATE, "sent_bytes_change", CHANGE, SUM)                                                 \
    X(RECEIVED_RATE, "received_bytes_change", CHANGE, SUM)                                         \
    X(RATE, "rate", VALUE, SUM) /* of connections: bytes in both directions */                     \
    X(RETRANSMITS, "retransmits", VALUE, SUM)                                                      \
    X(RTT, "rtt_s", VALUE, WORST)                                                                  \
    X(AGE, "age_s", VALUE, WORST)                                                                  \
    X(COUNT, "count", VALUE, SUM)                                                                  \
    X(ERRORS, "", VALUE, SUM) /* of COUNT: without an answer, or with one that tells of failure */ \
    X(P50, "p50_s", VALUE, WORST)                                                                  \
    X(P99, "p99_s", VALUE, WORST)

enum eye_top_row_text {
#define X(identifier, ...) EYE_TOP_ROW_##identifier,
    EYE_TOP_ROW_TEXTS(X)
#undef X
        EYE_TOP_ROW_TEXT_COUNT,
};

enum eye_top_row_number {
#define X(identifier, ...) EYE_TOP_ROW_##identifier,
    EYE_TOP_ROW_NUMBERS(X)
#undef X
        EYE_TOP_ROW_NUMBER_COUNT,
};

struct eye_top_row {
    const char *texts[EYE_TOP_ROW_TEXT_COUNT]; /* never NULL; of the rows that were read */
    double numbers[EYE_TOP_ROW_NUMBER_COUNT];  /* NAN: not known, or not of this kind of row */
};

struct eye_top_rows {
    struct eye_top_row *items; /* owned */
    size_t count;
    char *words; /* of the texts; owned; NULL in rows that were arranged from others */
};

/* How rows are arranged. */
struct eye_arrangement {
    const char *filter; /* a part of any text, whatever the case; "": all */
    int group;          /* enum eye_top_row_text; -1: each row for itself */
    enum eye_top_row_number sort;
};

/**
 * Reads the objects of @list; NULL is an empty one. @elapsed_s: in which the changes happened; 0:
 * not known. @utf8: the terminal shows it; else "?" stands for what is not ASCII. Controls are "?"
 * always. 0 or -ENOMEM.
 */
int eye_top_rows_read(const json_t *list, double elapsed_s, bool utf8,
                      struct eye_top_rows *ret_rows);

/** Filtered, folded, largest first. The result points into @rows. 0 or -ENOMEM. */
int eye_top_rows_arrange(const struct eye_top_rows *rows, const struct eye_arrangement *how,
                         struct eye_top_rows *ret_rows);

/** All of them folded into one; of none: zeros, and nothing is known of times. */
void eye_top_rows_total(const struct eye_top_rows *rows, struct eye_top_row *ret_total);

/** Takes a zeroed one. */
void eye_top_rows_done(struct eye_top_rows *rows);
