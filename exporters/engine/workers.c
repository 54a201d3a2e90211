/* SPDX-License-Identifier: Apache-2.0 */
/* Makes, binds and ends all of them, and tells every problem, not only the first. */
#include "exporters/engine/workers.h"

#include <errno.h>

#include "collector/base/privileges.h"
#include "config/problems.h"
#include "exporters/engine/worker_handover.h"

size_t eye_workers_lanes(const struct eye_config *config)
{
    size_t count = 0;
    for (size_t i = 0; i < config->exporter_count; i++) {
        count += eye_worker_lanes(eye_exporter_type_find(config->exporters[i].section->type));
    }
    return count;
}

/* What one lane cannot have the others cannot have either. */
static void make_lanes(struct eye_workers *workers, const struct eye_config *config,
                       const struct eye_exporter_config *own, struct eye_problems *problems)
{
    const struct eye_exporter_type *type = eye_exporter_type_find(own->section->type);
    int result = 0;
    for (unsigned lane = 0; lane < eye_worker_lanes(type) && result == 0; lane++) {
        struct eye_error error;
        result = eye_worker_new(type, config, own, lane, &workers->items[workers->count], &error);
        if (result == 0) {
            workers->count++;
        } else {
            eye_problems_add(problems, result, "%s", error.text);
        }
    }
}

/* 0, or the code of the first problem; frees the collected lines. */
static int tell(struct eye_problems *problems, struct eye_error *ret_error)
{
    int result = eye_problems_result(problems, ret_error);
    eye_problems_done(problems);
    return result;
}

int eye_workers_new(const struct eye_config *config, struct eye_workers *ret_workers,
                    struct eye_error *ret_error)
{
    /* One more: the analyser cannot know that there is always an exporter. */
    struct eye_workers made = {
        .items = calloc(eye_workers_lanes(config) + 1, sizeof(struct eye_worker *))};
    if (made.items == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    struct eye_problems problems;
    eye_problems_init(&problems);
    uint64_t before = eye_privileges_deliver();
    for (size_t i = 0; i < config->exporter_count; i++) {
        make_lanes(&made, config, &config->exporters[i], &problems);
    }
    eye_privileges_lower(before);
    int result = tell(&problems, ret_error);
    if (result != 0) {
        eye_workers_end(&made, 0);
        return result;
    }
    *ret_workers = made;
    return 0;
}

int eye_workers_bind(struct eye_workers *workers, struct eye_error *ret_error)
{
    struct eye_problems problems;
    eye_problems_init(&problems);
    uint64_t before = eye_privileges_deliver();
    const struct eye_exporter_config *failed = NULL;
    for (size_t i = 0; i < workers->count; i++) {
        struct eye_error error;
        /* What one lane cannot have the others cannot have either: an exporter has one problem. */
        const struct eye_exporter_config *own = eye_worker_config(workers->items[i]);
        int result = own == failed ? 0 : eye_worker_bind(workers->items[i], &error);
        if (result != 0) {
            failed = own;
            eye_problems_add(&problems, result, "%s", error.text);
        }
    }
    eye_privileges_lower(before);
    return tell(&problems, ret_error);
}

int eye_workers_join(struct eye_workers *workers, struct eye_publisher *publisher,
                     struct eye_reports *reports, struct eye_error *ret_error)
{
    for (size_t i = 0; i < workers->count; i++) {
        int result = eye_worker_join(workers->items[i], publisher, reports, ret_error);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

size_t eye_workers_reap(struct eye_workers *workers)
{
    size_t left = 0;
    for (size_t i = 0; i < workers->stuck_count; i++) {
        if (!eye_worker_reap(workers->stuck[i])) {
            workers->stuck[left++] = workers->stuck[i];
        }
    }
    workers->stuck_count = left;
    return left;
}

struct eye_workers_end eye_workers_end(struct eye_workers *workers, uint64_t deadline_ns)
{
    struct eye_workers_end all = {.worst = EYE_WORKER_DELIVERED};
    for (size_t i = 0; i < workers->count; i++) {
        eye_worker_leave(workers->items[i]);
        eye_worker_stop(workers->items[i], deadline_ns);
    }
    for (size_t i = 0; i < workers->count; i++) {
        enum eye_worker_end end = eye_worker_free(workers->items[i]);
        all.unwritten |= end == EYE_WORKER_UNWRITTEN;
        all.worst = end > all.worst ? end : all.worst;
    }
    if (eye_workers_reap(workers) > 0) {
        all.worst = EYE_WORKER_STUCK;
    }
    free(workers->items);
    free(workers->stuck);
    *workers = (struct eye_workers){0};
    return all;
}
