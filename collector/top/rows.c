/* SPDX-License-Identifier: Apache-2.0 */
/* From JSON to rows, and from rows to fewer. */
#include "collector/top/rows.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/top/cells.h"

/* From here on a status of HTTP says that the server failed (RFC 9110, 15.6). */
#define STATUS_FAILED "500"

/* Statuses of gRPC that say so, as the semantic conventions of OpenTelemetry see it. */
static const char *const rpc_failures[] = {"UNKNOWN",  "DEADLINE_EXCEEDED", "UNIMPLEMENTED",
                                           "INTERNAL", "UNAVAILABLE",       "DATA_LOSS"};

/* Answers of DNS that answer the question. */
static const char *const dns_answers[] = {"", "NOERROR", "NXDOMAIN"};

/* An integer as text. */
#define DIGITS_BYTES 24

static const char *const text_members[EYE_TOP_ROW_TEXT_COUNT] = {
#define X(identifier, member) [EYE_TOP_ROW_##identifier] = (member),
    EYE_TOP_ROW_TEXTS(X)
#undef X
};

static const struct {
    const char *member;
    bool is_change;
    bool is_sum;
} numbers[EYE_TOP_ROW_NUMBER_COUNT] = {
#define VALUE false
#define CHANGE true
#define SUM true
#define WORST false
#define X(identifier, member, which, fold) [EYE_TOP_ROW_##identifier] = {member, which, fold},
    EYE_TOP_ROW_NUMBERS(X)
#undef X
#undef VALUE
#undef CHANGE
#undef SUM
#undef WORST
};

/* ---- Reading ---- */

/* Where the texts of all rows go. */
struct words {
    char *next;
    bool utf8;
};

static size_t room_of(const json_t *value)
{
    return (json_is_string(value) ? json_string_length(value) : DIGITS_BYTES) + 1;
}

/* All texts of @list; one more for what is derived. */
static size_t room_of_all(const json_t *list)
{
    size_t room = 1;
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        for (size_t text = 0; text < EYE_TOP_ROW_TEXT_COUNT; text++) {
            room += room_of(json_object_get(item, text_members[text]));
        }
        room += room_of(json_object_get(item, text_members[EYE_TOP_ROW_REMOTE]));
    }
    return room;
}

static const char *keep(struct words *words, const char *text, size_t length)
{
    char *kept = words->next;
    words->next += eye_cells_clean(kept, text, length, words->utf8) + 1;
    return kept;
}

static const char *read_text(struct words *words, const json_t *value)
{
    char digits[DIGITS_BYTES];
    if (json_is_string(value)) {
        return keep(words, json_string_value(value), json_string_length(value));
    }
    if (json_is_integer(value)) {
        snprintf(digits, sizeof(digits), "%lld", (long long)json_integer_value(value));
        return keep(words, digits, strlen(digits));
    }
    return "";
}

static double read_number(const json_t *value, bool is_change, double elapsed_s)
{
    if (!json_is_number(value) || (is_change && !(elapsed_s > 0))) {
        return NAN;
    }
    return is_change ? json_number_value(value) / elapsed_s : json_number_value(value);
}

/* "10.0.0.1" of "10.0.0.1:80", "[::1]" of "[::1]:80". */
static const char *address_of(struct words *words, const char *remote)
{
    const char *colon = strrchr(remote, ':');
    return colon == NULL ? remote : keep(words, remote, (size_t)(colon - remote));
}

static bool is_one_of(const char *text, const char *const *known, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_of(const char *metric, const char *family)
{
    return metric != NULL && strncmp(metric, family, strlen(family)) == 0;
}

/* A database tells nothing but failures. */
static bool is_failure(const char *metric, const char *status)
{
    if (is_of(metric, "db.")) {
        return status[0] != '\0';
    }
    if (is_of(metric, "rpc.")) {
        return is_one_of(status, rpc_failures, EYE_ARRAY_LENGTH(rpc_failures));
    }
    if (is_of(metric, "dns.")) {
        return !is_one_of(status, dns_answers, EYE_ARRAY_LENGTH(dns_answers));
    }
    return strlen(status) == strlen(STATUS_FAILED) && strcmp(status, STATUS_FAILED) >= 0;
}

/* @metric: NULL when it is not told. */
static bool has_failed(const struct eye_top_row *row, const char *metric)
{
    return row->texts[EYE_TOP_ROW_ERROR][0] != '\0' ||
           is_failure(metric, row->texts[EYE_TOP_ROW_STATUS]);
}

/* The method of gRPC is a name as long as a route, and stands in its place. */
static void place_method(struct eye_top_row *row)
{
    row->texts[EYE_TOP_ROW_ROUTE] = row->texts[EYE_TOP_ROW_METHOD];
    row->texts[EYE_TOP_ROW_METHOD] = "";
}

static void derive(struct words *words, const char *metric, struct eye_top_row *row)
{
    double *number = row->numbers;
    if (is_of(metric, "rpc.")) {
        place_method(row);
    }
    row->texts[EYE_TOP_ROW_ADDRESS] = address_of(words, row->texts[EYE_TOP_ROW_REMOTE]);
    number[EYE_TOP_ROW_MEMBERS] = 1;
    number[EYE_TOP_ROW_CLOSED] = strcmp(row->texts[EYE_TOP_ROW_STATE], "closed") == 0;
    number[EYE_TOP_ROW_BYTES] = number[EYE_TOP_ROW_SENT] + number[EYE_TOP_ROW_RECEIVED];
    number[EYE_TOP_ROW_ERRORS] = has_failed(row, metric) ? number[EYE_TOP_ROW_COUNT] : 0;
    if (row->texts[EYE_TOP_ROW_STATUS][0] == '\0') {
        row->texts[EYE_TOP_ROW_STATUS] = row->texts[EYE_TOP_ROW_ERROR];
    }
    if (isnan(number[EYE_TOP_ROW_RATE])) {
        number[EYE_TOP_ROW_RATE] =
            number[EYE_TOP_ROW_SENT_RATE] + number[EYE_TOP_ROW_RECEIVED_RATE];
    }
}

static void read_row(struct words *words, const json_t *item, double elapsed_s,
                     struct eye_top_row *row)
{
    for (size_t i = 0; i < EYE_TOP_ROW_TEXT_COUNT; i++) {
        row->texts[i] = read_text(words, json_object_get(item, text_members[i]));
    }
    for (size_t i = 0; i < EYE_TOP_ROW_NUMBER_COUNT; i++) {
        row->numbers[i] =
            read_number(json_object_get(item, numbers[i].member), numbers[i].is_change, elapsed_s);
    }
    derive(words, json_string_value(json_object_get(item, "metric")), row);
}

int eye_top_rows_read(const json_t *list, double elapsed_s, bool utf8,
                      struct eye_top_rows *ret_rows)
{
    struct eye_top_rows rows = {.count = json_array_size(list), .words = malloc(room_of_all(list))};
    rows.items = malloc((rows.count + 1) * sizeof(*rows.items));
    if (rows.words == NULL || rows.items == NULL) {
        eye_top_rows_done(&rows);
        return -ENOMEM;
    }
    struct words words = {.next = rows.words, .utf8 = utf8};
    for (size_t i = 0; i < rows.count; i++) {
        read_row(&words, json_array_get(list, i), elapsed_s, &rows.items[i]);
    }
    *ret_rows = rows;
    return 0;
}

/* ---- Arranging ---- */

static bool matches(const struct eye_top_row *row, const char *filter)
{
    for (size_t i = 0; i < EYE_TOP_ROW_TEXT_COUNT; i++) {
        if (strcasestr(row->texts[i], filter) != NULL) {
            return true;
        }
    }
    return false;
}

static double fold_numbers(double a, double b, bool is_sum)
{
    if (isnan(a) || isnan(b)) {
        return isnan(a) ? b : a;
    }
    return is_sum ? a + b : fmax(a, b);
}

static void fold(struct eye_top_row *into, const struct eye_top_row *row)
{
    bool one_address =
        strcmp(into->texts[EYE_TOP_ROW_ADDRESS], row->texts[EYE_TOP_ROW_ADDRESS]) == 0;
    for (size_t i = 0; i < EYE_TOP_ROW_TEXT_COUNT; i++) {
        if (strcmp(into->texts[i], row->texts[i]) != 0) {
            into->texts[i] = EYE_TOP_MANY;
        }
    }
    if (one_address) {
        into->texts[EYE_TOP_ROW_REMOTE] = into->texts[EYE_TOP_ROW_ADDRESS];
    }
    for (size_t i = 0; i < EYE_TOP_ROW_NUMBER_COUNT; i++) {
        into->numbers[i] = fold_numbers(into->numbers[i], row->numbers[i], numbers[i].is_sum);
    }
}

static int compare_texts(const struct eye_top_row *a, const struct eye_top_row *b)
{
    int order = 0;
    for (size_t i = 0; i < EYE_TOP_ROW_TEXT_COUNT && order == 0; i++) {
        order = strcmp(a->texts[i], b->texts[i]);
    }
    return order;
}

/* qsort_r(3) */
static int by_group(const void *a, const void *b, void *context)
{
    const struct eye_top_row *first = a;
    const struct eye_top_row *second = b;
    const struct eye_arrangement *how = context;
    int order = strcmp(first->texts[how->group], second->texts[how->group]);
    return order != 0 ? order : compare_texts(first, second);
}

/* What is not known comes last; equals stand in an order that does not change. */
static int by_number(const void *a, const void *b, void *context)
{
    const struct eye_top_row *first = a;
    const struct eye_top_row *second = b;
    const struct eye_arrangement *how = context;
    double x = first->numbers[how->sort];
    double y = second->numbers[how->sort];
    if (isnan(x) || isnan(y)) {
        return isnan(x) == isnan(y) ? compare_texts(first, second) : isnan(x) ? 1 : -1;
    }
    return x < y ? 1 : x > y ? -1 : compare_texts(first, second);
}

static void fold_groups(struct eye_top_rows *rows, struct eye_arrangement *how)
{
    size_t groups = 0;
    qsort_r(rows->items, rows->count, sizeof(*rows->items), by_group, how);
    for (size_t i = 0; i < rows->count; i++) {
        const char *key = rows->items[i].texts[how->group];
        bool same = groups > 0 && strcmp(rows->items[groups - 1].texts[how->group], key) == 0;
        if (same) {
            fold(&rows->items[groups - 1], &rows->items[i]);
        } else {
            rows->items[groups++] = rows->items[i];
        }
    }
    rows->count = groups;
}

int eye_top_rows_arrange(const struct eye_top_rows *rows, const struct eye_arrangement *how,
                         struct eye_top_rows *ret_rows)
{
    struct eye_arrangement by = *how;
    struct eye_top_rows shown = {.items = malloc((rows->count + 1) * sizeof(*shown.items))};
    if (shown.items == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < rows->count; i++) {
        if (matches(&rows->items[i], how->filter)) {
            shown.items[shown.count++] = rows->items[i];
        }
    }
    if (how->group >= 0) {
        fold_groups(&shown, &by);
    }
    qsort_r(shown.items, shown.count, sizeof(*shown.items), by_number, &by);
    *ret_rows = shown;
    return 0;
}

void eye_top_rows_total(const struct eye_top_rows *rows, struct eye_top_row *ret_total)
{
    if (rows->count > 0) {
        *ret_total = rows->items[0];
    } else {
        for (size_t i = 0; i < EYE_TOP_ROW_TEXT_COUNT; i++) {
            ret_total->texts[i] = "";
        }
        for (size_t i = 0; i < EYE_TOP_ROW_NUMBER_COUNT; i++) {
            ret_total->numbers[i] = numbers[i].is_sum ? 0 : NAN;
        }
    }
    for (size_t i = 1; i < rows->count; i++) {
        fold(ret_total, &rows->items[i]);
    }
}

void eye_top_rows_done(struct eye_top_rows *rows)
{
    free(rows->items);
    free(rows->words);
    *rows = (struct eye_top_rows){0};
}
