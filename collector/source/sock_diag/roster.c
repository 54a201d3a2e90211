/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/sock_diag/roster.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/privileges.h"
#include "collector/base/thread.h"
#include "collector/host/remedy.h"

/* A visit may fail to see who is there, for want of descriptors perhaps. */
#define VISITS_UNMET_MAX 2

static struct eye_diag_place *find_in(const struct eye_diag_places *places, uint32_t netns)
{
    struct eye_diag_place *place;
    TAILQ_FOREACH(place, places, link)
    {
        if (place->netns == netns) {
            break;
        }
    }
    return place;
}

static int arrive(struct eye_diag_roster *roster, uint32_t netns)
{
    if (roster->count == EYE_DIAG_NAMESPACES_MAX) {
        return -E2BIG;
    }
    struct eye_diag_place *place = calloc(1, sizeof(*place));
    int result = place == NULL ? -ENOMEM : eye_diag_link_open(&place->netlink);
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
    struct eye_diag_roster *roster = context;
    int result = 0;
    pthread_mutex_lock(&roster->lock);
    struct eye_diag_place *place = find_in(&roster->places, netns);
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

static void mark_gone(struct eye_diag_roster *roster)
{
    struct eye_diag_place *place;
    pthread_mutex_lock(&roster->lock);
    TAILQ_FOREACH(place, &roster->places, link)
    {
        place->gone |= roster->visit - place->visit >= VISITS_UNMET_MAX;
    }
    pthread_mutex_unlock(&roster->lock);
}

static void visit(struct eye_diag_roster *roster, struct eye_visited *ret_visited)
{
    const struct eye_visitor visitor = {"sock_diag", look, roster};
    roster->visit++;
    eye_namespaces_visit(roster->proc, &visitor, ret_visited);
    roster->unseen = ret_visited->failed;
    mark_gone(roster);
}

int eye_diag_roster_open(struct eye_diag_roster *roster, const char *proc,
                         struct eye_visited *ret_visited)
{
    *roster = (struct eye_diag_roster){.proc = proc, .stop = eventfd(0, EFD_CLOEXEC)};
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
    struct eye_diag_roster *roster = context;
    struct eye_visited visited;
    struct pollfd stop = {.fd = roster->stop, .events = POLLIN};
    eye_privileges_assume(EYE_ROLE_NAMESPACES);
    while (poll(&stop, 1, EYE_DIAG_VISIT_MS) <= 0) {
        visit(roster, &visited);
    }
    return NULL;
}

int eye_diag_roster_run(struct eye_diag_roster *roster, struct eye_error *ret_error)
{
    int result = eye_thread_start("roster", run, roster, &roster->thread);
    roster->runs = result == 0;
    return result == 0 ? 0
                       : eye_error_set(ret_error, result,
                                       "cannot start a thread for network namespaces: %s; %s",
                                       strerror(-result), EYE_REMEDY_THREADS);
}

struct eye_diag_place *eye_diag_roster_welcome(struct eye_diag_roster *roster)
{
    pthread_mutex_lock(&roster->lock);
    struct eye_diag_place *place = TAILQ_FIRST(&roster->arrivals);
    if (place != NULL) {
        TAILQ_REMOVE(&roster->arrivals, place, link);
        TAILQ_INSERT_TAIL(&roster->places, place, link);
    }
    pthread_mutex_unlock(&roster->lock);
    return place;
}

struct eye_diag_place *eye_diag_roster_dismiss(struct eye_diag_roster *roster)
{
    struct eye_diag_place *place;
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

void eye_diag_place_free(struct eye_diag_place *place)
{
    eye_diag_connections_done(&place->connections);
    eye_diag_link_close(&place->netlink);
    free(place);
}

static void free_all(struct eye_diag_places *places)
{
    struct eye_diag_place *place;
    while ((place = TAILQ_FIRST(places)) != NULL) {
        TAILQ_REMOVE(places, place, link);
        eye_diag_place_free(place);
    }
}

void eye_diag_roster_close(struct eye_diag_roster *roster)
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
    free_all(&roster->arrivals);
    free_all(&roster->places);
    if (roster->stop >= 0) {
        close(roster->stop);
    }
}
