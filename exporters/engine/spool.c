/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments on disk. The folder is read once; from then on the list in memory says what there is,
 * since nobody else may write there.
 */
#include "exporters/engine/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <zstd.h>

#include "collector/base/text.h"
#include "collector/base/trust.h"
#include "collector/snapshot/codec.h"

/* The text repeats itself so much that higher levels save little and cost much. */
#define COMPRESSION_LEVEL 1

#define HEX_DIGITS 16
#define NAME_BYTES 64 /* two numbers and the longest ending */

static const char waiting_ending[] = ".waiting";
static const char delivered_ending[] = ".delivered";
static const char new_ending[] = ".new"; /* being written */

struct segments {
    struct eye_spool_segment *items; /* by age; owned */
    uint64_t *sizes;                 /* bytes of each; owned */
    size_t count;
    size_t capacity;
};

struct eye_spool {
    int folder; /* locked */
    uint64_t max_bytes;
    struct segments waiting;
    struct segments delivered; /* at most one once opened */
    uint64_t bytes;            /* of all */
};

struct bytes {
    char *data; /* owned */
    size_t length;
};

static void cleanup_bytes(struct bytes *bytes)
{
    free(bytes->data);
}

/* ---- The list of segments ---- */

static int compare(const struct eye_spool_segment *a, const struct eye_spool_segment *b)
{
    if (a->start_ns != b->start_ns) {
        return a->start_ns < b->start_ns ? -1 : 1;
    }
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static int segments_reserve(struct segments *segments)
{
    if (segments->count < segments->capacity) {
        return 0;
    }
    size_t capacity = 2 * segments->capacity + 16;
    void *items = realloc(segments->items, capacity * sizeof(segments->items[0]));
    if (items == NULL) {
        return -ENOMEM;
    }
    segments->items = items;
    void *sizes = realloc(segments->sizes, capacity * sizeof(segments->sizes[0]));
    if (sizes == NULL) {
        return -ENOMEM;
    }
    segments->sizes = sizes;
    segments->capacity = capacity;
    return 0;
}

/* Puts a segment in its place, which is the end nearly always. Room is reserved. */
static void segments_insert(struct segments *segments, struct eye_spool_segment segment,
                            uint64_t size)
{
    size_t place = segments->count++;
    for (; place > 0 && compare(&segments->items[place - 1], &segment) > 0; place--) {
        segments->items[place] = segments->items[place - 1];
        segments->sizes[place] = segments->sizes[place - 1];
    }
    segments->items[place] = segment;
    segments->sizes[place] = size;
}

static void segments_remove(struct segments *segments, size_t index)
{
    size_t behind = --segments->count - index;
    memmove(&segments->items[index], &segments->items[index + 1],
            behind * sizeof(segments->items[0]));
    memmove(&segments->sizes[index], &segments->sizes[index + 1],
            behind * sizeof(segments->sizes[0]));
}

static bool segments_have(const struct segments *segments, const struct eye_spool_segment *segment)
{
    size_t index = segments->count;
    while (index > 0 && compare(&segments->items[index - 1], segment) > 0) {
        index--;
    }
    return index > 0 && compare(&segments->items[index - 1], segment) == 0;
}

static void segments_done(struct segments *segments)
{
    free(segments->items);
    free(segments->sizes);
}

/* ---- Names ---- */

static void format_name(const struct eye_spool_segment *segment, const char *ending,
                        char ret_name[static NAME_BYTES])
{
    snprintf(ret_name, NAME_BYTES, "%016" PRIx64 "-%016" PRIx64 "%s", segment->start_ns,
             segment->sequence, ending);
}

/* Sixteen lower-case hex digits, or false. */
static bool parse_hex(const char *text, uint64_t *ret_value)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t value = 0;
    for (size_t i = 0; i < HEX_DIGITS; i++) {
        const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);
        if (digit == NULL) {
            return false;
        }
        value = value << 4 | (uint64_t)(digit - digits);
    }
    *ret_value = value;
    return true;
}

/* Reads a name of ours and leaves its ending, or NULL for one that is not. */
static const char *parse_name(const char *name, struct eye_spool_segment *ret_segment)
{
    if (!parse_hex(name, &ret_segment->start_ns) || name[HEX_DIGITS] != '-' ||
        !parse_hex(name + HEX_DIGITS + 1, &ret_segment->sequence)) {
        return NULL;
    }
    return name + HEX_DIGITS + 1 + HEX_DIGITS;
}

/* ---- Opening ---- */

static int note_segment(struct eye_spool *spool, struct segments *segments,
                        struct eye_spool_segment segment, off_t size)
{
    int result = segments_reserve(segments);
    if (result == 0) {
        segments_insert(segments, segment, (uint64_t)size);
        spool->bytes += (uint64_t)size;
    }
    return result;
}

/* Files that are not ours are left alone; one that was never finished goes. */
static int note_file(struct eye_spool *spool, const char *name)
{
    struct eye_spool_segment segment;
    struct stat status;
    const char *ending = parse_name(name, &segment);
    if (ending == NULL || fstatat(spool->folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode)) {
        return 0;
    }
    if (strcmp(ending, waiting_ending) == 0) {
        return note_segment(spool, &spool->waiting, segment, status.st_size);
    }
    if (strcmp(ending, delivered_ending) == 0) {
        return note_segment(spool, &spool->delivered, segment, status.st_size);
    }
    if (strcmp(ending, new_ending) == 0) {
        unlinkat(spool->folder, name, 0);
    }
    return 0;
}

static void cleanup_folder(DIR **folder)
{
    if (*folder != NULL) {
        closedir(*folder);
    }
}

/* With a descriptor of its own; NULL with errno. */
static DIR *open_stream(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (stream == NULL) {
        int error = errno;
        eye_cleanup_close(&fd);
        errno = error;
    }
    return stream;
}

static int read_folder(struct eye_spool *spool)
{
    EYE_CLEANUP(cleanup_folder) DIR *folder = open_stream(spool->folder);
    if (folder == NULL) {
        return -errno;
    }
    int result = 0;
    while (result == 0) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            return -errno;
        }
        result = note_file(spool, entry->d_name);
    }
    return result;
}

/* Takes segment @index away, file and all. */
static void drop(struct eye_spool *spool, struct segments *segments, size_t index,
                 const char *ending)
{
    char name[NAME_BYTES];
    format_name(&segments->items[index], ending, name);
    unlinkat(spool->folder, name, 0);
    spool->bytes -= segments->sizes[index];
    segments_remove(segments, index);
}

static void drop_waiting(struct eye_spool *spool, size_t index)
{
    drop(spool, &spool->waiting, index, waiting_ending);
}

/* Keeps the newest @keep of those delivered: a kill may have left one more. */
static void drop_delivered(struct eye_spool *spool, size_t keep)
{
    while (spool->delivered.count > keep) {
        drop(spool, &spool->delivered, 0, delivered_ending);
    }
}

/*
 * The folder @path, if nobody else puts something in its place. It is made when it is not there,
 * but not where others could choose what it is.
 */
static int open_parent(const char *path, struct eye_stranger *ret_stranger)
{
    char copy[PATH_MAX];
    if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy)) {
        return -ENAMETOOLONG;
    }
    int result = eye_look_for_strangers(dirname(copy), S_IWOTH, EYE_NOBODY_ELSE, ret_stranger);
    if (result != 0) {
        return result;
    }
    if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST) {
        return -errno;
    }
    return eye_open_trusted_folder(path, S_IWGRP | S_IWOTH, ret_stranger);
}

static int open_child(int parent, const char *exporter, int *ret_fd)
{
    if (mkdirat(parent, exporter, S_IRWXU) != 0 && errno != EEXIST) {
        return -errno;
    }
    EYE_AUTOCLOSE int fd =
        openat(parent, exporter, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fsync(parent) != 0) {
        return -errno;
    }
    *ret_fd = EYE_TAKE_FD(fd);
    return 0;
}

/* What others can write is no place for what we deliver in the user's name. */
static bool is_private(int folder)
{
    struct stat status;
    return fstat(folder, &status) == 0 && status.st_uid == geteuid() &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int fail_to_open(int error, const char *path, const char *exporter,
                        struct eye_error *ret_error)
{
    return eye_error_set(ret_error, error, "cannot open the spool %s/%s: %s", path, exporter,
                         strerror(-error));
}

static int open_folder(const char *path, const char *exporter, int *ret_fd,
                       struct eye_error *ret_error)
{
    struct eye_stranger stranger = {.path = ""};
    EYE_AUTOCLOSE int fd = -1;
    EYE_AUTOCLOSE int parent = open_parent(path, &stranger);
    if (stranger.path[0] != '\0') {
        return eye_error_set(ret_error, parent,
                             "the spool %s: the %s %s belongs to another user or others may write "
                             "there, and so put another spool in its place; run chown and chmod "
                             "go-w on it",
                             path, S_ISLNK(stranger.mode) ? "link" : "folder", stranger.path);
    }
    if (parent < 0) {
        return fail_to_open(parent, path, exporter, ret_error);
    }
    int result = open_child(parent, exporter, &fd);
    if (result != 0) {
        return fail_to_open(result, path, exporter, ret_error);
    }
    if (!is_private(fd)) {
        return eye_error_set(ret_error, -EPERM,
                             "the spool %s/%s belongs to another user or others may write there; "
                             "run chown and chmod 0700 on it",
                             path, exporter);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return eye_error_set(ret_error, errno == EWOULDBLOCK ? -EBUSY : -errno,
                             "cannot lock the spool %s/%s: %s; is another sockeye running?", path,
                             exporter, strerror(errno));
    }
    *ret_fd = EYE_TAKE_FD(fd);
    return 0;
}

int eye_spool_open(const char *path, const char *exporter, uint64_t max_bytes,
                   struct eye_spool **ret_spool, struct eye_error *ret_error)
{
    EYE_AUTOCLOSE int folder = -1;
    int result = open_folder(path, exporter, &folder, ret_error);
    if (result != 0) {
        return result;
    }
    struct eye_spool *spool = calloc(1, sizeof(*spool));
    if (spool == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    spool->folder = EYE_TAKE_FD(folder);
    spool->max_bytes = max_bytes;
    result = read_folder(spool);
    if (result != 0) {
        eye_spool_close(spool);
        return eye_error_set(ret_error, result, "cannot read the spool %s/%s: %s", path, exporter,
                             strerror(-result));
    }
    drop_delivered(spool, 1);
    *ret_spool = spool;
    return 0;
}

void eye_spool_close(struct eye_spool *spool)
{
    if (spool == NULL) {
        return;
    }
    eye_cleanup_close(&spool->folder);
    segments_done(&spool->waiting);
    segments_done(&spool->delivered);
    free(spool);
}

const struct eye_spool_segment *eye_spool_waiting(const struct eye_spool *spool, size_t *ret_count)
{
    *ret_count = spool->waiting.count;
    return spool->waiting.items;
}

uint64_t eye_spool_bytes(const struct eye_spool *spool)
{
    return spool->bytes;
}

/* ---- Writing ---- */

static void cleanup_compressor(ZSTD_CCtx **context)
{
    ZSTD_freeCCtx(*context);
}

static int compress(const struct eye_text *plain, struct bytes *ret_frame)
{
    EYE_CLEANUP(cleanup_compressor) ZSTD_CCtx *context = ZSTD_createCCtx();
    if (context == NULL) {
        return -ENOMEM;
    }
    size_t bound = ZSTD_compressBound(plain->length);
    EYE_AUTOFREE char *frame = malloc(bound);
    if (frame == NULL) {
        return -ENOMEM;
    }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t length = ZSTD_compress2(context, frame, bound, plain->data, plain->length);
    if (ZSTD_isError(length) != 0) {
        return -ENOMEM; /* nothing else is left to fail */
    }
    *ret_frame = (struct bytes){EYE_TAKE(frame), length};
    return 0;
}

static int make_frame(const struct eye_snapshot *snapshot, struct bytes *ret_frame)
{
    EYE_CLEANUP(eye_text_done) struct eye_text plain;
    eye_text_init(&plain, EYE_SNAPSHOT_ENCODED_MAX_BYTES);
    int result = eye_snapshot_encode(snapshot, &plain);
    return result != 0 ? result : compress(&plain, ret_frame);
}

static int write_all(int fd, const struct bytes *bytes)
{
    size_t done = 0;
    while (done < bytes->length) {
        ssize_t count = write(fd, bytes->data + done, bytes->length - done);
        if (count < 0 && errno != EINTR) {
            return -errno;
        }
        done += count > 0 ? (size_t)count : 0;
    }
    return fdatasync(fd) == 0 ? 0 : -errno;
}

static int write_file(int folder, const char *name, const struct bytes *bytes)
{
    EYE_AUTOCLOSE int fd = openat(
        folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    return fd < 0 ? -errno : write_all(fd, bytes);
}

/* Moves a file to a new name for good, or not at all. */
static int rename_durably(int folder, const char *from, const char *to)
{
    if (renameat(folder, from, folder, to) != 0) {
        return -errno;
    }
    if (fsync(folder) != 0) {
        int result = -errno;
        renameat(folder, to, folder, from);
        return result;
    }
    return 0;
}

static int write_segment(const struct eye_spool *spool, const struct eye_spool_segment *segment,
                         const char *ending, const struct bytes *frame)
{
    char unfinished[NAME_BYTES];
    char name[NAME_BYTES];
    format_name(segment, new_ending, unfinished);
    format_name(segment, ending, name);
    int result = write_file(spool->folder, unfinished, frame);
    if (result == 0) {
        result = rename_durably(spool->folder, unfinished, name);
    }
    if (result != 0) {
        unlinkat(spool->folder, unfinished, 0);
    }
    return result;
}

/* ---- Room ---- */

/* What must go before something can be written. */
struct shortage {
    uint64_t quota_bytes; /* of max_bytes */
    uint64_t disk_bytes;  /* of the file system's share, in whole blocks */
    uint64_t block_bytes;
};

static uint64_t subtract(uint64_t from, uint64_t amount)
{
    return from > amount ? from - amount : 0;
}

static uint64_t on_disk(const struct shortage *shortage, uint64_t size)
{
    return (size + shortage->block_bytes - 1) / shortage->block_bytes * shortage->block_bytes;
}

static int find_shortage(const struct eye_spool *spool, uint64_t more,
                         struct shortage *ret_shortage)
{
    struct statvfs disk;
    if (fstatvfs(spool->folder, &disk) != 0) {
        return -errno;
    }
    /* As df has it: what is reserved for root is neither used nor available. */
    uint64_t used = disk.f_blocks - disk.f_bfree;
    double limit = (double)(used + disk.f_bavail) * EYE_SPOOL_DISK_SHARE;
    struct shortage shortage = {.block_bytes = disk.f_frsize > 0 ? disk.f_frsize : 1};
    shortage.quota_bytes = subtract(spool->bytes + more, spool->max_bytes);
    shortage.disk_bytes = subtract(used * shortage.block_bytes + on_disk(&shortage, more),
                                   (uint64_t)limit * shortage.block_bytes);
    *ret_shortage = shortage;
    return 0;
}

static bool is_short(const struct shortage *shortage)
{
    return shortage->quota_bytes > 0 || shortage->disk_bytes > 0;
}

static void relieve(struct shortage *shortage, uint64_t size)
{
    shortage->quota_bytes = subtract(shortage->quota_bytes, size);
    shortage->disk_bytes = subtract(shortage->disk_bytes, on_disk(shortage, size));
}

static bool can_be_relieved(struct shortage shortage, const struct segments *segments)
{
    for (size_t i = 0; i < segments->count; i++) {
        relieve(&shortage, segments->sizes[i]);
    }
    return !is_short(&shortage);
}

/* The oldest whose changes a newer one carries; values are cumulative within a run. */
static size_t choose_victim(const struct segments *waiting, uint64_t run)
{
    const struct eye_spool_segment *items = waiting->items;
    for (size_t i = 0; i < waiting->count; i++) {
        if (items[i].start_ns == run ||
            (i + 1 < waiting->count && items[i + 1].start_ns == items[i].start_ns)) {
            return i;
        }
    }
    return 0;
}

static int make_room(struct eye_spool *spool, uint64_t run, uint64_t more, size_t *ret_evicted)
{
    struct shortage shortage = {.block_bytes = 1};
    int result = find_shortage(spool, more, &shortage);
    if (result != 0) {
        return result;
    }
    if (!can_be_relieved(shortage, &spool->waiting)) {
        return -ENOSPC;
    }
    while (is_short(&shortage)) {
        size_t victim = choose_victim(&spool->waiting, run);
        relieve(&shortage, spool->waiting.sizes[victim]);
        drop_waiting(spool, victim);
        (*ret_evicted)++;
    }
    return 0;
}

/* ---- Changing ---- */

static struct eye_spool_segment segment_of(const struct eye_snapshot *snapshot)
{
    return (struct eye_spool_segment){snapshot->start_ns, snapshot->sequence};
}

static int append_frame(struct eye_spool *spool, struct eye_spool_segment segment,
                        const struct bytes *frame, size_t *ret_evicted)
{
    int result = make_room(spool, segment.start_ns, frame->length, ret_evicted);
    if (result == 0) {
        result = write_segment(spool, &segment, waiting_ending, frame);
    }
    if (result == 0) {
        segments_insert(&spool->waiting, segment, frame->length);
        spool->bytes += frame->length;
    }
    return result;
}

int eye_spool_append(struct eye_spool *spool, const struct eye_snapshot *snapshot,
                     size_t *ret_evicted)
{
    EYE_CLEANUP(cleanup_bytes) struct bytes frame = {0};
    struct eye_spool_segment segment = segment_of(snapshot);
    *ret_evicted = 0;
    if (segments_have(&spool->waiting, &segment)) {
        return -EEXIST;
    }
    int result = segments_reserve(&spool->waiting);
    if (result == 0) {
        result = make_frame(snapshot, &frame);
    }
    return result != 0 ? result : append_frame(spool, segment, &frame, ret_evicted);
}

/* @size: of the file that now is the one delivered last; room is reserved. */
static void note_delivered(struct eye_spool *spool, struct eye_spool_segment segment, uint64_t size)
{
    drop_delivered(spool, 0);
    segments_insert(&spool->delivered, segment, size);
    spool->bytes += size;
}

int eye_spool_set_delivered(struct eye_spool *spool, const struct eye_snapshot *snapshot)
{
    EYE_CLEANUP(cleanup_bytes) struct bytes frame = {0};
    struct eye_spool_segment segment = segment_of(snapshot);
    struct shortage shortage = {.block_bytes = 1};
    if (segments_have(&spool->delivered, &segment)) {
        return 0;
    }
    int result = segments_reserve(&spool->delivered);
    if (result == 0) {
        result = make_frame(snapshot, &frame);
    }
    if (result == 0) {
        result = find_shortage(spool, frame.length, &shortage);
    }
    if (result == 0) {
        result = can_be_relieved(shortage, &spool->delivered)
                     ? write_segment(spool, &segment, delivered_ending, &frame)
                     : -ENOSPC;
    }
    if (result == 0) {
        note_delivered(spool, segment, frame.length);
    }
    return result;
}

int eye_spool_advance(struct eye_spool *spool)
{
    if (spool->waiting.count == 0) {
        return -ENOENT;
    }
    int result = segments_reserve(&spool->delivered);
    if (result != 0) {
        return result;
    }
    struct eye_spool_segment segment = spool->waiting.items[0];
    uint64_t size = spool->waiting.sizes[0];
    char from[NAME_BYTES];
    char to[NAME_BYTES];
    format_name(&segment, waiting_ending, from);
    format_name(&segment, delivered_ending, to);
    result = rename_durably(spool->folder, from, to);
    if (result != 0) {
        return result;
    }
    segments_remove(&spool->waiting, 0);
    spool->bytes -= size;
    note_delivered(spool, segment, size);
    return 0;
}

void eye_spool_drop_oldest(struct eye_spool *spool)
{
    if (spool->waiting.count > 0) {
        drop_waiting(spool, 0);
    }
}

void eye_spool_forget_delivered(struct eye_spool *spool)
{
    drop_delivered(spool, 0);
}

/* ---- Reading ---- */

static int read_all(int fd, struct bytes *bytes)
{
    size_t done = 0;
    while (done < bytes->length) {
        ssize_t count = read(fd, bytes->data + done, bytes->length - done);
        if (count < 0 && errno != EINTR) {
            return -errno;
        }
        if (count == 0) {
            return -EBADMSG;
        }
        done += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

static int read_file(int folder, const char *name, struct bytes *ret_bytes)
{
    struct stat status;
    EYE_AUTOCLOSE int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode) || status.st_size <= 0 ||
        (size_t)status.st_size > ZSTD_COMPRESSBOUND(EYE_SNAPSHOT_ENCODED_MAX_BYTES)) {
        return -EBADMSG;
    }
    EYE_CLEANUP(cleanup_bytes)
    struct bytes bytes = {malloc((size_t)status.st_size), (size_t)status.st_size};
    int result = bytes.data == NULL ? -ENOMEM : read_all(fd, &bytes);
    if (result == 0) {
        *ret_bytes = (struct bytes){EYE_TAKE(bytes.data), bytes.length};
    }
    return result;
}

/* Exactly one frame that says its length and whose checksum is right. */
static int decompress(const struct bytes *frame, struct bytes *ret_plain)
{
    unsigned long long length = ZSTD_getFrameContentSize(frame->data, frame->length);
    /* Errors and "unknown" are the largest numbers. */
    if (length == 0 || length > EYE_SNAPSHOT_ENCODED_MAX_BYTES ||
        ZSTD_findFrameCompressedSize(frame->data, frame->length) != frame->length) {
        return -EBADMSG;
    }
    EYE_AUTOFREE char *plain = malloc(length);
    if (plain == NULL) {
        return -ENOMEM;
    }
    if (ZSTD_decompress(plain, length, frame->data, frame->length) != length) {
        return -EBADMSG;
    }
    *ret_plain = (struct bytes){EYE_TAKE(plain), length};
    return 0;
}

static int decode_frame(const struct bytes *frame, const struct eye_spool_segment *segment,
                        const struct eye_snapshot **ret_snapshot)
{
    EYE_CLEANUP(cleanup_bytes) struct bytes plain = {0};
    const struct eye_snapshot *snapshot = NULL;
    size_t unknown = 0;
    int result = decompress(frame, &plain);
    if (result == 0) {
        result = eye_snapshot_decode(plain.data, plain.length, &snapshot, &unknown);
    }
    if (result != 0) {
        return result;
    }
    struct eye_spool_segment inside = segment_of(snapshot);
    if (compare(&inside, segment) != 0) {
        eye_snapshot_unref(snapshot);
        return -EBADMSG;
    }
    *ret_snapshot = snapshot;
    return 0;
}

static int read_segment(const struct eye_spool *spool, const struct eye_spool_segment *segment,
                        const char *ending, const struct eye_snapshot **ret_snapshot)
{
    EYE_CLEANUP(cleanup_bytes) struct bytes frame = {0};
    char name[NAME_BYTES];
    format_name(segment, ending, name);
    int result = read_file(spool->folder, name, &frame);
    return result != 0 ? result : decode_frame(&frame, segment, ret_snapshot);
}

int eye_spool_read_oldest(const struct eye_spool *spool, const struct eye_snapshot **ret_snapshot)
{
    return spool->waiting.count == 0
               ? -ENOENT
               : read_segment(spool, &spool->waiting.items[0], waiting_ending, ret_snapshot);
}

int eye_spool_read_delivered(const struct eye_spool *spool, uint64_t start_ns,
                             const struct eye_snapshot **ret_snapshot)
{
    return spool->delivered.count == 0 || spool->delivered.items[0].start_ns != start_ns
               ? -ENOENT
               : read_segment(spool, &spool->delivered.items[0], delivered_ending, ret_snapshot);
}
