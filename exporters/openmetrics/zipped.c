/* SPDX-License-Identifier: Apache-2.0 */
/* zlib in both directions over a list of blocks, so that nothing is moved when a page grows. */
#include "exporters/openmetrics/zipped.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* zlib only reads its input; without this its pointer to it is not const. */
#define ZLIB_CONST
#include <zlib.h>

#include "collector/base/base.h"

#define GZIP_WINDOW (MAX_WBITS + 16) /* + 16: gzip instead of zlib framing */
#define MEMORY_LEVEL 8               /* zlib's default */
#define BLOCK_BYTES ((size_t)32 << 10)

/* A piece ends with a whole series: a histogram has some thirty samples of 1 MiB at most. */
#define PIECE_MAX_BYTES ((size_t)64 << 20)

struct eye_zipped_block {
    struct eye_zipped_block *next;
    size_t length;
    unsigned char bytes[];
};

/* ---- Making ---- */

struct packer {
    struct eye_zipped *page;
    size_t max_bytes;
    z_stream stream;
};

static struct eye_zipped_block *add_block(struct eye_zipped *page)
{
    struct eye_zipped_block *block = malloc(sizeof(*block) + BLOCK_BYTES);
    if (block == NULL) {
        return NULL;
    }
    *block = (struct eye_zipped_block){.next = NULL};
    if (page->last == NULL) {
        page->first = block;
    } else {
        page->last->next = block;
    }
    page->last = block;
    return block;
}

/* Deflates into what is left of the last block, or into a new one. */
static int fill_block(struct packer *packer, int flush, bool *ret_full)
{
    struct eye_zipped *page = packer->page;
    struct eye_zipped_block *block = page->last;
    if (block == NULL || block->length == BLOCK_BYTES) {
        block = page->bytes < packer->max_bytes ? add_block(page) : NULL;
        if (block == NULL) {
            return page->bytes < packer->max_bytes ? -ENOMEM : -EFBIG;
        }
    }
    packer->stream.next_out = block->bytes + block->length;
    packer->stream.avail_out = (uInt)(BLOCK_BYTES - block->length);
    int result = deflate(&packer->stream, flush);
    assert(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
    size_t length = BLOCK_BYTES - packer->stream.avail_out;
    page->bytes += length - block->length;
    block->length = length;
    *ret_full = packer->stream.avail_out == 0;
    return 0;
}

static int pack(struct packer *packer, const struct eye_text *text, int flush)
{
    bool full = true;
    int result = 0;
    assert(text->length <= UINT_MAX);
    packer->stream.next_in = (const Bytef *)eye_text_string(text);
    packer->stream.avail_in = (uInt)text->length;
    packer->page->text_bytes += text->length;
    while (result == 0 && full) {
        result = fill_block(packer, flush, &full);
    }
    return result;
}

static int pack_piece(void *context, const struct eye_text *piece)
{
    return pack(context, piece, Z_NO_FLUSH);
}

/* The last block has no more bytes than it needs: most pages are one block. */
static void shrink(struct eye_zipped *page)
{
    struct eye_zipped_block *last = page->last;
    if (last != page->first) {
        return;
    }
    struct eye_zipped_block *shrunk = realloc(last, sizeof(*last) + last->length);
    if (shrunk != NULL) {
        page->first = shrunk;
        page->last = shrunk;
    }
}

static int write_zipped(struct packer *packer, struct eye_pages *pages,
                        const struct eye_snapshot *snapshot, enum eye_page_format format)
{
    struct eye_text scratch;
    const struct eye_text nothing = {0};
    eye_text_init(&scratch, PIECE_MAX_BYTES);
    int result = eye_pages_write_pieces(pages, snapshot, format, &scratch, pack_piece, packer,
                                        &packer->page->counts);
    eye_text_done(&scratch);
    return result == 0 ? pack(packer, &nothing, Z_FINISH) : result;
}

static void cleanup_page(struct eye_zipped **page)
{
    eye_zipped_unref(*page);
}

int eye_zipped_new(struct eye_pages *pages, const struct eye_snapshot *snapshot,
                   enum eye_page_format format, size_t max_bytes, struct eye_zipped **ret_page)
{
    EYE_CLEANUP(cleanup_page) struct eye_zipped *page = calloc(1, sizeof(*page));
    if (page == NULL) {
        return -ENOMEM;
    }
    page->references = 1;
    struct packer packer = {.page = page, .max_bytes = max_bytes};
    /* Speed: the text is so repetitive that higher levels save little and cost much. */
    if (deflateInit2(&packer.stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return -ENOMEM;
    }
    int result = write_zipped(&packer, pages, snapshot, format);
    deflateEnd(&packer.stream);
    if (result != 0) {
        return result;
    }
    shrink(page);
    *ret_page = EYE_TAKE(page);
    return 0;
}

struct eye_zipped *eye_zipped_ref(struct eye_zipped *page)
{
    page->references++;
    return page;
}

void eye_zipped_unref(struct eye_zipped *page)
{
    if (page == NULL || --page->references > 0) {
        return;
    }
    while (page->first != NULL) {
        struct eye_zipped_block *block = page->first;
        page->first = block->next;
        free(block);
    }
    free(page);
}

/* ---- Reading ---- */

struct eye_zipped_reader {
    struct eye_zipped *page;              /* one reference */
    const struct eye_zipped_block *block; /* NULL: all was read */
    size_t offset;                        /* in it */
    bool unpacks;
    z_stream stream; /* when it unpacks */
};

int eye_zipped_reader_new(struct eye_zipped *page, bool unpacks,
                          struct eye_zipped_reader **ret_reader)
{
    EYE_AUTOFREE struct eye_zipped_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL || (unpacks && inflateInit2(&reader->stream, GZIP_WINDOW) != Z_OK)) {
        return -ENOMEM;
    }
    reader->page = eye_zipped_ref(page);
    reader->block = page->first;
    reader->unpacks = unpacks;
    *ret_reader = EYE_TAKE(reader);
    return 0;
}

void eye_zipped_reader_free(struct eye_zipped_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    if (reader->unpacks) {
        inflateEnd(&reader->stream);
    }
    eye_zipped_unref(reader->page);
    free(reader);
}

/* What is left of the block, of @size bytes at most; goes on to the next block. */
static size_t next_bytes(struct eye_zipped_reader *reader, size_t size, const void **ret_bytes)
{
    const struct eye_zipped_block *block = reader->block;
    size_t left = block->length - reader->offset;
    size_t length = left < size ? left : size;
    *ret_bytes = block->bytes + reader->offset;
    reader->offset += length;
    if (reader->offset == block->length) {
        reader->block = block->next;
        reader->offset = 0;
    }
    return length;
}

static size_t copy(struct eye_zipped_reader *reader, unsigned char *buffer, size_t size)
{
    size_t done = 0;
    while (done < size && reader->block != NULL) {
        const void *bytes = NULL;
        size_t length = next_bytes(reader, size - done, &bytes);
        memcpy(buffer + done, bytes, length);
        done += length;
    }
    return done;
}

static ssize_t unpack(struct eye_zipped_reader *reader, unsigned char *buffer, size_t size)
{
    z_stream *stream = &reader->stream;
    int result = Z_OK;
    stream->next_out = buffer;
    stream->avail_out = (uInt)size;
    while (result == Z_OK && stream->avail_out > 0) {
        if (stream->avail_in == 0 && reader->block != NULL) {
            const void *bytes = NULL;
            stream->avail_in = (uInt)next_bytes(reader, BLOCK_BYTES, &bytes);
            stream->next_in = bytes;
        }
        result = inflate(stream, Z_NO_FLUSH);
    }
    return result == Z_OK || result == Z_STREAM_END ? (ssize_t)(size - stream->avail_out) : -EIO;
}

ssize_t eye_zipped_read(struct eye_zipped_reader *reader, void *buffer, size_t size)
{
    assert(size <= INT_MAX);
    return reader->unpacks ? unpack(reader, buffer, size) : (ssize_t)copy(reader, buffer, size);
}

/* @bytes are what there is. */
static void read_all(struct eye_zipped_reader *reader, char *to, size_t bytes)
{
    size_t done = 0;
    ssize_t length = 1;
    while (done < bytes && length > 0) {
        size_t left = bytes - done;
        length = eye_zipped_read(reader, to + done, left < INT_MAX ? left : INT_MAX);
        done += length > 0 ? (size_t)length : 0;
    }
    assert(done == bytes);
}

int eye_zipped_append(struct eye_zipped *page, bool unpacks, struct eye_text *text)
{
    struct eye_zipped_reader *reader = NULL;
    size_t bytes = unpacks ? page->text_bytes : page->bytes;
    char *to = eye_text_room(text, bytes);
    if (to == NULL || eye_zipped_reader_new(page, unpacks, &reader) != 0) {
        return -ENOMEM;
    }
    read_all(reader, to, bytes);
    eye_zipped_reader_free(reader);
    eye_text_end_at(text, to + bytes);
    return 0;
}
