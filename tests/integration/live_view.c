/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel programs that tell of single connections are there while somebody watches: source and
 * view in this process, on the real kernel, with a client that is forgotten soon. Root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/commands.h"
#include "collector/live_view.h"

#define KEEP_NS (200 * EYE_NS_PER_MS)
#define ROUNDS 4

static struct {
    struct eye_config *config;
    struct eye_features features;
    struct eye_source *source;
    struct eye_registry *registry;
    struct eye_processes *processes;
    struct eye_live_view view;
} world;

static int setup(void **state)
{
    struct eye_known known;
    struct eye_error error = {""};
#define X(identifier, name) "protocols." #name "=false",
    const char *const assignments[] = {EYE_PROTOCOLS(X)};
#undef X
    eye_known_init(&known);
    const struct eye_config_source source = {
        .file = "/dev/null",
        .assignments = assignments,
        .assignment_count = EYE_ARRAY_LENGTH(assignments),
        .sections = known.sections,
        .section_count = known.section_count,
        .tiers = known.tiers,
    };
    (void)state;
    assert_int_equal(eye_config_load(&source, &world.config, &error), 0);
    eye_features_init(&world.features, world.config);
    eye_features_ask_all(&world.features);
    if (eye_source_open(&world.features, NULL, &world.source, &error) != 0) {
        fail_msg("%s", error.text);
    }
    const struct eye_limits limits = {.series_per_metric = 10, .values_per_tag = 10};
    world.registry = eye_registry_new(&limits);
    world.processes = eye_processes_new("/proc", "/");
    world.view = (struct eye_live_view){
        .source = world.source,
        .aggregate = eye_aggregate_new(world.config, world.registry, world.processes, NULL),
        .keep_ns = KEEP_NS,
    };
    assert_non_null(world.view.aggregate);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    eye_live_view_close(&world.view);
    eye_aggregate_free(world.view.aggregate);
    eye_processes_free(world.processes);
    eye_registry_free(world.registry);
    eye_source_close(world.source);
    eye_config_unref(world.config);
    return 0;
}

/* Descriptors of this process. */
static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

/* Mappings of BPF maps in this process: those of their rings and variables. */
static size_t count_mappings(void)
{
    char line[512];
    size_t count = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        count += strstr(line, "bpf-map") != NULL;
    }
    fclose(file);
    return count;
}

static void rest(uint64_t ns)
{
    const struct timespec time = {.tv_nsec = (long)ns};
    nanosleep(&time, NULL);
}

static void live_view__gives_back_what_nobody_watches(void **state)
{
    const struct eye_watch_request request = {.client = "one", .begins = true};
    size_t descriptors = count_descriptors();
    size_t mappings = count_mappings();
    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        struct eye_error error = {""};
        EYE_AUTOFREE struct eye_watch_answer *answer = NULL;
        assert_int_equal(eye_source_open_rows(world.source, &world.view.rows, &error), 0);
        assert_true(count_descriptors() > descriptors);
        assert_true(count_mappings() > mappings);
        uint64_t begin_ns = eye_clock_monotonic_ns();
        assert_int_equal(eye_live_view_answer(&world.view, &request, &answer, &error), 0);
        assert_int_equal(answer->number, 1);
        eye_live_view_tick(&world.view);
        if (eye_clock_monotonic_ns() - begin_ns < KEEP_NS) {
            assert_non_null(world.view.rows); /* it may come again */
        }
        rest(KEEP_NS);
        eye_live_view_tick(&world.view);
        assert_null(world.view.rows);
        assert_int_equal(count_descriptors(), descriptors);
        assert_int_equal(count_mappings(), mappings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_view__gives_back_what_nobody_watches),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
