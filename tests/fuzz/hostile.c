/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a fuzzer as configuration and series, through the real registry. */
#include "tests/fuzz/hostile.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TIME_NS (UINT64_C(1785672010) * 1000000000)
#define INTERVAL_NS (UINT64_C(10) * 1000000000)

/* Values that other series of the input may have too, or nearly. */
#define POOL_SIZE 32

/* An input that is this, and settings behind it, makes a crowd. It is slow, so not much leads there
 * but the seeds. */
#define CROWD_MARK "crowd"
#define CROWD_SETTINGS_MAX_BYTES 3

/* In front of each series: which snapshots it is in. */
enum life { LIFE_BOTH, LIFE_BORN, LIFE_GONE, LIFE_CHOICES };

struct series {
    enum eye_metric_id metric;
    enum life life;
    struct eye_tag_value tags[EYE_TAG_COUNT];
    size_t count;
};

struct maker {
    struct hostile *world;
    struct eye_group *group;
    struct series series[HOSTILE_SERIES_MAX];
    size_t series_count;
    char pool[POOL_SIZE][EYE_TAG_VALUE_MAX_BYTES + 1];
    size_t pooled;
};

/* ---- Bytes ---- */

static uint8_t take(struct hostile *world)
{
    if (world->left == 0) {
        return 0;
    }
    world->left--;
    return *world->bytes++;
}

static uint64_t take_u64(struct hostile *world)
{
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof(number); i++) {
        number = number << 8 | take(world);
    }
    return number;
}

void hostile_init(struct hostile *world, const uint8_t *bytes, size_t size)
{
    *world = (struct hostile){.bytes = bytes, .left = size};
}

size_t hostile_choice(struct hostile *world, size_t count)
{
    return world->left == 0 ? 0 : world->bytes[--world->left] % count;
}

/* ---- Configuration ---- */

static char *copy(const char *text)
{
    char *made = strdup(text);
    assert(made != NULL);
    return made;
}

/* What eye_config_is_tag() and the reader of the configuration let through. */
static char fit_for_tag(uint8_t byte, bool first)
{
    bool bad = byte < ' ' || byte == 0x7f || byte == ',' || byte == '|' || (first && byte == ':');
    return bad ? 'x' : (char)byte;
}

static char *make_fixed_tag(struct hostile *world)
{
    static const char *const usual[] = {
        "service:fixed", "host:fixed", "le:1", "job:fixed", "instance", "method:",
        "host:a\xffz",   "name:fixed", "9",    "__name__:", "\xe9:x",   "service.name:fixed",
    };
    size_t choice = take(world);
    if (choice < EYE_ARRAY_LENGTH(usual)) {
        return copy(usual[choice]);
    }
    char text[300] = "x";
    for (size_t i = 0; i < choice && world->left > 0; i++) {
        text[i] = fit_for_tag(take(world), i == 0);
    }
    return copy(text);
}

static void make_configuration(struct hostile *world)
{
    static const char *const prefixes[] = {"sockeye.", "", "tcp.", "9-._", "a.b-C_"};
    size_t count = take(world) % (HOSTILE_FIXED_MAX + 1);
    struct eye_text_list *tags = &world->config.tags;
    tags->items = calloc(HOSTILE_FIXED_MAX, sizeof(char *));
    assert(tags->items != NULL);
    world->own.common.prefix = copy(prefixes[take(world) % EYE_ARRAY_LENGTH(prefixes)]);
    while (tags->count < count) {
        tags->items[tags->count++] = make_fixed_tag(world);
    }
    world->setup = (struct eye_exporter_setup){.config = &world->config, .own = &world->own};
    int result = eye_selection_init(&world->selection, &world->setup);
    assert(result == 0);
}

/* ---- Series ---- */

static void take_value(struct hostile *world, size_t length, char *ret_value)
{
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = take(world);
        ret_value[i] = (char)(byte == 0 ? 'n' : byte);
    }
    ret_value[length] = '\0';
}

/* A value of its own, that of another series, or another's with one byte replaced. */
static const char *make_value(struct maker *maker)
{
    struct hostile *world = maker->world;
    size_t choice = take(world);
    if (choice > EYE_TAG_VALUE_MAX_BYTES && maker->pooled > 0 && choice % 2 == 0) {
        return maker->pool[choice % (maker->pooled < POOL_SIZE ? maker->pooled : POOL_SIZE)];
    }
    char *value = maker->pool[maker->pooled % POOL_SIZE];
    const char *last = maker->pool[(maker->pooled + POOL_SIZE - 1) % POOL_SIZE];
    if (choice <= EYE_TAG_VALUE_MAX_BYTES) {
        take_value(world, choice, value);
    } else {
        memcpy(value, last, sizeof(maker->pool[0]));
        size_t length = strlen(value);
        uint8_t byte = take(world);
        value[length == 0 ? 0 : byte % length] = (char)(byte | 1);
    }
    maker->pooled++;
    return value;
}

/* The registry takes what the pool holds now, so values are copied into the tag set at once. */
static struct eye_series *find_series(struct maker *maker, const struct series *series)
{
    return eye_group_series(maker->group, series->metric, series->tags, series->count);
}

static void make_series(struct maker *maker, struct series *series)
{
    struct hostile *world = maker->world;
    series->metric = take(world) % EYE_METRIC_COUNT;
    series->life = take(world) % LIFE_CHOICES;
    unsigned mask = take(world);
    for (unsigned i = 0; i < EYE_TAG_COUNT; i++) {
        if (!eye_metric_has_tag(eye_metric(series->metric), (enum eye_tag)i)) {
            continue;
        }
        if ((mask & 1) != 0) {
            series->tags[series->count++] =
                (struct eye_tag_value){(enum eye_tag)i, copy(make_value(maker))};
        }
        mask >>= 1;
    }
}

static void free_series(struct series *series)
{
    for (size_t i = 0; i < series->count; i++) {
        free((char *)(uintptr_t)series->tags[i].value);
    }
}

/* ---- Values ---- */

static double take_real(struct hostile *world)
{
    static const double usual[] = {0,   -0.0,  1,    -1,     0.1,    1e-9,     9.9e-10,  5e-324,
                                   NAN, 1e300, -1e9, 123.25, 3.1e18, INFINITY, -INFINITY};
    size_t choice = take(world);
    if (choice < EYE_ARRAY_LENGTH(usual)) {
        return usual[choice];
    }
    if (choice < 200) {
        return ldexp((double)choice, take(world) % 80 - 50);
    }
    uint64_t bits = take_u64(world);
    double real;
    memcpy(&real, &bits, sizeof(real));
    return real;
}

/* All series of an input may be one and change twice: below 2^63, which readers of JSON take. */
static uint64_t take_amount(struct hostile *world)
{
    uint8_t choice = take(world);
    return choice < 200 ? choice : (take_u64(world) >> (6 + choice % 50));
}

static void take_values(struct hostile *world, struct eye_series *series)
{
    for (size_t count = take(world) % 8; count > 0; count--) {
        double value = take_real(world);
        uint8_t weight = take(world);
        eye_distribution_add(series, value, weight < 200 ? weight : UINT64_C(1) << weight % 40);
    }
}

static void change_series(struct maker *maker, const struct series *series)
{
    struct eye_series *found = find_series(maker, series);
    switch (found->metric->kind) {
    case EYE_COUNTER:
        eye_counter_add(found, take_amount(maker->world));
        break;
    case EYE_GAUGE:
        eye_gauge_set(found, take_real(maker->world));
        break;
    case EYE_DISTRIBUTION:
        take_values(maker->world, found);
        break;
    }
}

static void change_all(struct maker *maker, enum life absent)
{
    for (size_t i = 0; i < maker->series_count; i++) {
        if (maker->series[i].life != absent) {
            change_series(maker, &maker->series[i]);
        }
    }
}

/* Two series of the input may be one. */
static void remove_gone(struct maker *maker)
{
    for (size_t i = 0; i < maker->series_count; i++) {
        if (maker->series[i].life == LIFE_GONE) {
            eye_series_remove(maker->world->registry, find_series(maker, &maker->series[i]));
        }
    }
}

/* A value of its own in every series and tag, that replacing makes three times as long. */
static void make_long_value(unsigned number, char ret_value[EYE_TAG_VALUE_MAX_BYTES + 1])
{
    memset(ret_value, 0xff, EYE_TAG_VALUE_MAX_BYTES);
    int digits = snprintf(ret_value, EYE_TAG_VALUE_MAX_BYTES, "%u", number);
    ret_value[digits] = (char)0xff;
    ret_value[EYE_TAG_VALUE_MAX_BYTES] = '\0';
}

static void add_to_crowd(struct maker *maker, unsigned number)
{
    struct eye_tag_value tags[EYE_TAG_COUNT];
    char values[EYE_TAG_COUNT][EYE_TAG_VALUE_MAX_BYTES + 1];
    size_t count = 0;
    for (unsigned i = 0; i < EYE_TAG_COUNT; i++) {
        if (eye_metric_has_tag(eye_metric(EYE_METRIC_TCP_RTT), (enum eye_tag)i)) {
            make_long_value(number * EYE_TAG_COUNT + i, values[i]);
            tags[count++] = (struct eye_tag_value){(enum eye_tag)i, values[i]};
        }
    }
    struct eye_series *series = eye_group_series(maker->group, EYE_METRIC_TCP_RTT, tags, count);
    eye_distribution_add(series, 1e-3, 1 + number);
    eye_distribution_add(series, 2e-3, 1);
}

/* ---- Snapshots ---- */

static const struct eye_snapshot *picture(struct hostile *world, uint64_t sequence)
{
    eye_registry_close_interval(world->registry, sequence, sequence, 0);
    const struct eye_snapshot *snapshot = eye_snapshot_take(
        world->registry, sequence, TIME_NS + sequence * INTERVAL_NS, INTERVAL_NS, TIME_NS);
    assert(snapshot != NULL && snapshot->count <= HOSTILE_POINTS_MAX);
    return snapshot;
}

static void make_snapshots(struct maker *maker, size_t crowd)
{
    struct hostile *world = maker->world;
    if (take(world) % 4 != 0) {
        change_all(maker, LIFE_BORN);
        world->before = picture(world, 1);
        remove_gone(maker);
    }
    for (unsigned i = 0; i < crowd; i++) {
        add_to_crowd(maker, i);
    }
    change_all(maker, LIFE_GONE);
    world->now = picture(world, 2);
}

static void make_registry(struct maker *maker)
{
    const struct eye_limits limits = {
        .series_per_metric = 1000, .values_per_tag = 1000, .idle_ns = UINT64_MAX};
    maker->world->registry = eye_registry_new(&limits);
    assert(maker->world->registry != NULL);
    maker->group = eye_group_new(maker->world->registry, NULL, 0);
    assert(maker->group != NULL);
}

/* The settings are taken already. */
static bool asks_for_crowd(const struct hostile *world)
{
    size_t length = strlen(CROWD_MARK);
    return world->left >= length && world->left <= length + CROWD_SETTINGS_MAX_BYTES &&
           memcmp(world->bytes, CROWD_MARK, length) == 0;
}

void hostile_make(struct hostile *world, size_t crowd)
{
    crowd = asks_for_crowd(world) ? crowd : 0;
    struct maker maker = {.world = world};
    world->retries = take(world);
    make_configuration(world);
    make_registry(&maker);
    size_t count = 1 + take(world) % HOSTILE_SERIES_MAX;
    while (maker.series_count < count) {
        make_series(&maker, &maker.series[maker.series_count++]);
    }
    make_snapshots(&maker, crowd);
    for (size_t i = 0; i < count; i++) {
        free_series(&maker.series[i]);
    }
}

void hostile_done(struct hostile *world)
{
    eye_snapshot_unref(world->before);
    eye_snapshot_unref(world->now);
    eye_registry_free(world->registry);
    eye_selection_done(&world->selection);
    for (size_t i = 0; i < world->config.tags.count; i++) {
        free(world->config.tags.items[i]);
    }
    free(world->config.tags.items);
    free(world->own.common.prefix);
}
