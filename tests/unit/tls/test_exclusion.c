/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of the configuration, and files in mounts that go soon, in a /proc of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/tls/exclusion.h"

static void exclusion__is_a_pattern_for_the_whole_path(void **state)
{
    static const struct {
        const char *path;
        const char *pattern;
    } cases[] = {
        {"/opt/app/lib/libssl.so.3", "/opt/app/*"},
        {"/opt/app/lib/libssl.so.3 (deleted)", "/opt/app/*"},
        {"/usr/local/bin/node", "*/node"},
        {"/usr/local/bin/node (deleted)", "*/node"},
        {"/usr/lib/libgnutls.so.30", "/usr/lib/libgnutls.so.[23]?"},
        {"/usr/local/bin/nodes", NULL},
        {"/srv/opt/app/libssl.so.3", NULL},
        {" (deleted)", NULL},
        {"", NULL},
    };
    static char *patterns[] = {"/opt/app/*", "*/node", "/usr/lib/libgnutls.so.[23]?"};
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        const char *found =
            eye_tls_exclusion_find(patterns, EYE_ARRAY_LENGTH(patterns), cases[i].path);
        if (cases[i].pattern == NULL) {
            assert_null(found);
        } else {
            assert_string_equal(found, cases[i].pattern);
        }
    }
    assert_null(eye_tls_exclusion_find(NULL, 0, cases[0].path));
}

static int make_proc(void **state)
{
    static char proc[64];
    char path[128];
    snprintf(proc, sizeof(proc), "/tmp/exclusion.XXXXXX");
    assert_non_null(mkdtemp(proc));
    snprintf(path, sizeof(path), "%s/7", proc);
    assert_int_equal(mkdir(path, 0700), 0);
    *state = proc;
    return 0;
}

static int remove_it(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int remove_proc(void **state)
{
    return nftw(*state, remove_it, 8, FTW_DEPTH | FTW_PHYS);
}

/* A process with that root and one line of mountinfo. */
static void set_process(const char *proc, const char *root, const char *mount)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/7/root", proc);
    unlink(path);
    assert_int_equal(symlink(root, path), 0);
    snprintf(path, sizeof(path), "%s/7/mountinfo", proc);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(mount, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#define MOUNT(point, type, options)                                                                \
    "36 35 98:0 / " point " rw,noatime master:1 - " type " none " options "\n"
#define DISK MOUNT("/", "ext4", "rw")
#define CONTAINERD "/var/lib/containerd"
#define SNAPSHOTS "/var/lib/buildkit/runc-overlayfs/snapshots/snapshots"
#define OF_CONTAINERS CONTAINERD "/io.containerd.snapshotter.v1.overlayfs/snapshots"

static void exclusion__knows_who_suffers(void **state)
{
    static const struct {
        const char *path;
        const char *root;
        const char *mount;
        const char *reason; /* a part of it; NULL: none */
    } cases[] = {
        {"/usr/lib/libssl.so.3", "/", DISK, NULL},
        {CONTAINERD "/tmpmounts/containerd-mount123/usr/lib/libssl.so.3", "/", DISK, "containerd"},
        {"/usr/lib/libssl.so.3", CONTAINERD "/tmpmounts/containerd-mount123", DISK, "containerd"},
        {"/tmp/containerd-mount9/usr/lib/libssl.so.3", "/", DISK, "containerd"},
        {"/tmp/ctd-volume9/libssl.so.3", "/", DISK, "containerd"},
        {"/usr/bin/clickhouse", "/", DISK, "ClickHouse"},
        {"/opt/bin/clickhouse (deleted)", "/", DISK, "ClickHouse"},
        {"/usr/bin/clickhouse-backup", "/", DISK, NULL},
        {"/usr/lib/libssl.so.3", "/",
         MOUNT("/", "overlay", "rw,lowerdir=" SNAPSHOTS "/1/fs,upperdir=" SNAPSHOTS "/2/fs"),
         "BuildKit"},
        {"/usr/lib/libssl.so.3", "/",
         MOUNT("/", "overlay",
               "rw,lowerdir=" OF_CONTAINERS "/1/fs,upperdir=" OF_CONTAINERS "/2/fs"),
         NULL},
        /* Another mount than that of the file. */
        {"/usr/lib/libssl.so.3", "/",
         DISK MOUNT("/build", "overlay", "rw,lowerdir=" SNAPSHOTS "/1/fs"), NULL},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        const struct eye_tls_mapping mapping = {.pid = 7, .path = cases[i].path};
        set_process(*state, cases[i].root, cases[i].mount);
        const char *reason = eye_tls_exclusion_known(*state, &mapping);
        if (cases[i].reason == NULL) {
            assert_null(reason);
        } else {
            assert_non_null(reason);
            assert_non_null(strstr(reason, cases[i].reason));
        }
    }
    const struct eye_tls_mapping gone = {.pid = 8, .path = "/usr/lib/libssl.so.3"};
    assert_null(eye_tls_exclusion_known(*state, &gone));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exclusion__is_a_pattern_for_the_whole_path),
        cmocka_unit_test_setup_teardown(exclusion__knows_who_suffers, make_proc, remove_proc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
