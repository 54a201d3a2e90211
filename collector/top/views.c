/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of columns. */
#include "collector/top/views.h"

#include <math.h>

#include "collector/base/human.h"

/* "1023 KiB", "95.0 us", "76158" */
#define BYTES_WIDTH 8
#define SECONDS_WIDTH 7
#define COUNT_WIDTH 6
#define MEMBERS_WIDTH 5 /* some thousands at most */
#define RATE_WIDTH 7

#define SECONDS_A_DAY 86400

/* "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" */
#define ADDRESS_MOST 47

/* Longer ones are cut: the limit of tags is 200. */
#define NAME_MOST 40
#define ROUTE_MOST 80

/* "CLIENT NO-EVICT": the longest are of Redis. */
#define METHOD_MOST 20

#define MEMBERS(title)                                                                             \
    {                                                                                              \
        title, EYE_SHOWN_NUMBER, EYE_TOP_ROW_MEMBERS, MEMBERS_WIDTH, MEMBERS_WIDTH, true           \
    }
#define TEXT(title, text, width, most)                                                             \
    {                                                                                              \
        title, EYE_SHOWN_TEXT, EYE_TOP_ROW_##text, width, most, false                              \
    }
#define NUMBER(title, number, width)                                                               \
    {                                                                                              \
        title, EYE_SHOWN_NUMBER, EYE_TOP_ROW_##number, width, width, false                         \
    }
#define BYTES(title, number)                                                                       \
    {                                                                                              \
        title, EYE_SHOWN_BYTES, EYE_TOP_ROW_##number, BYTES_WIDTH, BYTES_WIDTH, false              \
    }
#define SECONDS(title, number)                                                                     \
    {                                                                                              \
        title, EYE_SHOWN_SECONDS, EYE_TOP_ROW_##number, SECONDS_WIDTH, SECONDS_WIDTH, false        \
    }

static const struct eye_column connection_columns[] = {
    TEXT("SERVICE", SERVICE, 10, NAME_MOST),
    TEXT("REMOTE", REMOTE, 15, ADDRESS_MOST),
    TEXT("PORT", PORT, 5, 9),
    MEMBERS("CONNS"),
    BYTES("SENT/S", SENT_RATE),
    BYTES("RECV/S", RECEIVED_RATE),
    BYTES("BYTES", BYTES),
    SECONDS("RTT", RTT),
    NUMBER("RETR", RETRANSMITS, COUNT_WIDTH),
    TEXT("DIRECTION", DIRECTION, 9, 9),
    TEXT("STATE", STATE, 6, 6),
    SECONDS("AGE", AGE),
    TEXT("PROCESS", PROCESS, 10, 16),
    TEXT("PROTOCOL", PROTOCOL, 8, 9),
    TEXT("LOCAL", LOCAL, 16, ADDRESS_MOST),
    BYTES("SENT", SENT),
    BYTES("RECV", RECEIVED),
    TEXT("NETNS", NETNS, 10, 10),
};

static const struct eye_sorting connection_sortings[] = {
    {"rate", EYE_TOP_ROW_RATE},
    {"bytes", EYE_TOP_ROW_BYTES},
    {"rtt", EYE_TOP_ROW_RTT},
    {"retransmits", EYE_TOP_ROW_RETRANSMITS},
    {"connections", EYE_TOP_ROW_MEMBERS},
};

static const struct eye_grouping connection_groupings[] = {
    {"none", -1},
    {"service", EYE_TOP_ROW_SERVICE},
    {"port", EYE_TOP_ROW_PORT},
    {"protocol", EYE_TOP_ROW_PROTOCOL},
    {"remote", EYE_TOP_ROW_ADDRESS},
};

static const struct eye_column connection_totals[] = {
    NUMBER("conns", MEMBERS, 0), BYTES("sent/s", SENT_RATE),     BYTES("recv/s", RECEIVED_RATE),
    BYTES("in all", BYTES),      NUMBER("retr", RETRANSMITS, 0), NUMBER("closed", CLOSED, 0),
};

static const struct eye_column request_columns[] = {
    TEXT("SERVICE", SERVICE, 10, NAME_MOST),
    TEXT("METHOD", METHOD, 6, METHOD_MOST),
    TEXT("ROUTE", ROUTE, 16, ROUTE_MOST),
    TEXT("STATUS", STATUS, 6, 9),
    MEMBERS("ROWS"),
    NUMBER("RATE/S", RATE, RATE_WIDTH),
    SECONDS("P50", P50),
    SECONDS("P99", P99),
    NUMBER("ERR", ERRORS, COUNT_WIDTH),
    TEXT("SIDE", SIDE, 6, 6),
    TEXT("PORT", PORT, 5, 9),
    NUMBER("COUNT", COUNT, RATE_WIDTH),
};

static const struct eye_sorting request_sortings[] = {
    {"rate", EYE_TOP_ROW_RATE},
    {"p99", EYE_TOP_ROW_P99},
    {"errors", EYE_TOP_ROW_ERRORS},
    {"p50", EYE_TOP_ROW_P50},
};

static const struct eye_grouping request_groupings[] = {
    {"none", -1},
    {"service", EYE_TOP_ROW_SERVICE},
    {"port", EYE_TOP_ROW_PORT},
    {"route", EYE_TOP_ROW_ROUTE},
};

static const struct eye_column request_totals[] = {
    NUMBER("rows", MEMBERS, 0),  NUMBER("requests", COUNT, 0), NUMBER("requests/s", RATE, 0),
    NUMBER("errors", ERRORS, 0), SECONDS("worst p99", P99),
};

/* NOLINTBEGIN(bugprone-macro-parentheses): names, not expressions */
#define VIEW(words, prefix)                                                                        \
    {                                                                                              \
        .name = words, .columns = prefix##_columns,                                                \
        .column_count = EYE_ARRAY_LENGTH(prefix##_columns), .sortings = prefix##_sortings,         \
        .sorting_count = EYE_ARRAY_LENGTH(prefix##_sortings), .groupings = prefix##_groupings,     \
        .grouping_count = EYE_ARRAY_LENGTH(prefix##_groupings), .totals = prefix##_totals,         \
        .total_count = EYE_ARRAY_LENGTH(prefix##_totals),                                          \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

static const struct eye_top_view views[EYE_TOP_VIEWS] = {
    [EYE_TOP_CONNECTIONS] = VIEW("connections", connection),
    [EYE_TOP_REQUESTS] = VIEW("requests", request),
};

const struct eye_top_view *eye_top_view(enum eye_top_view_id id)
{
    return &views[id];
}

/* "999999", "1.2M": never wider than COUNT_WIDTH. */
static void append_count(struct eye_text *text, double number)
{
    if (number >= 1e9) {
        eye_text_appendf(text, "%.3gG", number / 1e9);
    } else if (number >= 1e6) {
        eye_text_appendf(text, "%.3gM", number / 1e6);
    } else {
        eye_human_append_number(text, number);
    }
}

static void append_seconds(struct eye_text *text, double seconds)
{
    if (seconds >= SECONDS_A_DAY) {
        eye_text_appendf(text, "%.1f d", seconds / SECONDS_A_DAY);
    } else {
        eye_human_append_seconds(text, seconds);
    }
}

static void append_number(enum eye_unit_shown shown, double number, struct eye_text *text)
{
    static void (*const append[])(struct eye_text *, double) = {
        [EYE_SHOWN_NUMBER] = append_count,
        [EYE_SHOWN_BYTES] = eye_human_append_bytes,
        [EYE_SHOWN_SECONDS] = append_seconds,
    };
    if (isnan(number)) {
        eye_text_append_char(text, '-');
    } else {
        append[shown](text, number);
    }
}

void eye_column_append(const struct eye_column *column, const struct eye_top_row *row,
                       struct eye_text *text)
{
    if (column->shown == EYE_SHOWN_TEXT) {
        eye_text_append(text, row->texts[column->value]);
    } else {
        append_number(column->shown, row->numbers[column->value], text);
    }
}
