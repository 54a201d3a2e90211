/* SPDX-License-Identifier: Apache-2.0 */
/* Loads, attaches and reads the object bpf/rows. */
#include "collector/source/socket_storage/rows.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "bpf/abi.h"
#include "collector/base/privileges.h"
#include "collector/host/remedy.h"
#include "collector/source/everywhere.h"
#include "collector/source/loads.h"
#include "collector/source/ring_pages.h"
#include "collector/source/socket_storage/attacher.h"
#include "collector/source/socket_storage/programs.h"

#include "bpf/rows.skel.h"

struct reader {
    struct rows *programs;
    enum eye_look_way look;
    char *proc; /* the configuration may be another one soon */
    struct bpf_link *open;
    struct bpf_link *ended;
    struct eye_ring_pages ring; /* of `ended` */
};

/* Where records of one read of the iterator go. */
struct sink {
    eye_record_handler *handler;
    void *context;
};

static int load(struct reader *reader, const struct bpf_object *tier)
{
    reader->programs = rows__open();
    if (reader->programs == NULL) {
        return -errno;
    }
    bool by_table = reader->look == EYE_LOOK_WAY_TABLES;
    bpf_program__set_autoload(reader->programs->progs.row_open, !by_table);
    bpf_program__set_autoload(reader->programs->progs.row_open_table, by_table);
    int result = eye_share_maps(reader->programs->obj, tier, false);
    if (result == 0) {
        result = rows__load(reader->programs);
    }
    malloc_trim(0); /* as after the start */
    return result;
}

static int attach(struct bpf_link **link, const struct reader *reader, enum eye_program program,
                  struct eye_error *ret_error)
{
    *link = eye_program_attach(reader->programs->obj, program, -ENOENT);
    return *link == NULL ? eye_program_refused(program, errno, NULL, ret_error) : 0;
}

static int begin(struct reader *reader, const struct bpf_object *tier, struct eye_error *ret_error)
{
    int result = eye_load_note(EYE_ASSET_ROWS, load(reader, tier));
    if (result == 0) {
        const struct bpf_map *ended = reader->programs->maps.ended;
        result = eye_ring_pages_map(bpf_map__fd(ended), bpf_map__max_entries(ended), &reader->ring);
    }
    if (result != 0) {
        return eye_error_set(ret_error, result, "%s: cannot load their kernel programs: %s; %s",
                             eye_ability_cost(EYE_ABILITY_ROWS), strerror(-result),
                             eye_remedy(-result, EYE_REMEDY_DEBUG));
    }
    enum eye_program open =
        reader->look == EYE_LOOK_WAY_TABLES ? EYE_PROGRAM_row_open_table : EYE_PROGRAM_row_open;
    result = attach(&reader->ended, reader, EYE_PROGRAM_row_ended, ret_error);
    return result == 0 ? attach(&reader->open, reader, open, ret_error) : result;
}

int eye_rows_load(const struct bpf_object *tier, enum eye_look_way look, const char *proc,
                  void **ret_rows, struct eye_error *ret_error)
{
    struct reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    reader->look = look;
    reader->proc = strdup(proc);
    int result = reader->proc == NULL ? eye_error_set(ret_error, -ENOMEM, "out of memory")
                                      : begin(reader, tier, ret_error);
    if (result != 0) {
        eye_rows_close(reader);
        return result;
    }
    *ret_rows = reader;
    return 0;
}

static void split(void *context, const void *data, size_t bytes)
{
    const struct sink *sink = context;
    const struct eye_row *row = data;
    for (size_t i = 0; i < bytes / sizeof(*row); i++) {
        sink->handler(sink->context, &row[i], sizeof(row[i]));
    }
}

int eye_rows_read(const void *rows, eye_record_handler *handler, void *context)
{
    const struct reader *reader = rows;
    struct sink sink = {handler, context};
    if (reader->look != EYE_LOOK_WAY_TABLES) {
        return eye_iterator_run(reader->open, sizeof(struct eye_row), split, &sink);
    }
    struct eye_visited visited;
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_NAMESPACES);
    int result = eye_iterator_run_everywhere(reader->open, reader->proc, sizeof(struct eye_row),
                                             split, &sink, &visited);
    eye_privileges_lower(privileges);
    return result;
}

/* As many as have room at once: what was written before the call. What cannot be mapped now waits
 * in the ring, which counts what it has no room for. */
void eye_rows_drain(void *rows, eye_record_handler *handler, void *context)
{
    struct reader *reader = rows;
    const void *record;
    size_t bytes;
    size_t left = reader->ring.bytes / sizeof(struct eye_row);
    while (left-- > 0 && eye_ring_pages_take(&reader->ring, &record, &bytes) > 0) {
        handler(context, record, bytes);
        eye_ring_pages_release(&reader->ring);
    }
}

/* The kernel skips a program that interrupts itself, and counts that. */
uint64_t eye_rows_lost(const void *rows)
{
    const struct reader *reader = rows;
    struct bpf_prog_info info;
    __u32 size = sizeof(info);
    memset(&info, 0, sizeof(info));
    bpf_obj_get_info_by_fd(bpf_program__fd(reader->programs->progs.row_ended), &info, &size);
    return __atomic_load_n(&reader->programs->bss->eye_rows_lost, __ATOMIC_RELAXED) +
           info.recursion_misses;
}

void eye_rows_close(void *rows)
{
    struct reader *reader = rows;
    if (reader == NULL) {
        return;
    }
    bpf_link__destroy(reader->open);
    bpf_link__destroy(reader->ended);
    eye_ring_pages_unmap(&reader->ring);
    rows__destroy(reader->programs);
    free(reader->proc);
    free(reader);
}
