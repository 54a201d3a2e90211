/* SPDX-License-Identifier: Apache-2.0 */
/* What every entry of the catalogue promises to exporters and readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/telemetry/catalogue.h"

static const struct eye_metric *metric_at(size_t index)
{
    return eye_metric((enum eye_metric_id)index);
}

static const struct eye_tag_info *tag_at(size_t index)
{
    return eye_tag_info((enum eye_tag)index);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* Lower-case words of letters, digits and "_", each starting with a letter, joined by dots. */
static bool is_dotted(const char *name)
{
    bool word_starts = true;
    for (; *name != '\0'; name++) {
        bool letter = *name >= 'a' && *name <= 'z';
        bool inner = (*name >= '0' && *name <= '9') || *name == '_' || *name == '.';
        if (!letter && (word_starts || !inner)) {
            return false;
        }
        word_starts = *name == '.';
    }
    return !word_starts;
}

static void metrics__have_their_own_id_and_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        assert_int_equal(metric_at(i)->id, i);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(metric_at(i)->name, metric_at(j)->name);
        }
    }
}

/* The limit of Datadog for a name is 200 bytes; a prefix comes before it. */
static void metrics__have_dotted_names_and_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = metric_at(i);
        assert_true(is_dotted(metric->name));
        assert_non_null(strchr(metric->name, '.'));
        assert_true(strlen(metric->name) <= 100);
        assert_true(strlen(metric->help) > 0);
        assert_null(strchr(metric->help, '\n'));
    }
}

static void metrics__have_known_tags_only(void **state)
{
    (void)state;
    uint64_t known = 0;
    uint64_t used = 0;
    for (size_t i = 0; i < EYE_TAG_COUNT; i++) {
        known |= eye_tag_bit((enum eye_tag)i);
    }
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        assert_int_equal(metric_at(i)->tags & ~known, 0);
        used |= metric_at(i)->tags;
    }
    assert_int_equal(used, known);
}

static void metrics__have_the_tags_of_their_mask(void **state)
{
    (void)state;
    const struct eye_metric *lost = eye_metric(EYE_METRIC_SELF_KERNEL_LOST);
    for (size_t i = 0; i < EYE_TAG_COUNT; i++) {
        assert_int_equal(eye_metric_has_tag(lost, (enum eye_tag)i),
                         i == EYE_TAG_PROGRAM || i == EYE_TAG_REASON);
    }
}

static void masks__have_64_bits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        const struct eye_metric metric = {.tags = eye_tag_bit((enum eye_tag)i)};
        for (unsigned j = 0; j < 64; j++) {
            assert_int_equal(eye_metric_has_tag(&metric, (enum eye_tag)j), i == j);
        }
    }
}

static void metrics__have_the_unit_that_their_name_says(void **state)
{
    (void)state;
    static const struct {
        const char *end;
        enum eye_unit unit;
    } units[] = {
        {".duration", EYE_UNIT_SECONDS}, {".rtt", EYE_UNIT_SECONDS},
        {".time", EYE_UNIT_SECONDS},     {".bytes", EYE_UNIT_BYTES},
        {".fill", EYE_UNIT_RATIO},       {".segments", EYE_UNIT_SEGMENTS},
    };
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        for (size_t j = 0; j < sizeof(units) / sizeof(units[0]); j++) {
            assert_true(!ends_with(metric_at(i)->name, units[j].end) ||
                        metric_at(i)->unit == units[j].unit);
        }
    }
}

/* Only counters are whole numbers of something, so only they have a scale. */
static void scales__belong_to_counters(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = metric_at(i);
        assert_true(metric->scale > 0);
        assert_true(metric->scale == 1 || metric->kind == EYE_COUNTER);
    }
}

static void tags__have_their_own_name_and_attribute(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_TAG_COUNT; i++) {
        const struct eye_tag_info *tag = tag_at(i);
        assert_true(is_dotted(tag->name) && strchr(tag->name, '.') == NULL);
        assert_true(tag->attribute[0] == '\0' || is_dotted(tag->attribute));
        assert_true(strlen(tag->help) > 0);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(tag->name, tag_at(j)->name);
            assert_true(tag->attribute[0] == '\0' ||
                        strcmp(tag->attribute, tag_at(j)->attribute) != 0);
        }
    }
}

/* A name of UCUM for what is measured, an annotation for what is counted. */
static void units__have_a_word_or_an_annotation(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_UNIT_COUNT; i++) {
        const struct eye_unit_info *unit = eye_unit_info((enum eye_unit)i);
        size_t length = strlen(unit->ucum);
        bool annotated = unit->ucum[0] == '{' && unit->ucum[length - 1] == '}' && length > 2;
        assert_int_equal(annotated, unit->word[0] == '\0');
        assert_int_equal(annotated, unit->datadog[0] == '\0');
    }
    assert_string_equal(eye_unit_info(EYE_UNIT_SECONDS)->ucum, "s");
    assert_string_equal(eye_unit_info(EYE_UNIT_BYTES)->ucum, "By");
    assert_string_equal(eye_unit_info(EYE_UNIT_RATIO)->ucum, "1");
}

static void kinds__have_names(void **state)
{
    (void)state;
    assert_string_equal(eye_metric_kind_name(EYE_COUNTER), "counter");
    assert_string_equal(eye_metric_kind_name(EYE_GAUGE), "gauge");
    assert_string_equal(eye_metric_kind_name(EYE_DISTRIBUTION), "distribution");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics__have_their_own_id_and_name),
        cmocka_unit_test(metrics__have_dotted_names_and_help),
        cmocka_unit_test(metrics__have_known_tags_only),
        cmocka_unit_test(metrics__have_the_tags_of_their_mask),
        cmocka_unit_test(masks__have_64_bits),
        cmocka_unit_test(metrics__have_the_unit_that_their_name_says),
        cmocka_unit_test(scales__belong_to_counters),
        cmocka_unit_test(tags__have_their_own_name_and_attribute),
        cmocka_unit_test(units__have_a_word_or_an_annotation),
        cmocka_unit_test(kinds__have_names),
    };
    return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
