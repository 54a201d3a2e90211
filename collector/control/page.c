/* SPDX-License-Identifier: Apache-2.0 */
/* Makes all that a page needs and gives it back. */
#include "collector/control/page.h"

#include "exporters/openmetrics/page.h"

/* As one of the exporter may have when it is not compressed. */
#define PAGE_MAX_BYTES ((size_t)32 << 20)

static char *write_page(const struct eye_snapshot *snapshot, const struct eye_selection *selection)
{
    struct eye_pages pages = {0};
    struct eye_page_counts counts;
    struct eye_text text;
    eye_text_init(&text, PAGE_MAX_BYTES);
    int result = eye_pages_init(&pages, selection, false);
    if (result == 0) {
        result = eye_pages_write(&pages, snapshot, EYE_PAGE_OPENMETRICS, &text, &counts);
    }
    eye_pages_done(&pages);
    if (result != 0) {
        eye_text_done(&text);
    }
    return text.data;
}

char *eye_control_page(const struct eye_running *running)
{
    static char prefix[] = "sockeye.";
    static const struct eye_exporter_config own = {.common = {.prefix = prefix}};
    const struct eye_exporter_setup setup = {.config = running->config, .own = &own};
    const struct eye_snapshot *now = NULL;
    const struct eye_snapshot *before = NULL;
    struct eye_selection selection = {0};
    char *page = NULL;
    eye_view_read(running->view, &now, &before);
    eye_snapshot_unref(before);
    if (now != NULL && eye_selection_init(&selection, &setup) == 0) {
        page = write_page(now, &selection);
    }
    eye_selection_done(&selection);
    eye_snapshot_unref(now);
    return page;
}
