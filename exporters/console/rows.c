/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over the changes, grouped by tag set. */
#include "exporters/console/rows.h"

#include <errno.h>
#include <string.h>

#include "collector/base/hash.h"

/* Where the points of a metric go. */
struct place {
    bool shown;
    enum eye_console_section section;
    enum eye_console_slot slot;
    const char *side;
};

static const struct place places[EYE_METRIC_COUNT] = {
    [EYE_METRIC_TCP_ACTIVE] = {true, EYE_CONSOLE_TCP, EYE_SLOT_ACTIVE, NULL},
    [EYE_METRIC_TCP_OPENED] = {true, EYE_CONSOLE_TCP, EYE_SLOT_OPENED, NULL},
    [EYE_METRIC_TCP_CLOSED] = {true, EYE_CONSOLE_TCP, EYE_SLOT_CLOSED, NULL},
    [EYE_METRIC_TCP_FAILED] = {true, EYE_CONSOLE_TCP, EYE_SLOT_FAILED, NULL},
    [EYE_METRIC_TCP_SENT_BYTES] = {true, EYE_CONSOLE_TCP, EYE_SLOT_SENT, NULL},
    [EYE_METRIC_TCP_RECEIVED_BYTES] = {true, EYE_CONSOLE_TCP, EYE_SLOT_RECEIVED, NULL},
    [EYE_METRIC_TCP_RETRANSMITS] = {true, EYE_CONSOLE_TCP, EYE_SLOT_RETRANSMITS, NULL},
    [EYE_METRIC_TCP_RTT] = {true, EYE_CONSOLE_TCP, EYE_SLOT_RTT, NULL},
    [EYE_METRIC_TCP_CONNECT] = {true, EYE_CONSOLE_TCP, EYE_SLOT_CONNECT, NULL},
    [EYE_METRIC_UDP_SENT_BYTES] = {true, EYE_CONSOLE_UDP, EYE_SLOT_SENT, NULL},
    [EYE_METRIC_UDP_RECEIVED_BYTES] = {true, EYE_CONSOLE_UDP, EYE_SLOT_RECEIVED, NULL},
    [EYE_METRIC_UDP_SENT] = {true, EYE_CONSOLE_UDP, EYE_SLOT_SENT_DATAGRAMS, NULL},
    [EYE_METRIC_UDP_RECEIVED] = {true, EYE_CONSOLE_UDP, EYE_SLOT_RECEIVED_DATAGRAMS, NULL},
    [EYE_METRIC_UDP_DROPPED] = {true, EYE_CONSOLE_UDP, EYE_SLOT_DROPPED, NULL},
    [EYE_METRIC_HTTP_SERVER_DURATION] = {true, EYE_CONSOLE_HTTP, EYE_SLOT_REQUESTS, "server"},
    [EYE_METRIC_HTTP_CLIENT_DURATION] = {true, EYE_CONSOLE_HTTP, EYE_SLOT_REQUESTS, "client"},
    [EYE_METRIC_RPC_SERVER_DURATION] = {true, EYE_CONSOLE_RPC, EYE_SLOT_REQUESTS, "server"},
    [EYE_METRIC_RPC_CLIENT_DURATION] = {true, EYE_CONSOLE_RPC, EYE_SLOT_REQUESTS, "client"},
    [EYE_METRIC_DB_SERVER_DURATION] = {true, EYE_CONSOLE_DB, EYE_SLOT_REQUESTS, "server"},
    [EYE_METRIC_DB_CLIENT_DURATION] = {true, EYE_CONSOLE_DB, EYE_SLOT_REQUESTS, "client"},
    [EYE_METRIC_MESSAGING_SERVER_DURATION] = {true, EYE_CONSOLE_MESSAGING, EYE_SLOT_REQUESTS,
                                              "server"},
    [EYE_METRIC_MESSAGING_CLIENT_DURATION] = {true, EYE_CONSOLE_MESSAGING, EYE_SLOT_REQUESTS,
                                              "client"},
    [EYE_METRIC_DNS_SERVER_LOOKUP] = {true, EYE_CONSOLE_DNS, EYE_SLOT_REQUESTS, "server"},
    [EYE_METRIC_DNS_LOOKUP] = {true, EYE_CONSOLE_DNS, EYE_SLOT_REQUESTS, "client"},
};

/* What makes a row: section and side by @place, tags but the reason. */
struct row_key {
    const struct place *place;
    const struct eye_tag_set *tags;
};

struct collection {
    struct eye_console_rows rows;
    struct eye_table tables[EYE_CONSOLE_SECTIONS]; /* struct eye_console_row by row_key */
};

/* The index of the next tag that counts, from @index on. */
static uint32_t skip_reason(const struct eye_tag_set *tags, uint32_t index)
{
    return index < tags->count && tags->tags[index].tag == EYE_TAG_REASON ? index + 1 : index;
}

static bool same_tags(const struct eye_tag_set *a, const struct eye_tag_set *b)
{
    uint32_t i = skip_reason(a, 0);
    uint32_t k = skip_reason(b, 0);
    while (i < a->count && k < b->count) {
        if (a->tags[i].tag != b->tags[k].tag || strcmp(a->tags[i].value, b->tags[k].value) != 0) {
            return false;
        }
        i = skip_reason(a, i + 1);
        k = skip_reason(b, k + 1);
    }
    return i == a->count && k == b->count;
}

static bool row_matches(const void *item, const void *key)
{
    const struct eye_console_row *row = item;
    const struct row_key *wanted = key;
    return row->side == wanted->place->side && same_tags(row->tags, wanted->tags);
}

static uint64_t hash_tags(const struct eye_tag_set *tags)
{
    uint64_t hash = 0;
    for (uint32_t i = skip_reason(tags, 0); i < tags->count; i = skip_reason(tags, i + 1)) {
        const char *value = tags->tags[i].value;
        hash = hash * 31 + eye_hash_bytes(value, strlen(value)) + tags->tags[i].tag;
    }
    return hash;
}

/* Takes the row over, or frees it. */
static struct eye_console_row *add_row(struct eye_console_list *list, struct eye_console_row *row)
{
    /* Grows when the count reaches a power of two. */
    if ((list->count & (list->count - 1)) == 0) {
        size_t capacity = list->count == 0 ? 1 : list->count * 2;
        struct eye_console_row **rows =
            reallocarray(list->rows, capacity, sizeof(struct eye_console_row *));
        if (rows == NULL) {
            free(row);
            return NULL;
        }
        list->rows = rows;
    }
    row->order = list->count;
    list->rows[list->count++] = row;
    return row;
}

/* The row of @key, made when new; NULL when out of memory. */
static struct eye_console_row *get_row(struct collection *collection, const struct row_key *key)
{
    struct eye_table *table = &collection->tables[key->place->section];
    uint64_t hash = hash_tags(key->tags);
    struct eye_console_row *row = eye_table_find(table, hash, row_matches, key);
    if (row != NULL) {
        return row;
    }
    row = calloc(1, sizeof(*row));
    if (row == NULL) {
        return NULL;
    }
    row->tags = key->tags;
    row->side = key->place->side;
    row = add_row(&collection->rows.lists[key->place->section], row);
    if (row == NULL || eye_table_insert(table, hash, row) != 0) {
        return NULL;
    }
    return row;
}

static bool at_rest(const struct eye_change *change)
{
    switch (change->point->metric->kind) {
    case EYE_COUNTER:
        return change->counter == 0;
    case EYE_GAUGE:
        return change->point->gauge == 0;
    case EYE_DISTRIBUTION:
        return change->count == 0;
    }
    return true;
}

static void fill_slot(struct eye_console_row *row, enum eye_console_slot slot,
                      const struct eye_change *change)
{
    uint64_t others = row->changes[slot].counter; /* of other reasons */
    row->changes[slot] = *change;
    row->changes[slot].counter += others;
    if (slot == EYE_SLOT_SENT || slot == EYE_SLOT_RECEIVED) {
        row->traffic += eye_counter_value(change->point->metric, change->counter);
    } else if (row->side != NULL) {
        row->traffic += (double)change->count;
    }
}

static int collect_change(struct collection *collection, const struct eye_change *change)
{
    const struct place *place = &places[change->point->metric->id];
    if (!place->shown) {
        return 0;
    }
    collection->rows.lists[place->section].known = true;
    if (at_rest(change)) {
        return 0;
    }
    const struct row_key key = {.place = place, .tags = change->point->tags};
    struct eye_console_row *row = get_row(collection, &key);
    if (row == NULL) {
        return -ENOMEM;
    }
    fill_slot(row, place->slot, change);
    return 0;
}

static bool wants_anything_shown(const struct eye_selection *selection)
{
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        if (places[i].shown && selection->wanted[i]) {
            return true;
        }
    }
    return false;
}

static int collect(struct collection *collection, const struct eye_selection *selection,
                   const struct eye_snapshot *now, const struct eye_snapshot *before)
{
    struct eye_changes changes;
    struct eye_change change;
    int result = 0;
    collection->rows.filtered = !wants_anything_shown(selection);
    eye_changes_begin(&changes, now, before);
    while (result == 0 && eye_changes_next(&changes, &change)) {
        if (selection->wanted[change.point->metric->id]) {
            result = collect_change(collection, &change);
        } else if (places[change.point->metric->id].shown && !at_rest(&change)) {
            collection->rows.filtered = true;
        }
    }
    return result;
}

static int compare_rows(const void *a, const void *b)
{
    const struct eye_console_row *left = *(struct eye_console_row *const *)a;
    const struct eye_console_row *right = *(struct eye_console_row *const *)b;
    if (left->traffic != right->traffic) {
        return left->traffic > right->traffic ? -1 : 1;
    }
    return left->order < right->order ? -1 : 1;
}

static void sort_rows(struct eye_console_rows *rows)
{
    for (size_t i = 0; i < EYE_CONSOLE_SECTIONS; i++) {
        if (rows->lists[i].count > 0) {
            qsort(rows->lists[i].rows, rows->lists[i].count, sizeof(struct eye_console_row *),
                  compare_rows);
        }
    }
}

int eye_console_rows_init(struct eye_console_rows *rows, const struct eye_selection *selection,
                          const struct eye_snapshot *now, const struct eye_snapshot *before)
{
    struct collection collection = {0};
    int result = collect(&collection, selection, now, before);
    for (size_t i = 0; i < EYE_CONSOLE_SECTIONS; i++) {
        eye_table_done(&collection.tables[i]);
    }
    if (result != 0) {
        eye_console_rows_done(&collection.rows);
        return result;
    }
    sort_rows(&collection.rows);
    *rows = collection.rows;
    return 0;
}

void eye_console_rows_done(struct eye_console_rows *rows)
{
    for (size_t i = 0; i < EYE_CONSOLE_SECTIONS; i++) {
        for (size_t k = 0; k < rows->lists[i].count; k++) {
            free(rows->lists[i].rows[k]);
        }
        free(rows->lists[i].rows);
        rows->lists[i] = (struct eye_console_list){0};
    }
}
