/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole catalogue by the published naming rule of each receiver: a metric has one name in
 * Prometheus, whichever way it comes, and one dotted name everywhere else, which no receiver
 * changes.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/otlp/model.h"
#include "exporters/prometheus/names.h"
#include "exporters/remote_write/version.h"
#include "tests/unit/exporters/sample.h"

#define NAME_MAX_BYTES 256
#define TOKENS_MAX 16

struct fixture {
    struct sample *sample;
    struct eye_selection selection;
    struct eye_otlp_model model;
    struct eye_write_shared written;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.sample = sample_new(NULL)};
    fixture.model = (struct eye_otlp_model){.selection = &fixture.selection};
    *state = &fixture;
    int result = eye_selection_init(&fixture.selection, &fixture.sample->setup);
    return result == 0 ? eye_write_shared_init(&fixture.written, &fixture.selection, false)
                       : result;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    eye_write_shared_done(&fixture->written);
    eye_selection_done(&fixture->selection);
    sample_free(fixture->sample);
    return 0;
}

/* ---- Prometheus ---- */

struct tokens {
    char text[NAME_MAX_BYTES];
    const char *list[TOKENS_MAX];
    size_t count;
};

/* Runs of letters and digits. */
static void split(struct tokens *tokens, const char *name)
{
    eye_copy_string(tokens->text, sizeof(tokens->text), name);
    tokens->count = 0;
    for (char *at = tokens->text; *at != '\0'; at++) {
        bool begins = at == tokens->text || at[-1] == '\0';
        if (isalnum((unsigned char)*at) == 0) {
            *at = '\0';
        } else if (begins) {
            assert_true(tokens->count < TOKENS_MAX);
            tokens->list[tokens->count++] = at;
        }
    }
}

/* Takes @word out wherever it stands; whether it was there. */
static bool take_out(struct tokens *tokens, const char *word)
{
    size_t kept = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        if (strcmp(tokens->list[i], word) != 0) {
            tokens->list[kept++] = tokens->list[i];
        }
    }
    bool found = kept < tokens->count;
    tokens->count = kept;
    return found;
}

static bool has(const struct tokens *tokens, const char *word)
{
    for (size_t i = 0; i < tokens->count; i++) {
        if (strcmp(tokens->list[i], word) == 0) {
            return true;
        }
    }
    return false;
}

/* Of https://github.com/prometheus/otlptranslator, metric_namer.go and unit_namer.go: those that we
 * have. What stands in braces is no unit. */
static const char *word_of_unit(const char *ucum)
{
    static const struct {
        const char *ucum;
        const char *word;
    } words[] = {{"s", "seconds"}, {"By", "bytes"}, {"1", ""}};
    if (*ucum == '{') {
        return "";
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(words); i++) {
        if (strcmp(ucum, words[i].ucum) == 0) {
            return words[i].word;
        }
    }
    fail_msg("what does Prometheus make of %s?", ucum);
    return "";
}

/* What Prometheus' own receiver of OTLP calls it. */
static void append_translated(const struct fixture *fixture, const struct eye_metric *metric,
                              struct eye_text *text)
{
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    struct tokens tokens;
    const char *ucum = eye_unit_info(metric->unit)->ucum;
    const char *word = word_of_unit(ucum);
    eye_text_init(&name, NAME_MAX_BYTES);
    eye_otlp_append_name(&fixture->model, metric, &name);
    split(&tokens, eye_text_string(&name));
    if (*word != '\0' && !has(&tokens, word)) {
        tokens.list[tokens.count++] = word;
    }
    if (metric->kind == EYE_COUNTER) {
        take_out(&tokens, "total");
        tokens.list[tokens.count++] = "total";
    } else if (metric->kind == EYE_GAUGE && strcmp(ucum, "1") == 0) {
        take_out(&tokens, "ratio");
        tokens.list[tokens.count++] = "ratio";
    }
    for (size_t i = 0; i < tokens.count; i++) {
        eye_text_appendf(text, "%s%s", i == 0 ? "" : "_", tokens.list[i]);
    }
}

static void names__are_one_in_prometheus(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        EYE_CLEANUP(eye_text_done) struct eye_text page;
        EYE_CLEANUP(eye_text_done) struct eye_text written;
        EYE_CLEANUP(eye_text_done) struct eye_text translated;
        eye_text_init(&page, NAME_MAX_BYTES);
        eye_text_init(&written, NAME_MAX_BYTES);
        eye_text_init(&translated, NAME_MAX_BYTES);
        append_translated(fixture, metric, &translated);
        eye_prometheus_append_family(&fixture->selection, metric, &page);
        eye_text_append(&page, metric->kind == EYE_COUNTER ? "_total" : "");
        size_t parts = eye_write_part_count(&fixture->written, metric);
        eye_text_append(&written, eye_text_string(&fixture->written.family[i]));
        eye_text_append(&written, parts == 1 ? eye_write_suffix(metric, 0, parts) : "");
        assert_string_equal(eye_text_string(&page), eye_text_string(&translated));
        assert_string_equal(eye_text_string(&page), eye_text_string(&written));
    }
}

/* Of metrics of the conventions: the attribute with underscores, as OTLP's receivers make labels.
 * The service is told by the resource there, and is Prometheus' `job`. */
static void labels__are_the_attributes_on_metrics_of_the_conventions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        for (unsigned tag = 0; metric->family->semantic && tag < EYE_TAG_COUNT; tag++) {
            if (!eye_metric_has_tag(metric, (enum eye_tag)tag)) {
                continue;
            }
            EYE_CLEANUP(eye_text_done) struct eye_text label;
            char expected[NAME_MAX_BYTES];
            eye_text_init(&label, NAME_MAX_BYTES);
            eye_prometheus_append_label(metric, (enum eye_tag)tag, &label);
            eye_copy_string(expected, sizeof(expected),
                            eye_tag_attribute(metric, (enum eye_tag)tag)->name);
            for (char *at = expected; *at != '\0'; at++) {
                *at = isalnum((unsigned char)*at) != 0 ? *at : '_';
            }
            assert_string_equal(eye_text_string(&label), expected);
        }
    }
}

/* ---- Everybody else ---- */

/* etsy's statsd deletes, the Agent and the intake replace, what is not among these. */
static bool is_left_alone(const char *name)
{
    static const char accepted[] = "abcdefghijklmnopqrstuvwxyz"
                                   "0123456789_.";
    return islower((unsigned char)*name) != 0 && strspn(name, accepted) == strlen(name) &&
           strstr(name, "..") == NULL && strstr(name, "__") == NULL &&
           name[strlen(name) - 1] != '.' && strlen(name) <= 200;
}

static void append_dotted(const struct fixture *fixture, unsigned id, struct eye_text *text)
{
    eye_selection_append_name(&fixture->selection, text, eye_metric((enum eye_metric_id)id));
}

static void names__with_dots_are_left_alone(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < EYE_METRIC_COUNT; i++) {
        EYE_CLEANUP(eye_text_done) struct eye_text name;
        eye_text_init(&name, NAME_MAX_BYTES);
        append_dotted(fixture, i, &name);
        assert_true(is_left_alone(eye_text_string(&name)));
    }
}

/* What Graphite and StatsD make of a distribution, or their servers of a timer. */
static void names__of_parts_are_no_other_metric(void **state)
{
    static const char *const parts[] = {".count", ".sum", ".mean", ".lower", ".upper", ".p50",
                                        ".p95",   ".p99", ".max",  ".min",   ".avg",   ".median"};
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < EYE_METRIC_COUNT * EYE_ARRAY_LENGTH(parts); i++) {
        unsigned id = i / EYE_ARRAY_LENGTH(parts);
        if (eye_metric((enum eye_metric_id)id)->kind != EYE_DISTRIBUTION) {
            continue;
        }
        EYE_CLEANUP(eye_text_done) struct eye_text part;
        eye_text_init(&part, NAME_MAX_BYTES);
        append_dotted(fixture, id, &part);
        eye_text_append(&part, parts[i % EYE_ARRAY_LENGTH(parts)]);
        for (unsigned k = 0; k < EYE_METRIC_COUNT; k++) {
            EYE_CLEANUP(eye_text_done) struct eye_text name;
            eye_text_init(&name, NAME_MAX_BYTES);
            append_dotted(fixture, k, &name);
            assert_string_not_equal(eye_text_string(&name), eye_text_string(&part));
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names__are_one_in_prometheus),
        TEST(labels__are_the_attributes_on_metrics_of_the_conventions),
        TEST(names__with_dots_are_left_alone),
        TEST(names__of_parts_are_no_other_metric),
    };
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
