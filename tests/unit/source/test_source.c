/* SPDX-License-Identifier: Apache-2.0 */
/* Which tier is chosen, and what is asked of it: with two that do as they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "collector/source/source.h"

struct told {
    int check_result;
    int open_result;
    bool sees_connections;
    int live_result;
    int opened; /* how often ... */
    int tried;
    int closed;
    int prepare_result;
    const struct eye_config *prepared;
    int applied;
    int settled;
};

static struct told best;
static struct told second;

static struct eye_config config;
static struct eye_features features;

static int open_told(struct told *told, const char *name, struct eye_sight *sight, void **ret_state,
                     struct eye_error *ret_error)
{
    told->opened++;
    struct eye_error line;
    eye_error_set(&line, 0, "%s sees less", name);
    eye_sight_note(sight, &line);
    if (told->open_result != 0) {
        return eye_error_set(ret_error, told->open_result, "%s cannot be opened", name);
    }
    *ret_state = told;
    return 0;
}

static int open_best(struct eye_features *asked, const struct eye_steps *steps,
                     struct eye_sight *sight, void **ret_state, struct eye_error *ret_error)
{
    assert_ptr_equal(asked, &features);
    int result = eye_steps_next(steps, "best");
    if (result != 0) {
        return result;
    }
    return open_told(&best, "best", sight, ret_state, ret_error);
}

static int open_second(struct eye_features *asked, const struct eye_steps *steps,
                       struct eye_sight *sight, void **ret_state, struct eye_error *ret_error)
{
    assert_null(steps);
    assert_ptr_equal(asked, &features);
    return open_told(&second, "second", sight, ret_state, ret_error);
}

static void try_told(struct told *told, struct eye_tier_trial *trial)
{
    told->tried++;
    eye_sight_note(&trial->sight, &(struct eye_error){"a line"});
    trial->connections = told->sees_connections;
}

static void probe_best(struct eye_features *asked, struct eye_tier_trial *ret_trial)
{
    (void)asked;
    try_told(&best, ret_trial);
}

static void probe_second(struct eye_features *asked, struct eye_tier_trial *ret_trial)
{
    (void)asked;
    try_told(&second, ret_trial);
}

static int read_live(void *state, uint32_t pass, bool full, eye_record_handler *handler,
                     void *context, uint64_t *ret_records)
{
    const struct told *told = state;
    handler(context, &full, pass);
    *ret_records = 7;
    return told->live_result;
}

static int prepare_told(void *state, const struct eye_config *asked, struct eye_error *ret_error)
{
    struct told *told = state;
    assert_ptr_equal(features.config, &config); /* still */
    told->prepared = asked;
    return told->prepare_result == 0
               ? 0
               : eye_error_set(ret_error, told->prepare_result, "cannot be prepared");
}

static void apply_told(void *state)
{
    struct told *told = state;
    assert_ptr_equal(features.config, told->prepared);
    told->applied++;
}

static void settle_told(void *state)
{
    struct told *told = state;
    told->settled++;
}

static void close_told(void *state)
{
    struct told *told = state;
    told->closed++;
}

static int check_told(const struct told *told, const char *name, struct eye_error *ret_error)
{
    return told->check_result == 0
               ? 0
               : eye_error_set(ret_error, told->check_result, "%s lacks something", name);
}

static int check_best(struct eye_features *asked, struct eye_error *ret_error)
{
    (void)asked;
    return check_told(&best, "best", ret_error);
}

static int check_second(struct eye_features *asked, struct eye_error *ret_error)
{
    (void)asked;
    return check_told(&second, "second", ret_error);
}

static const struct eye_tier_type best_tier = {
    .name = "best",
    .check = check_best,
    .probe = probe_best,
    .open = open_best,
    .read_live = read_live,
    .prepare = prepare_told,
    .apply = apply_told,
    .settle = settle_told,
    .close = close_told,
};
static const struct eye_tier_type second_tier = {
    .name = "second",
    .check = check_second,
    .probe = probe_second,
    .open = open_second,
    .read_live = read_live,
    .close = close_told,
};

/* Instead of the generated one. */
const struct eye_tier_type *const eye_tier_types[] = {&best_tier, &second_tier, NULL};

static int set_up(void **state)
{
    (void)state;
    best = (struct told){.sees_connections = true};
    second = (struct told){.sees_connections = true};
    config = (struct eye_config){.source = {.tier = EYE_TIER_AUTO}};
    eye_features_init(&features, &config);
    return 0;
}

static void assert_opens(const char *name, const char *why_not, int opened_best, int opened_second)
{
    struct eye_source *source = NULL;
    struct eye_error error = {""};
    assert_int_equal(eye_source_open(&features, NULL, &source, &error), 0);
    assert_string_equal(eye_source_tier(source), name);
    const struct eye_sight *sight = eye_source_sight(source);
    assert_memory_equal(sight->not_seen[sight->not_seen_count - 1].text, name, strlen(name));
    assert_int_equal(sight->not_seen_count, why_not == NULL ? 1 : 2);
    if (why_not != NULL) {
        assert_string_equal(sight->not_seen[0].text, why_not);
    }
    eye_source_close(source);
    assert_int_equal(best.opened, opened_best);
    assert_int_equal(second.opened, opened_second);
    assert_int_equal(best.closed + second.closed, 1);
}

static void source_open__takes_the_best_tier(void **state)
{
    (void)state;
    assert_opens("best", NULL, 1, 0);
}

static void source_open__takes_the_next_one_where_the_best_cannot_be(void **state)
{
    (void)state;
    best.open_result = -EPERM;
    assert_opens("second", "tier second, because best cannot be had: best cannot be opened", 1, 1);
}

static void source_open__opens_none_that_lacks_something(void **state)
{
    (void)state;
    best.check_result = -ENOTSUP;
    assert_int_equal(eye_source_check(&features, NULL), 0);
    assert_opens("second", "tier second, because best cannot be had: best lacks something", 0, 1);
}

static void source_open__says_what_the_best_one_lacks(void **state)
{
    (void)state;
    struct eye_source *source = NULL;
    struct eye_error error = {""};
    best.check_result = -ENOTSUP;
    second.check_result = -EPERM;
    assert_int_equal(eye_source_check(&features, &error), -ENOTSUP);
    assert_string_equal(error.text, "best lacks something");
    assert_int_equal(eye_source_open(&features, NULL, &source, &error), -ENOTSUP);
    assert_string_equal(error.text, "best lacks something");
    assert_null(source);
}

static void source_open__takes_the_configured_tier(void **state)
{
    (void)state;
    config.source.tier = EYE_TIER_FIRST + 1;
    assert_opens("second", NULL, 0, 1);
}

static void source_open__takes_no_other_than_the_configured_one(void **state)
{
    (void)state;
    struct eye_source *const before = (struct eye_source *)&best;
    struct eye_source *source = before;
    struct eye_error error = {""};
    config.source.tier = EYE_TIER_FIRST;
    best.open_result = -EPERM;
    assert_int_equal(eye_source_open(&features, NULL, &source, &error), -EPERM);
    assert_string_equal(error.text, "best cannot be opened");
    assert_ptr_equal(source, before);
    assert_int_equal(second.opened, 0);
}

static int go_no_further(void *context, const char *step)
{
    (void)context;
    assert_string_equal(step, "best");
    return -ECANCELED;
}

static void source_open__tries_no_other_once_nobody_wants_it(void **state)
{
    (void)state;
    const struct eye_steps steps = {.next = go_no_further};
    struct eye_source *source = NULL;
    assert_int_equal(eye_source_open(&features, &steps, &source, NULL), -ECANCELED);
    assert_null(source);
    assert_int_equal(second.opened, 0);
}

static void source_probe__takes_the_best_that_sees_connections(void **state)
{
    (void)state;
    struct eye_tier_trial trial;
    assert_ptr_equal(eye_source_probe(&features, &trial), &best_tier);
    assert_int_equal(second.tried, 0);
    best.sees_connections = false;
    assert_ptr_equal(eye_source_probe(&features, &trial), &second_tier);
    assert_true(trial.connections);
    assert_ptr_equal(trial.programs_of, &best_tier);
    assert_string_equal(trial.sight.not_seen[0].text,
                        "tier second, because best cannot be had: a line");
    second.sees_connections = false;
    assert_ptr_equal(eye_source_probe(&features, &trial), &best_tier);
    assert_false(trial.connections);
    assert_int_equal(trial.sight.not_seen_count, 1);
}

static void source_probe__tries_the_configured_tier_alone(void **state)
{
    (void)state;
    struct eye_tier_trial trial;
    config.source.tier = EYE_TIER_FIRST;
    best.sees_connections = false;
    assert_ptr_equal(eye_source_first(&config), &best_tier);
    assert_ptr_equal(eye_source_probe(&features, &trial), &best_tier);
    assert_int_equal(second.tried, 0);
    config.source.tier = EYE_TIER_FIRST + 1;
    assert_ptr_equal(eye_source_first(&config), &second_tier);
}

static void count_bytes(void *context, const void *record, size_t bytes)
{
    const bool *full = record;
    size_t *sum = context;
    *sum += *full ? bytes : 0;
}

static void source_read_live__counts_records_of_looks_that_failed_too(void **state)
{
    (void)state;
    struct eye_source *source = NULL;
    size_t bytes = 0;
    assert_int_equal(eye_source_open(&features, NULL, &source, NULL), 0);
    assert_int_equal(eye_source_read_live(source, 3, true, count_bytes, &bytes), 0);
    best.live_result = -EMFILE;
    assert_int_equal(eye_source_read_live(source, 4, false, count_bytes, &bytes), -EMFILE);
    assert_int_equal(eye_source_live_records(source), 14);
    assert_int_equal(bytes, 3);
    eye_source_close(source);
}

/* The configuration in force is the old one until the new one is applied. */
static void source_prepare__changes_nothing_by_itself(void **state)
{
    (void)state;
    struct eye_source *source = NULL;
    struct eye_config other = config;
    struct eye_error error = {""};
    assert_int_equal(eye_source_open(&features, NULL, &source, NULL), 0);
    best.prepare_result = -EPERM;
    assert_int_equal(eye_source_prepare(source, &other, &error), -EPERM);
    assert_string_equal(error.text, "cannot be prepared");
    eye_source_settle(source);
    assert_ptr_equal(features.config, &config);
    best.prepare_result = 0;
    assert_int_equal(eye_source_prepare(source, &other, &error), 0);
    assert_int_equal(best.applied, 0);
    eye_source_apply(source);
    eye_source_settle(source);
    assert_ptr_equal(features.config, &other);
    assert_int_equal(best.applied, 1);
    assert_int_equal(best.settled, 2);
    eye_source_close(source);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(source_open__takes_the_best_tier),
        TEST(source_open__takes_the_next_one_where_the_best_cannot_be),
        TEST(source_open__opens_none_that_lacks_something),
        TEST(source_open__says_what_the_best_one_lacks),
        TEST(source_open__takes_the_configured_tier),
        TEST(source_open__takes_no_other_than_the_configured_one),
        TEST(source_open__tries_no_other_once_nobody_wants_it),
        TEST(source_probe__takes_the_best_that_sees_connections),
        TEST(source_probe__tries_the_configured_tier_alone),
        TEST(source_read_live__counts_records_of_looks_that_failed_too),
        TEST(source_prepare__changes_nothing_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
