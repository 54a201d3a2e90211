/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units from text. */
#include "collector/base/parse.h"

#include <errno.h>
#include <string.h>

#include "collector/base/base.h"

struct unit {
    const char *name;
    uint64_t factor;
};

/* Each is greater than those before it. */
static const struct unit duration_units[] = {
    {"ns", 1},
    {"us", UINT64_C(1000)},
    {"ms", UINT64_C(1000000)},
    {"s", UINT64_C(1000000000)},
    {"m", UINT64_C(60) * 1000000000},
    {"h", UINT64_C(3600) * 1000000000},
    {"d", UINT64_C(86400) * 1000000000},
};

static const struct unit size_units[] = {
    {"B", 1},
    {"kB", UINT64_C(1000)},
    {"MB", UINT64_C(1000000)},
    {"GB", UINT64_C(1000000000)},
    {"TB", UINT64_C(1000000000000)},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
};

/* Reads digits at *text; -EINVAL when there is none. Leaves *text behind them. */
static int read_digits(const char **text, uint64_t *ret_value)
{
    const char *cursor = *text;
    uint64_t value = 0;
    for (; *cursor >= '0' && *cursor <= '9'; cursor++) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(*cursor - '0'), &value)) {
            return -ERANGE;
        }
    }
    if (cursor == *text) {
        return -EINVAL;
    }
    *text = cursor;
    *ret_value = value;
    return 0;
}

/* Reads ".ddd" as nanounits of one: "5" -> 500 000 000. Further digits are below a nanosecond. */
static int read_fraction(const char **text, uint64_t *ret_nano)
{
    *ret_nano = 0;
    if (**text != '.') {
        return 0;
    }
    const char *cursor = *text + 1;
    uint64_t nano = 0;
    uint64_t place = UINT64_C(100000000);
    if (*cursor < '0' || *cursor > '9') {
        return -EINVAL;
    }
    for (; *cursor >= '0' && *cursor <= '9'; cursor++) {
        nano += (uint64_t)(*cursor - '0') * place;
        place /= 10;
    }
    *text = cursor;
    *ret_nano = nano;
    return 0;
}

static const struct unit *find_unit(const struct unit *units, size_t count, const char *name,
                                    size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0) {
            return &units[i];
        }
    }
    return NULL;
}

/* Reads a number with its unit at *text; leaves *text behind them. */
static int read_part(const char **text, const struct unit *units, size_t count,
                     const struct unit **ret_unit, uint64_t *ret_value)
{
    uint64_t whole;
    uint64_t nano;
    int result = read_digits(text, &whole);
    if (result == 0) {
        result = read_fraction(text, &nano);
    }
    if (result != 0) {
        return result;
    }
    size_t length = strcspn(*text, "0123456789");
    const struct unit *unit = find_unit(units, count, *text, length);
    if (unit == NULL) {
        return -EINVAL;
    }
    uint64_t value;
    /* 128 bits: the largest factor times a fraction in nanounits exceeds 64. */
    uint64_t part =
        (uint64_t)((__extension__(unsigned __int128) nano * unit->factor) / 1000000000U);
    if (__builtin_mul_overflow(whole, unit->factor, &value) ||
        __builtin_add_overflow(value, part, &value)) {
        return -ERANGE;
    }
    *text += length;
    *ret_unit = unit;
    *ret_value = value;
    return 0;
}

/* "0", "0.0" */
static bool is_bare_zero(const char *text)
{
    uint64_t whole;
    uint64_t nano;
    return read_digits(&text, &whole) == 0 && read_fraction(&text, &nano) == 0 && whole == 0 &&
           nano == 0 && *text == '\0';
}

/* Adds up parts, of which each has a smaller unit than the one before it. */
static int parse_with_units(const char *text, const struct unit *units, size_t count,
                            uint64_t *ret_value)
{
    if (is_bare_zero(text)) {
        *ret_value = 0;
        return 0;
    }
    uint64_t sum = 0;
    do {
        const struct unit *unit;
        uint64_t value;
        int result = read_part(&text, units, count, &unit, &value);
        if (result != 0) {
            return result;
        }
        if (__builtin_add_overflow(sum, value, &sum)) {
            return -ERANGE;
        }
        count = (size_t)(unit - units); /* those that may follow */
    } while (*text != '\0');
    *ret_value = sum;
    return 0;
}

int eye_parse_u64(const char *text, uint64_t *ret_value)
{
    uint64_t value;
    int result = read_digits(&text, &value);
    if (result != 0) {
        return result;
    }
    if (*text != '\0') {
        return -EINVAL;
    }
    *ret_value = value;
    return 0;
}

int eye_parse_duration_ns(const char *text, uint64_t *ret_ns)
{
    return parse_with_units(text, duration_units, EYE_ARRAY_LENGTH(duration_units), ret_ns);
}

int eye_parse_size_bytes(const char *text, uint64_t *ret_bytes)
{
    const struct unit *unit;
    uint64_t value;
    if (is_bare_zero(text)) {
        *ret_bytes = 0;
        return 0;
    }
    int result = read_part(&text, size_units, EYE_ARRAY_LENGTH(size_units), &unit, &value);
    if (result != 0 || *text != '\0') {
        return result != 0 ? result : -EINVAL;
    }
    *ret_bytes = value;
    return 0;
}

int eye_parse_bool(const char *text, bool *ret_value)
{
    bool is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0) {
        return -EINVAL;
    }
    *ret_value = is_true;
    return 0;
}
