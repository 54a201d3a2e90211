/* SPDX-License-Identifier: Apache-2.0 */
/* Container ids in the trees of several runtimes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "exporters/dogstatsd/origin.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UUID "1234abcd-12ab-34cd-56ef-1234567890ab"

struct fixture {
    char root[32];
};

static const char *const folders[] = {
    "/proc",   "/proc/self",     "/proc/self/ns",         "/sys",
    "/sys/fs", "/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/x"};

static const char *const files[] = {"/proc/self/cgroup", "/proc/self/mountinfo",
                                    "/proc/self/ns/cgroup"};

static void write_file(const struct fixture *fixture, const char *path, const char *text)
{
    char whole[128];
    snprintf(whole, sizeof(whole), "%s%s", fixture->root, path);
    FILE *file = fopen(whole, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char path[128];
    snprintf(fixture->root, sizeof(fixture->root), "/tmp/eye-origin-XXXXXX");
    assert_non_null(mkdtemp(fixture->root));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(folders); i++) {
        snprintf(path, sizeof(path), "%s%s", fixture->root, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(files); i++) {
        write_file(fixture, files[i], "");
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(files); i++) {
        snprintf(path, sizeof(path), "%s%s", fixture->root, files[i]);
        unlink(path);
    }
    for (size_t i = EYE_ARRAY_LENGTH(folders); i-- > 0;) {
        snprintf(path, sizeof(path), "%s%s", fixture->root, folders[i]);
        rmdir(path);
    }
    rmdir(fixture->root);
    free(fixture);
    return 0;
}

static void origin__reads_the_id_of_the_cgroup(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *cgroup;
        const char *origin;
    } cases[] = {
        {"12:memory:/docker/" HEX64 "\n", "ci-" HEX64},
        {"0::/system.slice/docker-" HEX64 ".scope\n", "ci-" HEX64},
        {"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" HEX64 ".scope\n", "ci-" HEX64},
        {"1:name=systemd:/ecs/task/34dc0b5e626f2c5c4c5170e34b10e765-1234567890\n",
         "ci-34dc0b5e626f2c5c4c5170e34b10e765-1234567890"},
        {"1:cpu:/garden/" UUID "\n", "ci-" UUID},
        {"1:cpu:/6f265890-5165-7fab-6b52-18d1\n", "ci-6f265890-5165-7fab-6b52-18d1"},
        {"1:cpu:/\n0::/a/" UUID "\n", "ci-" UUID},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        char origin[EYE_ORIGIN_BYTES];
        write_file(fixture, "/proc/self/cgroup", cases[i].cgroup);
        assert_true(eye_origin_find(fixture->root, origin));
        assert_string_equal(origin, cases[i].origin);
    }
}

static void origin__reads_the_id_of_the_mounts(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *mounts;
        bool found;
    } cases[] = {
        {"1 2 0:1 / / rw - overlay overlay rw\n"
         "2 1 8:1 /var/lib/docker/containers/" HEX64 "/hostname /etc/hostname rw - ext4 x rw\n",
         true},
        {"2 1 8:1 /run/userdata/overlay-containers/" HEX64 "/userdata/hostname /etc/hostname\n",
         true},
        {"2 1 8:1 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/" HEX64
         "/hostname /etc/hostname\n",
         false},
        {"/hostname \n", false},
        {"x/hostname y\n", false},
        {HEX64 "/hostname y\n", false},
        {"/etc/hostname /etc/hostname\n", false},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        char origin[EYE_ORIGIN_BYTES];
        write_file(fixture, "/proc/self/mountinfo", cases[i].mounts);
        assert_int_equal(eye_origin_find(fixture->root, origin), cases[i].found);
        if (cases[i].found) {
            assert_string_equal(origin, "ci-" HEX64);
        }
    }
}

static void origin__falls_back_to_the_inode(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    char expected[64];
    char origin[EYE_ORIGIN_BYTES];
    struct stat status;
    write_file(fixture, "/proc/self/cgroup", "3:cpu:/x\n2:memory:/x\n");
    snprintf(path, sizeof(path), "%s/sys/fs/cgroup/memory/x", fixture->root);
    assert_int_equal(stat(path, &status), 0);
    snprintf(expected, sizeof(expected), "in-%llu", (unsigned long long)status.st_ino);
    assert_true(eye_origin_find(fixture->root, origin));
    assert_string_equal(origin, expected);
    write_file(fixture, "/proc/self/cgroup", "0::/memory\n");
    assert_true(eye_origin_find(fixture->root, origin));
    write_file(fixture, "/proc/self/cgroup", "0::/absent\n");
    assert_false(eye_origin_find(fixture->root, origin));
}

static void origin__finds_nothing_in_other_text(void **state)
{
    struct fixture *fixture = *state;
    static const char *const texts[] = {
        "",
        "\n\n:\n::\n",
        "0\n",
        "0::",
        "0::/user.slice/user-0.slice/session-1.scope\n",
        "0::/docker/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF\n",
        "0::/docker/34dc0b5e626f2c5c4c5170e34b10e765-\n",
        "0::/docker/1234abcd-12ab-34cd-56ef-1234567890a\n",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(texts); i++) {
        char origin[EYE_ORIGIN_BYTES] = "untouched";
        write_file(fixture, "/proc/self/cgroup", texts[i]);
        write_file(fixture, "/proc/self/mountinfo", texts[i]);
        assert_false(eye_origin_find(fixture->root, origin) && strncmp(origin, "ci-", 3) == 0);
    }
}

static void origin__of_a_missing_tree_is_none(void **state)
{
    (void)state;
    char origin[EYE_ORIGIN_BYTES] = "untouched";
    assert_false(eye_origin_find("/nonexistent", origin));
    assert_string_equal(origin, "untouched");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(origin__reads_the_id_of_the_cgroup),
        TEST(origin__reads_the_id_of_the_mounts),
        TEST(origin__falls_back_to_the_inode),
        TEST(origin__finds_nothing_in_other_text),
        cmocka_unit_test(origin__of_a_missing_tree_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
