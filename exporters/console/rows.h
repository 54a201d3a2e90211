/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened in an interval, as the rows of tables: one row per tag set of connections and of
 * UDP sockets (reasons added up), one per tag set and side of requests. Series at rest make no row.
 * Belongs to one thread.
 */
#pragma once

#include "collector/base/table.h"
#include "exporters/encode/selection.h"

enum eye_console_section {
    EYE_CONSOLE_TCP,
    EYE_CONSOLE_UDP,
    EYE_CONSOLE_HTTP,
    EYE_CONSOLE_RPC,
    EYE_CONSOLE_DB,
    EYE_CONSOLE_MESSAGING,
    EYE_CONSOLE_DNS,
    EYE_CONSOLE_SECTIONS
};

/* The measures of a row. */
enum eye_console_slot {
    EYE_SLOT_ACTIVE,
    EYE_SLOT_OPENED,
    EYE_SLOT_CLOSED,
    EYE_SLOT_FAILED,
    EYE_SLOT_SENT,
    EYE_SLOT_RECEIVED,
    EYE_SLOT_RETRANSMITS,
    EYE_SLOT_RTT,
    EYE_SLOT_CONNECT,
    EYE_SLOT_SENT_DATAGRAMS,
    EYE_SLOT_RECEIVED_DATAGRAMS,
    EYE_SLOT_DROPPED,
    EYE_CONSOLE_SLOTS,
    EYE_SLOT_REQUESTS = 0, /* the one measure of requests */
};

struct eye_console_row {
    const struct eye_tag_set *tags;               /* of a point of the snapshot */
    const char *side;                             /* requests: "server" or "client"; else NULL */
    size_t order;                                 /* of appearance, to sort equals by */
    double traffic;                               /* bytes both ways, or requests */
    struct eye_change changes[EYE_CONSOLE_SLOTS]; /* point NULL: at rest */
};

struct eye_console_list {
    struct eye_console_row **rows; /* most traffic first; owned, each owned */
    size_t count;
    bool known; /* the snapshot has such series, even if all are at rest */
};

struct eye_console_rows {
    bool filtered; /* something happened, or could, and the selection does not want it */
    struct eye_console_list lists[EYE_CONSOLE_SECTIONS];
};

/**
 * Collects and sorts. Points into @now and @before, which must outlive the rows. 0 or -ENOMEM.
 */
int eye_console_rows_init(struct eye_console_rows *rows, const struct eye_selection *selection,
                          const struct eye_snapshot *now, const struct eye_snapshot *before);
void eye_console_rows_done(struct eye_console_rows *rows);
