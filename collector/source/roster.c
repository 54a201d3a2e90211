/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/roster.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/thread.h"
#include "collector/host/remedy.h"

/* A visit may fail to see who is there, for want of descriptors perhaps. */
#define VISITS_UNMET_MAX 2

static struct eye_place *find_in(const struct eye_places *places, uint32_t netns)
{
    struct eye_place *place;
    TAILQ_FOREACH(place, places, link)
    {
        if (place->netns == netns) {
            break;
        }
    }
    return place;
}

static int arrive(struct eye_roster *roster, uint32_t netns)
{
    if (roster->count == EYE_ROSTER_NAMESPACES_MAX) {
        return -E2BIG;
    }
    struct eye_place *place = calloc(1, roster->type->place_bytes);
    int result = place == NULL ? -ENOMEM : roster->type->open(place);
    if (result != 0) {
        free(place);
        return result;
    }
    place->netns = netns;
    place->visit = roster->visit;
    TAILQ_INSERT_TAIL(&roster->arrivals, place, link);
    roster->count++;
    return 0;
}

static int look(void *context, uint32_t netns)
{
    struct eye_roster *roster = context;
    int result = 0;
    pthread_mutex_lock(&roster->lock);
    struct eye_place *place = find_in(&roster->places, netns);
    if (place == NULL) {
        place = find_in(&roster->arrivals, netns);
    }
    if (place != NULL) {
        place->visit = roster->visit;
    } else {
        result = arrive(roster, netns);
    }
    pthread_mutex_unlock(&roster->lock);
    return result;
}

static void mark_gone(struct eye_roster *roster)
{
    struct eye_place *place;
    pthread_mutex_lock(&roster->lock);
    TAILQ_FOREACH(place, &roster->places, link)
    {
        place->gone |= roster->visit - place->visit >= VISITS_UNMET_MAX;
    }
    pthread_mutex_unlock(&roster->lock);
}

static void visit(struct eye_roster *roster, struct eye_visited *ret_visited)
{
    const struct eye_visitor visitor = {roster->type->step, look, roster};
    roster->visit++;
    eye_namespaces_visit(roster->proc, &visitor, ret_visited);
    roster->unseen = ret_visited->failed;
    mark_gone(roster);
}

int eye_roster_open(struct eye_roster *roster, const struct eye_roster_type *type, const char *proc,
                    struct eye_visited *ret_visited)
{
    *roster = (struct eye_roster){.type = type, .proc = proc, .stop = eventfd(0, EFD_CLOEXEC)};
    pthread_mutex_init(&roster->lock, NULL);
    TAILQ_INIT(&roster->places);
    TAILQ_INIT(&roster->arrivals);
    if (roster->stop < 0) {
        return -errno;
    }
    visit(roster, ret_visited);
    return roster->count > 0 ? 0 : -ret_visited->error;
}

static void *run(void *context)
{
    struct eye_roster *roster = context;
    struct eye_visited visited;
    struct pollfd stop = {.fd = roster->stop, .events = POLLIN};
    eye_privileges_assume(roster->type->role);
    while (poll(&stop, 1, EYE_ROSTER_VISIT_MS) <= 0) {
        visit(roster, &visited);
    }
    return NULL;
}

int eye_roster_run(struct eye_roster *roster, struct eye_error *ret_error)
{
    int result = eye_thread_start("roster", run, roster, &roster->thread);
    roster->runs = result == 0;
    return result == 0 ? 0
                       : eye_error_set(ret_error, result,
                                       "cannot start a thread for network namespaces: %s; %s",
                                       strerror(-result), EYE_REMEDY_THREADS);
}

struct eye_place *eye_roster_welcome(struct eye_roster *roster)
{
    pthread_mutex_lock(&roster->lock);
    struct eye_place *place = TAILQ_FIRST(&roster->arrivals);
    if (place != NULL) {
        TAILQ_REMOVE(&roster->arrivals, place, link);
        TAILQ_INSERT_TAIL(&roster->places, place, link);
    }
    pthread_mutex_unlock(&roster->lock);
    return place;
}

struct eye_place *eye_roster_dismiss(struct eye_roster *roster)
{
    struct eye_place *place;
    pthread_mutex_lock(&roster->lock);
    TAILQ_FOREACH(place, &roster->places, link)
    {
        if (place->gone) {
            TAILQ_REMOVE(&roster->places, place, link);
            roster->count--;
            break;
        }
    }
    pthread_mutex_unlock(&roster->lock);
    return place;
}

void eye_roster_free(const struct eye_roster *roster, struct eye_place *place)
{
    roster->type->close(place);
    free(place);
}

static void free_all(const struct eye_roster *roster, struct eye_places *places)
{
    struct eye_place *place;
    while ((place = TAILQ_FIRST(places)) != NULL) {
        TAILQ_REMOVE(places, place, link);
        eye_roster_free(roster, place);
    }
}

void eye_roster_close(struct eye_roster *roster)
{
    uint64_t one = 1;
    if (roster->proc == NULL) {
        return;
    }
    if (roster->runs) {
        ssize_t ignored = write(roster->stop, &one, sizeof(one));
        (void)ignored;
        pthread_join(roster->thread, NULL);
    }
    free_all(roster, &roster->arrivals);
    free_all(roster, &roster->places);
    if (roster->stop >= 0) {
        close(roster->stop);
    }
}
