/* SPDX-License-Identifier: Apache-2.0 */
/* One look at the open connections for each answer; ended ones are taken as they come. */
#include "collector/live_view.h"

#include <errno.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/text.h"

static void take_ended(struct eye_live_view *view)
{
    eye_source_drain_rows(view->source, view->rows, eye_watchers_take_ended, &view->watchers);
}

static void name(struct eye_live_view *view, struct eye_watched *watched)
{
    const struct eye_row *row = &watched->row;
    struct eye_connection_name names;
    eye_aggregate_name(view->aggregate, row->owner, (enum eye_direction)row->direction, row->port,
                       &names);
    eye_copy_string(watched->service, sizeof(watched->service), names.service);
    eye_copy_string(watched->process, sizeof(watched->process), names.process);
    eye_copy_string(watched->port, sizeof(watched->port), names.port);
    eye_copy_string(watched->protocol, sizeof(watched->protocol), eye_spoken_name(row->protocol));
}

static int refuse(int result, struct eye_error *ret_error)
{
    return eye_error_set(ret_error, result, "%s",
                         result == -EBUSY ? EYE_WATCHERS_FULL : "out of memory");
}

int eye_live_view_answer(struct eye_live_view *view, const struct eye_watch_request *request,
                         struct eye_watch_answer **ret_answer, struct eye_error *ret_error)
{
    EYE_AUTOFREE struct eye_watch_answer *answer = NULL;
    struct eye_watcher *watcher;
    uint64_t now_ns = eye_clock_monotonic_ns();
    eye_watchers_expire(&view->watchers, now_ns, view->keep_ns);
    take_ended(view);
    int result =
        eye_watcher_begin(&view->watchers, request, now_ns,
                          eye_source_lost_rows(view->source, view->rows), &watcher, &answer);
    if (result != 0) {
        return refuse(result, ret_error);
    }
    answer->time_ns = eye_clock_wall_ns();
    result = eye_source_read_rows(view->source, view->rows, eye_watcher_take_open, watcher);
    if (result != 0) {
        return eye_error_set(ret_error, result, "cannot read live sockets: %s", strerror(-result));
    }
    eye_watcher_end(watcher);
    for (size_t i = 0; i < answer->count; i++) {
        name(view, &answer->rows[answer->order[i]]);
    }
    *ret_answer = EYE_TAKE(answer);
    return 0;
}

void eye_live_view_tick(struct eye_live_view *view)
{
    if (view->rows == NULL) {
        return;
    }
    take_ended(view);
    if (eye_watchers_expire(&view->watchers, eye_clock_monotonic_ns(), view->keep_ns) == 0) {
        eye_source_close_rows(view->source, EYE_TAKE(view->rows));
    }
}

void eye_live_view_close(struct eye_live_view *view)
{
    if (view->rows != NULL) {
        eye_source_close_rows(view->source, EYE_TAKE(view->rows));
    }
    eye_watchers_done(&view->watchers);
}
