/* SPDX-License-Identifier: Apache-2.0 */
/* Zipped pages are the same pages, however they are read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "exporters/openmetrics/zipped.h"
#include "tests/unit/exporters/sample.h"

#define SERIES_MANY 1500 /* the sample has room for 2000 */
#define ZIPPED_MAX_BYTES ((size_t)16 << 20)

struct fixture {
    struct sample *sample;
    struct eye_selection selection;
    struct eye_pages pages;
    const struct eye_snapshot *snapshot; /* the sample's */
    struct eye_zipped *zipped;
    struct eye_text expected;
    struct eye_text got;
};

static int make_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL) {
        return -1;
    }
    *state = fixture;
    fixture->sample = sample_new(NULL);
    eye_text_init(&fixture->expected, SIZE_MAX);
    eye_text_init(&fixture->got, SIZE_MAX);
    return eye_selection_init(&fixture->selection, &fixture->sample->setup) == 0
               ? eye_pages_init(&fixture->pages, &fixture->selection, false)
               : -1;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_zipped_unref(fixture->zipped);
    eye_text_done(&fixture->expected);
    eye_text_done(&fixture->got);
    eye_pages_done(&fixture->pages);
    eye_selection_done(&fixture->selection);
    sample_free(fixture->sample);
    free(fixture);
    return 0;
}

/* Histograms under names that do not repeat, so that a page of many has several blocks. */
static void add_series(struct fixture *fixture, size_t count)
{
    char service[64];
    uint64_t noise = 1;
    for (size_t i = 0; i < count; i++) {
        noise = noise * UINT64_C(6364136223846793005) + 1442695040888963407;
        snprintf(service, sizeof(service), "%zu-%016llx", i, (unsigned long long)noise);
        for (uint64_t value = noise; value > 0; value >>= 4) {
            sample_add(fixture->sample, EYE_METRIC_HTTP_SERVER_DURATION,
                       1e-4 * (double)(value & 0xFFFF), SAMPLE_TAGS({EYE_TAG_SERVICE, service}));
        }
    }
    fixture->snapshot = sample_take(fixture->sample);
}

static void pack(struct fixture *fixture)
{
    struct eye_page_counts counts;
    assert_int_equal(eye_pages_write(&fixture->pages, fixture->snapshot, EYE_PAGE_OPENMETRICS,
                                     &fixture->expected, &counts),
                     0);
    assert_int_equal(eye_zipped_new(&fixture->pages, fixture->snapshot, EYE_PAGE_OPENMETRICS,
                                    ZIPPED_MAX_BYTES, &fixture->zipped),
                     0);
    assert_int_equal(fixture->zipped->counts.points, counts.points);
    assert_int_equal(fixture->zipped->text_bytes, fixture->expected.length);
}

static void read_all(struct fixture *fixture, bool unpacks, size_t size)
{
    char *buffer = malloc(size);
    struct eye_zipped_reader *reader = NULL;
    ssize_t length = 0;
    assert_non_null(buffer);
    eye_text_clear(&fixture->got);
    assert_int_equal(eye_zipped_reader_new(fixture->zipped, unpacks, &reader), 0);
    while ((length = eye_zipped_read(reader, buffer, size)) > 0) {
        eye_text_append_bytes(&fixture->got, buffer, (size_t)length);
    }
    assert_int_equal(length, 0);
    assert_int_equal(eye_zipped_read(reader, buffer, size), 0);
    eye_zipped_reader_free(reader);
    free(buffer);
}

static void assert_unpacks_to_the_page(struct fixture *fixture)
{
    static const size_t sizes[] = {1, 7, 4096, 65536, (size_t)4 << 20};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(sizes); i++) {
        read_all(fixture, true, sizes[i]);
        assert_int_equal(fixture->got.length, fixture->expected.length);
        assert_memory_equal(eye_text_string(&fixture->got), eye_text_string(&fixture->expected),
                            fixture->expected.length);
    }
}

/* zlib's own whole-buffer reader takes what goes out as it is. */
static void assert_is_gzip(struct fixture *fixture)
{
    z_stream stream = {0};
    char *out = malloc(fixture->expected.length + 1);
    assert_non_null(out);
    read_all(fixture, false, 1000);
    assert_int_equal(fixture->got.length, fixture->zipped->bytes);
    assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
    stream.next_in = (Bytef *)fixture->got.data;
    stream.avail_in = (uInt)fixture->got.length;
    stream.next_out = (Bytef *)out;
    stream.avail_out = (uInt)fixture->expected.length + 1;
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, fixture->expected.length);
    assert_memory_equal(out, eye_text_string(&fixture->expected), fixture->expected.length);
    inflateEnd(&stream);
    free(out);
}

static void append__is_the_whole_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    add_series(fixture, 3);
    pack(fixture);
    eye_text_append(&fixture->got, "x");
    assert_int_equal(eye_zipped_append(fixture->zipped, true, &fixture->got), 0);
    assert_string_equal(fixture->got.data + 1, fixture->expected.data);
    assert_int_equal(eye_zipped_append(fixture->zipped, false, &fixture->got), 0);
    assert_int_equal(fixture->got.length, 1 + fixture->expected.length + fixture->zipped->bytes);
    eye_text_clear(&fixture->got);
    fixture->got.max_bytes = fixture->expected.length - 1;
    assert_int_equal(eye_zipped_append(fixture->zipped, true, &fixture->got), -ENOMEM);
    assert_int_equal(fixture->got.length, 0);
}

static void page__of_few_series(void **state)
{
    struct fixture *fixture = *state;
    add_series(fixture, 3);
    pack(fixture);
    assert_unpacks_to_the_page(fixture);
    assert_is_gzip(fixture);
}

static void page__of_many_pieces_and_blocks(void **state)
{
    struct fixture *fixture = *state;
    add_series(fixture, SERIES_MANY);
    pack(fixture);
    assert_true(fixture->expected.length > 10 * EYE_PAGE_PIECE_BYTES);
    assert_true(fixture->zipped->bytes > 100000);
    assert_unpacks_to_the_page(fixture);
    assert_is_gzip(fixture);
}

static void page__without_text(void **state)
{
    struct fixture *fixture = *state;
    add_series(fixture, 0);
    assert_int_equal(eye_zipped_new(&fixture->pages, fixture->snapshot, EYE_PAGE_TEXT,
                                    ZIPPED_MAX_BYTES, &fixture->zipped),
                     0);
    assert_int_equal(fixture->zipped->text_bytes, 0);
    read_all(fixture, true, 100);
    assert_int_equal(fixture->got.length, 0);
    assert_is_gzip(fixture);
}

static void page__that_is_too_large_is_refused(void **state)
{
    struct fixture *fixture = *state;
    add_series(fixture, SERIES_MANY);
    assert_int_equal(
        eye_zipped_new(&fixture->pages, fixture->snapshot, EYE_PAGE_TEXT, 100000, &fixture->zipped),
        -EFBIG);
    assert_null(fixture->zipped);
}

static void reader__keeps_the_page(void **state)
{
    struct fixture *fixture = *state;
    struct eye_zipped_reader *reader = NULL;
    char text[16];
    add_series(fixture, 3);
    pack(fixture);
    assert_int_equal(eye_zipped_reader_new(fixture->zipped, true, &reader), 0);
    eye_zipped_unref(EYE_TAKE(fixture->zipped));
    assert_int_equal(eye_zipped_read(reader, text, sizeof(text)), sizeof(text));
    assert_memory_equal(text, eye_text_string(&fixture->expected), sizeof(text));
    eye_zipped_reader_free(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(append__is_the_whole_or_nothing),    TEST(page__of_few_series),
        TEST(page__of_many_pieces_and_blocks),    TEST(page__without_text),
        TEST(page__that_is_too_large_is_refused), TEST(reader__keeps_the_page),
    };
    return cmocka_run_group_tests_name("openmetrics_zipped", tests, NULL, NULL);
}
