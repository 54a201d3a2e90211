/* SPDX-License-Identifier: Apache-2.0 */
/* Content encodings: what the libraries' own readers make of them, and their sizes. */
#include <errno.h>
#include <setjmp.h>
#include <snappy-c.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "exporters/http/compress.h"

#define SAMPLE_BYTES ((size_t)3 << 20)

static const enum eye_compression all[] = {
    EYE_COMPRESSION_NONE, EYE_COMPRESSION_ZLIB,   EYE_COMPRESSION_GZIP,
    EYE_COMPRESSION_ZSTD, EYE_COMPRESSION_SNAPPY,
};

struct work {
    struct eye_compressor *compressor;
    struct eye_text packed;
    char *plain;
    char *again;
};

static int setup(void **state)
{
    struct work *work = calloc(1, sizeof(*work));
    assert_non_null(work);
    work->plain = malloc(SAMPLE_BYTES);
    work->again = malloc(SAMPLE_BYTES);
    assert_non_null(work->plain);
    assert_non_null(work->again);
    eye_text_init(&work->packed, 2 * SAMPLE_BYTES);
    *state = work;
    return 0;
}

static int teardown(void **state)
{
    struct work *work = *state;
    eye_compressor_free(work->compressor);
    eye_text_done(&work->packed);
    free(work->plain);
    free(work->again);
    free(work);
    return 0;
}

/* Bytes without any pattern: the worst that a compressor can get. */
static void fill_noise(char *bytes, size_t length)
{
    uint64_t number = 0x9e3779b97f4a7c15U;
    for (size_t i = 0; i < length; i++) {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        bytes[i] = (char)number;
    }
}

static void fill_text(char *bytes, size_t length)
{
    static const char pattern[] = "{\"metric\":\"sockeye.tcp.sent.bytes\",\"tags\":[\"a:b\"]}";
    for (size_t i = 0; i < length; i++) {
        bytes[i] = pattern[(i + i / 1000) % strlen(pattern)];
    }
}

static size_t inflate_all(const struct eye_text *packed, int window_bits, char *ret_plain)
{
    z_stream stream = {.next_in = (Bytef *)packed->data,
                       .avail_in = (uInt)packed->length,
                       .next_out = (Bytef *)ret_plain,
                       .avail_out = (uInt)SAMPLE_BYTES};
    assert_int_equal(inflateInit2(&stream, window_bits), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t length = stream.total_out;
    inflateEnd(&stream);
    return length;
}

static size_t decompress(enum eye_compression compression, const struct eye_text *packed,
                         char *ret_plain)
{
    size_t length = SAMPLE_BYTES;
    switch (compression) {
    case EYE_COMPRESSION_NONE:
        memcpy(ret_plain, eye_text_string(packed), packed->length);
        return packed->length;
    case EYE_COMPRESSION_ZLIB:
        return inflate_all(packed, 15, ret_plain);
    case EYE_COMPRESSION_GZIP:
        return inflate_all(packed, 15 + 16, ret_plain);
    case EYE_COMPRESSION_ZSTD:
        return ZSTD_decompress(ret_plain, SAMPLE_BYTES, packed->data, packed->length);
    case EYE_COMPRESSION_SNAPPY:
        assert_int_equal(snappy_uncompress(packed->data, packed->length, ret_plain, &length),
                         SNAPPY_OK);
        return length;
    }
    return 0;
}

static void round_trip(struct work *work, enum eye_compression compression, size_t length)
{
    assert_int_equal(eye_compress(work->compressor, work->plain, length, &work->packed), 0);
    assert_true(work->packed.length <= eye_compress_bound(compression, length));
    assert_int_equal(decompress(compression, &work->packed, work->again), length);
    assert_memory_equal(work->plain, work->again, length);
}

static void compress__is_read_back_by_each_library_within_the_bound(void **state)
{
    static const size_t lengths[] = {0, 1, 100, 16384, 65536, 1000003, SAMPLE_BYTES};
    struct work *work = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(all); i++) {
        assert_int_equal(eye_compressor_new(all[i], &work->compressor), 0);
        for (size_t k = 0; k < EYE_ARRAY_LENGTH(lengths); k++) {
            fill_noise(work->plain, lengths[k]);
            round_trip(work, all[i], lengths[k]);
            fill_text(work->plain, lengths[k]);
            round_trip(work, all[i], lengths[k]);
        }
        eye_compressor_free(EYE_TAKE(work->compressor));
    }
}

static void compress__makes_repeated_text_small(void **state)
{
    struct work *work = *state;
    fill_text(work->plain, SAMPLE_BYTES);
    for (size_t i = 1; i < EYE_ARRAY_LENGTH(all); i++) {
        assert_int_equal(eye_compressor_new(all[i], &work->compressor), 0);
        assert_int_equal(eye_compress(work->compressor, work->plain, SAMPLE_BYTES, &work->packed),
                         0);
        assert_true(work->packed.length < SAMPLE_BYTES / 10);
        eye_compressor_free(EYE_TAKE(work->compressor));
    }
}

static void compress__refuses_what_does_not_fit_and_works_again(void **state)
{
    struct work *work = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(all); i++) {
        struct eye_text small;
        eye_text_init(&small, 40000);
        assert_int_equal(eye_compressor_new(all[i], &work->compressor), 0);
        fill_noise(work->plain, SAMPLE_BYTES);
        assert_int_equal(eye_compress(work->compressor, work->plain, 50000, &small), -EMSGSIZE);
        assert_true(small.length <= 40000);
        eye_text_done(&small);
        round_trip(work, all[i], 50000);
        eye_compressor_free(EYE_TAKE(work->compressor));
    }
}

static void name__is_that_of_http(void **state)
{
    (void)state;
    assert_null(eye_compression_name(EYE_COMPRESSION_NONE));
    assert_string_equal(eye_compression_name(EYE_COMPRESSION_ZLIB), "deflate");
    assert_string_equal(eye_compression_name(EYE_COMPRESSION_GZIP), "gzip");
    assert_string_equal(eye_compression_name(EYE_COMPRESSION_ZSTD), "zstd");
    assert_string_equal(eye_compression_name(EYE_COMPRESSION_SNAPPY), "snappy");
}

static void free__takes_null(void **state)
{
    (void)state;
    eye_compressor_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(compress__is_read_back_by_each_library_within_the_bound),
        TEST(compress__makes_repeated_text_small),
        TEST(compress__refuses_what_does_not_fit_and_works_again),
        TEST(name__is_that_of_http),
        TEST(free__takes_null),
    };
    return cmocka_run_group_tests_name("compress", tests, NULL, NULL);
}
