/* SPDX-License-Identifier: Apache-2.0 */
/* A subscription that keeps what came last. */
#include "collector/control/view.h"

#include "collector/base/base.h"

/* The collector's thread. */
static void take(void *context, const struct eye_snapshot *snapshot)
{
    struct eye_view *view = context;
    pthread_mutex_lock(&view->mutex);
    const struct eye_snapshot *over = view->before;
    view->before = view->now;
    view->now = eye_snapshot_ref(snapshot);
    pthread_mutex_unlock(&view->mutex);
    eye_snapshot_unref(over);
    eye_subscription_deliver(&view->subscription, snapshot->sequence);
}

int eye_view_open(struct eye_view *view, struct eye_publisher *publisher)
{
    const struct eye_snapshot *before = NULL;
    *view = (struct eye_view){.subscription = {.take = take, .context = view}};
    pthread_mutex_init(&view->mutex, NULL);
    int result = eye_publisher_join(publisher, &view->subscription, &before);
    if (result == 0) {
        pthread_mutex_lock(&view->mutex);
        if (view->now == NULL) {
            view->now = EYE_TAKE(before);
        }
        pthread_mutex_unlock(&view->mutex);
    }
    eye_snapshot_unref(before);
    return result;
}

void eye_view_read(struct eye_view *view, const struct eye_snapshot **ret_now,
                   const struct eye_snapshot **ret_before)
{
    pthread_mutex_lock(&view->mutex);
    *ret_now = view->now == NULL ? NULL : eye_snapshot_ref(view->now);
    *ret_before = view->before == NULL ? NULL : eye_snapshot_ref(view->before);
    pthread_mutex_unlock(&view->mutex);
}

void eye_view_close(struct eye_view *view)
{
    eye_subscription_leave(&view->subscription);
    eye_snapshot_unref(EYE_TAKE(view->now));
    eye_snapshot_unref(EYE_TAKE(view->before));
}
