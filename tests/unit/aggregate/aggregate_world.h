/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An aggregate with all that it needs: a configuration, a registry and the processes of a made-up
 * /proc. Functions fail the running test when they cannot.
 */
#pragma once

#include "collector/aggregate/aggregate.h"
#include "tests/unit/process/fake_proc.h"
#include "tests/unit/process/fake_root.h"

#define WORLD_SHOP_PID 100  /* service "shop", executable "nginx", container and pod as below */
#define WORLD_CACHE_PID 200 /* service and executable "redis", no container */
#define WORLD_CONTAINER "0123456789ab"
#define WORLD_POD "shop-0"
#define WORLD_NAMESPACE "prod"

/* When they started, and their keys. */
#define WORLD_SHOP_TICKS 1000
#define WORLD_CACHE_TICKS 2000
#define WORLD_TICK_NS UINT64_C(10000000)
#define WORLD_SHOP eye_owner_key(WORLD_SHOP_PID, WORLD_SHOP_TICKS *WORLD_TICK_NS, 1)
#define WORLD_CACHE eye_owner_key(WORLD_CACHE_PID, WORLD_CACHE_TICKS *WORLD_TICK_NS, 1)
/* Of one that /proc does not have. */
#define WORLD_GONE eye_owner_key(999, WORLD_TICK_NS, 1)

struct world {
    struct fake_proc proc;
    struct fake_root root;
    struct eye_config config;
    struct eye_registry *registry;
    struct eye_processes *processes;
    struct eye_reverse *names; /* of /etc/hosts below `root` */
    struct eye_aggregate *aggregate;
    struct eye_usm usm; /* the protocols, without handlers */
};

/* Fixtures: *state is the struct world; the aggregate is made by world_begin(). */
int world_setup(void **state);
int world_teardown(void **state);

/* Makes registry and aggregate anew, by the world's configuration. */
void world_begin(struct world *world);

/* An established incoming IPv4 connection of the shop that has nothing to tell. */
struct eye_connection_record world_connection(void);

/* Finds the series of @metric with a text equal to "key=value,key=value": the tags in the order of
 * the catalogue. NULL when there is none. */
struct eye_series *world_series(const struct world *world, enum eye_metric_id metric,
                                const char *tags);

/* Of a counter, over all series; of a distribution, the number of values. */
uint64_t world_total(const struct world *world, enum eye_metric_id metric);
