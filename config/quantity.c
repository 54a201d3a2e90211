/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units and their limits. */
#include "config/quantity.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/parse.h"
#include "collector/base/text.h"

/* A number that fits no 64 bits is none with a unit, either. */
#define LIKELY_BYTES 32

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first. Sizes are configured in powers of two; the decimal units are only read. */
static const struct unit duration_units[] = {
    {"d", 86400 * EYE_NS_PER_SECOND},
    {"h", 3600 * EYE_NS_PER_SECOND},
    {"m", 60 * EYE_NS_PER_SECOND},
    {"s", EYE_NS_PER_SECOND},
    {"ms", EYE_NS_PER_MS},
    {"us", EYE_NS_PER_US},
    {"ns", 1},
};

static const struct unit size_units[] = {
    {"TiB", UINT64_C(1) << 40},
    {"GiB", UINT64_C(1) << 30},
    {"MiB", UINT64_C(1) << 20},
    {"KiB", UINT64_C(1) << 10},
    {"B", 1},
};

static const struct unit count_units[] = {{"", 1}};

struct kind {
    struct eye_quantity spoken;
    int (*parse)(const char *text, uint64_t *ret_value);
    const struct unit *units;
    size_t unit_count;
    const char *likely[4]; /* units that may have been forgotten, the likeliest first */
    const char *example;   /* for a key that has neither a default nor limits */
};

static const struct kind kinds[] = {
    [EYE_CONFIG_COUNT] = {{"a whole number", NULL},
                          eye_parse_u64,
                          count_units,
                          EYE_ARRAY_LENGTH(count_units),
                          {NULL},
                          "20"},
    [EYE_CONFIG_DURATION] = {{"a duration", "ns us ms s m h d"},
                             eye_parse_duration_ns,
                             duration_units,
                             EYE_ARRAY_LENGTH(duration_units),
                             {"s", "ms", "m", "h"},
                             "10s"},
    [EYE_CONFIG_SIZE] = {{"a size", "B KiB MiB GiB TiB kB MB GB TB"},
                         eye_parse_size_bytes,
                         size_units,
                         EYE_ARRAY_LENGTH(size_units),
                         {"MiB", "KiB", "B"},
                         "4MiB"},
};

static const struct kind *kind_of(enum eye_config_type type)
{
    assert(eye_quantity_is(type));
    return &kinds[type];
}

bool eye_quantity_is(enum eye_config_type type)
{
    return type == EYE_CONFIG_COUNT || type == EYE_CONFIG_DURATION || type == EYE_CONFIG_SIZE;
}

const struct eye_quantity *eye_quantity_of(enum eye_config_type type)
{
    return &kind_of(type)->spoken;
}

static bool is_limited(const struct eye_config_key *key)
{
    return key->min != 0 || key->max != 0;
}

int eye_quantity_parse(const struct eye_config_key *key, const char *text, uint64_t *ret_value)
{
    uint64_t value;
    int result = kind_of(key->type)->parse(text, &value);
    if (result != 0) {
        return result;
    }
    bool beside = key->zero_too && value == 0;
    if (is_limited(key) && !beside && (value < key->min || value > key->max)) {
        return -ERANGE;
    }
    *ret_value = value;
    return 0;
}

static struct eye_quantity_text format(const struct kind *kind, uint64_t value)
{
    struct eye_quantity_text formatted;
    size_t i = 0;
    while (i + 1 < kind->unit_count && value % kind->units[i].factor != 0) {
        i++;
    }
    const char *unit = value == 0 ? "" : kind->units[i].name;
    snprintf(formatted.text, sizeof(formatted.text), "%" PRIu64 "%s", value / kind->units[i].factor,
             unit);
    return formatted;
}

struct eye_range_text eye_quantity_range(const struct eye_config_key *key)
{
    struct eye_range_text range = {0};
    if (is_limited(key)) {
        const struct kind *kind = kind_of(key->type);
        snprintf(range.text, sizeof(range.text), "%s to %s", format(kind, key->min).text,
                 format(kind, key->max).text);
    }
    return range;
}

const char *eye_quantity_likely_unit(const struct eye_config_key *key, const char *number)
{
    const struct kind *kind = kind_of(key->type);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(kind->likely) && kind->likely[i] != NULL; i++) {
        char text[LIKELY_BYTES];
        uint64_t value;
        int length = snprintf(text, sizeof(text), "%s%s", number, kind->likely[i]);
        if (length < (int)sizeof(text) && eye_quantity_parse(key, text, &value) == 0) {
            return kind->likely[i];
        }
    }
    return NULL;
}

struct eye_quantity_text eye_quantity_example(const struct eye_config_key *key)
{
    struct eye_quantity_text example;
    bool has_default = key->default_value != NULL && strcmp(key->default_value, "0") != 0;
    if (!has_default && is_limited(key)) {
        return format(kind_of(key->type), key->max);
    }
    eye_copy_string(example.text, sizeof(example.text),
                    has_default ? key->default_value : kind_of(key->type)->example);
    return example;
}
