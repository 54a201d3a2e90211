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

/* Whatever the user's budgets are, the daemon's health is seen. */
static void metrics__of_the_daemon_alone_have_no_budget(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        const char *name = metric_at(i)->name;
        bool own = strncmp(name, "sockeye.", strlen("sockeye.")) == 0 ||
                   strncmp(name, "ebpf.", strlen("ebpf.")) == 0 ||
                   strncmp(name, "usm.tls.", strlen("usm.tls.")) == 0 ||
                   strncmp(name, "usm.process_monitor.", strlen("usm.process_monitor.")) == 0;
        assert_int_equal(metric_at(i)->bound, own ? EYE_SERIES_FEW : EYE_SERIES_BUDGETED);
    }
}

static void metrics__of_one_protocol_are_of_one_family(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        size_t length = strcspn(metric_at(i)->name, ".") + 1;
        for (size_t j = 0; j < EYE_METRIC_COUNT; j++) {
            bool same = strncmp(metric_at(i)->name, metric_at(j)->name, length) == 0;
            assert_int_equal(metric_at(i)->family == metric_at(j)->family, same);
        }
    }
}

/* ---- Attributes ---- */

static void attributes__are_those_of_the_conventions(void **state)
{
    (void)state;
    static const struct {
        enum eye_metric_id metric;
        enum eye_tag tag;
        const char *attribute;
        enum eye_attribute_type type;
        const char *label;
    } rows[] = {
        {EYE_METRIC_HTTP_SERVER_DURATION, EYE_TAG_STATUS, "http.response.status_code",
         EYE_ATTRIBUTE_INTEGER, "http.response.status_code"},
        {EYE_METRIC_HTTP_CLIENT_DURATION, EYE_TAG_METHOD, "http.request.method",
         EYE_ATTRIBUTE_STRING, "http.request.method"},
        {EYE_METRIC_HTTP_SERVER_DURATION, EYE_TAG_ROUTE, "http.route", EYE_ATTRIBUTE_STRING,
         "http.route"},
        {EYE_METRIC_HTTP_SERVER_DURATION, EYE_TAG_PORT, "server.port", EYE_ATTRIBUTE_INTEGER,
         "server.port"},
        {EYE_METRIC_TCP_OPENED, EYE_TAG_PORT, "server.port", EYE_ATTRIBUTE_INTEGER, "port"},
        {EYE_METRIC_TCP_OPENED, EYE_TAG_DIRECTION, "", EYE_ATTRIBUTE_STRING, "direction"},
        {EYE_METRIC_USM_LOST, EYE_TAG_STATUS, "", EYE_ATTRIBUTE_STRING, "status"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct eye_metric *metric = eye_metric(rows[i].metric);
        const struct eye_attribute *attribute = eye_tag_attribute(metric, rows[i].tag);
        assert_string_equal(attribute->name, rows[i].attribute);
        assert_int_equal(attribute->type, rows[i].type);
        assert_string_equal(eye_tag_label(metric, rows[i].tag), rows[i].label);
    }
}

/* Of a database the status is another attribute, and a string: "42P01". */
static void attributes__of_a_family_come_before_those_of_the_tag(void **state)
{
    (void)state;
    static const struct eye_attribute own[EYE_TAG_COUNT] = {
        [EYE_TAG_STATUS] = {"db.response.status_code", EYE_ATTRIBUTE_STRING},
        [EYE_TAG_PORT] = {"db.port", EYE_ATTRIBUTE_STRING},
        [EYE_TAG_CONTAINER] = {"", EYE_ATTRIBUTE_STRING},
    };
    static const struct eye_metric_family databases = {.semantic = true, .attributes = own};
    static const struct eye_metric metric = {.family = &databases};
    assert_ptr_equal(eye_tag_attribute(&metric, EYE_TAG_STATUS), &own[EYE_TAG_STATUS]);
    assert_ptr_equal(eye_tag_attribute(&metric, EYE_TAG_PORT), &own[EYE_TAG_PORT]);
    assert_string_equal(eye_tag_attribute(&metric, EYE_TAG_CONTAINER)->name, "");
    assert_string_equal(eye_tag_attribute(&metric, EYE_TAG_ERROR)->name, "error.type");
    assert_string_equal(eye_tag_label(&metric, EYE_TAG_STATUS), "db.response.status_code");
    assert_string_equal(eye_tag_label(&metric, EYE_TAG_CONTAINER), "container");
}

/* A row for a tag that no metric of the family has would never be read. */
static void attributes__of_a_family_are_of_its_tags(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric_family *family = metric_at(i)->family;
        uint64_t tags = 0;
        for (size_t j = 0; j < EYE_METRIC_COUNT; j++) {
            tags |= metric_at(j)->family == family ? metric_at(j)->tags : 0;
        }
        for (size_t tag = 0; family->attributes != NULL && tag < EYE_TAG_COUNT; tag++) {
            assert_true(family->attributes[tag].name == NULL ||
                        (tags & eye_tag_bit((enum eye_tag)tag)) != 0);
        }
    }
}

/* Two tags under one name would be one. */
static void attributes__differ_within_a_metric(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        const char *names[EYE_TAG_COUNT];
        size_t count = 0;
        for (unsigned tag = 0; tag < EYE_TAG_COUNT; tag++) {
            const char *name = eye_tag_attribute(metric_at(i), (enum eye_tag)tag)->name;
            if (eye_metric_has_tag(metric_at(i), (enum eye_tag)tag) && *name != '\0') {
                assert_true(is_dotted(name));
                names[count++] = name;
            }
        }
        for (size_t j = 0; j < count; j++) {
            for (size_t k = 0; k < j; k++) {
                assert_string_not_equal(names[j], names[k]);
            }
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
        assert_true(tag->attribute.name[0] == '\0' || is_dotted(tag->attribute.name));
        assert_true(strlen(tag->help) > 0);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(tag->name, tag_at(j)->name);
            assert_true(tag->attribute.name[0] == '\0' ||
                        strcmp(tag->attribute.name, tag_at(j)->attribute.name) != 0);
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
        cmocka_unit_test(metrics__of_the_daemon_alone_have_no_budget),
        cmocka_unit_test(metrics__of_one_protocol_are_of_one_family),
        cmocka_unit_test(attributes__are_those_of_the_conventions),
        cmocka_unit_test(attributes__of_a_family_come_before_those_of_the_tag),
        cmocka_unit_test(attributes__of_a_family_are_of_its_tags),
        cmocka_unit_test(attributes__differ_within_a_metric),
        cmocka_unit_test(metrics__have_the_unit_that_their_name_says),
        cmocka_unit_test(scales__belong_to_counters),
        cmocka_unit_test(tags__have_their_own_name_and_attribute),
        cmocka_unit_test(units__have_a_word_or_an_annotation),
        cmocka_unit_test(kinds__have_names),
    };
    return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
