/* SPDX-License-Identifier: Apache-2.0 */
/* Two processes, a configuration and what hangs on them. */
#include "tests/unit/aggregate/aggregate_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/text.h"

#define TAGS_MAX_BYTES 4096

#define WORLD_POD_UID "8f2c1a3b-0d4e-4f5a-9b6c-7d8e9f0a1b2c"
#define WORLD_CONTAINER_ID WORLD_CONTAINER "0123456789abcdef0123456789abcdef0123456789abcdef0123"

static void start_processes(const struct fake_proc *proc)
{
    static const char cgroup[] = "0::/kubepods/pod" WORLD_POD_UID "/" WORLD_CONTAINER_ID "\n";
    fake_proc_start(proc, WORLD_SHOP_PID, WORLD_SHOP_TICKS);
    fake_proc_set_executable(proc, WORLD_SHOP_PID, "/usr/sbin/nginx");
    fake_proc_write_text(proc, WORLD_SHOP_PID, "environ", "DD_SERVICE=shop");
    fake_proc_write_text(proc, WORLD_SHOP_PID, "cgroup", cgroup);
    fake_proc_start(proc, WORLD_CACHE_PID, WORLD_CACHE_TICKS);
    fake_proc_set_executable(proc, WORLD_CACHE_PID, "/usr/bin/redis");
    fake_proc_write_text(proc, WORLD_CACHE_PID, "environ", "");
}

int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    *state = world;
    fake_proc_init(&world->proc);
    fake_root_init(&world->root);
    fake_root_write(
        &world->root,
        "var/log/containers/" WORLD_POD "_" WORLD_NAMESPACE "_web-" WORLD_CONTAINER_ID ".log", "");
    start_processes(&world->proc);
    world->config.connections.tags =
        1U << EYE_CONNECTION_TAG_SERVICE | 1U << EYE_CONNECTION_TAG_PORT;
    world->processes = eye_processes_new(world->proc.root, world->root.path);
    assert_non_null(world->processes);
    world->names = eye_reverse_new(world->root.path);
    assert_non_null(world->names);
    return 0;
}

static void end(struct world *world)
{
    eye_aggregate_free(world->aggregate);
    eye_registry_free(world->registry);
    eye_usm_close(&world->usm);
    world->aggregate = NULL;
    world->registry = NULL;
}

int world_teardown(void **state)
{
    struct world *world = *state;
    end(world);
    eye_processes_free(world->processes);
    eye_reverse_free(world->names);
    fake_root_done(&world->root);
    fake_proc_done(&world->proc);
    free(world);
    return 0;
}

void world_begin(struct world *world)
{
    const struct eye_limits limits = {
        .series_per_metric = 100000, .values_per_tag = 1000000, .idle_ns = 1};
    end(world);
    world->registry = eye_registry_new(&limits);
    assert_non_null(world->registry);
    world->aggregate =
        eye_aggregate_new(&world->config, world->registry, world->processes, world->names);
    assert_non_null(world->aggregate);
    assert_int_equal(eye_usm_open(&world->usm, &world->config), 0);
}

struct eye_connection_record world_connection(void)
{
    return (struct eye_connection_record){
        .owner = WORLD_SHOP,
        .netns = 4026531840,
        .port = 80,
        .kind = EYE_CONNECTION_LIVE,
        .direction = EYE_INCOMING,
        .family = EYE_IPV4,
        .remote = {[10] = 0xff, 0xff, 10, 1, 2, 3},
    };
}

static void describe(const struct eye_tag_set *tags, struct eye_text *ret_text)
{
    eye_text_clear(ret_text);
    for (uint32_t i = 0; i < tags->count; i++) {
        eye_text_appendf(ret_text, "%s%s=%s", i == 0 ? "" : ",",
                         eye_tag_info(tags->tags[i].tag)->name, tags->tags[i].value);
    }
}

struct eye_series *world_series(const struct world *world, enum eye_metric_id metric,
                                const char *tags)
{
    struct eye_text text;
    eye_text_init(&text, TAGS_MAX_BYTES);
    struct eye_series *series = eye_registry_first(world->registry, metric);
    for (; series != NULL; series = series->next) {
        describe(series->tags, &text);
        if (strcmp(eye_text_string(&text), tags) == 0) {
            break;
        }
    }
    eye_text_done(&text);
    return series;
}

uint64_t world_total(const struct world *world, enum eye_metric_id metric)
{
    uint64_t total = 0;
    struct eye_series *series = eye_registry_first(world->registry, metric);
    for (; series != NULL; series = series->next) {
        total += series->metric->kind == EYE_COUNTER ? series->counter : series->distribution.count;
    }
    return total;
}
