/* SPDX-License-Identifier: Apache-2.0 */
/* Title, the tables, and how the daemon itself fares. */
#include "exporters/console/table.h"

#include <errno.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/human.h"
#include "exporters/console/grid.h"
#include "exporters/console/rows.h"
#include "exporters/encode/utf8.h"

#define COLOUR_BOLD "\033[1m"
#define COLOUR_OFF "\033[0m"

/* Cells of one table at most: EYE_CONSOLE_ROWS rows of tags of 200 bytes. */
#define CELLS_MAX_BYTES ((size_t)1 << 20)

struct page {
    const struct eye_console_style *style;
    const struct eye_snapshot *now;
    const struct eye_snapshot *before;
    double seconds; /* that the changes cover */
    struct eye_text *out;
};

/* How a measure is written. */
enum look {
    LOOK_VALUE,       /* a gauge */
    LOOK_COUNT,       /* the increase of a counter */
    LOOK_RATE,        /* the same per second */
    LOOK_BYTES_RATE,  /* the same in bytes */
    LOOK_VALUES_RATE, /* values of a distribution per second */
    LOOK_QUANTILE,
};

/* `rank`: where the terminal is narrow, the highest goes first; 0: only when empty (grid.h). One
 * order for the tags and measures of a section. */
struct measure {
    const char *heading;
    enum eye_console_slot slot;
    enum look look;
    double quantile;
    unsigned rank;
};

struct tag_column {
    enum eye_tag tag;
    unsigned rank;
};

static const struct measure tcp_measures[] = {
    {"active", EYE_SLOT_ACTIVE, LOOK_VALUE, 0, 0},
    {"opened/s", EYE_SLOT_OPENED, LOOK_RATE, 0, 3},
    {"closed/s", EYE_SLOT_CLOSED, LOOK_RATE, 0, 12},
    {"failed", EYE_SLOT_FAILED, LOOK_COUNT, 0, 2},
    {"sent/s", EYE_SLOT_SENT, LOOK_BYTES_RATE, 0, 0},
    {"recv/s", EYE_SLOT_RECEIVED, LOOK_BYTES_RATE, 0, 0},
    {"retrans", EYE_SLOT_RETRANSMITS, LOOK_COUNT, 0, 4},
    {"rtt p50", EYE_SLOT_RTT, LOOK_QUANTILE, 0.5, 9},
    {"rtt p99", EYE_SLOT_RTT, LOOK_QUANTILE, 0.99, 13},
    {"connect p50", EYE_SLOT_CONNECT, LOOK_QUANTILE, 0.5, 10},
    {"connect p99", EYE_SLOT_CONNECT, LOOK_QUANTILE, 0.99, 14},
};

static const struct measure udp_measures[] = {
    {"sent/s", EYE_SLOT_SENT, LOOK_BYTES_RATE, 0, 0},
    {"recv/s", EYE_SLOT_RECEIVED, LOOK_BYTES_RATE, 0, 0},
    {"dgrams sent/s", EYE_SLOT_SENT_DATAGRAMS, LOOK_RATE, 0, 10},
    {"dgrams recv/s", EYE_SLOT_RECEIVED_DATAGRAMS, LOOK_RATE, 0, 9},
    {"dropped", EYE_SLOT_DROPPED, LOOK_COUNT, 0, 2},
};

static const struct measure request_measures[] = {
    {"requests/s", EYE_SLOT_REQUESTS, LOOK_VALUES_RATE, 0, 0},
    {"p50", EYE_SLOT_REQUESTS, LOOK_QUANTILE, 0.5, 4},
    {"p95", EYE_SLOT_REQUESTS, LOOK_QUANTILE, 0.95, 5},
    {"p99", EYE_SLOT_REQUESTS, LOOK_QUANTILE, 0.99, 1},
};

static const struct tag_column tcp_tags[] = {
    {EYE_TAG_DIRECTION, 1}, {EYE_TAG_SERVICE, 0}, {EYE_TAG_PORT, 0},      {EYE_TAG_FAMILY, 11},
    {EYE_TAG_PROTOCOL, 2},  {EYE_TAG_PROCESS, 7}, {EYE_TAG_NAMESPACE, 7}, {EYE_TAG_POD, 6},
    {EYE_TAG_CONTAINER, 6}, {EYE_TAG_REMOTE, 5},  {EYE_TAG_NAT, 8},       {EYE_TAG_NETNS, 8},
};

static const struct tag_column udp_tags[] = {
    {EYE_TAG_DIRECTION, 1}, {EYE_TAG_SERVICE, 0},   {EYE_TAG_PORT, 0},    {EYE_TAG_FAMILY, 11},
    {EYE_TAG_CAST, 3},      {EYE_TAG_PROTOCOL, 4},  {EYE_TAG_PROCESS, 7}, {EYE_TAG_NAMESPACE, 7},
    {EYE_TAG_POD, 6},       {EYE_TAG_CONTAINER, 6}, {EYE_TAG_REMOTE, 5},  {EYE_TAG_NETNS, 8},
};

static const struct tag_column http_tags[] = {
    {EYE_TAG_SERVICE, 0}, {EYE_TAG_PORT, 3},  {EYE_TAG_METHOD, 2},  {EYE_TAG_ROUTE, 0},
    {EYE_TAG_STATUS, 0},  {EYE_TAG_ERROR, 0}, {EYE_TAG_VERSION, 6}, {EYE_TAG_TLS, 6},
};

static const struct tag_column db_tags[] = {
    {EYE_TAG_SERVICE, 0}, {EYE_TAG_PORT, 3},   {EYE_TAG_DB_SYSTEM, 2}, {EYE_TAG_OPERATION, 0},
    {EYE_TAG_SUMMARY, 0}, {EYE_TAG_STATUS, 0}, {EYE_TAG_ERROR, 0},     {EYE_TAG_TLS, 6},
};

static const struct tag_column messaging_tags[] = {
    {EYE_TAG_SERVICE, 0},   {EYE_TAG_PORT, 3},        {EYE_TAG_MESSAGING_SYSTEM, 6},
    {EYE_TAG_OPERATION, 0}, {EYE_TAG_DESTINATION, 0}, {EYE_TAG_ERROR, 0},
    {EYE_TAG_TLS, 6},
};

static const struct tag_column dns_tags[] = {
    {EYE_TAG_SERVICE, 0}, {EYE_TAG_PORT, 6},  {EYE_TAG_TRANSPORT, 3}, {EYE_TAG_TYPE, 0},
    {EYE_TAG_RCODE, 0},   {EYE_TAG_ERROR, 0}, {EYE_TAG_TLS, 6},
};

struct section {
    const char *title;
    bool sides;
    const struct tag_column *tags; /* columns, those without any value left out */
    size_t tag_count;
    const struct measure *measures;
    size_t measure_count;
};

/* One measure, of each end. */
#define REQUESTS(title, tags)                                                                      \
    {                                                                                              \
        title, true, tags, EYE_ARRAY_LENGTH(tags), request_measures,                               \
            EYE_ARRAY_LENGTH(request_measures)                                                     \
    }

static const struct section sections[EYE_CONSOLE_SECTIONS] = {
    [EYE_CONSOLE_TCP] = {"TCP", false, tcp_tags, EYE_ARRAY_LENGTH(tcp_tags), tcp_measures,
                         EYE_ARRAY_LENGTH(tcp_measures)},
    [EYE_CONSOLE_UDP] = {"UDP", false, udp_tags, EYE_ARRAY_LENGTH(udp_tags), udp_measures,
                         EYE_ARRAY_LENGTH(udp_measures)},
    [EYE_CONSOLE_HTTP] = REQUESTS("HTTP", http_tags),
    [EYE_CONSOLE_RPC] = REQUESTS("gRPC", http_tags),
    [EYE_CONSOLE_DB] = REQUESTS("Databases", db_tags),
    [EYE_CONSOLE_MESSAGING] = REQUESTS("Messaging", messaging_tags),
    [EYE_CONSOLE_DNS] = REQUESTS("DNS", dns_tags),
};

static const char *hide_control(uint32_t code_point)
{
    bool hidden = eye_utf8_is_control(code_point) || code_point == EYE_UTF8_REPLACEMENT;
    return hidden ? "?" : NULL;
}

static void append_bold(const struct page *page, const char *words)
{
    eye_text_append(page->out, page->style->colour ? COLOUR_BOLD : "");
    eye_text_append(page->out, words);
    eye_text_append(page->out, page->style->colour ? COLOUR_OFF : "");
}

static void append_title(const struct page *page)
{
    char title[64] = "";
    struct tm local;
    time_t seconds = (time_t)(page->now->time_ns / EYE_NS_PER_SECOND);
    if (localtime_r(&seconds, &local) != NULL) {
        strftime(title, sizeof(title), "%Y-%m-%d %H:%M:%S %Z", &local);
    }
    append_bold(page, title);
    eye_text_append(page->out, "  last ");
    eye_human_append_number(page->out, page->seconds);
    eye_text_append(page->out, " s\n");
}

static void append_quantile(const struct eye_change *change, double quantile, struct eye_text *text)
{
    if (change->count == 0) {
        eye_text_append_char(text, '-');
        return;
    }
    eye_human_append_seconds(text, eye_distribution_quantile_since(change->point->distribution,
                                                                   change->before, quantile));
}

static void append_measure(const struct page *page, const struct measure *measure,
                           const struct eye_change *change, struct eye_text *text)
{
    switch (measure->look) {
    case LOOK_VALUE:
        eye_human_append_number(text, change->point == NULL ? 0 : change->point->gauge);
        break;
    case LOOK_COUNT:
        eye_text_append_u64(text, change->counter);
        break;
    case LOOK_RATE:
        eye_human_append_number(text, (double)change->counter / page->seconds);
        break;
    case LOOK_BYTES_RATE:
        eye_human_append_bytes(text, (double)change->counter / page->seconds);
        break;
    case LOOK_VALUES_RATE:
        eye_human_append_number(text, (double)change->count / page->seconds);
        break;
    case LOOK_QUANTILE:
        append_quantile(change, measure->quantile, text);
        break;
    }
}

static size_t shown_rows(const struct eye_console_list *list)
{
    return list->count < EYE_CONSOLE_ROWS ? list->count : EYE_CONSOLE_ROWS;
}

/* Which tags of the section any shown row has: bit i for section->tags[i]. */
static uint32_t used_tags(const struct section *section, const struct eye_console_list *list)
{
    uint32_t used = 0;
    for (size_t row = 0; row < shown_rows(list); row++) {
        for (size_t i = 0; i < section->tag_count; i++) {
            if (eye_tag_set_value(list->rows[row]->tags, section->tags[i].tag) != NULL) {
                used |= UINT32_C(1) << i;
            }
        }
    }
    return used;
}

static void add_columns(struct eye_grid *grid, const struct section *section, uint32_t used)
{
    if (section->sides) {
        eye_grid_column(grid, "side", false, 0);
    }
    for (size_t i = 0; i < section->tag_count; i++) {
        if ((used >> i & 1) != 0) {
            const struct tag_column *column = &section->tags[i];
            eye_grid_column(grid, eye_tag_info(column->tag)->name, false, column->rank);
        }
    }
    for (size_t i = 0; i < section->measure_count; i++) {
        const struct measure *measure = &section->measures[i];
        eye_grid_column(grid, measure->heading, true, measure->rank);
    }
}

static void add_row(const struct page *page, struct eye_grid *grid, const struct section *section,
                    uint32_t used, const struct eye_console_row *row)
{
    if (section->sides) {
        eye_text_append(grid->text, row->side);
        eye_grid_end_cell(grid);
    }
    for (size_t i = 0; i < section->tag_count; i++) {
        if ((used >> i & 1) != 0) {
            const char *value = eye_tag_set_value(row->tags, section->tags[i].tag);
            eye_utf8_append(grid->text, value == NULL ? "-" : value, hide_control);
            eye_grid_end_cell(grid);
        }
    }
    for (size_t i = 0; i < section->measure_count; i++) {
        const struct measure *measure = &section->measures[i];
        append_measure(page, measure, &row->changes[measure->slot], grid->text);
        eye_grid_end_cell(grid);
    }
}

static void append_section(const struct page *page, const struct section *section,
                           const struct eye_console_list *list, struct eye_text *cells)
{
    struct eye_grid grid;
    uint32_t used = used_tags(section, list);
    eye_grid_init(&grid, cells);
    add_columns(&grid, section, used);
    for (size_t i = 0; i < shown_rows(list); i++) {
        add_row(page, &grid, section, used, list->rows[i]);
    }
    eye_text_append_char(page->out, '\n');
    append_bold(page, section->title);
    eye_text_append_char(page->out, '\n');
    eye_grid_write(&grid, page->style, page->out);
    if (list->count > shown_rows(list)) {
        eye_text_appendf(page->out, "... and %zu more\n", list->count - shown_rows(list));
    }
    eye_grid_write_left_out(&grid, page->style, page->out);
}

static const char *why_empty(bool filtered, bool known)
{
    if (filtered) {
        return "\nmetrics.allow and metrics.deny leave nothing to show.\n";
    }
    return known ? "\nNo connection is open and nothing was sent.\n"
                 : "\nNo connection and no request seen yet.\n";
}

static int append_sections(const struct page *page, const struct eye_console_rows *rows)
{
    EYE_CLEANUP(eye_text_done) struct eye_text cells;
    eye_text_init(&cells, CELLS_MAX_BYTES);
    bool empty = true;
    bool known = false;
    bool failed = false;
    for (size_t i = 0; i < EYE_CONSOLE_SECTIONS; i++) {
        known |= rows->lists[i].known;
        if (rows->lists[i].count > 0) {
            append_section(page, &sections[i], &rows->lists[i], &cells);
            empty = false;
            failed |= cells.failed;
        }
    }
    if (empty) {
        eye_text_append(page->out, why_empty(rows->filtered, known));
    }
    return failed ? -ENOMEM : 0;
}

static void append_loss(const struct page *page, const struct eye_change *change)
{
    const struct eye_tag_set *tags = change->point->tags;
    bool kernel = change->point->metric->id == EYE_METRIC_SELF_KERNEL_LOST;
    eye_text_append(page->out, kernel ? "  lost in the kernel: " : "  dropped by an exporter: ");
    eye_text_append_u64(page->out, change->counter);
    for (uint32_t i = 0; i < tags->count; i++) {
        eye_text_appendf(page->out, "  %s ", eye_tag_info(tags->tags[i].tag)->name);
        eye_utf8_append(page->out, tags->tags[i].value, hide_control);
    }
    eye_text_append_char(page->out, '\n');
}

static bool is_loss(const struct eye_change *change)
{
    enum eye_metric_id id = change->point->metric->id;
    return change->counter > 0 &&
           (id == EYE_METRIC_SELF_KERNEL_LOST || id == EYE_METRIC_SELF_DROPPED);
}

static void append_losses(const struct page *page)
{
    struct eye_changes changes;
    struct eye_change change;
    size_t losses = 0;
    eye_changes_begin(&changes, page->now, page->before);
    while (eye_changes_next(&changes, &change)) {
        if (is_loss(&change) && losses++ < EYE_CONSOLE_ROWS) {
            append_loss(page, &change);
        }
    }
    if (losses > EYE_CONSOLE_ROWS) {
        eye_text_appendf(page->out, "  ... and %zu more\n", losses - EYE_CONSOLE_ROWS);
    }
}

static void append_usage(const struct page *page)
{
    struct eye_changes changes;
    struct eye_change change;
    eye_changes_begin(&changes, page->now, page->before);
    while (eye_changes_next(&changes, &change)) {
        const struct eye_metric *metric = change.point->metric;
        if (metric->id == EYE_METRIC_SELF_MEMORY) {
            eye_text_append(page->out, "  memory ");
            eye_human_append_bytes(page->out, change.point->gauge);
        } else if (metric->id == EYE_METRIC_SELF_CPU && page->before != NULL) {
            /* The first interval holds the start: loading is no rate. */
            double cpu = eye_counter_value(metric, change.counter) / page->seconds;
            eye_text_appendf(page->out, "  CPU %.2f %%", cpu * 100);
        }
    }
}

/* Shown whatever the selection wants: losses are never hidden. */
static void append_health(const struct page *page)
{
    eye_text_append_char(page->out, '\n');
    append_bold(page, "sockeye");
    append_usage(page);
    eye_text_append_char(page->out, '\n');
    append_losses(page);
    eye_text_append_char(page->out, '\n');
}

int eye_console_table(const struct eye_selection *selection, const struct eye_console_style *style,
                      const struct eye_snapshot *now, const struct eye_snapshot *before,
                      double seconds, struct eye_text *out)
{
    EYE_CLEANUP(eye_console_rows_done) struct eye_console_rows rows = {0};
    int result = eye_console_rows_init(&rows, selection, now, before);
    if (result != 0) {
        return result;
    }
    const struct page page = {
        .style = style,
        .now = now,
        .before = before,
        .seconds = seconds,
        .out = out,
    };
    append_title(&page);
    result = append_sections(&page, &rows);
    append_health(&page);
    return out->failed ? -ENOMEM : result;
}
