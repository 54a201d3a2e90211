/* SPDX-License-Identifier: Apache-2.0 */
/* Segments in a real folder: kept, replayed, evicted, damaged, and killed in the middle. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "exporters/engine/spool.h"
#include "tests/support/folder.h"
#include "tests/support/random.h"
#include "tests/unit/exporters/sample.h"

#define MIB (UINT64_C(1) << 20)
#define RUN UINT64_C(1785672000000000000) /* start_ns of the sample */

struct fixture {
    char path[64]; /* holds the exporter's folder "x" */
    bool mounted;
    struct sample *sample;
    struct eye_spool *spool;
    const struct eye_snapshot *read;
    struct eye_error error;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.path = "/tmp/test_spool.XXXXXX"};
    *state = &fixture;
    if (mkdtemp(fixture.path) == NULL) {
        return -1;
    }
    fixture.sample = sample_new(NULL);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    eye_snapshot_unref(fixture->read);
    eye_spool_close(fixture->spool);
    sample_free(fixture->sample);
    if (fixture->mounted) {
        umount2(fixture->path, MNT_DETACH);
    }
    return folder_remove(fixture->path);
}

static int open_spool(struct fixture *fixture, uint64_t max_bytes)
{
    return eye_spool_open(fixture->path, "x", max_bytes, &fixture->spool, &fixture->error);
}

static void reopen(struct fixture *fixture, uint64_t max_bytes)
{
    eye_spool_close(EYE_TAKE(fixture->spool));
    assert_int_equal(open_spool(fixture, max_bytes), 0);
}

/* A snapshot of run @start_ns with one counter; all share the registry, the times are ours. */
static struct eye_snapshot *make(struct sample *sample, uint64_t start_ns, uint64_t sequence)
{
    struct eye_snapshot *snapshot =
        eye_snapshot_take(sample->registry, sequence, RUN + sequence, SAMPLE_INTERVAL_NS, start_ns);
    assert_non_null(snapshot);
    return snapshot;
}

static int append_evicting(struct fixture *fixture, uint64_t start_ns, uint64_t sequence,
                           size_t *ret_evicted)
{
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    const struct eye_snapshot *snapshot = make(fixture->sample, start_ns, sequence);
    int result = eye_spool_append(fixture->spool, snapshot, ret_evicted);
    eye_snapshot_unref(snapshot);
    return result;
}

static void append(struct fixture *fixture, uint64_t start_ns, uint64_t sequence)
{
    size_t evicted = 77;
    assert_int_equal(append_evicting(fixture, start_ns, sequence, &evicted), 0);
    assert_int_equal(evicted, 0);
}

static size_t count_waiting(const struct fixture *fixture)
{
    size_t count = 77;
    eye_spool_waiting(fixture->spool, &count);
    return count;
}

/* Compares what waits with a text like "a1 a2 b1": run and sequence. */
static void assert_waiting(const struct fixture *fixture, const char *expected)
{
    char text[256] = "";
    size_t count;
    const struct eye_spool_segment *segments = eye_spool_waiting(fixture->spool, &count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof(text) - length, "%s%c%" PRIu64, i > 0 ? " " : "",
                 (char)('a' + (segments[i].start_ns - RUN)), segments[i].sequence);
    }
    assert_string_equal(text, expected);
}

static int read_oldest(struct fixture *fixture)
{
    eye_snapshot_unref(EYE_TAKE(fixture->read));
    return eye_spool_read_oldest(fixture->spool, &fixture->read);
}

static int read_delivered(struct fixture *fixture, uint64_t start_ns)
{
    eye_snapshot_unref(EYE_TAKE(fixture->read));
    return eye_spool_read_delivered(fixture->spool, start_ns, &fixture->read);
}

static void path_in(const struct fixture *fixture, const char *name, char ret_path[static 256])
{
    snprintf(ret_path, 256, "%s/x/%s", fixture->path, name);
}

static uint64_t bytes_of_files(const struct fixture *fixture)
{
    char path[256];
    uint64_t bytes = 0;
    struct stat status;
    path_in(fixture, "", path);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (fstatat(dirfd(folder), entry->d_name, &status, 0) == 0 && S_ISREG(status.st_mode)) {
            bytes += (uint64_t)status.st_size;
        }
    }
    closedir(folder);
    return bytes;
}

static void write_text(const struct fixture *fixture, const char *name, const char *text)
{
    char path[256];
    path_in(fixture, name, path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool exists(const struct fixture *fixture, const char *name)
{
    char path[256];
    path_in(fixture, name, path);
    return access(path, F_OK) == 0;
}

static void spool__gives_back_what_was_appended_in_order(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(open_spool(fixture, MIB), 0);
    assert_int_equal(count_waiting(fixture), 0);
    assert_int_equal(read_oldest(fixture), -ENOENT);
    for (uint64_t i = 1; i <= 3; i++) {
        append(fixture, RUN, i);
    }
    assert_waiting(fixture, "a1 a2 a3");
    assert_int_equal(eye_spool_bytes(fixture->spool), bytes_of_files(fixture));
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(read_oldest(fixture), 0);
        assert_int_equal(fixture->read->sequence, i);
        assert_int_equal(fixture->read->points[0].counter, i);
        assert_int_equal(eye_spool_advance(fixture->spool), 0);
        assert_int_equal(read_delivered(fixture, RUN), 0);
        assert_int_equal(fixture->read->sequence, i);
        assert_int_equal(eye_spool_bytes(fixture->spool), bytes_of_files(fixture));
    }
    assert_int_equal(eye_spool_advance(fixture->spool), -ENOENT);
}

static void spool__survives_a_reopen(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(open_spool(fixture, MIB), 0);
    for (uint64_t i = 1; i <= 3; i++) {
        append(fixture, RUN, i);
    }
    assert_int_equal(eye_spool_advance(fixture->spool), 0);
    uint64_t bytes = eye_spool_bytes(fixture->spool);
    reopen(fixture, MIB);
    assert_waiting(fixture, "a2 a3");
    assert_int_equal(eye_spool_bytes(fixture->spool), bytes);
    assert_int_equal(read_delivered(fixture, RUN), 0);
    assert_int_equal(fixture->read->sequence, 1);
    assert_int_equal(read_oldest(fixture), 0);
    assert_int_equal(fixture->read->sequence, 2);
    assert_int_equal(fixture->read->time_ns, RUN + 2);
}

static void spool__keeps_two_runs_apart(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(open_spool(fixture, MIB), 0);
    append(fixture, RUN, 7);
    append(fixture, RUN, 8);
    reopen(fixture, MIB);
    append(fixture, RUN + 1, 1);
    assert_waiting(fixture, "a7 a8 b1");
    assert_int_equal(eye_spool_advance(fixture->spool), 0);
    assert_int_equal(read_delivered(fixture, RUN + 1), -ENOENT);
    assert_int_equal(eye_spool_advance(fixture->spool), 0);
    assert_int_equal(eye_spool_advance(fixture->spool), 0);
    assert_int_equal(read_delivered(fixture, RUN), -ENOENT);
    assert_int_equal(read_delivered(fixture, RUN + 1), 0);
}

static void same_segment__is_refused(void **state)
{
    struct fixture *fixture = *state;
    size_t evicted = 77;
    assert_int_equal(open_spool(fixture, MIB), 0);
    append(fixture, RUN, 1);
    assert_int_equal(append_evicting(fixture, RUN, 1, &evicted), -EEXIST);
    assert_int_equal(evicted, 0);
    assert_waiting(fixture, "a1");
}

static void delivered__is_written_replaced_and_forgotten(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(open_spool(fixture, MIB), 0);
    assert_int_equal(read_delivered(fixture, RUN), -ENOENT);
    for (uint64_t i = 1; i <= 2; i++) {
        struct eye_snapshot *snapshot = make(fixture->sample, RUN, i);
        int result = eye_spool_set_delivered(fixture->spool, snapshot);
        eye_snapshot_unref(snapshot);
        assert_int_equal(result, 0);
    }
    append(fixture, RUN, 3);
    reopen(fixture, MIB);
    assert_int_equal(read_delivered(fixture, RUN), 0);
    assert_int_equal(fixture->read->sequence, 2);
    assert_int_equal(eye_spool_bytes(fixture->spool), bytes_of_files(fixture));
    eye_spool_forget_delivered(fixture->spool);
    assert_int_equal(read_delivered(fixture, RUN), -ENOENT);
    eye_spool_drop_oldest(fixture->spool);
    assert_int_equal(eye_spool_bytes(fixture->spool), 0);
    assert_int_equal(bytes_of_files(fixture), 0);
    eye_spool_drop_oldest(fixture->spool);
}

static uint64_t segment_size(struct fixture *fixture)
{
    assert_int_equal(open_spool(fixture, MIB), 0);
    append(fixture, RUN, 1);
    uint64_t size = eye_spool_bytes(fixture->spool);
    eye_spool_drop_oldest(fixture->spool);
    return size;
}

static void full_spool__evicts_the_oldest(void **state)
{
    struct fixture *fixture = *state;
    uint64_t size = segment_size(fixture);
    size_t evicted = 0;
    reopen(fixture, size * 3 + size / 2);
    for (uint64_t i = 2; i <= 4; i++) {
        append(fixture, RUN, i);
    }
    assert_int_equal(append_evicting(fixture, RUN, 5, &evicted), 0);
    assert_int_equal(evicted, 1);
    assert_waiting(fixture, "a3 a4 a5");
    assert_true(eye_spool_bytes(fixture->spool) <= size * 3 + size / 2);
    assert_int_equal(eye_spool_bytes(fixture->spool), bytes_of_files(fixture));
}

/* The newest of a run carries the counts of all before it. */
static void full_spool__keeps_the_newest_of_each_run(void **state)
{
    struct fixture *fixture = *state;
    uint64_t size = segment_size(fixture);
    size_t evicted = 0;
    reopen(fixture, size * 4 + size / 2);
    append(fixture, RUN, 8);
    append(fixture, RUN, 9);
    append(fixture, RUN + 1, 1);
    append(fixture, RUN + 2, 1);
    assert_int_equal(append_evicting(fixture, RUN + 2, 2, &evicted), 0);
    assert_waiting(fixture, "a9 b1 c1 c2");
    assert_int_equal(append_evicting(fixture, RUN + 2, 3, &evicted), 0);
    assert_waiting(fixture, "a9 b1 c2 c3");
    assert_int_equal(append_evicting(fixture, RUN + 2, 4, &evicted), 0);
    assert_waiting(fixture, "a9 b1 c3 c4");
    reopen(fixture, size * 2 + size / 2);
    assert_int_equal(append_evicting(fixture, RUN + 2, 5, &evicted), 0);
    assert_int_equal(evicted, 3);
    assert_waiting(fixture, "b1 c5");
}

static void too_small_spool__takes_nothing_and_evicts_nothing(void **state)
{
    struct fixture *fixture = *state;
    uint64_t size = segment_size(fixture);
    size_t evicted = 77;
    reopen(fixture, size / 2);
    assert_int_equal(append_evicting(fixture, RUN, 2, &evicted), -ENOSPC);
    assert_int_equal(evicted, 0);
    struct eye_snapshot *snapshot = make(fixture->sample, RUN, 3);
    int result = eye_spool_set_delivered(fixture->spool, snapshot);
    eye_snapshot_unref(snapshot);
    assert_int_equal(result, -ENOSPC);
    assert_int_equal(bytes_of_files(fixture), 0);
}

static void foreign_files__are_left_alone(void **state)
{
    struct fixture *fixture = *state;
    static const char *const foreign[] = {
        "README",
        "0000000000000001-000000000000000G.waiting",
        "0000000000000001-000000000000001.waiting",
        "0000000000000001-0000000000000001.waiting.bak",
        "0000000000000001-00000000000000AB.waiting",
        "0000000000000001_0000000000000001.waiting",
        "0000000000000001-0000000000000001",
    };
    char path[256];
    assert_int_equal(open_spool(fixture, MIB), 0);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(foreign); i++) {
        write_text(fixture, foreign[i], "mine");
    }
    path_in(fixture, "0000000000000001-0000000000000002.waiting", path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    path_in(fixture, "0000000000000001-0000000000000003.waiting", path);
    assert_int_equal(mkdir(path, 0700), 0);
    write_text(fixture, "0000000000000001-0000000000000004.new", "never finished");
    reopen(fixture, MIB);
    assert_int_equal(count_waiting(fixture), 0);
    assert_int_equal(eye_spool_bytes(fixture->spool), 0);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(foreign); i++) {
        assert_true(exists(fixture, foreign[i]));
    }
    assert_false(exists(fixture, "0000000000000001-0000000000000004.new"));
}

/* A kill between the two steps of an advance leaves two. */
static void two_delivered__become_the_newer(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(open_spool(fixture, MIB), 0);
    append(fixture, RUN, 1);
    assert_int_equal(eye_spool_advance(fixture->spool), 0);
    write_text(fixture, "0000000000000001-0000000000000001.delivered", "older");
    reopen(fixture, MIB);
    assert_false(exists(fixture, "0000000000000001-0000000000000001.delivered"));
    assert_int_equal(read_delivered(fixture, RUN), 0);
}

static void folder__is_locked_and_private(void **state)
{
    struct fixture *fixture = *state;
    struct eye_spool *second = NULL;
    struct stat status;
    char path[256];
    assert_int_equal(open_spool(fixture, MIB), 0);
    assert_int_equal(eye_spool_open(fixture->path, "x", MIB, &second, &fixture->error), -EBUSY);
    assert_null(second);
    assert_non_null(strstr(fixture->error.text, fixture->path));
    path_in(fixture, "", path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    eye_spool_close(EYE_TAKE(fixture->spool));
    assert_int_equal(chmod(path, 0770), 0);
    assert_int_equal(open_spool(fixture, MIB), -EPERM);
    assert_null(fixture->spool);
}

static void open__says_what_is_wrong_with_the_path(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *path;
        int result;
    } table[] = {{"/nonexistent/folder", -ENOENT}, {"/etc/hostname", -ENOTDIR}, {"/proc", -ENOENT}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        assert_int_equal(eye_spool_open(table[i].path, "x", MIB, &fixture->spool, &fixture->error),
                         table[i].result);
        assert_null(fixture->spool);
        assert_non_null(strstr(fixture->error.text, table[i].path));
    }
}

/* Who may rename in the folder above puts a spool of his own there. */
static void folder__stands_where_nobody_can_replace_it(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        mode_t mode;
        int result;
    } table[] = {{0777, -EPERM}, {0720, -EPERM}, {0702, -EPERM}, {01777, 0}, {0755, 0}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        assert_int_equal(chmod(fixture->path, table[i].mode), 0);
        assert_int_equal(open_spool(fixture, MIB), table[i].result);
        eye_spool_close(EYE_TAKE(fixture->spool));
    }
    if (chown(fixture->path, 65534, 65534) == 0) {
        assert_int_equal(open_spool(fixture, MIB), -EPERM);
        assert_null(fixture->spool);
        assert_non_null(strstr(fixture->error.text, fixture->path));
        assert_int_equal(chown(fixture->path, 0, 0), 0);
    }
    char in[sizeof(fixture->path) + 4];
    char below[sizeof(in) + 4];
    snprintf(in, sizeof(in), "%s/in", fixture->path);
    snprintf(below, sizeof(below), "%s/sp", in);
    assert_int_equal(chmod(fixture->path, 0777), 0);
    assert_int_equal(eye_spool_open(in, "x", MIB, &fixture->spool, &fixture->error), -EPERM);
    assert_int_equal(access(in, F_OK), -1);
    assert_int_equal(mkdir(in, 0700), 0);
    assert_int_equal(eye_spool_open(below, "x", MIB, &fixture->spool, &fixture->error), -EPERM);
    assert_null(fixture->spool);
}

/* A link of root's is the administrator's (StateDirectory= makes one); of another user it is not.
 */
static void folder__is_no_link_of_another_user(void **state)
{
    struct fixture *fixture = *state;
    char target[sizeof(fixture->path) + 8];
    snprintf(target, sizeof(target), "%s.link", fixture->path);
    assert_int_equal(symlink(fixture->path, target), 0);
    struct eye_spool *spool = NULL;
    int ours = eye_spool_open(target, "metrics", MIB, &spool, &fixture->error);
    eye_spool_close(EYE_TAKE(spool));
    int theirs = lchown(target, 65534, 65534) == 0
                     ? eye_spool_open(target, "metrics", MIB, &spool, &fixture->error)
                     : -ELOOP;
    eye_spool_close(spool);
    unlink(target);
    assert_int_equal(ours, 0);
    assert_int_equal(theirs, -ELOOP);
}

/* ---- A disk that cannot keep what it took ---- */

/* Stand before those of libc; errno of the next call, 0: none. */
static int next_file_error;
static int next_folder_error;

static int fail_once(int *error)
{
    errno = *error;
    *error = 0;
    return -1;
}

int fdatasync(int fd)
{
    return next_file_error != 0 ? fail_once(&next_file_error) : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return next_folder_error != 0 ? fail_once(&next_folder_error) : (int)syscall(SYS_fsync, fd);
}

static int set_delivered(struct fixture *fixture, uint64_t sequence)
{
    const struct eye_snapshot *snapshot = make(fixture->sample, RUN, sequence);
    int result = eye_spool_set_delivered(fixture->spool, snapshot);
    eye_snapshot_unref(snapshot);
    return result;
}

static void failed_write__leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    int *const errors[] = {&next_file_error, &next_folder_error};
    size_t evicted = 0;
    assert_int_equal(open_spool(fixture, MIB), 0);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(errors); i++) {
        *errors[i] = EIO;
        assert_int_equal(append_evicting(fixture, RUN, 1, &evicted), -EIO);
        *errors[i] = EDQUOT;
        assert_int_equal(set_delivered(fixture, 1), -EDQUOT);
        assert_int_equal(count_waiting(fixture), 0);
        assert_int_equal(read_delivered(fixture, RUN), -ENOENT);
        assert_int_equal(eye_spool_bytes(fixture->spool), 0);
        assert_int_equal(bytes_of_files(fixture), 0);
    }
    append(fixture, RUN, 1);
    reopen(fixture, MIB);
    assert_waiting(fixture, "a1");
}

/* Otherwise the name of the folder could be gone after a crash, and all that lies in it. */
static void open__makes_the_folder_durable(void **state)
{
    struct fixture *fixture = *state;
    next_folder_error = EIO;
    assert_int_equal(open_spool(fixture, MIB), -EIO);
    assert_null(fixture->spool);
    assert_int_equal(open_spool(fixture, MIB), 0);
}

static void failed_advance__leaves_what_waits(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(open_spool(fixture, MIB), 0);
    append(fixture, RUN, 1);
    next_folder_error = EIO;
    assert_int_equal(eye_spool_advance(fixture->spool), -EIO);
    assert_waiting(fixture, "a1");
    assert_int_equal(read_delivered(fixture, RUN), -ENOENT);
    assert_int_equal(read_oldest(fixture), 0);
    assert_int_equal(eye_spool_advance(fixture->spool), 0);
    assert_int_equal(read_delivered(fixture, RUN), 0);
}

/* ---- Damage ---- */

static void segment_path(const struct fixture *fixture, char ret_path[static 256])
{
    char name[64];
    snprintf(name, sizeof(name), "%016" PRIx64 "-%016" PRIx64 ".waiting", RUN, UINT64_C(1));
    path_in(fixture, name, ret_path);
}

static size_t load(const char *path, char *bytes, size_t size)
{
    EYE_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, bytes, size);
    assert_true(length > 0);
    return (size_t)length;
}

static void store(const char *path, const char *bytes, size_t length)
{
    EYE_AUTOCLOSE int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, bytes, length), length);
}

/* A few bits of a zstd frame mean nothing (RFC 8878 section 3.1.1.1.1.3): then nothing is lost. */
static void assert_refused_or_whole(struct fixture *fixture, int *harmless)
{
    int result = read_oldest(fixture);
    if (result == 0) {
        assert_int_equal(fixture->read->count, 1);
        assert_int_equal(fixture->read->points[0].counter, 1);
        (*harmless)++;
    } else {
        assert_int_equal(result, -EBADMSG);
        assert_null(fixture->read);
    }
}

static void damaged_segment__is_refused_wherever_the_bit_is(void **state)
{
    int harmless = 0;
    struct fixture *fixture = *state;
    char path[256];
    char bytes[4096];
    assert_int_equal(open_spool(fixture, MIB), 0);
    append(fixture, RUN, 1);
    segment_path(fixture, path);
    size_t length = load(path, bytes, sizeof(bytes));
    assert_true(length < sizeof(bytes));
    for (size_t i = 0; i < length; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
            store(path, bytes, length);
            assert_refused_or_whole(fixture, &harmless);
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
        }
    }
    assert_true((size_t)harmless < length / 10);
    store(path, bytes, length);
    assert_int_equal(read_oldest(fixture), 0);
}

static void truncated_or_longer_segment__is_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    char bytes[4096] = {0};
    assert_int_equal(open_spool(fixture, MIB), 0);
    append(fixture, RUN, 1);
    segment_path(fixture, path);
    size_t length = load(path, bytes, sizeof(bytes) - 1);
    for (size_t i = 0; i < length; i++) {
        store(path, bytes, i);
        assert_int_equal(read_oldest(fixture), -EBADMSG);
    }
    store(path, bytes, length + 1);
    assert_int_equal(read_oldest(fixture), -EBADMSG);
    assert_null(fixture->read);
}

static void renamed_segment__is_refused(void **state)
{
    struct fixture *fixture = *state;
    char from[256];
    char to[256];
    assert_int_equal(open_spool(fixture, MIB), 0);
    append(fixture, RUN, 1);
    segment_path(fixture, from);
    path_in(fixture, "0000000000000001-0000000000000001.waiting", to);
    assert_int_equal(rename(from, to), 0);
    reopen(fixture, MIB);
    assert_int_equal(count_waiting(fixture), 1);
    assert_int_equal(read_oldest(fixture), -EBADMSG);
    eye_spool_drop_oldest(fixture->spool);
    assert_int_equal(bytes_of_files(fixture), 0);
}

/* Nobody else writes in the folder; should a link be there, it is neither read nor written. */
static void links__are_not_followed(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    char elsewhere[256];
    char name[64];
    size_t evicted = 0;
    assert_int_equal(open_spool(fixture, MIB), 0);
    append(fixture, RUN, 1);
    segment_path(fixture, path);
    path_in(fixture, "elsewhere", elsewhere);
    assert_int_equal(rename(path, elsewhere), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_int_equal(read_oldest(fixture), -ELOOP);
    eye_spool_drop_oldest(fixture->spool);
    write_text(fixture, "victim", "mine");
    snprintf(name, sizeof(name), "%016" PRIx64 "-%016" PRIx64 ".new", RUN, UINT64_C(2));
    path_in(fixture, name, path);
    assert_int_equal(symlink("victim", path), 0);
    assert_int_equal(append_evicting(fixture, RUN, 2, &evicted), -ELOOP);
    assert_false(exists(fixture, name));
    path_in(fixture, "victim", path);
    char content[8];
    assert_int_equal(load(path, content, sizeof(content)), strlen("mine"));
}

/* What says that it is larger than any snapshot is refused before memory is asked for it. */
static void segments_beyond_every_size__are_refused(void **state)
{
    /* RFC 8878: magic number, content size of 8 bytes in a single segment, an empty last block. */
    static const char frame[] = "\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\x40\0\0\x01\0\0";
    struct fixture *fixture = *state;
    char path[256];
    assert_int_equal(open_spool(fixture, MIB), 0);
    append(fixture, RUN, 1);
    segment_path(fixture, path);
    store(path, frame, sizeof(frame) - 1);
    assert_int_equal(read_oldest(fixture), -EBADMSG);
    assert_int_equal(truncate(path, (off_t)1 << 42), 0);
    assert_int_equal(read_oldest(fixture), -EBADMSG);
}

static void vanished_segment__is_said(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    assert_int_equal(open_spool(fixture, MIB), 0);
    append(fixture, RUN, 1);
    segment_path(fixture, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_oldest(fixture), -ENOENT);
    assert_int_equal(eye_spool_advance(fixture->spool), -ENOENT);
    assert_int_equal(count_waiting(fixture), 1);
    eye_spool_drop_oldest(fixture->spool);
    assert_int_equal(count_waiting(fixture), 0);
}

/* ---- A disk that is full ---- */

static void mount_small(struct fixture *fixture, const char *options)
{
    if (mount("tmpfs", fixture->path, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) {
        print_message("cannot mount a tmpfs: %s\n", strerror(errno));
        skip();
    }
    fixture->mounted = true;
}

static void fill_disk(const struct fixture *fixture, off_t bytes)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/filler", fixture->path);
    EYE_AUTOCLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(posix_fallocate(fd, 0, bytes), 0);
}

/* 256 KiB: a share of 0.8 is 204.8 KiB; 180 are used, so that 24 are left: six blocks. */
static void disk_share__is_kept(void **state)
{
    struct fixture *fixture = *state;
    size_t evicted = 0;
    size_t total = 0;
    mount_small(fixture, "size=256k");
    fill_disk(fixture, 180 << 10);
    assert_int_equal(open_spool(fixture, MIB), 0);
    for (uint64_t i = 1; i <= 20; i++) {
        assert_int_equal(append_evicting(fixture, RUN, i, &evicted), 0);
        total += evicted;
    }
    assert_waiting(fixture, "a15 a16 a17 a18 a19 a20");
    assert_int_equal(total, 14);
    fill_disk(fixture, 220 << 10);
    assert_int_equal(append_evicting(fixture, RUN, 21, &evicted), -ENOSPC);
    assert_int_equal(evicted, 0);
    assert_int_equal(count_waiting(fixture), 6);
    fill_disk(fixture, 4096);
    assert_int_equal(append_evicting(fixture, RUN, 21, &evicted), 0);
    assert_int_equal(count_waiting(fixture), 7);
}

/* The share counts blocks; here it is the files that run out. */
static void disk_that_takes_no_more__leaves_the_spool_whole(void **state)
{
    struct fixture *fixture = *state;
    size_t evicted = 0;
    int result = 0;
    uint64_t sequence = 0;
    mount_small(fixture, "size=1m,nr_inodes=8");
    assert_int_equal(open_spool(fixture, MIB), 0);
    while (result == 0 && sequence < 20) {
        result = append_evicting(fixture, RUN, ++sequence, &evicted);
    }
    assert_int_equal(result, -ENOSPC);
    assert_int_equal(count_waiting(fixture), sequence - 1);
    assert_int_equal(eye_spool_bytes(fixture->spool), bytes_of_files(fixture));
    assert_int_equal(eye_spool_advance(fixture->spool), 0);
    reopen(fixture, MIB);
    assert_int_equal(count_waiting(fixture), sequence - 2);
    assert_int_equal(read_oldest(fixture), 0);
}

/* ---- Killed in the middle ---- */

/* @begun: is closed when the first segment is there. */
static _Noreturn void append_until_killed(struct fixture *fixture, uint64_t start_ns, int begun)
{
    size_t evicted = 0;
    if (open_spool(fixture, MIB / 4) != 0) {
        _exit(1);
    }
    for (uint64_t i = 1;; i++) {
        const struct eye_snapshot *snapshot = make(fixture->sample, start_ns, i);
        if (eye_spool_append(fixture->spool, snapshot, &evicted) != 0 ||
            (i % 3 == 0 && eye_spool_advance(fixture->spool) != 0)) {
            _exit(1);
        }
        eye_snapshot_unref(snapshot);
        if (i == 1) {
            close(begun);
        }
    }
}

/* @begun: not before the first segment is there. */
static void kill_after(struct fixture *fixture, uint64_t start_ns, bool begun, unsigned pause_us)
{
    int pipe_fds[2];
    char byte;
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        append_until_killed(fixture, start_ns, pipe_fds[1]);
    }
    close(pipe_fds[1]);
    if (begun) {
        assert_int_equal(read(pipe_fds[0], &byte, 1), 0);
    }
    close(pipe_fds[0]);
    usleep(pause_us);
    kill(child, SIGKILL);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void killed_writer__leaves_only_whole_segments(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 3;
    size_t seen = 0;
    for (int i = 0; i < 200; i++) {
        char port[8];
        snprintf(port, sizeof(port), "%d", i);
        sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, port}));
    }
    for (uint64_t run = 0; run < 30; run++) {
        kill_after(fixture, RUN + run, run % 2 == 0, (unsigned)random_below(&random, 20000));
        assert_int_equal(open_spool(fixture, MIB), 0);
        assert_int_equal(eye_spool_bytes(fixture->spool), bytes_of_files(fixture));
        for (; count_waiting(fixture) > 0; seen++) {
            assert_int_equal(read_oldest(fixture), 0);
            assert_int_equal(fixture->read->count, 200);
            eye_spool_drop_oldest(fixture->spool);
        }
        eye_spool_close(EYE_TAKE(fixture->spool));
    }
    assert_true(seen >= 15);
}

static void close__takes_null(void **state)
{
    (void)state;
    eye_spool_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spool__gives_back_what_was_appended_in_order),
        TEST(spool__survives_a_reopen),
        TEST(spool__keeps_two_runs_apart),
        TEST(same_segment__is_refused),
        TEST(delivered__is_written_replaced_and_forgotten),
        TEST(full_spool__evicts_the_oldest),
        TEST(full_spool__keeps_the_newest_of_each_run),
        TEST(too_small_spool__takes_nothing_and_evicts_nothing),
        TEST(foreign_files__are_left_alone),
        TEST(two_delivered__become_the_newer),
        TEST(folder__is_locked_and_private),
        TEST(open__says_what_is_wrong_with_the_path),
        TEST(folder__stands_where_nobody_can_replace_it),
        TEST(folder__is_no_link_of_another_user),
        TEST(failed_write__leaves_nothing),
        TEST(open__makes_the_folder_durable),
        TEST(failed_advance__leaves_what_waits),
        TEST(links__are_not_followed),
        TEST(segments_beyond_every_size__are_refused),
        TEST(damaged_segment__is_refused_wherever_the_bit_is),
        TEST(truncated_or_longer_segment__is_refused),
        TEST(renamed_segment__is_refused),
        TEST(vanished_segment__is_said),
        TEST(disk_share__is_kept),
        TEST(disk_that_takes_no_more__leaves_the_spool_whole),
        TEST(killed_writer__leaves_only_whole_segments),
        cmocka_unit_test(close__takes_null),
    };
    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
